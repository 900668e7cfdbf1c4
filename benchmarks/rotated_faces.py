"""Upright and turned copies of the same faces: do landmarks and expression agree?

    python benchmarks/rotated_faces.py --path landmarks68 [--landmarks network] [--every 5]

Each picture is turned about its face by -40 to 40 degrees. Landmarks found in the copy are turned back and compared
with those of the upright picture, in units of the distance of the outer eye corners; expressions by how often the most
probable class is the same, and by the mean difference of probabilities. The detector finds upright faces, so how many
copies it finds is one figure, how many with turned copies of its own (`TurnedDetector`) another; the rest are from the
box that it found on the upright picture, as a tracker would give it; with alignment and without.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from ferkern import Face, Recognizer, image, pictures
from ferkern.face.calibrate_template import annotated
from ferkern.face.turned import TurnedDetector
from pasted_faces import At

EYES = (36, 45)


def found_on(boxes: np.ndarray, box: np.ndarray) -> bool:
    """Whether a box lies on the face: centre within a third of its width, width within a factor of two."""
    middle = boxes[:, :2] + boxes[:, 2:] / 2 - box[:2] - box[2:] / 2
    near = (np.hypot(*middle.T) < box[2] / 3) & (boxes[:, 2] > box[2] / 2) & (boxes[:, 2] < box[2] * 2)
    return bool(near.any())


def probabilities(face: Face) -> np.ndarray:
    return np.array(list(face.probabilities.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", required=True, type=Path)
    parser.add_argument("--landmarks", default="network")
    parser.add_argument("--every", type=int, default=5, help="every n-th picture in the order of names: those held out")
    options = parser.parse_args()

    aligning, plain = Recognizer(landmarks=options.landmarks, smile=False), Recognizer(landmarks=None)
    detector = aligning.detector
    tilted = TurnedDetector(detector)
    faces = []
    for path, points in sorted(annotated(options.path), key=lambda face: face[0].name)[:: options.every]:
        gray = pictures.read(path).gray()
        boxes = np.asarray(detector.detect(gray).boxes, np.float64)
        middle = points.mean(axis=0)
        on = [b for b in boxes if np.hypot(*(b[:2] + b[2:] / 2 - middle)) < b[2] / 3]
        if on:
            faces.append((gray, on[0]))
    for degrees in range(-40, 50, 10):
        found, found_tilted, apart, same, same_plain, differ, differ_plain = [], [], [], [], [], [], []
        for gray, box in faces:
            center = tuple(box[:2] + box[2:] / 2 - 0.5)
            turn = image.similarity(1.0, np.deg2rad(degrees), center=center)
            copy = image.warp(gray, image.invert(turn), gray.shape, border="replicate")
            found.append(found_on(np.asarray(detector.detect(copy).boxes, np.float64).reshape(-1, 4), box))
            found_tilted.append(found_on(tilted.detect(copy).boxes.astype(np.float64), box))
            aligning.detector = plain.detector = At(box)
            (before,), (after,) = aligning(gray), aligning(copy)
            (before_plain,), (after_plain,) = plain(gray), plain(copy)
            back = image.transform_points(image.invert(turn)[None], after.landmarks[None])[0]
            eyes = np.linalg.norm(np.subtract(*before.landmarks[list(EYES)]))
            apart.append(np.linalg.norm(back - before.landmarks, axis=1).mean() / eyes)
            same.append(before.emotion == after.emotion)
            same_plain.append(before_plain.emotion == after_plain.emotion)
            differ.append(np.abs(probabilities(before) - probabilities(after)).sum() / 2)
            differ_plain.append(np.abs(probabilities(before_plain) - probabilities(after_plain)).sum() / 2)
        sys.stdout.write(
            f"{degrees:+3} degrees, {len(faces)} faces: detector finds {np.mean(found):.1%}, of tilted "
            f"ones {np.mean(found_tilted):.1%}; landmarks apart "
            f"{np.mean(apart):.2%} (median {np.median(apart):.2%}); same expression {np.mean(same):.1%}, without "
            f"alignment {np.mean(same_plain):.1%}; probabilities differ by {np.mean(differ):.3f}, without "
            f"{np.mean(differ_plain):.3f}\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
