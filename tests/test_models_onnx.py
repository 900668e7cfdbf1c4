"""ONNX models as networks: every operator against ONNX's own evaluator, and what has no counterpart is named."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from ferkern import load, models
from ferkern.errors import ModelError

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks" / "peers"))
from onnx_export import to_onnx

RNG = np.random.default_rng(7)


def w(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def model(nodes, constants=None, *, shape=(2, 3, 9, 8), output="y", opset=17) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def both(m: onnx.ModelProto, tmp_path: Path) -> tuple[np.ndarray, np.ndarray]:
    path = tmp_path / "m.onnx"
    onnx.save(m, path)
    network = load(path)
    x = RNG.standard_normal((2, *network.input_shape)).astype(np.float32)
    expected = ReferenceEvaluator(m).run(None, {"x": x})[0]
    return network.plan(batch=2).run(x), expected


def node(op: str, *inputs: str, output: str = "y", **attributes) -> onnx.NodeProto:
    return helper.make_node(op, list(inputs), [output], **attributes)


STATISTICS = {"g": w(3), "b": w(3), "m": w(3), "v": np.abs(w(3)) + 0.5}
CASES = {
    "conv": ([node("Conv", "x", "w", "b", strides=[2, 1], pads=[1, 0, 2, 1])], {"w": w(5, 3, 3, 2), "b": w(5)}),
    "conv_groups": ([node("Conv", "x", "w", group=3, dilations=[2, 2])], {"w": w(6, 1, 3, 3)}),
    "conv_same_upper": ([node("Conv", "x", "w", auto_pad="SAME_UPPER", strides=[2, 2])], {"w": w(4, 3, 3, 3)}),
    "conv_same_lower": ([node("Conv", "x", "w", auto_pad="SAME_LOWER", strides=[2, 2])], {"w": w(4, 3, 4, 4)}),
    "pad_conv": (
        [node("Pad", "x", "p", output="q"), node("Conv", "q", "w", pads=[1, 0, 0, 0])],
        {"p": np.array([0, 0, 1, 2, 0, 0, 3, 1]), "w": w(4, 3, 3, 3)},
    ),
    "batch_norm": ([node("BatchNormalization", "x", "g", "b", "m", "v", epsilon=1e-3)], STATISTICS),
    "max_pool": ([node("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1])], {}),
    "max_pool_ceil": ([node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)], {}),
    "average_pool": ([node("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])], {}),
    "average_pool_counted": (
        [node("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1)],
        {},
    ),
    "pad_average_pool": (
        [node("Pad", "x", "p", output="q"), node("AveragePool", "q", kernel_shape=[3, 3])],
        {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])},
    ),
    "lp_pool": ([node("LpPool", "x", kernel_shape=[2, 2], strides=[2, 2], p=2)], {}),
    "global_average": ([node("GlobalAveragePool", "x", output="q"), node("Flatten", "q")], {}),
    "global_max": ([node("GlobalMaxPool", "x", output="q"), node("Squeeze", "q", "a")], {"a": np.array([2, 3])}),
    "reduce_mean": ([node("ReduceMean", "x", axes=[2, 3], keepdims=0)], {}),
    "conv_behind_global": (
        [node("GlobalAveragePool", "x", output="q"), node("Conv", "q", "w", "b", output="r"), node("Flatten", "r")],
        {"w": w(5, 3, 1, 1), "b": w(5)},
    ),
    "gemm": (
        [node("Flatten", "x", output="f"), node("Gemm", "f", "w", "b", transB=1, alpha=0.5, beta=2.0)],
        {"w": w(4, 216), "b": w(4)},
    ),
    "matmul_add": (
        [
            node("Reshape", "x", "s", output="f"),
            node("MatMul", "f", "w", output="m"),
            node("Add", "b", "m", output="z"),
            node("Softmax", "z"),
        ],
        {"s": np.array([-1, 216]), "w": w(216, 4) * np.float32(0.1), "b": w(4)},
    ),
    "scale_and_shift": (
        [
            node("Mul", "x", "a", output="p"),
            node("Sub", "c", "p", output="q"),
            node("Div", "q", "d", output="r"),
            node("Add", "r", "e", output="s"),
            node("Sub", "s", "e"),
        ],
        {"a": w(1, 3, 1, 1), "c": w(3, 1, 1), "d": np.float32(3), "e": w(3, 1, 1)},
    ),
    "sums": ([node("Relu", "x", output="p"), node("Sum", "p", "x", "p", output="q"), node("Add", "q", "x")], {}),
    "concat": ([node("Tanh", "x", output="p"), node("Concat", "x", "p", axis=-3)], {}),
    "silu": ([node("Sigmoid", "x", output="p"), node("Mul", "p", "x")], {}),
    "relu6": ([node("Clip", "x", "l", "h")], {"l": np.float32(0), "h": np.float32(6)}),
    "relu_by_clip": ([node("Clip", "x", "l")], {"l": np.float32(0)}),
    "leaky": ([node("LeakyRelu", "x", alpha=0.2)], {}),
    "elu": ([node("Elu", "x", alpha=1.5)], {}),
    "hard_swish": ([node("HardSwish", "x")], {}),
    "dropout_identity": (
        [node("Identity", "x", output="p"), node("Dropout", "p", output="q"), node("Relu", "q")],
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_operator_agrees_with_onnx(case, tmp_path):
    nodes, constants = CASES[case]
    got, expected = both(model(nodes, constants), tmp_path)
    np.testing.assert_allclose(got, expected.reshape(got.shape), rtol=1e-5, atol=2e-5)


def test_local_response_norm_is_onnx_s(tmp_path):
    # By the specification's formula: its evaluator leaves out the last channel's last neighbour.
    path = tmp_path / "m.onnx"
    onnx.save(model([node("LRN", "x", size=3, alpha=0.3, beta=0.6, bias=1.5)]), path)
    x = RNG.standard_normal((2, 3, 9, 8)).astype(np.float32)
    squares = np.stack([(x[:, max(c - 1, 0) : c + 2] ** 2).sum(axis=1) for c in range(3)], axis=1)
    expected = x / (1.5 + 0.3 / 3 * squares) ** 0.6
    np.testing.assert_allclose(load(path).plan(batch=2).run(x), expected, rtol=1e-5, atol=1e-6)


def test_constants_may_be_nodes(tmp_path):
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(w(3, 1, 1)))
    got, expected = both(model([constant, node("Add", "x", "c")]), tmp_path)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("fer_small", {}),
        ("mini_xception", {}),
        ("mobilenet", {"alpha": 0.25, "resolution": 64, "classes": 5}),
        ("squeezenet", {"resolution": 65, "classes": 5}),
    ],
)
def test_a_network_survives_the_way_there_and_back(name, options, tmp_path):
    network = getattr(models, name)(**options)
    path = tmp_path / f"{name}.onnx"
    path.write_bytes(to_onnx(network, batch=1))
    again = models.load(path)
    assert (again.name, again.input_shape) == (name, network.input_shape)
    assert again.multiply_adds() == network.multiply_adds()
    x = RNG.standard_normal((1, *network.input_shape)).astype(np.float32)
    np.testing.assert_allclose(again.plan().run(x), network.plan().run(x), rtol=1e-5, atol=1e-6)


def test_operators_without_a_counterpart_are_all_named(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(model([node("Erf", "x", output="p"), node("Relu", "p", output="q"), node("Softplus", "q")]), path)
    with pytest.raises(
        ModelError, match=r"m\.onnx: operators without .*: Erf \(node 'p'\), Softplus \(node 'y'\); there"
    ):
        load(path)


@pytest.mark.parametrize(
    ("nodes", "constants", "message"),
    [
        ([node("Conv", "x", "x")], {}, "Conv -> 'y': the filter must be a constant"),
        ([node("Conv", "x", "w")], {"w": w(4, 3, 3)}, r"filter has shape \[4, 3, 3\]"),
        ([node("Conv", "x", "w")], {"w": w(4, 2, 3, 3)}, "does not fit 3 input channels"),
        ([node("Pad", "x", "p", output="q"), node("Relu", "q")], {"p": np.array([0] * 7 + [1])}, "'q' is padded"),
        ([node("Pad", "x", "p", mode="edge", output="q"), node("Relu", "q")], {"p": np.array([0] * 8)}, "mode edge"),
        ([node("Clip", "x", "l", "h")], {"l": np.float32(-1), "h": np.float32(1)}, r"to -1\.0\.\.1\.0"),
        ([node("Mul", "x", "x")], {}, r"not x \* sigmoid"),
        ([node("Div", "x", "c")], {"c": np.float32(0)}, "divides by zero"),
        ([node("Add", "x", "c")], {"c": w(9, 8)}, r"constant has shape \[9, 8\]"),
        ([node("Concat", "x", "x", axis=2)], {}, "axis is 2, expected 1"),
        ([node("Softmax", "x")], {}, "over axis -1 of 4, expected 1"),
        ([node("Softmax", "x", axis=1)], {}, "softmax takes an input of rank 1"),
        ([node("Reshape", "x", "s")], {"s": np.array([2, 27, 8])}, r"expected \[N, 216\]"),
        ([node("Relu", "nowhere")], {}, "'nowhere' is made by no earlier node"),
        ([node("Add", "a", "x", output="b"), node("Relu", "b", output="a")], {}, "'a' is made by no earlier node"),
        ([node("Relu", "x"), node("Relu", "x")], {}, "'y' is made twice"),
        (
            [node("Conv", "x", "w", kernel_shape=[5, 5])],
            {"w": w(4, 3, 3, 3)},
            r"has shape \[4, 3, 3, 3\], expected .* 5, 5",
        ),
        ([node("Conv", "x", "w", strides=[0, 1])], {"w": w(4, 3, 3, 3)}, r"strides \[0, 1\].*at least 1"),
        ([node("Conv", "x", "w", pads=[2**31, 0, 0, 0])], {"w": w(4, 3, 3, 3)}, "must be 4 integers in 0..65536"),
        ([node("Add", "x", "c")], {"c": np.full((3, 1, 1), np.inf, np.float32)}, "not finite"),
        ([node("MaxPool", "x", kernel_shape=[2])], {}, "expected a window of two axes"),
    ],
)
def test_what_cannot_be_imported_is_said_with_the_node(nodes, constants, message, tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(model(nodes, constants), path)
    with pytest.raises(ModelError, match=message):
        load(path)


def test_the_input_must_be_an_image_of_a_fixed_size(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(model([node("Relu", "x")], shape=(1, 3, "h", "w")), path)
    with pytest.raises(ModelError, match=r"input 'x': is \[1, 3, 'h', 'w'\], expected float32 \[N, C, H, W\]"):
        load(path)


def test_a_damaged_file_is_a_model_error(tmp_path):
    good = model(*CASES["gemm"]).SerializeToString()
    path = tmp_path / "m.onnx"
    refused = 0
    for length in range(0, len(good), 97):
        path.write_bytes(good[:length])
        try:
            load(path)
        except ModelError:
            refused += 1
    assert refused == len(range(0, len(good), 97))
