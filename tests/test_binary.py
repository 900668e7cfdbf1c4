"""Binary convolution against the oracle, on every row of its list: sums of signs are whole numbers, so to the bit."""

from __future__ import annotations

import copy
import gc
import pickle

import numpy as np
import pytest

import oracle
import tolerance
from conftest import rows_of
from ferkern import _core, nn
from ferkern.config import config
from ferkern.registry import last_kernel
from fuzz_same_bits import differing_cases

CHANNELS = [1, 31, 32, 33, 63, 64, 65, 100, 128]

# n, c, h, w, filters, (kh, kw), stride, padding
CASES = [
    (1, 1, 1, 1, 1, (1, 1), 1, 0),
    (2, 33, 9, 11, 5, (3, 3), 1, 1),
    (1, 128, 24, 24, 128, (3, 3), 1, "same"),
    (1, 64, 7, 7, 65, (3, 3), 2, 1),
    (3, 100, 6, 5, 31, (1, 1), 1, 0),
    (1, 40, 9, 9, 33, (1, 1), 2, 0),
    (1, 32, 5, 17, 130, (5, 5), 1, 2),
    (1, 65, 12, 7, 64, (5, 5), (2, 1), (2, 0)),
    (2, 20, 7, 6, 32, (3, 3), 2, (1, 0, 2, 1)),
    (1, 3, 2, 2, 3, (3, 3), 1, 4),  # some windows stand outside the image altogether
    (1, 5, 6, 7, 97, (2, 4), (2, 1), (0, 3)),
    (1, 8, 1, 100, 8, (1, 7), 1, "same"),
    (1, 31, 8, 9, 16, (3, 3), 4, 0),  # strides longer than the window
    (1, 300, 16, 16, 8, (3, 3), 1, 1),
    (1, 2100, 3, 3, 9, (3, 3), 1, 1),  # bytes of counts are widened many times
]


def make(rng, case):
    n, c, h, w, o, k, stride, padding = case
    x = rng.standard_normal((n, c, h, w)).astype(np.float32)
    weights = rng.standard_normal((o, c, *k)).astype(np.float32)
    return x, weights, {"stride": stride, "padding": padding}


def exact(sums, filters, scale=None, b=None):
    """The float32 numbers that a layer gives for sums of signs: every step rounded once."""
    y = sums.astype(np.float32) * filters.alpha[:, None, None]
    y = y if scale is None else y * scale.astype(np.float32)
    return y if b is None else y + b[:, None, None]


@pytest.mark.op("binary")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_oracle(row, forced, guarded, rng, case):
    x, w, options = make(rng, case)
    filters = nn.binarize(w)
    b = rng.standard_normal(len(w)).astype(np.float32)
    expected = exact(oracle.sign_sums(x, w, **options), filters, b=b)
    out = guarded(*expected.shape)
    with forced(row):
        y = nn.binary_conv2d(x, filters, b, **options, out=out)
    assert y is out
    np.testing.assert_array_equal(y, expected)
    with forced(row):
        from_bits = nn.binary_conv2d(nn.sign_bits(x), filters, b, **options)
    np.testing.assert_array_equal(from_bits, expected)


@pytest.mark.op("binary")
@pytest.mark.parametrize("channels", CHANNELS)
def test_channels_around_a_word(row, forced, rng, channels):
    for kernel in (1, 3, 5):
        for filters in (channels, 7):
            x, w, options = make(rng, (1, channels, 6, 7, filters, (kernel, kernel), 1, kernel // 2))
            w = oracle.sign(w).astype(np.float32)  # alpha is 1: the sums themselves
            with forced(row):
                y = nn.binary_conv2d(x, nn.binarize(w), **options)
            np.testing.assert_array_equal(y, oracle.sign_sums(x, w, **options))


@pytest.mark.op("binary")
@pytest.mark.parametrize("filters", CHANNELS)
@pytest.mark.parametrize("side", [1, 2, 3, 4, 5, 8, 15, 16, 17])
def test_filters_and_pixels_around_a_tile(row, forced, guarded, rng, filters, side):
    x, w, options = make(rng, (1, 40, 1, side, filters, (1, 3), 1, (0, 1)))
    w = oracle.sign(w).astype(np.float32)
    expected = oracle.sign_sums(x, w, **options)
    with forced(row):
        y = nn.binary_conv2d(x, nn.binarize(w), **options, out=guarded(*expected.shape))
    np.testing.assert_array_equal(y, expected)


@pytest.mark.op("binary")
def test_all_signs_differ_or_none(row, forced):
    """The largest sums that there are, in bytes and in 16 bits."""
    for c, k in ((63, 1), (64, 1), (252, 1), (2048, 3), (8200, 3)):
        for x_sign in (1, -1):
            x = np.full((1, c, k, k), x_sign, np.float32)
            w = np.stack([np.full((c, k, k), s, np.float32) for s in (1, -1)])
            with forced(row):
                y = nn.binary_conv2d(x, nn.binarize(w))
            np.testing.assert_array_equal(y.ravel(), np.float32([x_sign, -x_sign]) * c * k * k)


@pytest.mark.op("binary")
def test_scale_of_the_input(row, forced, rng):
    for case in CASES[:9]:
        x, w, options = make(rng, case)
        filters = nn.binarize(w)
        scale = oracle.input_scale(x, case[5], **options)
        with forced(row):
            y = nn.binary_conv2d(x, filters, **options, scale_input=True)
        sums = oracle.sign_sums(x, w, **options)
        expected = sums * filters.alpha[:, None, None].astype(np.float64) * scale
        # K: a float32 sum over the channels, the rest in double precision and one rounding; then two products.
        bound = tolerance.dot(case[1] + 2, expected)
        assert (np.abs(y - expected) <= bound).all()


@pytest.mark.op("binary")
@pytest.mark.parametrize("kind", ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "hard_swish", "silu", "elu"])
def test_activations(row, forced, rng, kind):
    x, w, options = make(rng, (1, 5, 6, 6, 7, (3, 3), 1, 1))
    filters = nn.binarize(w / 8)
    plain = exact(oracle.sign_sums(x, w, **options), filters).astype(np.float64)
    expected = oracle.activate(plain, kind)
    with forced(row):
        y = nn.binary_conv2d(x, filters, **options, activation=kind)
    assert (np.abs(y - expected) <= tolerance.activation(expected, 0.0, kind)).all()


@pytest.mark.op("binary")
@pytest.mark.parametrize("n", [1, 2, 5, 16, 17])
@pytest.mark.parametrize("inputs", [1, 33, 128, 500])
@pytest.mark.parametrize("outputs", [1, 7, 65])
def test_dense(row, forced, guarded, rng, n, inputs, outputs):
    x = rng.standard_normal((n, inputs)).astype(np.float32)
    w = rng.standard_normal((outputs, inputs)).astype(np.float32)
    b = rng.standard_normal(outputs).astype(np.float32)
    filters = nn.binarize(w)
    with forced(row):
        y = nn.binary_dense(x, filters, b, out=guarded(n, outputs))
    sums = (oracle.sign(x) @ oracle.sign(w).T).astype(np.float32)
    np.testing.assert_array_equal(y, sums * filters.alpha + b)


@pytest.mark.op("binary")
def test_signs_of_zero_nan_and_infinity(row, forced):
    values = np.float32([0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1e-45, -1e-45, 1, -1])
    expected = np.float32([1, 1, 1, 1, 1, -1, 1, -1, 1, -1])
    x = np.resize(values, (1, 70, 3, 7)).astype(np.float32)
    with forced(row):
        packed = nn.sign_bits(x)
    np.testing.assert_array_equal(packed.signs(), np.resize(expected, x.shape))
    with forced(row):
        y = nn.binary_conv2d(x, nn.binarize(np.ones((2, 70, 1, 1), np.float32)))
    np.testing.assert_array_equal(y[0, 0], np.resize(expected, x.shape)[0].sum(axis=0))


@pytest.mark.op("binary")
def test_packing_is_the_same_for_every_order_of_memory(row, forced, rng):
    for c in (1, 5, 32, 70):
        x = rng.standard_normal((2, c, 5, 19)).astype(np.float32)
        expected = oracle.sign(x)
        channels_last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        for view in (
            x,
            channels_last,
            np.asfortranarray(x),
            x[:, ::-1].copy()[:, ::-1],
            x[..., ::-1].copy()[..., ::-1],
        ):
            with forced(row):
                y = nn.binary_conv2d(view, nn.binarize(np.ones((3, c, 1, 1), np.float32)))
            np.testing.assert_array_equal(y[:, 0], expected.sum(axis=1).astype(np.float32))
            with forced(row):
                np.testing.assert_array_equal(nn.sign_bits(view).signs(), expected)


def test_binarize_is_the_best_fit_in_the_square_mean(rng):
    w = rng.standard_normal((6, 33, 3, 3)).astype(np.float32)
    w[0, 0, 0, :2] = 0.0, -0.0
    filters = nn.binarize(w)
    assert filters.shape == w.shape
    np.testing.assert_allclose(filters.alpha, np.abs(w.astype(np.float64)).mean(axis=(1, 2, 3)), rtol=1e-7)
    signs = oracle.sign(w).astype(np.float32)
    np.testing.assert_array_equal(filters.weights(), signs * filters.alpha[:, None, None, None])
    assert filters.bits.dtype == np.uint32
    assert filters.bits.nbytes == 6 * 9 * 2 * 4
    for factor in (0.99, 1.01):
        assert ((w - factor * filters.weights()) ** 2).sum() > ((w - filters.weights()) ** 2).sum()


def test_binary_weights_with_float_inputs(rng):
    x, w, options = make(rng, (2, 33, 9, 8, 20, (3, 3), 1, 1))
    b = rng.standard_normal(20).astype(np.float32)
    filters = nn.binarize(w)
    y = nn.binary_weight_conv2d(x, filters, b, **options, activation="relu")
    expected = oracle.conv2d(x, filters.weights(), b, **options, activation="relu")
    magnitude = oracle.conv2d(np.abs(x), np.abs(filters.weights()), np.abs(b), **options)
    assert (np.abs(y - expected) <= tolerance.dot(w[0].size, magnitude)).all()

    flat = nn.binarize(w.reshape(20, -1))
    features = rng.standard_normal((3, 297)).astype(np.float32)
    y = nn.binary_weight_dense(features, flat, b)
    magnitude = oracle.gemm(np.abs(features), np.abs(flat.weights()).T, np.abs(b))
    assert (np.abs(y - oracle.gemm(features, flat.weights().T, b)) <= tolerance.dot(297, magnitude)).all()


@pytest.mark.op("binary")
@pytest.mark.parametrize("case", [CASES[2], (5, 64, 29, 31, 70, (3, 3), 1, 1)], ids=str)
def test_same_bits_for_every_number_of_threads(row, rng, case):
    x, w, options = make(rng, case)
    filters = nn.binarize(w)
    gamma, beta, mean = rng.standard_normal((3, len(w))).astype(np.float32)
    threshold = nn.fold_batch_norm_sign(filters, gamma, beta, mean, np.ones_like(mean))
    results = []
    for threads in (1, 2, 3, 7):
        with config(threads=threads, isa=row.isa, kernel=row.name, exact=True):
            bits = nn.binary_conv2d(x, filters, **options, threshold=threshold).bits
            y = nn.binary_conv2d(x, filters, **options, scale_input=True, activation="relu")
            results.append((y, bits, nn.sign_bits(x).bits))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_same_bits_on_every_instruction_set():
    """A sample of what the nox session same_bits runs 100,000 times."""
    assert differing_cases("binary", count=300, seed=7) == []


def test_bits_past_the_last_channel_count_for_nothing(rng):
    x, w, options = make(rng, (1, 37, 6, 6, 5, (3, 3), 1, 1))
    filters, packed = nn.binarize(w), nn.sign_bits(x)
    expected = nn.binary_conv2d(x, filters, **options)
    past = np.uint32(0xFFFFFFFF) << np.uint32(5)
    for bits in (filters.bits, packed.bits):
        assert not (bits[..., -1] & past).any()
    dirty_x = packed.bits.copy()
    dirty_x[..., -1] |= past
    dirty_w = filters.bits.copy()
    dirty_w[..., -1] |= past
    dirty = nn.BinaryFilters(dirty_w, filters.alpha, 37)
    np.testing.assert_array_equal(nn.binary_conv2d(nn.BinaryTensor(dirty_x, 37), dirty, **options), expected)


def test_filters_remember_their_plans_and_choices_are_kept(rng):
    x, w, options = make(rng, (1, 32, 6, 6, 8, (3, 3), 1, 1))
    filters = nn.binarize(w)
    expected = nn.binary_conv2d(x, filters, **options)
    for _ in range(2):
        for row in rows_of("binary"):
            with config(isa=row.isa, kernel=row.name, exact=True):
                np.testing.assert_array_equal(nn.binary_conv2d(x, filters, **options), expected)
                assert last_kernel() == f"binary:{row.name}:{row.isa}"
    for side in range(3, 30):  # more shapes than are remembered
        y = nn.binary_conv2d(np.ones((1, 32, side, side), np.float32), filters)
        sums = oracle.sign(w).sum(axis=(1, 2, 3)).astype(np.float32)
        np.testing.assert_array_equal(y[0, :, 0, 0], sums * filters.alpha)
    np.testing.assert_array_equal(nn.binary_conv2d(x, filters, **options), expected)


def test_filters_are_copied_and_pickled_without_their_plans(rng):
    x, w, options = make(rng, (1, 40, 6, 6, 8, (3, 3), 1, 1))
    filters = nn.binarize(w)
    expected = nn.binary_conv2d(x, filters, **options)
    for other in (copy.deepcopy(filters), pickle.loads(pickle.dumps(filters))):
        assert other.shape == filters.shape
        np.testing.assert_array_equal(nn.binary_conv2d(x, other, **options), expected)


def test_filters_cannot_be_changed_behind_their_plans(rng):
    w = rng.standard_normal((3, 8, 1, 1)).astype(np.float32)
    filters = nn.binarize(w)
    with pytest.raises(ValueError, match="read-only"):
        filters.alpha[0] = 2
    bits = filters.bits.copy()
    own = nn.BinaryFilters(bits, filters.alpha, 8)
    bits[...] = 0
    np.testing.assert_array_equal(own.weights(), filters.weights())


def test_a_plan_outlives_what_it_was_made_from(rng):
    w = rng.standard_normal((5, 33, 3, 3)).astype(np.float32)
    x = rng.standard_normal((1, 33, 6, 6)).astype(np.float32)
    filters = nn.binarize(w)
    expected = nn.binary_conv2d(x, filters)
    bits, alpha = filters.bits.copy(), filters.alpha.copy()
    plan = _core.BinaryConv2d(bits, alpha, 33, x.shape, 1, 0, False)
    bits[...], alpha[...] = 0, 0
    del bits, alpha
    gc.collect()
    np.testing.assert_array_equal(plan.run(x, None, False, None, None, None), expected)


def test_peak_of_the_machine():
    for isa in ("scalar", *{k.isa for k in rows_of("binary")}):
        with config(isa=isa):
            operations, measured = _core.machine_peak("xor_popcount", 0.01)
        assert measured == isa
        assert operations > 1e8
    with pytest.raises(ValueError, match="nothing named 'flops' is measured"):
        _core.machine_peak("flops", 0.01)
    with pytest.raises(ValueError, match="seconds must be from"):
        _core.machine_peak("xor_popcount", 0.0)


def test_shown_by_their_shapes(rng):
    filters = nn.binarize(rng.standard_normal((8, 40, 3, 3)).astype(np.float32))
    assert repr(filters) == "BinaryFilters(shape=(8, 40, 3, 3))"
    assert repr(nn.sign_bits(np.zeros((1, 40, 5, 6), np.float32))) == "BinaryTensor(shape=(1, 40, 5, 6))"
