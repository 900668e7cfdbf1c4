"""Videos from file to annotated file: frames a second, and what each stage takes.

``python benchmarks/video.py VIDEO... [--runs 5] [--processors 2] [--json OUT]``
``python benchmarks/video.py --endurance 100000 [--json OUT]``

For each video in turn, `runs` times: ferkern's whole way (decode, track, judge, smooth, draw, encode with libx264,
veryfast, crf 23), the same without a file (decode, track, judge, smooth), and as a floor the decoder and encoder alone,
frame by frame, in one loop without ferkern. All are pinned to as many processors. Frames a second are the median and
the best of the runs; the processor's time counts all threads, the encoder's and decoder's too. Stages run side by side:
"wall" is a stage's time while it shares the processors with the others, "own" what its own thread computed (the
encoder's own threads are not in it). Every frame is accounted for, or it stops.

Endurance: frames of a moving portrait from an iterator, its memory read on the way; growth is over the second half.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time

import av
import numpy as np

from ferkern import _core, image, pictures, video
from ferkern.cli.demo import portraits

CRF, PRESET = "23", "veryfast"
Run = dict[str, float]


def file_to_file(path: Path, target: Path | None) -> tuple[video.Report, int]:
    """The whole way, or without a file; the report, and on how many frames there was a face."""
    seen = 0
    with video.open(path, annotate=target) as results:
        for result in results:
            seen += bool(result.faces)
    report = results.report
    if report.read != report.results or report.dropped or report.damage:
        raise SystemExit(f"{path}: frames are lost: {report}")
    if target is not None:
        with av.open(str(target)) as written:
            if written.streams.video[0].frames != report.read:
                raise SystemExit(f"{target}: {written.streams.video[0].frames} frames, {report.read} were read")
    return report, seen


def floor(path: Path, target: Path) -> int:
    """Decoder and encoder alone; how many frames."""
    count = 0
    with av.open(str(path)) as source, av.open(str(target), "w") as sink:
        stream = source.streams.video[0]
        stream.thread_type = "AUTO"
        out = sink.add_stream("libx264", rate=stream.average_rate, options={"preset": PRESET, "crf": CRF})
        out.width, out.height, out.pix_fmt = stream.width, stream.height, "yuv420p"
        out.codec_context.time_base = stream.time_base
        for frame in source.decode(stream):
            frame.pict_type = 0
            sink.mux(out.encode(frame))
            count += 1
        sink.mux(out.encode(None))
    return count


def timed(call: Callable[[], int]) -> Run:
    begin, begin_own = perf_counter(), process_time()
    frames = call()
    wall, own = perf_counter() - begin, process_time() - begin_own
    return {"fps": frames / wall, "processor_ms": 1e3 * own / frames}


def measure(path: Path, runs: int, folder: Path) -> dict:
    """The three ways in turn, `runs` times; the stages of the whole way's fastest run."""
    ways: dict[str, list[Run]] = {"to annotated file": [], "without a file": [], "decoder and encoder alone": []}
    best: tuple[float, video.Report, int] = (0.0, video.Report(), 0)

    def whole(target: Path | None) -> int:
        nonlocal last
        last = file_to_file(path, target)
        return last[0].read

    last = file_to_file(path, None)  # once before, so that all is loaded
    for _ in range(runs):
        ways["decoder and encoder alone"].append(timed(lambda: floor(path, folder / "floor.mp4")))
        ways["without a file"].append(timed(lambda: whole(None)))
        run = timed(lambda: whole(folder / "annotated.mp4"))
        ways["to annotated file"].append(run)
        if run["fps"] > best[0]:
            best = run["fps"], *last
    report, seen = best[1:]
    stages = {
        name: {
            "wall_ms": 1e3 * stage.mean,
            "own_ms": 1e3 * stage.processor / stage.frames,
            "longest_ms": 1e3 * stage.longest,
        }
        for name, stage in report.stages.items()
    }
    rows = {
        name: {
            "fps": statistics.median(r["fps"] for r in each),
            "best_fps": max(r["fps"] for r in each),
            "processor_ms": statistics.median(r["processor_ms"] for r in each),
        }
        for name, each in ways.items()
    }
    size = "{} x {}".format(*report.sizes[0])
    return {"video": path.name, "size": size, "frames": report.read, "with_face": seen, "ways": rows, "stages": stages}


def print_measured(done: dict) -> None:
    print(f"\n{done['video']}: {done['frames']} frames of {done['size']}, a face on {done['with_face']}")
    for name, way in done["ways"].items():
        print(
            f"  {name:26} {way['fps']:7.1f} frames/s (best {way['best_fps']:.1f}), "
            f"{way['processor_ms']:.2f} ms of the processor a frame"
        )
    print("  stage      wall ms   own ms   longest ms")
    for name, stage in done["stages"].items():
        print(f"  {name:8} {stage['wall_ms']:9.2f} {stage['own_ms']:8.2f} {stage['longest_ms']:12.1f}")
    sys.stdout.flush()


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def moving(count: int) -> Iterator[np.ndarray]:
    """A portrait that moves to and fro, 320 x 240."""
    gray = pictures.read(portraits()["Eileen Collins"]).gray()
    views = [image.warp(gray, image.similarity(1.6, 0, (20.0 - i, 0.4 * i)), (240, 320)) for i in range(40)]
    to_and_fro = views + views[-2:0:-1]
    for i in range(count):
        yield to_and_fro[i % len(to_and_fro)]


def endure(count: int) -> dict:
    """Memory over many frames."""
    marks: list[tuple[int, int]] = []
    begin = perf_counter()
    results = 0
    with video.open(moving(count)) as stream:
        for result in stream:
            results += 1
            if result.index % (count // 20) == count // 20 - 1:
                marks.append((result.index + 1, resident()))
                print(f"  {marks[-1][0]:8,} frames, {marks[-1][1] / 1e6:.1f} MB, {perf_counter() - begin:.0f} s")
                sys.stdout.flush()
    report = stream.report
    half = len(marks) // 2 - 1
    (first, before), (last, after) = marks[half], marks[-1]
    done = {
        "frames": count,
        "results": results,
        "accounted": report.read == report.results + report.dropped + report.abandoned == count,
        "bytes_a_frame": (after - before) / (last - first),
        "fps": report.rate,
        "megabytes": [[n, b / 1e6] for n, b in marks],
    }
    print(
        f"{count:,} frames, {results:,} results, every frame accounted for: {done['accounted']}; memory grows by "
        f"{done['bytes_a_frame']:.1f} bytes a frame over the second half; {report.rate:.0f} frames/s"
    )
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path, metavar="VIDEO")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--processors", type=int, default=2)
    parser.add_argument("--endurance", type=int, metavar="FRAMES", help="memory over so many frames of an iterator")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not arguments.videos and not arguments.endurance:
        parser.error("give videos, or --endurance")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.processors])
    cpu = _core.cpu()
    print(f"{cpu['brand']}, {arguments.processors} processors; PyAV {av.__version__}; libx264 {PRESET}, crf {CRF}")
    result: dict = {"processors": arguments.processors, "preset": PRESET, "crf": CRF}
    with tempfile.TemporaryDirectory() as folder:
        result["videos"] = []
        for path in arguments.videos:
            result["videos"].append(measure(path, arguments.runs, Path(folder)))
            print_measured(result["videos"][-1])
    if arguments.endurance:
        result["endurance"] = endure(arguments.endurance)
    if arguments.json:
        machine = {"cpu": cpu, "platform": platform.platform(), "python": sys.version, "av": av.__version__}
        arguments.json.write_text(json.dumps({"machine": machine, **result}, indent=2) + "\n")


if __name__ == "__main__":
    main()
