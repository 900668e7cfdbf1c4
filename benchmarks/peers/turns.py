"""How sides are timed beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter, sleep

import numpy as np

TURN = 0.01  # seconds


def in_turns(
    calls: Mapping[str, Callable[[], object]], seconds: float, least: int = 10, pause: float = TURN
) -> dict[str, list[float]]:
    """Seconds of each side's calls: turns of ten milliseconds, one call at least, behind a pause and a first call.

    In the pause the other sides' threads stop waiting busily: those of OpenBLAS do so for some 30 ms, those of Intel's
    OpenMP for 200. `least`: calls of each side, at least.
    """
    spent: dict[str, list[float]] = {side: [] for side in calls}
    finish = perf_counter() + seconds
    while perf_counter() < finish or min(map(len, spent.values())) < least:
        for side, call in calls.items():
            sleep(pause)
            call()
            until = perf_counter() + TURN
            begin = 0.0
            while begin < until:
                begin = perf_counter()
                call()
                spent[side].append(perf_counter() - begin)
    return spent


def beside_opencv(ours: Callable[[], object], theirs: Callable[[], object], seconds: float) -> dict[str, float]:
    """Times of both sides call by call in turn: OpenCV's threads do not wait busily."""
    spent: list[list[float]] = [[], []]
    finish = perf_counter() + seconds
    while perf_counter() < finish or len(spent[0]) < 13:
        for times, call in zip(spent, (theirs, ours), strict=True):
            begin = perf_counter()
            call()
            times.append(1e3 * (perf_counter() - begin))
    opencv, ferkern = (times[3:] for times in spent)
    return {
        "ferkern_ms": float(np.median(ferkern)),
        "opencv_ms": float(np.median(opencv)),
        "ferkern_least_ms": min(ferkern),
        "opencv_least_ms": min(opencv),
        "times_faster": float(np.median(opencv) / np.median(ferkern)),
    }
