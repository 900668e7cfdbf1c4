"""Binary convolution: wrong input is refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from ferkern import _core, nn

FIVE = nn.binarize(np.ones((5, 3, 3, 3), np.float32))

# change of the call, error, message
WRONG = [
    ({"x": np.zeros((1, 3, 8, 8))}, TypeError, r"x must be float32, is float64"),
    ({"x": np.zeros((3, 8, 8), np.float32)}, ValueError, r"x must have 4 dimensions, has 3: shape \[3, 8, 8\]"),
    ({"x": np.zeros((1, 8, 8, 1), np.uint32)}, TypeError, r"x must be float32, is uint32"),
    ({"x": [[1.0]]}, TypeError, "x must be a NumPy array"),
    ({"x": np.zeros((0, 3, 8, 8), np.float32)}, ValueError, "x must hold at least one value"),
    ({"x": np.zeros((1, 4, 8, 8), np.float32)}, ValueError, "filters have 3 input channels, x has 4"),
    ({"x": nn.sign_bits(np.zeros((1, 4, 8, 8), np.float32))}, ValueError, "filters have 3 input channels, x has 4"),
    ({"filters": np.zeros((5, 3, 3, 3), np.float32)}, TypeError, "filters must be BinaryFilters .*, is ndarray"),
    ({"filters": nn.binarize(np.ones((5, 3), np.float32))}, ValueError, r"filters are of weights \[5, 3\], expected"),
    ({"filters": nn.binarize(np.ones((5, 3, 9, 9), np.float32))}, ValueError, r"no output height: input 8 \+ padding"),
    ({"b": np.zeros(4, np.float32)}, ValueError, "b has 4 values, expected one for each of the 5 filters"),
    ({"b": np.zeros(5)}, TypeError, "b must be float32, is float64"),
    ({"stride": 0}, ValueError, "stride along the height must be at least 1, is 0"),
    ({"stride": 1.5}, TypeError, "stride must be an integer"),
    ({"padding": -1}, ValueError, "must not be negative"),
    ({"padding": "full"}, ValueError, 'padding must be "same"'),
    ({"activation": "gelu"}, ValueError, "unknown activation 'gelu'; known: none, relu"),
    ({"out": np.zeros((1, 5, 6, 5), np.float32)}, ValueError, r"out has shape \[1, 5, 6, 5\], axis 3 must be 6"),
    ({"out": np.zeros((1, 5, 6, 6))}, TypeError, "out must be float32"),
    ({"out": nn.BinaryTensor(np.zeros((1, 6, 6, 1), np.uint32), 5)}, TypeError, "out must be a NumPy array"),
    (
        {"x": nn.sign_bits(np.zeros((1, 3, 8, 8), np.float32)), "scale_input": True},
        ValueError,
        "scale_input needs the magnitudes of x",
    ),
]


@pytest.mark.parametrize(("change", "error", "match"), WRONG, ids=lambda v: str(v)[:40])
def test_wrong_input(change, error, match):
    call = {"x": np.zeros((1, 3, 8, 8), np.float32), "filters": FIVE, **change}
    x, filters, b = call.pop("x"), call.pop("filters"), call.pop("b", None)
    with pytest.raises(error, match=match):
        nn.binary_conv2d(x, filters, b, **call)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"b": np.zeros(5, np.float32)}, ValueError, "b has no place beside threshold"),
        ({"scale_input": True}, ValueError, "scale_input has no place beside threshold"),
        ({"activation": "relu"}, ValueError, "activation has no place beside threshold"),
        ({"threshold": 3}, TypeError, "threshold must be from fold_batch_norm_sign, is int"),
        (
            {"threshold": nn.SignThreshold(np.zeros(4, np.int32), np.ones(4, np.int32))},
            ValueError,
            "at_least has 4 values, expected one for each of the 5 filters",
        ),
        (
            {"threshold": nn.SignThreshold(np.zeros(5, np.int64), np.ones(5, np.int32))},
            TypeError,
            "at_least must be int32, is int64",
        ),
        (
            {"threshold": nn.SignThreshold(np.zeros(5, np.int32), np.int32([1, -1, 0, 1, 1]))},
            ValueError,
            r"direction\[2\] must be 1 or -1, is 0",
        ),
        ({"out": np.zeros((1, 5, 6, 6), np.float32)}, TypeError, "out must be a BinaryTensor"),
        (
            {"out": nn.BinaryTensor(np.zeros((1, 6, 6, 1), np.uint32), 4)},
            ValueError,
            "out has 4 channels, expected .* 5",
        ),
        ({"out": nn.BinaryTensor(np.zeros((1, 6, 5, 1), np.uint32), 5)}, ValueError, r"out has shape \[1, 6, 5, 1\]"),
    ],
)
def test_wrong_input_beside_a_threshold(change, error, match):
    threshold = nn.SignThreshold(np.zeros(5, np.int32), np.ones(5, np.int32))
    filters = nn.binarize(np.ones((5, 3, 3, 3), np.float32))
    with pytest.raises(error, match=match):
        nn.binary_conv2d(np.zeros((1, 3, 8, 8), np.float32), filters, **{"threshold": threshold, **change})


def test_weights_that_have_no_signs_are_refused():
    for value in (np.nan, np.inf, -np.inf):
        w = np.ones((4, 3, 2, 2), np.float32)
        w[2, 1, 1, 1] = value
        with pytest.raises(ValueError, match="w: filter 2 holds NaN or infinity"):
            nn.binarize(w)
    with pytest.raises(ValueError, match="w must hold at least one value"):
        nn.binarize(np.zeros((0, 3, 2, 2), np.float32))
    with pytest.raises(ValueError, match=r"w must have 2 dimensions \[O, I\] or 4"):
        nn.binarize(np.zeros((3, 2, 2), np.float32))
    with pytest.raises(TypeError, match="w must be float32, is float64"):
        nn.binarize(np.zeros((3, 2)))


def test_statistics_that_do_not_fit_are_refused():
    filters = nn.binarize(np.ones((3, 8, 1, 1), np.float32))
    one = np.ones(3, np.float32)
    with pytest.raises(ValueError, match="mean has 2 values, expected one for each of the 3 filters"):
        nn.fold_batch_norm_sign(filters, one, one, one[:2], one)
    with pytest.raises(ValueError, match=r"filter 1: variance \+ epsilon = -1 \+ 1e-05 must be positive"):
        nn.fold_batch_norm_sign(filters, one, one, one, np.float32([1, -1, 1]))
    with pytest.raises(ValueError, match=r"filter 2: .*beta = nan.* must be finite"):
        nn.fold_batch_norm_sign(filters, one, np.float32([1, 1, np.nan]), one, one)
    with pytest.raises(TypeError, match="gamma must be float32, is float64"):
        nn.fold_batch_norm_sign(filters, np.ones(3), one, one, one)


def test_filters_and_tensors_that_do_not_fit_together_are_refused(rng):
    filters = nn.binarize(rng.standard_normal((3, 40, 1, 1)).astype(np.float32))
    x = np.ones((1, 40, 2, 2), np.float32)
    with pytest.raises(ValueError, match=r"bits has shape \[3, 1, 1, 2\], axis 3 must be ceil\(channels / 32\)"):
        nn.binary_conv2d(x, nn.BinaryFilters(filters.bits, filters.alpha, 65))
    with pytest.raises(ValueError, match="alpha has 2 values"):
        nn.binary_conv2d(x, nn.BinaryFilters(filters.bits, filters.alpha[:2], 40))
    with pytest.raises(TypeError, match="bits must be uint32, is int64"):
        nn.binary_conv2d(x, nn.BinaryFilters(filters.bits.astype(np.int64), filters.alpha, 40))
    match = r"bits has shape \[1, 2, 2, 2\], expected \[N, H, W, ceil\(C / 32\)\] with C = 65"
    with pytest.raises(ValueError, match=match):
        nn.BinaryTensor(np.zeros((1, 2, 2, 2), np.uint32), 65)
    plan = _core.BinaryConv2d(filters.bits, filters.alpha, 40, (1, 40, 2, 2), 1, 0, False)
    with pytest.raises(ValueError, match=r"x has shape \[1, 40, 2, 3\], axis 3 must be 2"):
        plan.run(np.ones((1, 40, 2, 3), np.float32), None, False, None, None, None)
    with pytest.raises(ValueError, match=r"x has shape \[1, 2, 2, 1\], axis 3 must be 2"):
        plan.run(np.ones((1, 2, 2, 1), np.uint32), None, False, None, None, None)


def test_out_must_not_be_the_input(rng):
    x = np.zeros((1, 3, 8, 8), np.float32)
    filters = nn.binarize(np.ones((3, 3, 1, 1), np.float32))
    with pytest.raises(ValueError, match="out must not share memory with x"):
        nn.binary_conv2d(x, filters, out=x)
    packed = nn.sign_bits(x)
    threshold = nn.SignThreshold(np.zeros(3, np.int32), np.ones(3, np.int32))
    with pytest.raises(ValueError, match="out must not share memory with x"):
        nn.binary_conv2d(packed, filters, threshold=threshold, out=packed)
