"""Matrix products and dense layers on every OpenCL device, every kernel: against the oracle and the processor."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
import test_dense_bfloat16
import tolerance
from ferkern import _core, nn
from ferkern.linalg import gemm
from ferkern.opencl import find
from ferkern.opencl.memory import download, empty, upload
from ferkern.opencl.ops import dense as op
from ferkern.registry import last_kernel
from opencl_layers import ACTIVATIONS, activated, close, device_rows, names_of, on_device
from sizes import EDGES
from test_gemm import SIZES, bound, make

# Kernels of a device do not depend on the processor's instruction set.
pytestmark = pytest.mark.slow

GEMM = device_rows("gemm")
DENSE = device_rows("dense")


@pytest.mark.parametrize("row", GEMM, ids=names_of(GEMM))
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_gemm_against_oracle_and_processor(cl_device, row, guarded, rng, size):
    a, b, bias = make(rng, *size)
    out = guarded(size[0], size[1])
    with on_device(row):
        assert gemm(a, b, bias=bias, out=out, device=cl_device) is out
        transposed = gemm(a, np.ascontiguousarray(b.T), bias=bias, transpose_b=True, device=cl_device)
        plain = gemm(a, b, device=cl_device)
    assert close(out, oracle.gemm(a, b, bias), bound(a, b, bias))
    assert close(plain, oracle.gemm(a, b), bound(a, b, bias))
    assert close(out, gemm(a, b, bias=bias), 2 * bound(a, b, bias))
    np.testing.assert_array_equal(out, transposed)


@pytest.mark.parametrize("row", GEMM, ids=names_of(GEMM))
@pytest.mark.parametrize("size", EDGES)
def test_gemm_edge_sizes(cl_device, row, guarded, rng, size):
    for m, n, k in ((size, 5, 6), (4, size, 7), (6, 9, size), (size, size, size)):
        a, b, bias = make(rng, m, n, k)
        out = guarded(m, n)
        with on_device(row):
            gemm(a, b, bias=bias, out=out, device=cl_device)
        assert close(out, oracle.gemm(a, b, bias), bound(a, b, bias))


def test_gemm_nan_and_infinity_stay_in_their_row_and_column(cl_device, rng):
    a, b, bias = make(rng, 20, 24, 70)
    a[7, 66], b[3, 9] = np.nan, np.inf
    for row in GEMM:
        with on_device(row):
            y = gemm(a, b, bias=bias, device=cl_device)
        expected = np.isnan(gemm(a, b, bias=bias))
        np.testing.assert_array_equal(np.isnan(y), expected)
        assert np.isinf(y[:, 9]).sum() == 19


@pytest.mark.parametrize("row", DENSE, ids=names_of(DENSE))
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("sizes", [(1, 1), (1620, 500), (300, 7), (31, 129), (128, 257), (5, 64)], ids=str)
def test_dense_against_oracle_and_processor(cl_device, row, guarded, rng, n, sizes):
    inputs, outputs = sizes
    x, wt, b = make(rng, n, outputs, inputs)
    w = np.ascontiguousarray(wt.T)
    if row.name == "matvec" and n > 4:
        with pytest.raises(ValueError, match="no kernel named 'matvec' serves"), on_device(row):
            nn.dense(x, w, b, device=cl_device)
        return
    y = guarded(n, outputs)
    with on_device(row):
        assert nn.dense(x, w, b, out=y, device=cl_device) is y
        plain = nn.dense(x, w, device=cl_device)
    assert close(y, oracle.gemm(x, wt, b), bound(x, wt, b))
    assert close(plain, oracle.gemm(x, wt), bound(x, wt, b))
    assert close(y, nn.dense(x, w, b), 2 * bound(x, wt, b))


@pytest.mark.parametrize("row", DENSE, ids=names_of(DENSE))
@pytest.mark.parametrize("size", EDGES)
def test_dense_edge_sizes(cl_device, row, guarded, rng, size):
    for inputs, outputs in ((size, 3), (3, size), (size, size)):
        x, wt, b = make(rng, 1, outputs, inputs)
        y = guarded(1, outputs)
        with on_device(row):
            nn.dense(x, np.ascontiguousarray(wt.T), b, out=y, device=cl_device)
        assert close(y, oracle.gemm(x, wt, b), bound(x, wt, b))


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations(cl_device, rng, kind):
    a, b, bias = make(rng, 3, 21, 300)
    a /= 10
    expected = oracle.gemm(a, b, bias, activation=kind)
    error = activated(expected, bound(a, b, bias), kind)
    for row in GEMM:
        with on_device(row):
            assert close(gemm(a, b, bias=bias, activation=kind, device=cl_device), expected, error)
    for row in DENSE:
        with on_device(row):
            assert close(nn.dense(a, b.T.copy(), bias, activation=kind, device=cl_device), expected, error)


def test_larger_batches_turn_to_the_product(cl_device, rng):
    x, wt, b = make(rng, 12, 40, 50)
    nn.dense(x, wt.T, b, device=cl_device)
    assert last_kernel() == "dense:gemm:opencl"
    nn.dense(x[:4], wt.T, b, device=cl_device)
    assert last_kernel() == "dense:matvec:opencl"


def dense_shape(n, inputs, outputs, *, bfloat16):
    arrays = [np.zeros(shape, np.float32) for shape in ((n, inputs), (outputs, inputs), (outputs,))]
    shape = _core.dense_shape(*arrays, None, None)
    shape["bfloat16"] = int(bfloat16)
    return shape


def planned(cl_device, row, x, w, b, *, planned_for, bfloat16):
    """A dense layer as a network has it: planned for a batch, run with fewer rows."""
    target = find(cl_device)
    shape = dense_shape(planned_for, *w.shape[::-1], bfloat16=bfloat16)
    with on_device(row):
        _, function = _core.device_kernel("dense", shape, "opencl")
    plan = op.PLANS[function](target, shape)
    plan.load({"w": upload(target, w), "b": upload(target, b)})
    y = np.zeros((planned_for, len(w)), np.float32)
    result = empty(target, y.nbytes)
    upload(target, y, result)
    plan.run([upload(target, x)], None, result, len(x))
    download(target, result, y)
    return plan, y


@pytest.mark.parametrize("row", DENSE, ids=names_of(DENSE))
@pytest.mark.parametrize("images", [1, 3, 4])
def test_fewer_rows_than_planned(cl_device, row, rng, images):
    x, wt, b = make(rng, images, 37, 61)
    _, y = planned(cl_device, row, x, np.ascontiguousarray(wt.T), b, planned_for=4, bfloat16=False)
    assert close(y[:images], oracle.gemm(x, wt, b), bound(x, wt, b))
    assert (y[images:] == 0).all()


@pytest.mark.parametrize("row", DENSE, ids=names_of(DENSE))
def test_bfloat16_weights_are_those_of_the_processor(cl_device, row, rng):
    """Each weight alone in its row, so that the result is the rounded weight itself; the sums below."""
    w = np.zeros((70, 9), np.float32)
    w[:, 4] = [
        *(np.float32(1) + np.arange(64, dtype=np.float32) * np.float32(2**-11)),
        3.4e38,
        -3.4e38,
        1e-3,
        -7.7,
        0,
        -0.0,
    ]
    x = np.zeros((1, 9), np.float32)
    x[0, 4] = 1
    plan, y = planned(cl_device, row, x, w, np.zeros(70, np.float32), planned_for=1, bfloat16=True)
    assert plan.sizes == {"rounded weights": 2 * w.size}
    expected = test_dense_bfloat16.rounded(w[:, 4].copy())
    expected[64:66] = np.array([0x7F7F0000, 0xFF7F0000], np.uint32).view(np.float32)  # never to infinity
    np.testing.assert_array_equal(y[0], expected)
    w[:, 4] = np.inf
    w[::2, 4] = np.array([0x7F800001], np.uint32).view(np.float32)[0]  # a NaN whose upper half alone is infinity
    _, y = planned(cl_device, row, x, w, np.zeros(70, np.float32), planned_for=1, bfloat16=True)
    assert np.isnan(y[0, ::2]).all()
    assert (y[0, 1::2] == np.inf).all()


@pytest.mark.parametrize("row", DENSE, ids=names_of(DENSE))
@pytest.mark.parametrize("images", [1, 4])
def test_bfloat16_sums(cl_device, row, rng, images):
    x, wt, b = make(rng, images, 67, 301)
    w = np.ascontiguousarray(wt.T)
    _, y = planned(cl_device, row, x, w, b, planned_for=images, bfloat16=True)
    exact = test_dense_bfloat16.rounded(w)
    assert close(y, oracle.gemm(x, exact.T, b), tolerance.dot(301, oracle.gemm(np.abs(x), np.abs(exact.T), np.abs(b))))


def test_bfloat16_costs_half_the_weights():
    read = [_core.device_cost("dense", dense_shape(1, 100, 50, bfloat16=half))[1] for half in (False, True)]
    assert read[0] - read[1] == 2 * 100 * 50


def test_strided_input_is_made_dense_for_the_transfer(cl_device, rng):
    a, b, bias = make(rng, 20, 24, 30)
    for view in (a[::2], a[::-1], a[:, ::-1], a[::3, 2:30:2], a.T.copy().T):
        right = b[: view.shape[1]]
        expected = gemm(view.copy(), right.copy(), bias=bias, device=cl_device)
        np.testing.assert_array_equal(gemm(view, right, bias=np.repeat(bias, 2)[::2], device=cl_device), expected)
        expected = nn.dense(view.copy(), right.T.copy(), bias, device=cl_device)
        np.testing.assert_array_equal(nn.dense(view, right.T, bias, device=cl_device), expected)
