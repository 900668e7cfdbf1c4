"""How long each procedure of the analysis of trajectories takes: least, most and mean seconds over repetitions.

``python benchmarks/papers/procedures.py [TRACKS.csv ...] [--video CLIP ...] [--frames N] [--repeats 10] [--json OUT]``

Two matrices: of the tracks that are given, or made by ``ferkern video --csv`` of the clips; and of as many frames as
FER-2013 has pictures, 35,887 x 136, a drawn face that smiles, raises its brows, opens its mouth and turns, with noise
of 0.3 pixels at a face 144 pixels wide (``--frames 0`` leaves it out). Every procedure is what ``ferkern analyze``
does, one after the other; a first round is not counted. k-means finds seven clusters, from ten starts; t-SNE maps 2,000
frames; testing trees is five folds of blocks of two seconds, with components of its own each. ferkern's SVD has as many
threads as the process may use, scikit-learn one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import scipy
import sklearn

from ferkern import image
from ferkern.analyze.labels import from_network
from ferkern.analyze.structure import cluster_frames, decompose, group_points, map_frames
from ferkern.analyze.trajectories import align_shapes, gather, to_matrix
from ferkern.analyze.trees import cross_validate, learn, prepare
from ferkern.bench.measure import identity
from ferkern.face.align import TEMPLATE
from ferkern.models.network import CLASSES
from ferkern.video.tracks import TrackRow, TrackWriter
from ferkern.video.tracks_read import read_tracks

CLUSTERS = 7
RATE = 25.0


def drawn_tracks(path: Path, frames: int) -> Path:
    """Tracks of a drawn face; its expression is that of seven whose movements are strongest."""
    rng = np.random.default_rng(0)
    time = np.arange(frames) / RATE
    modes = np.zeros((4, 68, 2))
    modes[0, [48, 60, 54, 64]] = [(-2, -2), (-2, -2), (2, -2), (2, -2)]  # corners of the mouth
    modes[1, 17:27, 1] = -1.5  # brows
    modes[2, 55:60, 1], modes[2, 65:68, 1], modes[2, 5:12, 1] = 3, 3, 2  # lower lip and chin
    modes[3, :, 0] = (TEMPLATE[:, 0] - 23.5) ** 2 / 300  # what turning the head does to the plane
    strengths = np.stack([np.maximum(0, np.sin(time / period)) for period in (1.3, 2.1, 0.7, 5.3)], axis=1)
    points = TEMPLATE + np.tensordot(strengths, modes, axes=1) + rng.normal(0, 0.1, (frames, 68, 2))
    moves = [image.similarity(3, 0.1 * np.sin(t), (300 + 20 * np.sin(t / 3), 200)) for t in time.tolist()]
    points = image.transform_points(np.stack(moves), points)
    said = np.argmax(strengths[:, :3] + [0, 0.1, 0.2], axis=1) + 3 * (strengths[:, :3].max(axis=1) < 0.3)
    with TrackWriter(path) as writer:
        for frame in range(frames):
            emotion = CLASSES[int(said[frame])]
            writer.write(TrackRow(frame=frame, time=time[frame], face=1, landmarks=points[frame], emotion=emotion))
    return path


def clip_tracks(clip: Path, folder: Path) -> Path:
    """Tracks as ``ferkern video`` makes them."""
    path = folder / f"{clip.stem}.csv"
    command = [sys.executable, "-m", "ferkern.cli", "video", str(clip), "--csv", str(path), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path


def procedures(paths: Sequence[Path], seconds: Callable[[str, Callable[[], Any]], Any]) -> dict[str, int]:
    """One round; `seconds` is told the name of each procedure and what to call, and gives back what that gives."""
    files = seconds("read", lambda: [read_tracks(path) for path in paths])
    gathered = gather(files)
    landmarks = np.concatenate([track.landmarks for tracks in files for track in tracks])
    landmarks = landmarks[np.isfinite(landmarks).all(axis=(1, 2))]
    shapes, _ = seconds("alignment", lambda: align_shapes(landmarks))
    seconds("reshape", lambda: to_matrix(shapes, gathered.recordings))
    components = seconds("SVD", lambda: decompose(gathered))
    seconds("grouping", lambda: group_points(components))
    seconds("clustering", lambda: cluster_frames(components, CLUSTERS))
    seconds("map (t-SNE)", lambda: map_frames(components))
    said = from_network(gathered)
    sizes = {"frames": len(gathered), "components": len(components)}
    try:
        samples = seconds("sample preparation", lambda: prepare(gathered, said))
    except ValueError as error:
        print(f"no trees: {error}", file=sys.stderr)
        return sizes
    seconds("learning trees", lambda: learn(components, samples))
    seconds("testing trees", lambda: cross_validate(gathered, samples))
    return sizes


def measure(name: str, paths: Sequence[Path], repeats: int) -> dict[str, Any]:
    """Seconds of each procedure over the repetitions."""
    spent: dict[str, list[float]] = {}

    def seconds(procedure: str, call: Callable[[], Any]) -> Any:
        begin = perf_counter()
        result = call()
        spent.setdefault(procedure, []).append(perf_counter() - begin)
        return result

    sizes = procedures(paths, seconds)
    spent.clear()
    for _ in range(repeats):
        procedures(paths, seconds)
    rows = {
        procedure: {"min": min(times), "max": max(times), "mean": float(np.mean(times)), "all": times}
        for procedure, times in spent.items()
    }
    return {"tracks": name, "files": [path.name for path in paths], **sizes, "repeats": repeats, "seconds": rows}


def print_table(done: dict[str, Any]) -> None:
    print(
        f"\n{done['tracks']}: {done['frames']:,} x 136, {done['components']} components; {done['repeats']} repetitions"
    )
    print(f"{'procedure':20} {'min s':>10} {'max s':>10} {'mean s':>10}")
    for procedure, row in done["seconds"].items():
        print(f"{procedure:20} {row['min']:10.5f} {row['max']:10.5f} {row['mean']:10.5f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tracks", nargs="*", type=Path)
    parser.add_argument("--video", nargs="+", type=Path, default=[])
    parser.add_argument("--frames", type=int, default=35_887)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    machine = identity() | {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__}
    print(f"{machine['brand']}, {machine['isa']}, {machine['threads']} threads")
    done = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = [*arguments.tracks, *(clip_tracks(clip, folder) for clip in arguments.video)]
        work = [("given", given)] if given else []
        if arguments.frames:
            work.append(("drawn", [drawn_tracks(folder / "drawn.csv", arguments.frames)]))
        for title, paths in work:
            done.append(measure(title, paths, arguments.repeats))
            print_table(done[-1])
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine, "tables": done}, indent=2) + "\n")


if __name__ == "__main__":
    main()
