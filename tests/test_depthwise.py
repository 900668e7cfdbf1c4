"""Depthwise convolution against the oracle, on every row of its list, at the edges."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
import tolerance
from ferkern import nn
from ferkern.config import config
from sizes import EDGES

# n, c, h, w, multiplier, (kh, kw), stride, padding, dilation
CASES = [
    (1, 1, 1, 1, 1, (1, 1), 1, 0, 1),
    (2, 17, 12, 13, 1, (3, 3), 1, 1, 1),
    (1, 32, 25, 24, 1, (3, 3), 2, "same", 1),
    (1, 16, 30, 31, 1, (5, 5), 1, 2, 1),
    (1, 40, 16, 15, 1, (5, 5), 2, 2, 1),
    (1, 8, 9, 33, 1, (1, 7), 1, "same", 1),
    (1, 5, 11, 12, 1, (3, 3), 3, 1, 1),
    (1, 6, 14, 15, 1, (3, 3), 1, 2, 2),
    (2, 4, 10, 11, 1, (4, 2), (1, 2), (0, 1, 2, 1), (2, 3)),
    (1, 3, 2, 2, 1, (3, 3), 1, 4, 1),
    (1, 3, 8, 9, 1, (7, 7), 2, 8, 3),
    (2, 6, 9, 9, 3, (3, 3), 1, 1, 1),
]


def make(rng, case):
    n, c, h, w, m, k, *_ = case
    x = rng.standard_normal((n, c, h, w)).astype(np.float32)
    weights = rng.standard_normal((c * m, 1, *k)).astype(np.float32)
    return x, weights, rng.standard_normal(c * m).astype(np.float32)


def bound(x, w, b, **options):
    return tolerance.dot(w[0].size, oracle.depthwise_conv2d(np.abs(x), np.abs(w), np.abs(b), **options))


@pytest.mark.op("depthwise")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_oracle(row, forced, guarded, rng, case):
    stride, padding, dilation = case[6:]
    x, w, b = make(rng, case)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    if case[4] > 1 and row.name != "reference":
        with pytest.raises(ValueError, match="no kernel named 'direct'"), forced(row):
            nn.depthwise_conv2d(x, w, b, **options)
        return
    expected = oracle.depthwise_conv2d(x, w, b, **options)
    out = guarded(*expected.shape)
    with forced(row):
        assert nn.depthwise_conv2d(x, w, b, **options, out=out) is out
    assert (np.abs(out - expected) <= bound(x, w, b, **options)).all()


@pytest.mark.op("depthwise")
@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("stride", [1, 2])
def test_edge_sizes(row, forced, rng, size, stride):
    for c, h, w in ((size, 3, 4), (2, size, 3), (2, 3, size)):
        x, weights, b = make(rng, (1, c, h, w, 1, (3, 3)))
        options = {"stride": stride, "padding": 1}
        with forced(row):
            y = nn.depthwise_conv2d(x, weights, b, **options)
        assert (np.abs(y - oracle.depthwise_conv2d(x, weights, b, **options)) <= bound(x, weights, b, **options)).all()


@pytest.mark.op("depthwise")
@pytest.mark.parametrize("kind", ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "hard_swish", "silu", "elu"])
def test_activations(row, forced, rng, kind):
    x, w, b = make(rng, (1, 7, 6, 6, 1, (3, 3)))
    expected = oracle.depthwise_conv2d(x, w, b, activation=kind)
    with forced(row):
        y = nn.depthwise_conv2d(x, w, b, activation=kind)
    assert (np.abs(y - expected) <= tolerance.activation(expected, bound(x, w, b), kind)).all()


def test_same_bits_for_every_number_of_threads(rng):
    x, w, b = make(rng, (3, 33, 39, 41, 1, (3, 3)))
    results = []
    for threads in (1, 2, 3, 7):
        with config(threads=threads):
            results.append(nn.depthwise_conv2d(x, w, b, padding=1, activation="relu"))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_strided_input_is_read_as_it_stands(rng):
    x, w, b = make(rng, (2, 6, 10, 12, 1, (3, 3)))
    for view in (x[:, ::2], x[:, :, ::-1], x[..., ::3], x.transpose(0, 1, 3, 2), x[::-1]):
        c = view.shape[1]
        np.testing.assert_array_equal(
            nn.depthwise_conv2d(view, w[:c], b[:c]), nn.depthwise_conv2d(view.copy(), w[:c], b[:c])
        )
    np.testing.assert_array_equal(
        nn.depthwise_conv2d(x, w[::-1, :, ::-1], b[::-1]),
        nn.depthwise_conv2d(x, w[::-1, :, ::-1].copy(), b[::-1].copy()),
    )


@pytest.mark.op("depthwise")
def test_nan_stays_in_its_window_and_channel(row, forced, rng):
    x, w, b = make(rng, (1, 5, 8, 8, 1, (3, 3)))
    x[0, 3, 0, 0] = np.nan
    with forced(row):
        y = nn.depthwise_conv2d(x, w, b, padding=1, activation="relu")
    assert np.isnan(y[0, 3, :2, :2]).all()
    assert np.isnan(y).sum() == 4


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"x": np.zeros((1, 3, 8, 8))}, TypeError, "x must be float32, is float64"),
        ({"x": np.zeros((3, 8, 8), np.float32)}, ValueError, "x must have 4 dimensions, has 3"),
        (
            {"w": np.zeros((4, 1, 3, 3), np.float32)},
            ValueError,
            "w has 4 filters, expected a multiple of the 3 channels",
        ),
        ({"w": np.zeros((3, 3, 3, 3), np.float32)}, ValueError, "w has 3 input channels a filter, expected 1"),
        ({"w": np.zeros((3, 1, 9, 9), np.float32)}, ValueError, "no output height"),
        ({"b": np.zeros(4, np.float32)}, ValueError, "b has 4 values, expected one for each of the 3 filters"),
        ({"stride": 0}, ValueError, "stride along the height"),
        ({"padding": "full"}, ValueError, 'padding must be "same"'),
        ({"activation": "gelu"}, ValueError, "unknown activation 'gelu'"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_wrong_input(change, error, match):
    call = {"x": np.zeros((1, 3, 8, 8), np.float32), "w": np.zeros((3, 1, 3, 3), np.float32), "b": None, **change}
    x, w, b = call.pop("x"), call.pop("w"), call.pop("b")
    with pytest.raises(error, match=match):
        nn.depthwise_conv2d(x, w, b, **call)
