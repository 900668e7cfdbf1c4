"""How sides are timed that may have threads of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter, sleep

TURN = 0.01  # seconds, of the calls and of the pause before them


def in_turns(calls: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, list[float]]:
    """Seconds of each side's calls: turns of ten milliseconds, one call at least, behind a pause and a first call.

    In the pause the other sides' threads stop waiting busily.
    """
    spent: dict[str, list[float]] = {side: [] for side in calls}
    finish = perf_counter() + seconds
    while perf_counter() < finish or min(map(len, spent.values())) < 10:
        for side, call in calls.items():
            sleep(TURN)
            call()
            until = perf_counter() + TURN
            begin = 0.0
            while begin < until:
                begin = perf_counter()
                call()
                spent[side].append(perf_counter() - begin)
    return spent
