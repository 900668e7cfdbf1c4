"""Tracked landmarks against motion that is known, and their speed on clips.

``python benchmarks/tracking.py [--picture P ...] [--video V ...] [--frames 300] [--starts N] [--threads 2]
[--json OUT]``

Known motion: a portrait (matplotlib's Grace Hopper, scikit-image's Eileen Collins, or your own) is moved by a
similarity that is known in every frame, under changing light (gain 0.8 to 1.2 about grey level 100, offset -8 to 8, in
3 and 2 seconds), with noise of sigma 2 grey levels of 255; rounded to bytes. The truth of a frame is the first frame's
points carried by the motion. "Drift" is the distance from the truth in the last frame, mean and largest of the 68
points, and the largest mean of any frame. The still clip has the same noise and constant light; "jitter" is the root
mean square distance of a point from its own mean over the frames, mean and largest of the 68 points. Beside the tracker
stand what it is made of: flow from frame to frame alone, and detector and trees in every frame.

Starts: the moved portrait again, by N trackers side by side, to each of which the detector's first box is handed
shifted and scaled by up to 3 % of its side, so that each begins with other landmarks. Median and worst of their drift.

Clips: decoded to luma planes in memory before; every frame is handed to `FaceTracker.update`. "tracking" is the median
of frames without a search for new faces, "all" counts everything. The face is in view where the detector, asked about
every fifth frame apart from the tracker, is sure of one (0.9); "lost" counts
those of these frames where no track overlaps it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image

from ferkern import _core, flow, image
from ferkern.cli.demo import portraits
from ferkern.config import config
from ferkern.face.detect import Detections
from ferkern.face.stages import FaceDetector
from ferkern.video import FaceTracker

HEIGHT, WIDTH, RATE = 720, 1280, 30.0
FACE = 250  # pixels of the face in the first frame
SIGMA = 2.0
MOVED = 0.03  # of its side: how far the first box is shifted and scaled for other starts
EVERY = 5  # frames: how often the detector is asked apart from the tracker
SURE = 0.9  # probability from which its box counts as a face


@dataclass
class Scene:
    """A portrait that moves in a known way."""

    gray: np.ndarray
    centre: tuple[float, float]
    zoom: float
    still: bool
    seed: int = 1

    def motion(self, i: int) -> np.ndarray:
        """From the first frame's pixels to frame i's."""
        if self.still:
            return image.similarity(1.0)
        t = i / RATE
        turn = np.deg2rad(15) * np.sin(2 * np.pi * 0.23 * t)
        scale = 1 + 0.15 * np.sin(2 * np.pi * 0.17 * t)
        shift = (90 * np.sin(2 * np.pi * 0.13 * t), 40 * np.sin(2 * np.pi * 0.31 * t))
        return image.similarity(scale, turn, shift, center=(WIDTH / 2, HEIGHT / 2))

    def frames(self, count: int) -> Iterator[np.ndarray]:
        rng = np.random.default_rng(self.seed)
        place = image.similarity(
            1 / self.zoom,
            0,
            (self.centre[0] - WIDTH / 2 / self.zoom, self.centre[1] - HEIGHT / 2 / self.zoom),
        )
        for i in range(count):
            t = i / RATE
            gain, offset = (1.0, 0.0) if self.still else (1 + 0.2 * np.sin(2.1 * t), 8 * np.sin(3.1 * t))
            view = image.compose(place, image.invert(self.motion(i)))
            clean = image.warp(self.gray.astype(np.float32), view, (HEIGHT, WIDTH), border="replicate", antialias=True)
            lit = (clean - 100) * gain + 100 + offset + rng.normal(0, SIGMA, clean.shape)
            yield np.clip(np.rint(lit), 0, 255).astype(np.uint8)


def scene(picture: Path, still: bool) -> Scene:
    """The largest face of a picture in the middle of the frame, `FACE` pixels wide."""
    gray = np.asarray(Image.open(picture).convert("L"))
    found = FaceTracker().detector.detect(gray)
    if not len(found.boxes):
        raise SystemExit(f"{picture}: no face found")
    x, y, side, _ = found.boxes[np.argmax(found.boxes[:, 2])].tolist()
    return Scene(gray, (x + side / 2, y + side / 2), FACE / side, still)


def tracked(smooth: bool) -> Callable[[np.ndarray, int], np.ndarray | None]:
    tracker = FaceTracker()

    def step(frame: np.ndarray, i: int) -> np.ndarray | None:
        faces = tracker.update(frame, i / RATE)
        if len(faces) != 1 or faces[0].id != 0:
            return None
        return faces[0].landmarks if smooth else faces[0].raw_landmarks

    return step


def flow_alone() -> Callable[[np.ndarray, int], np.ndarray | None]:
    first, last = tracked(False), {}

    def step(frame: np.ndarray, i: int) -> np.ndarray | None:
        now = flow.pyramid(frame)
        last["points"] = first(frame, i) if i == 0 else flow.track(last["frame"], now, last["points"]).points
        last["frame"] = now
        return last["points"]

    return step


def every_frame() -> Callable[[np.ndarray, int], np.ndarray | None]:
    tools = FaceTracker()

    def step(frame: np.ndarray, i: int) -> np.ndarray | None:
        boxes = tools.detector.detect(frame, min_size=FACE // 2).boxes
        return tools.landmarks(frame, boxes[:1])[0] if len(boxes) else None

    return step


METHODS = {
    "tracker": lambda: tracked(True),
    "tracker, raw": lambda: tracked(False),
    "flow alone": flow_alone,
    "every frame": every_frame,
}


def known_motion(picture: Path, still: bool, count: int) -> list[dict]:
    world = scene(picture, still)
    steps = {name: make() for name, make in METHODS.items()}
    points: dict[str, list] = {name: [] for name in steps}
    for i, frame in enumerate(world.frames(count)):
        for name, step in steps.items():
            points[name].append(step(frame, i))
    rows = []
    for name, found in points.items():
        lost = sum(p is None for p in found)
        row: dict = {"picture": picture.stem, "motion": "still" if still else "moved", "method": name, "lost": lost}
        kept = [(i, p.astype(np.float64)) for i, p in enumerate(found) if p is not None]
        if still:
            all_points = np.array([p for _, p in kept])
            jitter = np.sqrt(((all_points - all_points.mean(axis=0)) ** 2).sum(axis=2).mean(axis=0))
            row |= {"jitter": float(jitter.mean()), "jitter_largest": float(jitter.max())}
        away = [np.linalg.norm(p - image.transform_points(world.motion(i), kept[0][1]), axis=1) for i, p in kept]
        row |= {
            "drift": float(away[-1].mean()),
            "drift_largest": float(away[-1].max()),
            "worst_frame": float(max(a.mean() for a in away)),
        }
        rows.append(row)
    return rows


class OtherStart:
    """The detector, whose first answer is shifted and scaled."""

    def __init__(self, detector: FaceDetector, seed: int) -> None:
        self.detector, self.first = detector, True
        self.by = np.random.default_rng(seed).uniform(-MOVED, MOVED, 3)

    def detect(self, gray: np.ndarray) -> Detections:
        found = self.detector.detect(gray)
        boxes = np.array(found.boxes)
        if self.first:
            sides = boxes[:, 2:]
            boxes[:, :2] += sides * (self.by[:2] - self.by[2] / 2)
            boxes[:, 2:] = sides * (1 + self.by[2])
        self.first = False
        return Detections(boxes, np.array(found.scores))


def other_starts(picture: Path, starts: int, count: int) -> dict:
    world = scene(picture, still=False)
    trackers = [FaceTracker() for _ in range(starts)]
    for seed, tracker in enumerate(trackers):
        tracker.detector = OtherStart(tracker.detector, seed)
    first: list[np.ndarray] = []
    away = np.full((count, starts, 68), np.nan)
    for i, frame in enumerate(world.frames(count)):
        for k, tracker in enumerate(trackers):
            points = [f.landmarks.astype(np.float64) for f in tracker.update(frame, i / RATE) if f.id == 0]
            if i == 0:
                first += points
            elif points:
                truth = image.transform_points(world.motion(i), first[k])
                away[i, k] = np.linalg.norm(points[0] - truth, axis=1)
    mean, largest = away[-1].mean(axis=1), away[-1].max(axis=1)
    return {
        "picture": picture.stem,
        "starts": starts,
        "spread": float(np.std(first, axis=0).mean()),
        "lost": int(np.isnan(away[1:, :, 0]).sum()),
        "drift": mean.tolist(),
        "drift_largest": largest.tolist(),
    }


def decoded(path: Path) -> tuple[list[np.ndarray], float]:
    import av  # extra [video]

    with av.open(str(path)) as container:
        planes = [frame.planes[0] for frame in container.decode(video=0)]
        frames = [np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width].copy() for p in planes]
        return frames, float(container.streams.video[0].average_rate or RATE)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[:2] + a[2:], b[:2] + b[2:])
    common = np.maximum(high - low, 0).prod()
    return float(common / (a[2:].prod() + b[2:].prod() - common))


def clip(path: Path, threads: int, repeats: int) -> dict:
    frames, rate = decoded(path)
    best: dict = {}
    for _ in range(repeats):
        with config(threads=threads):
            tracker = FaceTracker()
            seconds, tracks, searches = [], [], []
            for i, frame in enumerate(frames):
                searched = tracker.searches
                begin = perf_counter()
                faces = tracker.update(frame, i / rate)
                seconds.append(perf_counter() - begin)
                searches.append(tracker.searches > searched)
                tracks.append(faces)
        quiet = np.array(seconds)[~np.array(searches)]
        row = {
            "clip": path.stem,
            "size": f"{frames[0].shape[1]}x{frames[0].shape[0]}",
            "frames": len(frames),
            "threads": threads,
            "tracking_ms": 1e3 * float(np.median(quiet)),
            "tracking_fps": 1 / float(np.median(quiet)),
            "tracking_mean_fps": 1 / float(np.mean(quiet)),
            "all_fps": len(frames) / sum(seconds),
            "slowest_ms": 1e3 * max(seconds),
        }
        if not best or row["all_fps"] > best["all_fps"]:
            best = row
    in_view, lost = 0, []
    for i in range(0, len(frames), EVERY):
        seen = tracker.detector.detect(frames[i], min_size=60)
        for box in seen.boxes[seen.scores >= SURE]:
            in_view += 1
            if not any(overlap(np.array(face.box), box) > 0.3 for face in tracks[i]):
                lost.append(i)
    states = [face.state for faces in tracks for face in faces]
    best |= {
        "in_view": in_view,
        "lost": len(lost),
        "lost_in_frames": lost,
        "without_face": sum(not faces for faces in tracks),
        "ids": len({face.id for faces in tracks for face in faces}),
        "states": {state: states.count(state) for state in ("detected", "tracked", "corrected")},
    }
    return best


def print_known(rows: list[dict]) -> None:
    for row in rows:
        jitter = f", jitter {row['jitter']:.3f} (largest {row['jitter_largest']:.3f})" if "jitter" in row else ""
        print(
            f"{row['picture']:16} {row['motion']:6} {row['method']:13} drift {row['drift']:.3f} px "
            f"(largest point {row['drift_largest']:.3f}, worst frame {row['worst_frame']:.3f}){jitter}, "
            f"lost {row['lost']}",
            flush=True,
        )


def print_starts(row: dict) -> None:
    mean, largest = np.array(row["drift"]), np.array(row["drift_largest"])
    print(
        f"{row['picture']:16} {row['starts']} starts ({row['spread']:.2f} px apart): drift median "
        f"{np.median(mean):.3f} px, worst {mean.max():.3f} (largest point {np.median(largest):.3f}, "
        f"worst {largest.max():.3f}), lost {row['lost']}",
        flush=True,
    )


def print_clip(row: dict) -> None:
    print(
        f"{row['clip']:32} {row['size']} {row['threads']} threads: tracking {row['tracking_fps']:.0f} frames/s "
        f"({row['tracking_ms']:.2f} ms, mean {row['tracking_mean_fps']:.0f}/s), all {row['all_fps']:.0f} frames/s, "
        f"slowest {row['slowest_ms']:.1f} ms; face in view {row['in_view']}, lost {row['lost']}, "
        f"ids {row['ids']}, {row['states']}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, nargs="+", help="portraits; default: those of installed packages")
    data = os.environ.get("FERKERN_DATA")
    clips = sorted(Path(data, "video").glob("*.mp4")) if data else []
    parser.add_argument("--video", type=Path, nargs="*", default=clips, help="clips; default: FERKERN_DATA/video/*.mp4")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--starts", type=int, default=0, help="also that many starts, each with other landmarks")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3, help="of each clip; the fastest counts")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cpu = _core.cpu()
    print(f"{cpu['brand']}; {WIDTH} x {HEIGHT}, face {FACE} px, {arguments.frames} frames")
    known = []
    for picture in arguments.picture or portraits().values():
        for still in (False, True):
            rows = known_motion(picture, still, arguments.frames)
            print_known(rows)
            known += rows
    begun = []
    for picture in (arguments.picture or portraits().values()) if arguments.starts else ():
        begun.append(other_starts(picture, arguments.starts, arguments.frames))
        print_starts(begun[-1])
    processors = sorted(os.sched_getaffinity(0))
    speed = []
    for threads in arguments.threads:
        os.sched_setaffinity(0, processors[:threads])
        for path in arguments.video:
            row = clip(path, threads, arguments.repeats)
            print_clip(row)
            speed.append(row)
    if arguments.json:
        machine = {"cpu": cpu, "platform": platform.platform(), "python": sys.version}
        arguments.json.write_text(
            json.dumps({"machine": machine, "known": known, "starts": begun, "clips": speed}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
