"""svd on every OpenCL device: the processor's bounds on the same matrices, by every kernel of the list."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import tolerance
from ferkern import _core
from ferkern.bench.crossover_features import FEATURES
from ferkern.config import config
from ferkern.linalg import SVD, SingularValues, pca, svd
from ferkern.opencl import DeviceError, find
from ferkern.opencl.ops import svd as op
from ferkern.opencl.ops.svd_steps import VIEW, Tuning, tuning
from ferkern.opencl.program import read_source
from ferkern.registry import kernels, last_kernel
from sizes import EDGES
from test_svd import WRONG, check, nasty, with_condition

# Kernels of a device do not depend on the processor's instruction set.
pytestmark = pytest.mark.slow

ROWS = [k for k in kernels("svd") if k.isa == "opencl"]
# Groups of many work items, local memory, sums over teams: what a GPU is given, on whatever device there is.
GROUPS = Tuning(1, 16, 8, True, 32, 1, 8, 128, 2, 4, 4)


FORMS = [("own", np.float32), ("own", np.float64), ("groups", np.float32)]


@pytest.fixture(params=FORMS, ids=lambda form: f"{form[0]}-{form[1].__name__}")
def dtype(request, monkeypatch):
    """Runs a test with each dtype by the device's own tuning, and in float32 by a GPU's."""
    form, dtype = request.param
    if form == "groups":
        monkeypatch.setattr(op, "tuning", lambda info, itemsize: GROUPS)
    return dtype


def checked(a, device, **options):
    """The decomposition on a device, within the bounds of `test_svd.check`."""
    result = svd(a, device=device, **options)
    try:
        check(a, result)
    except AssertionError as error:
        raise AssertionError(f"{np.shape(a)} by {result.method}: {error}") from error
    return result


def test_nasty_matrices(cl_device, rng, dtype):
    for name, a in nasty(rng, dtype):
        try:
            checked(a, cl_device)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


@pytest.mark.parametrize("size", EDGES)
def test_edge_sizes(cl_device, rng, size):
    for shape in ((size, size), (size, 6), (6, size), (size + 40, size), (size, 3 * size + 60), (17, size, 5)):
        checked(rng.standard_normal(shape).astype(np.float32), cl_device)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_every_kernel_of_the_list(cl_device, rng, dtype, row):
    """On matrices that all of them serve, ranks and zeros among them, and alone in its batch where it may be."""
    batch = rng.standard_normal((19, 12, 9)).astype(dtype)
    batch[1], batch[2], batch[3, :, 4] = 0, 1, 0
    batch[4] *= np.geomspace(1, np.finfo(dtype).eps ** 2, 9).astype(dtype)
    cases = [batch, batch.transpose(0, 2, 1)]
    if row.name != "lanes":
        cases += [rng.standard_normal((30, 30)).astype(dtype), with_condition(rng, 90, 32, 1e6, dtype)]
    with config(kernel=row.name):
        for a in cases:
            result = checked(a, cl_device)
            assert last_kernel() == f"svd:{row.name}:opencl"
            values = svd(a, compute_uv=False, device=cl_device)
            assert isinstance(values, SingularValues)
            scale = tolerance.svd(dtype, 9) * result.s[..., :1]
            assert (np.abs(values.s - result.s) <= scale).all()


def op_function(a):
    return _core.device_kernel("svd", _core.svd_shape(a, None, False, True, "auto", 10, 4, 0), "opencl")[1]


def test_the_list_says_which_kernel_serves(cl_device):
    assert [row.name for row in ROWS] == ["lanes", "group", "blocks"]
    source = read_source("svd.cl")
    expected = {(40, 8, 8): "svd_lanes", (3, 8, 8): "svd_jacobi", (20, 20): "svd_jacobi", (60, 60): "svd_blocks"}
    for shape, function in expected.items():
        assert op_function(np.ones(shape, np.float32)) == function
        assert f"{function}(" in source


@pytest.mark.parametrize("shape", [(97, 97), (136, 136), (300, 136), (41, 900), (5000, 20), (3, 700, 33)], ids=str)
def test_larger_sizes(cl_device, rng, shape):
    a = rng.standard_normal(shape).astype(np.float32)
    result = checked(a, cl_device)
    here = svd(a)
    r = min(shape[-2:])
    bound = 2 * tolerance.svd(np.float32, r) * here.s[..., :1]
    assert (np.abs(result.s - here.s) <= bound).all()
    assert result.method == ("jacobi" if shape[-1] == shape[-2] else "qr+jacobi")


def test_scales(cl_device, rng, dtype):
    info = np.finfo(dtype)
    for shape in ((20, 20), (150, 30), (17, 5, 6)):
        a = rng.uniform(-1, 1, shape).astype(dtype)
        for scale in (info.max / 400, info.tiny, info.tiny**0.7, 1e-20, 1e20, info.smallest_subnormal * 64):
            checked((a * dtype(scale)).astype(dtype), cl_device)


def test_a_matrix_does_not_depend_on_its_company(cl_device, rng):
    a = rng.standard_normal((50, 6, 5)).astype(np.float32)
    a[7] = 1
    whole = svd(a, device=cl_device)
    some = svd(a[3:29], device=cl_device)
    for x, y in zip(whole, some, strict=True):
        np.testing.assert_array_equal(x[3:29], y)
    large = rng.standard_normal((3, 90, 90)).astype(np.float32)
    for x, y in zip(svd(large, device=cl_device), svd(large[1], device=cl_device), strict=True):
        np.testing.assert_array_equal(x[1], y)


@pytest.mark.parametrize("shape", [(400, 50), (50, 400), (60, 60), (20, 9, 8)], ids=str)
def test_truncated_is_the_leading_part(cl_device, rng, shape):
    a = rng.standard_normal(shape).astype(np.float32)
    whole, cut = svd(a, device=cl_device), svd(a, k=5, device=cl_device)
    np.testing.assert_allclose(cut.s, whole.s[..., :5], rtol=1e-6)
    np.testing.assert_allclose(cut.u, whole.u[..., :5], atol=1e-5)
    np.testing.assert_allclose(cut.vt, whole.vt[..., :5, :], atol=1e-5)
    here = svd(a, k=5)  # signs and order are the processor's
    bound = 2000 * tolerance.svd(np.float32, min(shape[-2:]))
    assert np.abs(cut.vt - here.vt).max() <= bound


@pytest.mark.parametrize("shape", [(900, 60), (60, 900), (2, 300, 70)], ids=str)
def test_randomized_finds_what_the_processor_finds(cl_device, rng, dtype, shape):
    a = with_condition(rng, *shape[-2:], 1e4, dtype)
    a = a if len(shape) == 2 else np.stack([a, a[::-1]])
    options = {"k": 8, "method": "randomized", "seed": 3}
    result, here = svd(a, **options, device=cl_device), svd(a, **options)
    bound = tolerance.svd(dtype, 18)
    assert np.abs(result.s - here.s).max() <= 2 * bound * here.s.max()
    u, vt = result.u.astype(np.float64), result.vt.astype(np.float64)
    for one, other in ((u.swapaxes(-1, -2), u), (vt, vt.swapaxes(-1, -2))):
        assert np.abs(one @ other - np.eye(8)).max() <= bound
    exact = np.linalg.svd(a.astype(np.float64), compute_uv=False)
    lost = np.linalg.norm(a - (u * result.s[..., None, :]) @ vt, 2, axis=(-2, -1))
    assert (lost <= 1.001 * exact[..., 8] + bound).all()
    assert result.method == "randomized+qr+jacobi"
    for x, y in zip(result, svd(a, **options, device=cl_device), strict=True):
        np.testing.assert_array_equal(x, y)


def test_the_sketch_is_the_processors(cl_device, rng, dtype):
    """Without power iterations the subspace of a noisy matrix is the seed's: another gives other values."""
    a = rng.standard_normal((300, 200)).astype(dtype)
    few = {"k": 8, "method": "randomized", "iterations": 0, "oversample": 2}
    there, here, other = (svd(a, **few, seed=n, device=d) for n, d in ((3, cl_device), (3, "cpu"), (4, "cpu")))
    assert np.abs(there.s - here.s).max() <= 2 * tolerance.svd(dtype, 10) * here.s[0]
    assert np.abs(other.s - here.s).max() >= 1e-3 * here.s[0]


def test_randomized_bears_rank_deficiency_and_zeros(cl_device, rng, dtype):
    a = (rng.standard_normal((400, 3)) @ rng.standard_normal((3, 70))).astype(dtype)
    for matrix in (a, np.zeros((90, 50), dtype), a.T, a * dtype(1e-30), a * dtype(1e30)):
        u, s, vt = svd(matrix, k=5, method="randomized", device=cl_device)
        assert np.abs(u.T @ u - np.eye(5)).max() <= tolerance.svd(dtype, 15)
        scale = np.abs(matrix).max() or 1
        left = np.abs(matrix / scale - (u * (s / scale)) @ vt).max()
        assert left <= tolerance.svd(dtype, 15) * max(s[0] / scale, 1)


def test_strided_input_is_made_dense_for_the_transfer(cl_device, rng):
    a = rng.standard_normal((120, 50)).astype(np.float32)
    batch = rng.standard_normal((20, 7, 8)).astype(np.float32)
    views = (a[::2], a[::-1], a[:, ::-1], a.T, np.broadcast_to(a[:1], (70, 50)))
    for view in (*views, batch[::2], batch.transpose(1, 2, 0), batch[:, :, 1:7:2]):
        for x, y in zip(svd(view, device=cl_device), svd(view.copy(), device=cl_device), strict=True):
            np.testing.assert_array_equal(x, y)
    a.flags.writeable = False
    assert isinstance(svd(a, device=cl_device), SVD)


@pytest.mark.parametrize(
    ("a", "options", "error", "match"), [w for w in WRONG if w[3]], ids=lambda v: str(v)[:30].replace("\n", " ")
)
def test_wrong_input_gets_the_same_message(cl_device, a, options, error, match):
    messages = []
    for where in ("cpu", cl_device):
        with pytest.raises(error, match=match) as caught:
            svd(a, **options, device=where)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    ("shape", "options", "match"),
    [
        ((30, 20), {"method": "gram"}, "serves the methods auto, jacobi, qr and randomized, not 'gram'"),
        ((30, 20), {"method": "bidiagonal"}, "serves the methods auto, jacobi, qr and randomized, not 'bidiagonal'"),
        ((30, 20), {"full_matrices": True}, r"svd on opencl makes thin factors, no full matrices of \[30, 20\]"),
        ((1025, 1030), {}, r"serves min\(m, n\) up to 1024 \(method 'randomized': k \+ oversample\), is 1025 here"),
        ((1100, 1100), {"k": 1020, "method": "randomized"}, "is 1030 here"),
    ],
    ids=str,
)
def test_what_is_not_served_is_refused_by_name(cl_device, shape, options, match):
    with pytest.raises(ValueError, match=match):
        svd(np.ones(shape, np.float32), **options, device=cl_device)


def test_auto_leaves_to_the_processor_what_no_device_serves():
    with pytest.raises(ValueError, match="no full matrices"):
        FEATURES["svd"](np.ones((30, 20), np.float32), full_matrices=True)
    assert FEATURES["svd"](np.ones((30, 20), np.float32)).kind == "square"
    assert svd(np.ones((30, 20), np.float32), full_matrices=True, device="auto").u.shape == (30, 30)


def test_a_kernel_of_the_processor_is_none_of_the_device(cl_device):
    with (
        config(kernel="vector"),
        pytest.raises(ValueError, match="no kernel named 'vector' serves this shape on opencl"),
    ):
        svd(np.ones((4, 4), np.float32), device=cl_device)


def test_square_full_matrices_are_thin(cl_device, rng):
    a = rng.standard_normal((12, 12)).astype(np.float32)
    result = svd(a, full_matrices=True, device=cl_device)
    for x, y in zip(result, svd(a, device=cl_device), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_device_without_float64_says_so(cl_device, monkeypatch):
    class Without:
        fp64 = False

        def __str__(self):
            return "opencl:9 small"

    class Target:
        info = Without()

    monkeypatch.setattr(op, "find", lambda device: Target())
    with pytest.raises(DeviceError, match=r"a is float64, and opencl:9 small has none; pass a.astype") as caught:
        svd(np.ones((3, 3)), device=cl_device)
    assert caught.value.cause == "feature"


def test_too_small_a_memory_is_a_clear_error(cl_device, monkeypatch):
    target = find(cl_device)
    monkeypatch.setattr(target, "info", dataclasses.replace(target.info, allocation_bytes=100_000))
    with pytest.raises(DeviceError, match=r"reflections takes .* bytes"):
        svd(np.ones((1200, 20), np.float32), device=cl_device)


def test_both_compilers_lay_out_the_same_structs(cl_device):
    """The device writes back the size of each struct and the place of each field, as its own compiler sees them."""
    target = find(cl_device)
    cl = target.cl
    shape = _core.svd_shape(np.ones((2, 5, 4), np.float32), 3, False, True, "auto", 10, 4, 2**40 + 7)
    assert (int(shape["seed_low"]), int(shape["seed_high"])) == (7, 2**8)
    for struct, dtype in (("fk_svd_shape", shape.dtype), ("fk_svd_view", VIEW)):
        names = dtype.names
        fields = enumerate(names, 1)
        lines = [f"out[{i}] = (int)((__private char*)&s.{name} - (__private char*)&s);" for i, name in fields]
        body = "\n".join([f"{struct} s; out[0] = (int)sizeof({struct});", *lines])
        source = read_source("fk_svd.h") + f"__kernel void look(__global int* out) {{\n{body}\n}}\n"
        found = np.zeros(1 + len(names), np.int32)
        buffer = cl.Buffer(target.context, cl.mem_flags.WRITE_ONLY, found.nbytes)
        kernel = cl.Kernel(cl.Program(target.context, source).build(), "look")
        kernel.set_args(buffer)
        cl.enqueue_nd_range_kernel(target.stream.queue, kernel, (1,), None)
        cl.enqueue_copy(target.stream.queue, found, buffer)
        assert found.tolist() == [dtype.itemsize, *(dtype.fields[name][1] for name in names)]


def test_tuning_fits_the_device(cl_device):
    info = find(cl_device).info
    for itemsize in (4, 8):
        for tuned in (tuning(info, itemsize), GROUPS):
            assert tuned.group <= info.work_group_size
            assert tuned.batch_lanes % tuned.batch_vector == 0


def test_components(cl_device, rng):
    x = (rng.standard_normal((800, 12)) * np.geomspace(8, 0.5, 12) + 5).astype(np.float32)
    there, here = pca(x, 4, device=cl_device), pca(x, 4)
    np.testing.assert_allclose(there.explained_variance, here.explained_variance, rtol=1e-5)
    np.testing.assert_allclose(there.components, here.components, atol=1e-4)
    assert there.method == "qr+jacobi"
