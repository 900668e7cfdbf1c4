"""``ferkern video``: the faces of a video, followed and judged: annotated video, CSV, JSON Lines, a timeline."""

from __future__ import annotations

import importlib.util
import logging
import math
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from ferkern.cli.output import describe, messages, pip_install, track, warn
from ferkern.face.landmarks import LANDMARKS

if TYPE_CHECKING:
    from ferkern.cli.video_output import Outputs
    from ferkern.video.reader import Video

__all__ = ["video"]

_PICTURES = (".png", ".svg", ".pdf")
_STDOUT = Path("-")


def video(
    source: Annotated[
        str, typer.Argument(metavar="IN", help="A video, a stream's address, or - for the first camera.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="OUT.mp4", help="Write the video with faces drawn (no sound).")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="A row for each face of each frame; - for stdout.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="JSON Lines, one for each frame; - for stdout.")
    ] = None,
    timeline: Annotated[
        Path | None, typer.Option("--timeline", metavar="PNG", help="Draw expressions over time (.png, .svg, .pdf).")
    ] = None,
    drop: Annotated[
        str | None,
        typer.Option("--drop", help="block (files), latest (cameras) or every_nth: what is left out when it is late."),
    ] = None,
    nth: Annotated[int, typer.Option("--nth", metavar="N", help="For every_nth: work on each N-th frame.")] = 2,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.0, metavar="S", help="Stop after S seconds of the video.")
    ] = None,
    smoothing: Annotated[
        float, typer.Option("--smoothing", metavar="S", help="Time constant of the means over time; 0: none.")
    ] = 0.3,
    landmarks: Annotated[
        str, typer.Option("--landmarks", help="trees, network, or a file with a landmark model.")
    ] = LANDMARKS,
    model: Annotated[
        str, typer.Option("--model", help="fer_small, fer_2conv, fer_4conv or a .safetensors file.")
    ] = "fer_small",
    detector: Annotated[
        str | None, typer.Option("--detector", metavar="XML", help="A cascade of your own (OpenCV's XML).")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary.")] = False,
) -> None:
    """Follow the faces of a video and say what each expresses, frame by frame.

    Prints a table of the faces, unless --csv or --json go to stdout; everything else goes to stderr. Probabilities are
    smoothed over time; CSV and JSON have those of single frames, too. Exit code: 0 done (a camera: until Ctrl-C), 1 the
    input cannot be read or is damaged (what could be read is done), 2 usage, 130 interrupted.
    """
    from ferkern.cli.video_output import Outputs

    _check(source, out, csv, json, timeline)
    logging.getLogger("ferkern.video").setLevel(logging.ERROR)  # what is wrong with the input is said at the end
    with ExitStack() as stack:
        opened = stack.enter_context(closing(_open(source, out, drop, nth, smoothing, landmarks, model, detector)))
        outputs = Outputs(opened.classes, _target(stack, "--csv", csv), _target(stack, "--json", json))
        problem = _run(opened, outputs, seconds, quiet=quiet, endless=source == "-")
    problem = problem or _finish(opened, outputs, timeline)
    if _STDOUT not in (csv, json):
        outputs.print_table()
    if not quiet:
        _summary(opened, outputs, [path for path in (out, csv, json, timeline) if path not in (None, _STDOUT)])
    if problem:
        warn(problem)
        raise typer.Exit(1)


def _check(source: str, out: Path | None, csv: Path | None, json: Path | None, timeline: Path | None) -> None:
    if csv == _STDOUT and json == _STDOUT:
        raise typer.BadParameter("--csv and --json cannot both go to stdout")
    given = [(name, path) for name, path in (("--out", out), ("--csv", csv), ("--json", json), ("--timeline", timeline))
             if path is not None and path != _STDOUT]  # fmt: skip
    targets = [(name, path.resolve()) for name, path in given]
    for i, (name, path) in enumerate(targets):
        if path == Path(source).resolve():
            raise typer.BadParameter(f"{name} {path}: this is the input")
        for other, same in targets[:i]:
            if same == path:
                raise typer.BadParameter(f"{other} and {name} are the same file, {path}")
    if out == _STDOUT:
        raise typer.BadParameter("--out -: a video cannot be written to stdout")
    if timeline is not None:
        if importlib.util.find_spec("matplotlib") is None:
            raise typer.BadParameter(f"--timeline needs matplotlib: {pip_install('plot')}")
        if timeline.suffix.lower() not in _PICTURES:
            raise typer.BadParameter(f"--timeline {timeline}: must end in {', '.join(_PICTURES)}")


def _open(
    source: str,
    out: Path | None,
    drop: str | None,
    nth: int,
    smoothing: float,
    landmarks: str,
    model: str,
    detector: str | None,
) -> Video:
    """The video; an input that cannot be read is a failure, anything else wrong usage."""
    from ferkern.config import config
    from ferkern.errors import ModelError
    from ferkern.face.detect import Detector
    from ferkern.video.reader import open as open_video
    from ferkern.video.source import connect
    from ferkern.video.track import FaceTracker

    try:
        connected = connect(source)
    except ImportError as error:
        raise typer.BadParameter(str(error)) from error
    except (OSError, ValueError) as error:
        warn(describe(error, source))
        raise typer.Exit(1) from None
    try:
        with config(threads=1):  # the stages fill the processors
            tracker = FaceTracker(Detector.load(detector or "frontal"), landmarks)
        return open_video(
            connected, drop=drop, nth=nth, model=model, tracker=tracker, smoothing=smoothing, annotate=out
        )
    except (ModelError, ValueError, OSError) as error:
        connected.close()
        text = f"--out {describe(error, out)}" if isinstance(error, OSError) else str(error)
        raise typer.BadParameter(text) from error


def _target(stack: ExitStack, option: str, path: Path | None) -> TextIO | None:
    if path is None:
        return None
    if path == _STDOUT:
        return sys.stdout
    try:
        return stack.enter_context(path.open("w", encoding="utf-8", newline=""))
    except OSError as error:
        raise typer.BadParameter(f"{option} {path}: {error.strerror or error}") from error


def _run(opened: Video, outputs: Outputs, seconds: float | None, *, quiet: bool, endless: bool) -> str:
    """Take all results; what went wrong, or nothing."""
    from ferkern.errors import StageError

    total = opened.frames
    if total is not None and seconds is not None:
        total = min(total, math.ceil(seconds * opened.rate))
    try:
        for result in track(opened, "watching", total=total, quiet=quiet, unit="frames"):
            if seconds is not None and outputs.history.frames and result.time - outputs.history.start >= seconds:
                break
            outputs.add(result)
    except StageError as error:
        return str(error)
    except KeyboardInterrupt:
        if not endless:
            raise
    return ""


def _finish(opened: Video, outputs: Outputs, timeline: Path | None) -> str:
    """What is made at the end; what was wrong with the input, or nothing."""
    if timeline is not None:
        from ferkern.video.timeline import draw_timeline

        try:
            draw_timeline(outputs.history, timeline, title=Path(opened.name).name)
        except OSError as error:
            return f"--timeline {describe(error, timeline)}"
    if opened.report.damage:
        return f"{opened.name}: {opened.report.damage}"
    return "" if opened.report.read else f"{opened.name}: no frame could be read"


def _summary(opened: Video, outputs: Outputs, written: Sequence[Path | None]) -> None:
    report = opened.report
    words = [_count(report.results, "frame"), _count(len(outputs.history.faces()), "face")]
    words.append(f"{report.rate:.1f} frames/s")
    if report.dropped:
        words.append(f"{_count(report.dropped, 'frame')} dropped")
    if len(report.sizes) > 1:
        words.append("sizes " + ", ".join(f"{width} x {height}" for width, height in report.sizes))
    if written:
        words.append("written: " + ", ".join(str(path) for path in written))
    messages().print(", ".join(words), style="dim", markup=False)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
