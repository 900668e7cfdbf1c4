"""ferkern beside OpenCV 4 on OpenCV's own cascades: boxes compared, then timed interleaved, one thread each.

``python benchmarks/peers/cascades.py PICTURE_OR_FOLDER... [--file NAME] [--rounds 5] [--every N]``
Prints in how many pictures the boxes are the same, the median of each side's processor time, and their ratio.
``--rounds 0`` compares the boxes alone.
"""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path
from time import process_time

import cv2
import numpy as np

from ferkern.face.detect import Detector

FILES = ("haarcascade_frontalface_default.xml", "haarcascade_frontalface_alt2.xml")


def pictures(paths: list[Path], every: int) -> list[np.ndarray]:
    """Grey pictures of files and folders; of a video its first frame."""
    files = [f for p in paths for f in (sorted(p.iterdir())[::every] if p.is_dir() else [p])]
    found = []
    for file in files:
        picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            seen, frame = cv2.VideoCapture(str(file)).read()
            picture = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) if seen else None
        if picture is not None:
            found.append(picture)
    return found


def compare(file: str, grays: list[np.ndarray], rounds: int) -> str:
    ours = Detector.load(cv2.data.haarcascades + file)
    own = Detector.load()
    peer = cv2.CascadeClassifier(cv2.data.haarcascades + file)
    same = boxes = 0
    seconds: dict[str, list[float]] = {"ferkern": [], "opencv": [], "frontal": []}
    for gray in grays:
        mine, theirs = ours.detect(gray).boxes, peer.detectMultiScale(gray)
        theirs = np.array(theirs, np.float32).reshape(-1, 4)
        same += np.array_equal(mine, theirs)
        boxes += len(theirs)
        if not rounds:
            continue
        calls = {"ferkern": ours.detect, "opencv": peer.detectMultiScale, "frontal": own.detect}
        spent: dict[str, list[float]] = {side: [] for side in calls}
        for _ in range(rounds):
            for side, call in calls.items():
                begin = process_time()
                call(gray)
                spent[side].append(process_time() - begin)
        for side, times in spent.items():
            seconds[side].append(float(np.median(times)))
    same_boxes = f"{file}: same boxes in {same} of {len(grays)} pictures ({boxes} boxes)"
    if not rounds:
        return same_boxes
    total = {side: 1e3 * sum(times) for side, times in seconds.items()}
    return (
        f"{same_boxes}; opencv {total['opencv']:.1f} ms, "
        f"ferkern {total['ferkern']:.1f} ms, ratio {total['opencv'] / total['ferkern']:.2f}; "
        f"ferkern's own detector {total['frontal']:.1f} ms, ratio {total['opencv'] / total['frontal']:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--file", action="append")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    grays = pictures(options.paths, options.every)
    sys.stdout.write(f"{platform.processor() or platform.machine()}, OpenCV {cv2.__version__}, {len(grays)} pictures\n")
    for file in options.file or FILES:
        sys.stdout.write(compare(file, grays, options.rounds) + "\n")


if __name__ == "__main__":
    main()
