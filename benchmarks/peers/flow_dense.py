"""Dense flow beside OpenCV's DISOpticalFlow: end-point error and time, preset by preset.

``python benchmarks/peers/flow_dense.py --path FLOW [--video PATH] [--seconds 2] [--threads 1 2] [--json OUT]``

FLOW holds Middlebury's pairs, a folder for each with frame10.png, frame11.png and flow10.flo. Pinned to as many
processors as threads, call by call in turn; the median and the least of each. With a video two of its frames are timed,
too, without an error: of 1280 x 720, say.
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

from ferkern import _core, flow
from ferkern.config import config

PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
Call = Callable[[], np.ndarray]
Pair = tuple[np.ndarray, np.ndarray, np.ndarray | None]


def pairs(folder: Path, video: Path | None) -> dict[str, Pair]:
    """Name: first frame, second frame, truth."""
    found: dict[str, Pair] = {}
    for place in sorted(folder.iterdir()):
        a, b = (cv2.imread(str(place / name), cv2.IMREAD_GRAYSCALE) for name in ("frame10.png", "frame11.png"))
        found[place.name] = a, b, flow.read_flo(place / "flow10.flo")
    if video is not None:
        capture = cv2.VideoCapture(str(video))
        frames = [cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2GRAY) for _ in range(2)]
        found[f"video {frames[0].shape[1]} x {frames[0].shape[0]}"] = frames[0], frames[1], None
    return found


def measure(name: str, pair: Pair, preset: str, threads: int, seconds: float) -> dict[str, object]:
    a, b, truth = pair
    cv2.setNumThreads(threads)
    dis = cv2.DISOpticalFlow_create(PRESETS[preset])
    with config(threads=threads):
        row: dict[str, object] = {"pair": name, "preset": preset, "threads": threads}
        if truth is not None:
            row["ferkern_error"] = flow.endpoint_error(flow.dense(a, b, preset), truth)
            row["opencv_error"] = flow.endpoint_error(dis.calc(a, b, None), truth)
        row.update(beside_opencv(lambda: flow.dense(a, b, preset), lambda: dis.calc(a, b, None), seconds))
    known = flow.PRESETS[preset]
    flops, read, written = _core.flow_dense_cost(
        *a.shape, False, known.finest, known.stride, known.iterations, known.refinements, known.sweeps
    )
    row.update(flops=flops, bytes_read=read, bytes_written=written)
    return row


def print_row(row: dict) -> None:
    errors = f"{row['ferkern_error']:.4f}  {row['opencv_error']:.4f}" if "ferkern_error" in row else " " * 14
    times = "  ".join(f"{row[s + '_ms']:7.2f} ({row[s + '_least_ms']:.2f})" for s in ("ferkern", "opencv"))
    print(
        f"{row['pair']:17} {row['preset']:10} {row['threads']}  {errors}  {times}  {row['times_faster']:5.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", type=Path, required=True, help="folder of Middlebury's pairs")
    parser.add_argument("--video", type=Path, help="two frames from here are timed, too")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each row, both sides together")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    processors = sorted(os.sched_getaffinity(0))
    cpu = _core.cpu()
    print(f"{cpu['brand']}; OpenCV {cv2.__version__}")
    print("pair, preset, threads, error ferkern, OpenCV (px), ms ferkern (least), OpenCV (least), times faster")
    table = []
    for name, pair in pairs(arguments.path, arguments.video).items():
        for threads in arguments.threads:
            os.sched_setaffinity(0, processors[:threads])
            for preset in PRESETS:
                table.append(measure(name, pair, preset, threads, arguments.seconds))
                print_row(table[-1])
    os.sched_setaffinity(0, processors)
    if arguments.json:
        machine = {"cpu": cpu, "platform": platform.platform(), "python": sys.version, "opencv": cv2.__version__}
        arguments.json.write_text(json.dumps({"machine": machine, "rows": table}, indent=2) + "\n")


if __name__ == "__main__":
    main()
