"""How sides are timed that may have threads of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter, sleep

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
