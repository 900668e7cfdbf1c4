"""Bits out of a binary convolution: batch normalisation and sign as a comparison of integers."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
from ferkern import nn
from test_binary import CASES, exact, make


def norms(rng, filters):
    """gamma, beta, mean, variance with all signs and zeros of gamma."""
    gamma = rng.standard_normal(filters).astype(np.float32)
    gamma[::5] = 0
    beta, mean = (rng.standard_normal(filters).astype(np.float32) * 3 for _ in range(2))
    beta[::10] = -np.abs(beta[::10])
    return gamma, beta, mean, rng.uniform(0.01, 4, filters).astype(np.float32)


@pytest.mark.op("binary")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_folded_threshold_is_batch_norm_and_sign(row, forced, guarded, rng, case):
    x, w, options = make(rng, case)
    filters = nn.binarize(w)
    gamma, beta, mean, variance = norms(rng, len(w))
    b = rng.standard_normal(len(w)).astype(np.float32)
    sums = oracle.sign_sums(x, w, **options)
    y = sums * filters.alpha[:, None, None].astype(np.float64) + b[:, None, None]
    expected = oracle.sign(oracle.batch_norm(y, gamma, beta, mean, variance))
    threshold = nn.fold_batch_norm_sign(filters, gamma, beta, mean, variance, b=b)
    out = nn.BinaryTensor(guarded(*np.moveaxis(expected, 1, 3).shape[:3], -(-len(w) // 32), dtype=np.uint32), len(w))
    with forced(row):
        packed = nn.binary_conv2d(x, filters, **options, threshold=threshold, out=out)
    assert packed is out
    np.testing.assert_array_equal(packed.signs(), expected)
    past = len(w) % 32
    assert not past or not (packed.bits[..., -1] >> past).any(), "bits past the last channel"


def test_thresholds_at_the_edge_of_rounding():
    """Means on a sum itself and a step of float32 beside it: on which side a sum falls is decided as double does."""
    c = 25
    filters = nn.binarize(np.full((2 * c + 1, c, 1, 1), 0.3, np.float32))
    sums = np.arange(-c, c + 1)
    x = np.where(np.arange(c)[:, None] < (sums[::2] + c) // 2, 1, -1).astype(np.float32)[None, :, None]
    at = (sums * filters.alpha.astype(np.float64)).astype(np.float32)
    one, zero = np.ones_like(at), np.zeros_like(at)
    for mean in (at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(-np.inf))):
        for gamma in (one, -one, one * 1e-20, -3e20 * one):
            y = oracle.sign_sums(x, filters.weights()) * filters.alpha[:, None, None].astype(np.float64)
            expected = oracle.sign(oracle.batch_norm(y, gamma, zero, mean, one, epsilon=0.0))
            threshold = nn.fold_batch_norm_sign(filters, gamma, zero, mean, one, epsilon=0.0)
            np.testing.assert_array_equal(nn.binary_conv2d(x, filters, threshold=threshold).signs(), expected)


def test_gamma_of_zero_leaves_the_sign_of_beta():
    filters = nn.binarize(np.ones((3, 8, 1, 1), np.float32))
    zero, one = np.zeros(3, np.float32), np.ones(3, np.float32)
    beta = np.float32([-1, 0, 1])
    threshold = nn.fold_batch_norm_sign(filters, zero, beta, zero, one)
    for x in (np.ones((1, 8, 2, 2), np.float32), -np.ones((1, 8, 2, 2), np.float32)):
        signs = nn.binary_conv2d(x, filters, threshold=threshold).signs()
        np.testing.assert_array_equal(signs[0, :, 0, 0], [-1, 1, 1])


@pytest.mark.op("binary")
def test_two_layers_in_bits_are_the_two_in_floats(row, forced, rng):
    x, w1, options = make(rng, (2, 40, 13, 11, 70, (3, 3), 1, 1))
    w2 = rng.standard_normal((33, 70, 3, 3)).astype(np.float32)
    first, second = nn.binarize(w1), nn.binarize(w2)
    gamma, beta, mean, variance = norms(rng, 70)
    y = oracle.sign_sums(x, w1, **options) * first.alpha[:, None, None].astype(np.float64)
    hidden = oracle.batch_norm(y, gamma, beta, mean, variance)
    expected = exact(oracle.sign_sums(hidden, w2, stride=2, padding="same"), second)
    with forced(row):
        threshold = nn.fold_batch_norm_sign(first, gamma, beta, mean, variance)
        bits = nn.binary_conv2d(x, first, **options, threshold=threshold)
        assert bits.shape == (2, 70, 13, 11)
        np.testing.assert_array_equal(nn.binary_conv2d(bits, second, stride=2, padding="same"), expected)
