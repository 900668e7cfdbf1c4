"""conv2d against the oracle, on every row of its list, at the edges."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
import tolerance
import winograd
from ferkern import nn
from ferkern.config import config
from sizes import EDGES

# n, c, h, w, filters, (kh, kw), stride, padding, dilation, groups
CASES = [
    (1, 1, 1, 1, 1, (1, 1), 1, 0, 1, 1),
    (2, 3, 9, 11, 5, (3, 3), 1, 1, 1, 1),
    (1, 1, 48, 48, 32, (3, 3), 1, "same", 1, 1),
    (2, 32, 17, 13, 40, (3, 3), 2, 1, 1, 1),
    (1, 32, 14, 14, 64, (1, 1), 1, 0, 1, 1),
    (1, 16, 30, 31, 17, (1, 1), 1, 0, 1, 1),
    (1, 16, 9, 9, 17, (1, 1), 2, 0, 1, 1),
    (1, 20, 12, 12, 20, (5, 5), 1, 2, 2, 1),
    (1, 32, 8, 8, 32, (3, 3), 1, 1, 1, 2),
    (2, 64, 7, 6, 32, (3, 3), 2, (1, 0, 2, 1), 1, 2),
    (1, 4, 10, 10, 4, (3, 3), 3, 0, 1, 1),
    (1, 5, 6, 7, 9, (2, 4), (2, 1), (0, 3), (2, 1), 1),
    (1, 3, 2, 2, 3, (3, 3), 1, 4, 1, 1),
    (1, 16, 5, 5, 16, (5, 5), 1, "valid", 1, 1),
    (3, 17, 6, 6, 96, (3, 3), 1, 1, 1, 1),
    (1, 8, 1, 100, 8, (1, 7), 1, "same", 3, 1),
]

# change of the call, error, message
WRONG = [
    ({"x": np.zeros((1, 3, 8, 8))}, TypeError, r"x must be float32, is float64"),
    ({"x": np.zeros((3, 8, 8), np.float32)}, ValueError, r"x must have 4 dimensions, has 3: shape \[3, 8, 8\]"),
    ({"x": [[1.0]]}, TypeError, "x must be a NumPy array"),
    ({"x": np.zeros((0, 3, 8, 8), np.float32)}, ValueError, "x must hold at least one value"),
    ({"x": np.zeros((1, 3, 0, 8), np.float32)}, ValueError, "x must hold at least one value"),
    ({"w": np.zeros((5, 4, 3, 3), np.float32)}, ValueError, r"w has 4 input channels, expected .* 3 / 1 = 3"),
    ({"w": np.zeros((5, 3, 9, 9), np.float32)}, ValueError, r"no output height: input 8 \+ padding 0 \+ 0"),
    ({"b": np.zeros(4, np.float32)}, ValueError, "b has 4 values, expected one for each of the 5 filters"),
    ({"groups": 2}, ValueError, "groups = 2 must divide the 3 input channels"),
    ({"groups": 0}, ValueError, "groups = 0"),
    ({"stride": 0}, ValueError, "stride along the height must be at least 1, is 0"),
    ({"stride": 1.5}, TypeError, "stride must be an integer"),
    ({"stride": (1, 2, 3)}, ValueError, "stride must be a number or two"),
    ({"dilation": -1}, ValueError, "dilation along the height"),
    ({"padding": -1}, ValueError, "must not be negative"),
    ({"padding": "full"}, ValueError, 'padding must be "same"'),
    ({"padding": (1, 2, 3)}, ValueError, "padding must have"),
    ({"activation": "gelu"}, ValueError, "unknown activation 'gelu'; known: none, relu"),
    ({"activation": 3}, TypeError, "activation must be a name"),
    ({"out": np.zeros((1, 5, 6, 5), np.float32)}, ValueError, r"out has shape \[1, 5, 6, 5\], axis 3 must be 6"),
    ({"out": np.zeros((1, 5, 6, 12), np.float32)[..., ::2]}, ValueError, "out must be C-contiguous"),
    ({"out": np.zeros((1, 5, 6, 6))}, TypeError, "out must be float32"),
]


def make(rng, case):
    n, c, h, w, o, k, *_ = case
    groups = case[-1]
    x = rng.standard_normal((n, c, h, w)).astype(np.float32)
    weights = rng.standard_normal((o, c // groups, *k)).astype(np.float32)
    return x, weights, rng.standard_normal(o).astype(np.float32)


def bound(x, w, b, row=None, **options):
    """Tolerance of each output: the same convolution of magnitudes, times the error factor of its length."""
    if row is not None and row.name.startswith("winograd"):
        return winograd.bound(row.name, x, w, b, padding=options.get("padding", 0))
    magnitude = oracle.conv2d(np.abs(x), np.abs(w), np.abs(b), **options)
    return tolerance.dot(w[0].size, magnitude)


@pytest.mark.op("conv2d")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_oracle(row, forced, guarded, rng, case):
    stride, padding, dilation, groups = case[6:]
    x, w, b = make(rng, case)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    expected = oracle.conv2d(x, w, b, **options)
    lanes = {"scalar": 4, "avx2": 8}.get(row.isa, 16)
    split = row.name == "direct" and groups > 1 and (x.shape[1] // groups % lanes or w.shape[0] // groups % lanes)
    if split or (
        row.name.startswith("winograd") and not winograd.fits(row.name, w.shape[2:], stride, dilation, groups)
    ):
        with pytest.raises(ValueError, match=f"no kernel named '{row.name}'"), forced(row):
            nn.conv2d(x, w, b, **options)
        return
    out = guarded(*expected.shape)
    with forced(row):
        y = nn.conv2d(x, w, b, **options, out=out)
    assert y is out
    assert (np.abs(y - expected) <= bound(x, w, b, row, **options)).all()


@pytest.mark.op("conv2d")
@pytest.mark.parametrize("size", EDGES)
def test_edge_sizes(row, forced, rng, size):
    k = winograd.FORMS.get(row.name, (0, 3))[1]
    p = k // 2
    for c, h, w, o in ((size, 3, 4, 2), (2, size, 3, 3), (2, 3, size, 3), (3, 4, 5, size)):
        case = (1, c, h, w, o, (k, k), 1, p, 1, 1)
        x, weights, b = make(rng, case)
        with forced(row):
            y = nn.conv2d(x, weights, b, padding=p)
        assert (np.abs(y - oracle.conv2d(x, weights, b, padding=p)) <= bound(x, weights, b, row, padding=p)).all()


@pytest.mark.op("conv2d")
@pytest.mark.parametrize("kind", ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "hard_swish", "silu", "elu"])
def test_activations(row, forced, rng, kind):
    k = winograd.FORMS.get(row.name, (0, 3))[1]
    x, w, b = make(rng, (1, 5, 6, 6, 7, (k, k), 1, 0, 1, 1))
    plain = bound(x, w, b, row)
    expected = oracle.conv2d(x, w, b, activation=kind)
    with forced(row):
        y = nn.conv2d(x, w, b, activation=kind)
    assert (np.abs(y - expected) <= tolerance.activation(expected, plain, kind)).all()


def test_same_bits_for_every_number_of_threads(rng):
    x, w, b = make(rng, (3, 33, 29, 31, 50, (3, 3), 1, 1, 1, 1))
    results = []
    for threads in (1, 2, 3, 7):
        with config(threads=threads):
            results.append(nn.conv2d(x, w, b, padding=1, activation="relu"))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_strided_input_is_read_as_it_stands(rng):
    x, w, b = make(rng, (2, 6, 10, 12, 5, (3, 3), 1, 0, 1, 1))
    for view in (x[:, ::2], x[:, :, ::-1], x[..., ::3], x.transpose(0, 1, 3, 2), x[::-1]):
        weights = np.ascontiguousarray(w[:, : view.shape[1]])
        np.testing.assert_array_equal(nn.conv2d(view, weights, b), nn.conv2d(view.copy(), weights, b))


def test_infinity_and_nan_stay_where_they_belong(rng):
    x, w, b = make(rng, (1, 3, 8, 8, 5, (3, 3), 1, 1, 1, 1))
    x[0, 0, 0, 0] = np.nan
    y = nn.conv2d(x, w, b, padding=1, activation="relu")
    assert np.isnan(y[0, :, :2, :2]).all()
    assert np.isfinite(y[0, :, 2:, 2:]).all()


@pytest.mark.parametrize(("change", "error", "match"), WRONG, ids=lambda v: str(v)[:40])
def test_wrong_input(change, error, match):
    call = {"x": np.zeros((1, 3, 8, 8), np.float32), "w": np.zeros((5, 3, 3, 3), np.float32), "b": None, **change}
    x, w, b = call.pop("x"), call.pop("w"), call.pop("b")
    with pytest.raises(error, match=match):
        nn.conv2d(x, w, b, **call)


@pytest.mark.parametrize("reach", [2**29, 2**30 - 1])
def test_windows_that_reach_further_than_memory(reach):
    """The bytes of the copy with its zeros did not fit 64 bits: a process ended there."""
    x, w = np.ones((1, 2, 4, 4), np.float32), np.ones((3, 2, 3, 3), np.float32)
    with pytest.raises(ValueError, match=r"windows reach over \d+ x \d+ places of 2 channels, more than can be"):
        nn.conv2d(x, w, padding=reach, dilation=reach)


def test_out_must_not_be_the_input():
    x = np.zeros((1, 3, 8, 8), np.float32)
    w = np.zeros((3, 3, 1, 1), np.float32)
    with pytest.raises(ValueError, match="out must not share memory with x"):
        nn.conv2d(x, w, out=x)


def test_read_only_out_is_refused():
    out = np.zeros((1, 3, 8, 8), np.float32)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        nn.conv2d(np.zeros((1, 3, 8, 8), np.float32), np.zeros((3, 3, 1, 1), np.float32), out=out)
