"""Singular value decompositions beside NumPy, SciPy (gesdd), torch and scikit-learn's randomized.

``python benchmarks/peers/svd.py [--rows 136x136 batch8] [--threads 1 2] [--seconds 3] [--json OUT]``

Thin, float32, the same matrix for all; pinned to as many processors as threads, in turns (`turns.py`), the median of
each. Residual max |a - u s vt| / s[0] and orthogonality max |u' u - 1|, |vt vt' - 1| of every side, in
float64, stand beside the times, in units of 2^-23. A row of the randomized method is compared with scikit-learn's, at
the same number of vectors, oversampling and power iterations; its residual is that of the best rank-k approximation
and what is lost beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy
import scipy.linalg
import sklearn
import threadpoolctl
import torch
from sklearn.utils.extmath import randomized_svd

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))
from turns import TURN, in_turns

from cases import DECOMPOSITIONS, Decomposition
from ferkern import _core
from ferkern.config import config
from ferkern.linalg import svd

Factors = tuple[np.ndarray, np.ndarray, np.ndarray]
ROWS = {case.name: case for case in DECOMPOSITIONS}
UNIT = 2.0**-23


def calls(case: Decomposition, a: np.ndarray) -> dict[str, Callable[[], Factors]]:
    tensor = torch.from_numpy(a)

    def ours() -> Factors:
        return tuple(svd(a, k=case.k, method="randomized" if case.k else "auto"))

    if case.k:
        k = case.k
        return {
            "ferkern": ours,
            "sklearn": lambda: randomized_svd(a, k, n_oversamples=10, n_iter=4, random_state=0),
        }
    sides: dict[str, Callable[[], Factors]] = {
        "ferkern": ours,
        "numpy": lambda: tuple(np.linalg.svd(a, full_matrices=False)),
        "torch": lambda: tuple(x.numpy() for x in torch.linalg.svd(tensor, full_matrices=False)),
    }
    if a.ndim == 2:
        sides["scipy"] = lambda: scipy.linalg.svd(a, full_matrices=False, lapack_driver="gesdd")
    return sides


def quality(a: np.ndarray, factors: Factors) -> dict[str, float]:
    u, s, vt = (np.asarray(x, np.float64) for x in factors)
    one = np.eye(s.shape[-1])
    across = max(np.abs(u.swapaxes(-1, -2) @ u - one).max(), np.abs(vt @ vt.swapaxes(-1, -2) - one).max())
    residual = np.abs(a - (u * s[..., None, :]) @ vt).max() / s.max()
    return {"residual": residual / UNIT, "orthogonality": across / UNIT}


def compare(case: Decomposition, threads: int, seconds: float) -> dict[str, object]:
    a = case.matrix()
    sides = calls(case, a)
    checked = {side: quality(a, call()) for side, call in sides.items()}
    spent = in_turns(sides, seconds, least=3, pause=0.25 if threads > 1 else TURN)
    ms = {side: 1e3 * float(np.median(times)) for side, times in spent.items()}
    best = min((side for side in sides if side != "ferkern"), key=ms.__getitem__)
    return {
        "row": case.name,
        "threads": threads,
        "ms": ms,
        "best_peer": best,
        "times_faster": ms[best] / ms["ferkern"],
        "quality": checked,
        "rounds": len(spent["ferkern"]),
    }


def print_row(row: dict) -> None:
    sides = "  ".join(
        f"{side} {ms:.3f} ({row['quality'][side]['residual']:.1f}, {row['quality'][side]['orthogonality']:.1f})"
        for side, ms in row["ms"].items()
    )
    faster = f"{row['times_faster']:.2f} times faster than {row['best_peer']}"
    print(f"{row['row']:>14} {row['threads']} thread(s): {faster}; ms (residual, orthogonality): {sides}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--seconds", type=float, default=3.0, help="for each row, all sides together")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    processors = sorted(os.sched_getaffinity(0))
    cpu = _core.cpu()
    print(cpu["brand"])
    rows = []
    for threads in arguments.threads:
        os.sched_setaffinity(0, processors[:threads])
        torch.set_num_threads(threads)
        with threadpoolctl.threadpool_limits(threads), config(threads=threads):
            for name in arguments.rows:
                rows.append(compare(ROWS[name], threads, arguments.seconds))
                print_row(rows[-1])
    if arguments.json:
        versions = {p.__name__: p.__version__ for p in (np, scipy, torch, sklearn)}
        machine = {"cpu": cpu, "platform": platform.platform(), "python": sys.version, **versions}
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
