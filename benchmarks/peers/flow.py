"""Tracked points and corners beside OpenCV: 1280 x 720, window 21, levels 0 to 3.

``python benchmarks/peers/flow.py [--video PATH] [--seconds 3] [--threads 1 2] [--json OUT]``

Pinned to as many processors as threads, call by call in turn; the median and the least of each. Both pyramids are
built within the time. In rows that say "next" ferkern keeps the previous frame's pyramid from the call before, as in a
video; OpenCV takes no pyramid in Python, and does the same as without. Points lie on a face of 300 pixels, or all over
the frame. Without a video the frames are a photograph (scikit-image's astronaut, enlarged) and its warp by a known
similarity, and how far each side ends from the truth is printed, too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from turns import beside_opencv

from ferkern import _core, flow, image
from ferkern.config import config

HEIGHT, WIDTH = 720, 1280
MOTION = image.similarity(0.99, 0.01, (5.3, -3.8), center=(640, 360))
CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 0.01)
Call = Callable[[], object]


def photographs() -> tuple[np.ndarray, np.ndarray]:
    from skimage import data

    gray = image.to_gray(np.ascontiguousarray(data.astronaut()))
    world = image.resize(np.ascontiguousarray(gray[:300]), (900, 1536), method="bilinear")
    middle = image.similarity(1, 0, (128, 90))
    # A point p of the first frame stands at MOTION p in the second.
    views = [middle, image.compose(middle, image.invert(MOTION))]
    return tuple(image.warp(world, view, (HEIGHT, WIDTH)) for view in views)


def video_frames(path: Path) -> tuple[np.ndarray, np.ndarray]:
    video = cv2.VideoCapture(str(path))
    frames = [cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2GRAY) for _ in range(2)]
    return frames[0], frames[1]


def points(count: int, spread: bool) -> np.ndarray:
    rng = np.random.default_rng(1)
    low, size = ((40, 40), (WIDTH - 80, HEIGHT - 80)) if spread else ((490, 210), (300, 300))
    return (np.array(low) + rng.uniform(0, 1, (count, 2)) * size).astype(np.float32)


def opencv_track(a: np.ndarray, b: np.ndarray, pts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found, status, _ = cv2.calcOpticalFlowPyrLK(a, b, pts, None, winSize=(21, 21), maxLevel=3, criteria=CRITERIA)
    return found, status[:, 0].astype(bool)


def rows(a: np.ndarray, b: np.ndarray) -> dict[str, tuple[Call, Call]]:
    """Name: ferkern's call, OpenCV's call."""
    calls: dict[str, tuple[Call, Call]] = {}
    for name, pts in (
        ("68 on a face", points(68, False)),
        ("68 spread", points(68, True)),
        ("200 spread", points(200, True)),
    ):
        calls[name] = (lambda pts=pts: flow.track(a, b, pts), lambda pts=pts: opencv_track(a, b, pts))
        kept = flow.pyramid(a)
        kept.level(3)
        calls[name + ", next"] = (
            lambda pts=pts, kept=kept: flow.track(kept, b, pts),
            lambda pts=pts: opencv_track(a, b, pts),
        )
    calls["200 corners"] = (
        lambda: flow.corners(a, 200, min_distance=10),
        lambda: cv2.goodFeaturesToTrack(a, 200, 0.01, 10),
    )
    return calls


def accuracy(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Mean end-point error of both sides at the corners, pixels."""
    pts = flow.corners(a, 200)
    truth = image.transform_points(MOTION, pts)
    ours, (theirs, status) = flow.track(a, b, pts), opencv_track(a, b, pts)
    both = ours.status & status
    return {
        "points": int(both.sum()),
        "ferkern_error": float(np.linalg.norm(ours.points - truth, axis=1)[both].mean()),
        "opencv_error": float(np.linalg.norm(theirs - truth, axis=1)[both].mean()),
        "largest_difference": float(np.linalg.norm(ours.points - theirs, axis=1)[both].max()),
    }


def print_row(row: dict) -> None:
    print(
        f"{row['row']:20} {row['threads']} threads: {row['ferkern_ms']:.3f} ms (least {row['ferkern_least_ms']:.3f}), "
        f"OpenCV {row['opencv_ms']:.3f} (least {row['opencv_least_ms']:.3f}), {row['times_faster']:.1f} times faster",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, help="two frames of 1280 x 720 from here, instead of the photograph")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each row, both sides together")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    a, b = video_frames(arguments.video) if arguments.video else photographs()
    processors = sorted(os.sched_getaffinity(0))
    cpu = _core.cpu()
    print(f"{cpu['brand']}; OpenCV {cv2.__version__}; {a.shape[1]} x {a.shape[0]}")
    result: dict[str, object] = {}
    if not arguments.video:
        result["accuracy"] = accuracy(a, b)
        print(", ".join(f"{k} {v:.4g}" for k, v in result["accuracy"].items()))
    table = []
    for threads in arguments.threads:
        os.sched_setaffinity(0, processors[:threads])
        cv2.setNumThreads(threads)
        with config(threads=threads):
            for name, (ours, theirs) in rows(a, b).items():
                row = {"row": name, "threads": threads, **beside_opencv(ours, theirs, arguments.seconds)}
                table.append(row)
                print_row(row)
    if arguments.json:
        machine = {"cpu": cpu, "platform": platform.platform(), "python": sys.version, "opencv": cv2.__version__}
        arguments.json.write_text(json.dumps({"machine": machine, **result, "rows": table}, indent=2) + "\n")


if __name__ == "__main__":
    main()
