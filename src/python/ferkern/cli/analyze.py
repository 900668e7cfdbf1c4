"""``ferkern analyze``: how tracked faces move, from the tables that ``ferkern video --csv`` writes."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferkern.cli.output import messages, pip_install

if TYPE_CHECKING:
    from ferkern.analyze import Analysis

__all__ = ["analyze"]

_NEEDED = ("sklearn", "matplotlib")


def analyze(
    tracks: Annotated[
        list[Path], typer.Argument(metavar="TRACKS.csv...", help="Tables that ferkern video --csv wrote.")
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="CSV",
            help="Labels of your own: start,end,label (seconds) or first,last,label (frames), and if wanted face and "
            "file. Without it: what the expression network said.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Pictures, analysis.txt, analysis.json, frames.csv go there."),
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write everything as JSON; - is stdout.")
    ] = None,
    face: Annotated[int | None, typer.Option("--face", min=0, help="This face of each file alone.")] = None,
    remove_pose: Annotated[
        bool, typer.Option("--without-pose", help="Take away what follows the turning of the head (yaw, pitch).")
    ] = False,
    components: Annotated[
        int | None, typer.Option("--components", min=1, help="Components kept; default: those that explain 95 %.")
    ] = None,
    groups: Annotated[int, typer.Option("--groups", min=1, max=68, help="Groups of points.")] = 6,
    clusters: Annotated[
        int | None, typer.Option("--clusters", min=1, help="Clusters of frames; default: the best of 2 to 8.")
    ] = None,
    tsne: Annotated[bool, typer.Option("--tsne/--no-tsne", help="Make the map of frames.")] = True,
    depth: Annotated[int, typer.Option("--depth", min=1, max=20, help="Depth of decision trees.")] = 4,
    folds: Annotated[int, typer.Option("--folds", min=2, help="Parts of time that are held out in turn.")] = 5,
    block: Annotated[float, typer.Option("--block", help="Seconds that are held out as a whole.")] = 2.0,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Of k-means, t-SNE and trees.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no text.")] = False,
) -> None:
    """Analyse how tracked faces move.

    Alignment, components by SVD, points that move together, frames that look alike, a map of frames, and decision trees
    tested on blocks of time that they had not seen. The same result every run.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise typer.BadParameter(f"the analysis needs scikit-learn and matplotlib: {pip_install('analyze')}")
    if not 0 < block < float("inf"):
        raise typer.BadParameter(f"--block {block}: must be a positive number of seconds")
    if json_path is not None and str(json_path) != "-" and not json_path.absolute().parent.is_dir():
        raise typer.BadParameter(f"--json {json_path}: there is no folder {json_path.absolute().parent}")
    if out is not None:
        _folder(out)
    from ferkern.analyze import Options, analyze
    from ferkern.analyze.report import report

    options = Options(face, remove_pose, components, groups, clusters, tsne, depth, folds, block, seed)
    console = messages()
    with console.status("") as status:
        shown = not quiet and console.is_terminal

        def say(step: str) -> None:
            if shown:
                status.update(step)

        if not shown:
            status.stop()
        try:
            done = analyze(tracks, labels=labels, options=options, progress=say)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    text = report(done)
    record = json.dumps(done.to_dict(), indent=1, ensure_ascii=False)
    try:
        if out is not None:
            _write(out, done, text, record)
        if json_path is not None and str(json_path) != "-":
            json_path.write_text(record + "\n", encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{error.filename or out or json_path}: {error.strerror or error}") from error
    if str(json_path) == "-":
        typer.echo(record)
    elif not quiet:
        typer.echo(text, nl=False)
    if out is not None and not quiet:
        console.print(f"pictures, analysis.txt, analysis.json and frames.csv are in {out}", markup=False)


def _folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"--out {out}: {error.strerror or error}") from error


def _write(out: Path, done: Analysis, text: str, record: str) -> None:
    from ferkern.analyze.pictures import draw_all

    draw_all(done, out)
    (out / "analysis.txt").write_text(text, encoding="utf-8")
    (out / "analysis.json").write_text(record + "\n", encoding="utf-8")
    t, count = done.trajectories, len(done.components)
    with (out / "frames.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(
            ["file", "face", "frame", "time", "label", "cluster", *(f"component_{i + 1}" for i in range(count))]
        )
        for row in range(len(t)):
            recording = t.recordings[int(t.recording[row])]
            first = [str(recording.path), recording.face, int(t.frames[row]), f"{t.times[row]:.6f}"]
            scores = [f"{value:.6f}" for value in done.components.scores[row].tolist()]
            table.writerow([*first, done.labels.of_rows[row], int(done.clusters.of_rows[row]) + 1, *scores])
