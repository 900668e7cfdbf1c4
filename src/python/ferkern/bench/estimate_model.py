"""How well kernels use a machine: efficiencies by kernel, shape, vector width and threads, from measured layers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ferkern.bench.estimate_layers import LANES, Layer
from ferkern.bench.timefit import least_squares

__all__ = ["Efficiencies", "Sample", "fit_efficiencies"]

Float64 = npt.NDArray[np.float64]

# Distances between layers: each logarithm's weight, so that 1 is near and 3 is far.
_WINDOW, _CHANNELS, _PIXELS, _IMAGES, _BYTES = 1.6, 0.8, 0.8, 0.4, 0.5
_REACH = 1.0
_TRUST = np.diag([0.05, 0.02, 0.02, *[1.0] * 6])  # of the family's effects and of flatness, beside the layers near
_EFFECTS = np.diag([1e-3, 0.5, 0.5])
_TURNS = 3
_FEWEST = 6  # layers that make a family
_ENOUGH = 24  # that need no help of their kin
_TILES = "_x0123456789"  # that the name of a row ends with: winograd2_5x5
_FASTEST = 0.9  # no layer is done in less than this part of its arithmetic at the measured peak


@dataclass(frozen=True, slots=True)
class Sample:
    """A layer that was measured.

    Attributes
    ----------
    terms
        As from `terms_of`, with the profile of the machine as it was forced.
    network
        Whose layer it is.
    """

    layer: Layer
    terms: tuple[float, ...]
    seconds: float
    network: str


@dataclass(frozen=True, slots=True)
class _Family:
    """Coefficients of the terms, the effects of lanes and threads, and what layers show beyond both."""

    coefficients: Float64
    effects: Float64
    states: Float64
    places: Float64
    residuals: Float64

    def expect(self, layer: Layer, terms: Sequence[float], weights: Float64 | None = None) -> float:
        """Seconds; `weights` of the samples, 1 each where none are given."""
        return max(float(self.coefficients @ np.array(terms)) * self.factor(layer, weights), _FASTEST * terms[0])

    def factor(self, layer: Layer, weights: Float64 | None = None) -> float:
        """What the layer's shape, lanes and threads make of the sum of the terms."""
        away = self.places - _place(layer)
        near = np.exp(-0.5 * (away**2).sum(axis=1) / _REACH**2)
        if weights is not None:
            near = near * weights
        # Locally weighted linear regression (Cleveland, "Robust locally weighted regression", JASA 74, 1979): what
        # lanes and threads do to layers of this shape, shrunk to what they do to all of the family.
        design = np.hstack([self.states, away])
        weighted = design * near[:, None]
        local = np.linalg.solve(weighted.T @ design + _TRUST, weighted.T @ self.residuals)[: self.states.shape[1]]
        return float(np.exp(np.clip(_state(layer) @ (self.effects + local), -2, 2)))


@dataclass(frozen=True, slots=True)
class Efficiencies:
    """What was learned of a machine's kernels.

    Attributes
    ----------
    spread
        Standard deviation of log(measured / expected) over whole networks, each expected from the others.
    states
        (instruction set, threads) that layers were measured with.
    """

    families: dict[str, _Family]
    spread: float
    states: tuple[tuple[str, int], ...]

    def expect(self, layer: Layer, terms: Sequence[float]) -> float:
        """Seconds that a layer takes on a machine with these terms."""
        family = self.families.get(layer.family, self.families[""])
        return family.expect(layer, terms)


def fit_efficiencies(samples: Sequence[Sample]) -> Efficiencies:
    """Fit families of kernels to measured layers.

    Within a family the time is ``(a arithmetic + b memory + c + d [threads > 1]) e(shape, lanes, threads)``, arithmetic
    and memory in seconds at the machine's measured peak and bandwidth: 1 / a and 1 / b are efficiencies. Coefficients
    are not negative, relative errors least; e is local, near 1.

    Raises
    ------
    ValueError
        There is no sample.
    """
    if not samples:
        raise ValueError("samples: none to fit")
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.layer.family].append(sample)
    members = {name: _with_kin(name, groups) for name in groups}
    families = {name: _fit(group) for name, group in members.items() if len(group) >= _FEWEST}
    states = sorted({(s.layer.isa, s.layer.threads) for s in samples})
    return Efficiencies({**families, "": _fit(samples)}, _spread(groups, members, families), tuple(states))


def _with_kin(name: str, groups: Mapping[str, Sequence[Sample]]) -> Sequence[Sample]:
    """A family's samples; where they are few, those of other tiles of the same algorithm as well."""
    if len(groups[name]) >= _ENOUGH:
        return groups[name]
    algorithm = name.rstrip(_TILES)
    kin = [s for other, group in groups.items() if other != name and other.rstrip(_TILES) == algorithm for s in group]
    return [*groups[name], *kin]


def _fit(samples: Sequence[Sample]) -> _Family:
    """Coefficients and what is local, in turn: a shape that suits a kernel ill must not look like slow memory."""
    terms = np.array([s.terms for s in samples])
    seconds = np.array([s.seconds for s in samples])
    states = np.array([_state(s.layer) for s in samples])
    places = np.array([_place(s.layer) for s in samples])
    factors = np.ones(len(samples))
    for turn in range(_TURNS):
        coefficients = least_squares(terms * (factors / seconds)[:, None], np.ones(len(samples)))
        residuals = np.log(seconds / (terms @ coefficients))
        effects = np.linalg.solve(states.T @ states + _EFFECTS, states.T @ residuals)
        family = _Family(coefficients, effects, states, places, residuals - states @ effects)
        if turn + 1 < _TURNS:
            factors = np.array([family.factor(s.layer) for s in samples])
    return family


def _spread(
    groups: Mapping[str, Sequence[Sample]], members: Mapping[str, Sequence[Sample]], families: Mapping[str, _Family]
) -> float:
    """Errors of whole networks: every layer expected without the samples of its own network."""
    measured: dict[tuple[str, str, int], float] = defaultdict(float)
    expected: dict[tuple[str, str, int], float] = defaultdict(float)
    for name, group in groups.items():
        family = families.get(name)
        if family is None:
            continue
        owners = np.array([s.network for s in members[name]])
        for s in group:
            key = (s.network, s.layer.isa, s.layer.threads)
            measured[key] += s.seconds
            expected[key] += family.expect(s.layer, s.terms, (owners != s.network).astype(np.float64))
    errors = np.array([math.log(measured[key] / expected[key]) for key in measured])
    return max(0.02, float(np.sqrt(np.mean(errors**2)))) if len(errors) else 0.25


def _state(layer: Layer) -> Float64:
    return np.array([1.0, math.log(LANES.get(layer.isa, 8) / 11.3), math.log(layer.threads) - 0.35])


def _place(layer: Layer) -> Float64:
    """Where a layer stands among others: logarithms, weighted."""
    sizes = ((layer.inputs, _CHANNELS), (layer.outputs, _CHANNELS), (layer.pixels, _PIXELS), (layer.images, _IMAGES))
    places = [weight * math.log(max(size, 1)) for size, weight in ((layer.window, _WINDOW), *sizes)]
    return np.array([*places, _BYTES * math.log(max(layer.working_set, 1.0))])
