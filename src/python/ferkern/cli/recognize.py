"""``ferkern recognize``: photographs, folders and patterns to a table, JSON Lines, CSV or pictures."""

from __future__ import annotations

import glob
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from ferkern.cli.outfile import opened, resumed
from ferkern.cli.output import describe, messages, track, warn
from ferkern.face.landmarks import LANDMARKS

if TYPE_CHECKING:
    from PIL.Image import Image

    from ferkern.cli.formats import Writer
    from ferkern.face.pipeline import Recognized, Recognizer

__all__ = ["expand", "make_recognizer", "recognize"]


def recognize(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Photographs, folders (with what lies below them) and patterns."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="JSON Lines, one object for each picture.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header, one row for each face.")] = False,
    draw: Annotated[
        Path | None, typer.Option("--draw", metavar="DIR", help="Write annotated pictures into this folder.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write into a file: JSON Lines, or CSV if it ends in .csv."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on in the JSON Lines of --out: pictures in it are left out.")
    ] = False,
    landmarks: Annotated[
        str, typer.Option("--landmarks", help="trees, network, none, or a file with a landmark model.")
    ] = LANDMARKS,
    model: Annotated[
        str, typer.Option("--model", help="fer_small, fer_2conv, fer_4conv or a .safetensors file.")
    ] = "fer_small",
    detector: Annotated[
        str | None, typer.Option("--detector", metavar="XML", help="A cascade of your own (OpenCV's XML).")
    ] = None,
    tilted: Annotated[
        bool, typer.Option("--tilted", help="Find tilted heads, too (up to about 55 degrees); detection takes thrice.")
    ] = False,
    device: Annotated[str, typer.Option("--device", help="cpu, opencl, opencl:0, opencl:name or auto.")] = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary.")] = False,
) -> None:
    """Find the faces on photographs and say what each expresses.

    Results go to stdout or into --out, everything else to stderr. A picture that cannot be read is named and the
    others are done. Exit code: 0 done, 1 some inputs failed, 2 usage, 130 interrupted.
    """
    as_csv = as_csv or (out is not None and out.suffix.lower() == ".csv")
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv exclude each other")
    if resume and (out is None or as_csv):
        raise typer.BadParameter("--resume goes on in the JSON Lines of --out FILE")
    if draw is not None:
        _prepare_folder(draw)
    before = resumed(out) if out is not None and resume else None
    job = _Job(quiet=quiet, draw=draw)
    files = expand(paths, job.fail, without=draw)
    if before is not None:
        known = len(files)
        files = [file for file in files if str(file) not in before.files]
        job.known = known - len(files)
    recognizer = make_recognizer(model=model, detector=detector, landmarks=landmarks, tilted=tilted, device=device)

    target = sys.stdout if out is None else opened(out, before)
    writer = _writer(target, recognizer, as_csv=as_csv, as_json=as_json or out is not None)
    try:
        job.run(files, recognizer, writer)
    finally:
        writer.close()
        if out is not None:
            target.close()
        job.summary()
    if job.failed:
        raise typer.Exit(1)


def _writer(target: TextIO, recognizer: Recognizer, *, as_csv: bool, as_json: bool) -> Writer:
    from ferkern.cli.formats import CsvWriter, JsonWriter, TableWriter

    if as_csv:
        return CsvWriter(target, recognizer.classifier.classes)
    return JsonWriter(target) if as_json else TableWriter()


def make_recognizer(
    *, model: str, detector: str | None, device: str, landmarks: str = LANDMARKS, tilted: bool = False
) -> Recognizer:
    """A recogniser, or a usage error that says which option names something that is not there or damaged."""
    from ferkern.auto import AUTO, for_pipeline
    from ferkern.errors import ModelError
    from ferkern.face.detect import Detector
    from ferkern.face.pipeline import Recognizer
    from ferkern.face.turned import TurnedDetector
    from ferkern.opencl.errors import DeviceError

    try:
        if device == AUTO:
            device = for_pipeline(threads=None)
        finds = Detector.load(detector or "frontal", device=device)
        return Recognizer(
            model=model,
            detector=TurnedDetector(finds) if tilted else finds,
            landmarks=None if landmarks == "none" else landmarks,
            device=device,
        )
    except (DeviceError, ModelError, OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error


def expand(paths: Iterable[str], fail: Callable[[str], None], *, without: Path | None = None) -> list[Path]:
    """Files that the arguments mean, in their order, each once; `fail` is told what means nothing."""
    from ferkern.pictures import find

    files: dict[Path, None] = {}
    for text in paths:
        path = Path(text)
        matches = [path]
        if not path.exists() and glob.has_magic(text):
            matches = [Path(m) for m in sorted(glob.glob(text, recursive=True))]
            if not matches:
                fail(f"{text}: matches no file")
        for match in matches:
            if match.is_dir():
                below = [f for f in find(match) if without is None or not _is_below(f, without)]
                if not below:
                    fail(f"{match}: the folder holds no pictures")
                files.update(dict.fromkeys(below))
            else:
                files[match] = None
    return list(files)


def _is_below(file: Path, folder: Path) -> bool:
    return folder.resolve() in file.resolve().parents


def _prepare_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"--draw {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise typer.BadParameter(f"--draw {folder}: the folder is not writable")


@dataclass
class _Job:
    """What is being done, and what came of it."""

    quiet: bool
    draw: Path | None
    failed: int = 0
    pictures: int = 0
    faces: int = 0
    seconds: float = 0.0
    known: int = 0
    drawn: set[str] = field(default_factory=set)

    def fail(self, text: str) -> None:
        self.failed += 1
        warn(text)

    def run(self, files: list[Path], recognizer: Recognizer, writer: Writer) -> None:
        started = time.perf_counter()
        with closing(recognizer.stream(files)) as stream:
            for path, done in zip(files, self._tracked(stream, len(files)), strict=True):
                self._take(path, done, writer)
                self.seconds = time.perf_counter() - started

    def _tracked(self, stream: Iterable[Recognized], total: int) -> Iterator[Recognized]:
        return track(stream, "recognizing", total=total, quiet=self.quiet, unit="pictures")

    def _take(self, path: Path, done: Recognized, writer: Writer) -> None:
        if done.error is not None or done.picture is None:
            self.fail(describe(done.error or ValueError("not read"), path))
            return
        self.pictures += 1
        self.faces += len(done.faces)
        writer.add(path, done.picture, done.faces, done.seconds * 1000)
        if self.draw is not None:
            from ferkern import draw

            self._save(self.draw, path, draw.annotate(done.picture, done.faces))

    def _save(self, folder: Path, path: Path, image: Image) -> None:
        name = f"{path.stem}.faces.jpg"
        number = 1
        while name in self.drawn:
            number += 1
            name = f"{path.stem}-{number}.faces.jpg"
        self.drawn.add(name)
        target = folder / name
        try:
            image.save(target, quality=92)
        except (OSError, ValueError) as error:
            self.fail(describe(error, target))

    def summary(self) -> None:
        if self.quiet or not self.pictures + self.failed + self.known:
            return
        words = [_count(self.pictures, "picture"), _count(self.faces, "face")]
        if self.seconds and self.pictures:
            words.append(f"{(self.pictures + self.failed) / self.seconds:.1f} pictures/s")
        if self.failed:
            words.append(f"{self.failed} failed")
        if self.known:
            words.append(f"{_count(self.known, 'picture')} {'was' if self.known == 1 else 'were'} there already")
        if self.draw is not None and self.drawn:
            words.append(f"drawn into {self.draw}")
        messages().print(", ".join(words), style="dim", markup=False)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
