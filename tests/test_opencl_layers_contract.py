"""Layers on OpenCL devices: the one list of kernels, shapes as both compilers see them, messages, plans of networks."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

import oracle
import test_depthwise
from ferkern import _core, nn
from ferkern.config import config
from ferkern.linalg import gemm
from ferkern.opencl import find
from ferkern.opencl.memory import download, empty, upload
from ferkern.opencl.ops import depthwise, elementwise
from ferkern.opencl.program import build, read_source
from opencl_layers import close, device_rows

# Kernels of a device do not depend on the processor's instruction set.
pytestmark = pytest.mark.slow

X = np.zeros((2, 3, 8, 9), np.float32)
M = np.zeros((2, 3), np.float32)
V = np.ones(3, np.float32)
W = np.zeros((3, 1, 3, 3), np.float32)
P = np.zeros((5, 3, 1, 1), np.float32)

KERNELS = Path(__file__).parent.parent / "kernels" / "opencl"

# Op → a shape of it with as many different numbers as can be.
SHAPES = {
    "pool": lambda: _core.pool_shape(X, "average", (2, 3), (1, 2), (1, 0, 2, 1), True),
    "global_pool": lambda: _core.global_pool_shape(X, True),
    "depthwise": lambda: _core.depthwise_shape(X, W, None, (1, 2), (1, 0, 2, 1), (2, 1), "elu", 0.5),
    "separable": lambda: _core.separable_shape(X, W, P, None, None, (1, 2), (1, 0, 2, 1), (2, 1), "relu", "elu", 0.5),
    "dense": lambda: _core.dense_shape(M, np.zeros((5, 3), np.float32), None, "leaky_relu", 0.25),
    "gemm": lambda: _core.gemm_shape(M, np.zeros((5, 3), np.float32), None, True, "leaky_relu", 0.25),
    "softmax": lambda: _core.softmax_shape(X, 1),
    "elementwise": lambda: _core.add_shape(X, X, "elu", 0.5),
    "batch_norm": lambda: _core.batch_norm_shape(X, V, V, V, V, 0.125, "elu", 0.5),
    "local_response_norm": lambda: _core.local_response_norm_shape(X, 5, 0.5, 0.75, 2.0),
    "concat": lambda: _core.concat_shape([X, X[:, :2], X[:, :1]]),
}


@pytest.mark.parametrize("op", SHAPES)
def test_device_kernels_stand_in_the_one_list(op):
    rows = device_rows(op)
    module = importlib.import_module(f"ferkern.opencl.ops.{op}")
    plans = module.PRODUCTS if op == "gemm" else module.PLANS
    functions = set()
    for row in rows:
        if row.name == "features":
            continue  # images of one pixel; below
        with config(kernel=row.name):
            name, function = _core.device_kernel(op, SHAPES[op](), "opencl")
        assert name == row.name
        functions.add(function)
        if function == "separable_halves":
            continue  # by the kernels of its halves' ops
        source = read_source("gemm.cl" if function == "gemm_blocked" else module.FILE)
        assert re.search(rf"__kernel[^;{{}}]*\b{function}\(", source)
    if op == "batch_norm":
        _, function = _core.device_kernel(op, _core.batch_norm_shape(M, V, V, V, V, 0.1, None, None), "opencl")
        functions.add(function)
    assert functions == set(plans)
    with (
        config(kernel="winograd"),
        pytest.raises(ValueError, match=f"{op}: no kernel named 'winograd' serves .* opencl"),
    ):
        _core.device_kernel(op, SHAPES[op](), "opencl")
    flops, read, written = _core.device_cost(op, SHAPES[op]())
    assert flops >= 0
    assert min(read, written) > 0


def looking_kernel(op, shape):
    """A kernel that writes a struct's size, the place of each field and its words, as the device's compiler sees it."""
    names = shape.dtype.names
    places = "".join(
        f"out[{i + 1}] = (int)((__private char*)&s.{name} - (__private char*)&s);\n" for i, name in enumerate(names)
    )
    return f"""
__kernel void look_{op}(const fk_{op}_shape given, __global int* out) {{
    fk_{op}_shape s = given;
    __private const int* words = (__private const int*)&s;
    out[0] = (int)sizeof(s);
    {places}
    for (int i = 0; i < {shape.nbytes // 4}; ++i) {{
        out[{1 + len(names)} + i] = words[i];
    }}
}}
"""


def test_both_compilers_lay_out_the_same_structs(cl_device, tmp_path, monkeypatch):
    shapes = {op: make() for op, make in SHAPES.items()}
    for op in ["shapes", *shapes]:
        (tmp_path / f"fk_{op}.h").write_text((KERNELS / f"fk_{op}.h").read_text())
    source = [f'#include "fk_{op}.h"\n' for op in shapes] + [looking_kernel(op, shape) for op, shape in shapes.items()]
    (tmp_path / "look.cl").write_text("".join(source))
    monkeypatch.setenv("FERKERN_CL_DIR", str(tmp_path))
    target = find(cl_device)
    program = build(target, "look.cl", {})
    for op, shape in shapes.items():
        names = shape.dtype.names
        found = np.zeros(1 + len(names) + shape.nbytes // 4, np.int32)
        buffer = empty(target, found.nbytes)
        program.launch(f"look_{op}", (1,), (1,), shape, buffer)
        download(target, buffer, found)
        assert found[0] == shape.dtype.itemsize, op
        assert found[1 : 1 + len(names)].tolist() == [shape.dtype.fields[name][1] for name in names], op
        assert found[1 + len(names) :].tobytes() == shape.tobytes(), op


def test_infer_fills_the_shapes():
    def values(op):
        shape = SHAPES[op]()
        return {name: shape[name].tolist() for name in shape.dtype.names}

    assert values("pool") == {
        **{"n": 2, "c": 3, "ih": 8, "iw": 9, "oh": 8, "ow": 5, "kh": 2, "kw": 3, "stride_h": 1, "stride_w": 2},
        **{"pad_top": 1, "pad_left": 2, "kind": 1, "count_include_pad": 1},
    }
    assert values("softmax") == {"n": 2, "size": 3, "inner": 72}
    assert values("elementwise") == {"n": 2, "size": 216, "inputs": 2, "activation": 8, "alpha": 0.5}
    assert values("gemm") == {"m": 2, "n": 5, "k": 3, "transposed": 1, "activation": 3, "alpha": 0.25}
    assert values("concat")["channels"][:4] == [3, 2, 1, 0]
    assert values("concat")["c"] == 6


F64 = X.astype(np.float64)
# All that `infer()` and the border refuse, of each function once or twice; the processor's tests have the rest.
WRONG = [
    lambda d: nn.depthwise_conv2d(F64, W, device=d),
    lambda d: nn.depthwise_conv2d(X, W[:2], device=d),
    lambda d: nn.depthwise_conv2d(X, W, V[:2], device=d),
    lambda d: nn.depthwise_conv2d(X, W, dilation=9, device=d),
    lambda d: nn.depthwise_separable(X, W[:2], P, device=d),
    lambda d: nn.depthwise_separable(X, W, P[:, :2], device=d),
    lambda d: nn.depthwise_separable(X, np.repeat(W, 2, 0), np.repeat(P, 2, 1), device=d),
    lambda d: nn.depthwise_separable(X, W, np.zeros((5, 3, 3, 3), np.float32), device=d),
    lambda d: nn.depthwise_separable(X, W, P, activation_dw="gelu", device=d),
    lambda d: nn.depthwise_separable(X, W, np.zeros((3, 3, 1, 1), np.float32), padding=1, out=X, device=d),
    lambda d: nn.max_pool2d(X, 12, device=d),
    lambda d: nn.avg_pool2d(X, 2, padding=2, device=d),
    lambda d: nn.l2_pool2d(X, 2, stride=0, device=d),
    lambda d: nn.max_pool2d(X, 2, out=np.zeros((2, 3, 4, 5), np.float32), device=d),
    lambda d: nn.max_pool2d(X, 1, out=X, device=d),
    lambda d: nn.global_avg_pool(X[:, :, :0], device=d),
    lambda d: nn.global_max_pool(X, out=M.T.copy(), device=d),
    lambda d: nn.dense(M, np.zeros((5, 4), np.float32), device=d),
    lambda d: nn.dense(M, np.zeros((5, 3), np.float32), V, device=d),
    lambda d: gemm(M, M, device=d),
    lambda d: gemm(M, M, transpose_b=True, bias=V, device=d),
    lambda d: gemm(M, M.T, out=np.zeros((2, 3), np.float32), device=d),
    lambda d: nn.softmax(X, axis=4, device=d),
    lambda d: nn.softmax(M[:, :0], device=d),
    lambda d: nn.softmax(M, out=M, device=d),
    lambda d: nn.activate(M, "gelu", device=d),
    lambda d: nn.activate(M[:0], "relu", device=d),
    lambda d: nn.activate(M[1:], "relu", out=M.reshape(-1)[2:5].reshape(1, 3), device=d),
    lambda d: nn.add(M, V, device=d),
    lambda d: nn.add(M, None, device=d),
    lambda d: nn.add(M, M.astype(np.int32), device=d),
    lambda d: nn.batch_norm(M, V, V, V[:2], V, device=d),
    lambda d: nn.batch_norm(M, V, V, V, -V, device=d),
    lambda d: nn.batch_norm(M[None], V, V, V, V, device=d),
    lambda d: nn.local_response_norm(X, 0, device=d),
    lambda d: nn.local_response_norm(X, k=0, device=d),
    lambda d: nn.concat([], device=d),
    lambda d: nn.concat([X, X[..., 1:]], device=d),
    lambda d: nn.concat([X, X[0]], device=d),
    lambda d: nn.concat([X], out=X, device=d),
]


@pytest.mark.parametrize("call", WRONG)
def test_wrong_input_gets_the_same_message(cl_device, call):
    caught = []
    for where in ("cpu", cl_device):
        with pytest.raises((TypeError, ValueError)) as one:
            call(where)
        caught.append((one.type, str(one.value)))
    assert caught[0] == caught[1]


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("kind", [None, "relu"])
def test_depthwise_plan_adds_a_residual_and_runs_parts_of_the_batch(cl_device, rng, images, kind):
    x, w, b = test_depthwise.make(rng, (3, 5, 9, 13, 2, (3, 3)))
    expected = oracle.depthwise_conv2d(x, w, b, padding=1)
    residual = rng.standard_normal(expected.shape).astype(np.float32)
    target = find(cl_device)
    shape = _core.depthwise_shape(x, w, b, 1, 1, 1, kind, None)
    bound = test_depthwise.bound(x, w, b, padding=1) + 2**-24 * (np.abs(expected) + np.abs(residual))
    for function, plan_of in depthwise.PLANS.items():
        plan = plan_of(target, shape)
        plan.load({"w": upload(target, w), "b": upload(target, b)})
        y = np.zeros_like(residual)
        result = upload(target, y)
        plan.run([upload(target, x)], upload(target, residual), result, images)
        download(target, result, y)
        right = oracle.activate(expected + residual, kind)
        assert close(y[:images], right[:images], bound[:images]), function
        assert (y[images:] == 0).all()


def test_a_sum_in_place_as_in_networks(cl_device, rng):
    a, b = rng.standard_normal((2, 3, 21)).astype(np.float32)
    target = find(cl_device)
    for inputs, residual in ((2, False), (1, True)):
        left, right = upload(target, a), upload(target, b)
        plan = elementwise.FlatPlan(target, _core.add_shape(a, b, "relu", None))
        plan.run([left, right][:inputs], right if residual else None, left, 2)
        y = np.empty_like(a)
        download(target, left, y)
        np.testing.assert_array_equal(y[:2], np.maximum(a + b, 0)[:2])
        np.testing.assert_array_equal(y[2:], a[2:])


def test_what_is_not_made_for_a_residual_says_so(cl_device):
    target = find(cl_device)
    from ferkern.opencl.ops.softmax import RowsPlan

    with pytest.raises(AssertionError, match="softmax adds nothing"):
        RowsPlan(target, _core.softmax_shape(M, 1)).run([empty(target, 24)], empty(target, 24), empty(target, 24), 2)
