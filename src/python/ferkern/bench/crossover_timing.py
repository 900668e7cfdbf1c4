"""Sides timed beside each other. What a side is, real or simulated, does not matter here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter, sleep
from typing import Protocol

__all__ = ["CallSide", "Effort", "Side", "interleaved"]

_PAUSE = 0.002  # seconds; threads that wait busily (ferkern's for 200 us) leave the cores to the next side meanwhile
_SAMPLE = 0.001  # seconds that one sample should take, so that the clock's step does not count


class Side(Protocol):
    """One of two ways to do the same thing."""

    def sample(self) -> float:
        """Seconds that a call takes, found now."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much time measuring may take.

    Attributes
    ----------
    seconds
        For one size, both sides together; more where the fewest rounds take longer.
    least, most
        Rounds.
    longest
        Seconds of one call beyond which no larger size is tried.
    """

    seconds: float
    least: int
    most: int
    longest: float


class CallSide:
    """A call on this machine: several in a row where one is short, behind a pause and a call that is not counted."""

    def __init__(self, call: Callable[[], object], *, pause: float = _PAUSE) -> None:
        self._call = call
        self._pause = pause
        call()  # plans, programs, memory
        self._calls = 1
        begin = perf_counter()
        call()
        self.first_guess = perf_counter() - begin
        self._calls = max(1, min(1000, round(_SAMPLE / max(self.first_guess, 1e-7))))

    def sample(self) -> float:
        sleep(self._pause)
        self._call()
        begin = perf_counter()
        for _ in range(self._calls):
            self._call()
        return (perf_counter() - begin) / self._calls


def interleaved(sides: Sequence[Side], effort: Effort) -> list[tuple[float, ...]]:
    """Samples of each side, round by round, so that what disturbs the machine disturbs all; every other round is
    backwards, so that none always follows the same."""
    samples: list[list[float]] = [[] for _ in sides]
    order = range(len(sides))
    spent, rounds = 0.0, 0
    while rounds < effort.least or (rounds < effort.most and spent < effort.seconds):
        begin = perf_counter()
        for i in order if rounds % 2 == 0 else reversed(order):
            samples[i].append(sides[i].sample())
        spent += perf_counter() - begin
        rounds += 1
    return [tuple(one) for one in samples]
