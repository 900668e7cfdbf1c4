"""The papers' rule: speed goes with a benchmark's score. And what a million inferences cost."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Price", "by_score", "price_of_a_million", "score_for"]

_YEAR = 365.25 * 24 * 3600  # seconds


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} must be above 0, is {value}")


def by_score(speed: float, score: float, other_score: float) -> float:
    """The speed on a machine of another score: ``speed other_score / score``.

    Parameters
    ----------
    speed
        Known, on a machine of `score` points: frames a second, say.

    Raises
    ------
    ValueError
        A number is not above 0.
    """
    _positive(speed=speed, score=score, other_score=other_score)
    return speed * other_score / score


def score_for(wanted: float, score: float, speed: float) -> float:
    """The score that a machine needs for a wanted speed: ``score wanted / speed``.

    2,812 points at 2.7 frames a second and 60 wanted give 62,489.

    Raises
    ------
    ValueError
        A number is not above 0.
    """
    _positive(wanted=wanted, score=score, speed=speed)
    return score * wanted / speed


@dataclass(frozen=True, slots=True)
class Price:
    """What a million inferences cost, in the currency of the prices given."""

    device: float
    """The device's price, spread over its lifetime."""
    energy: float

    @property
    def total(self) -> float:
        """Both."""
        return self.device + self.energy


def price_of_a_million(
    seconds: float,
    *,
    price: float = 0.0,
    years: float = 3.0,
    watts: float = 0.0,
    per_kwh: float = 0.0,
    busy: float = 1.0,
) -> Price:
    """Price of a million inferences.

    Parameters
    ----------
    seconds
        Of one inference.
    price, years
        Of the device, and how long it serves.
    watts, per_kwh
        Its power while it works, and the price of a kilowatt-hour.
    busy
        Part of its lifetime that it works, 0 to 1: a device that waits for half of it costs twice as much a call.

    Raises
    ------
    ValueError
        A number is out of range.
    """
    _positive(seconds=seconds, years=years, busy=busy)
    if not all(0 <= value < float("inf") for value in (price, watts, per_kwh)) or busy > 1:
        raise ValueError(f"price {price}, watts {watts}, per_kwh {per_kwh} must be from 0, busy from 0 to 1, is {busy}")
    million = 1e6 * seconds
    return Price(price * million / (years * _YEAR * busy), watts / 1000 * per_kwh * million / 3600)
