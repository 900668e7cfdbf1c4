"""The stored graph as an ONNX model, so that a peer runs the very same network."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ferkern.models import Network, Node

ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "hard_swish": "HardSwish", "elu": "Elu"}
OPSET = 17


def _window(node: Node) -> dict[str, Any]:
    top, bottom, left, right = node.attributes.get("padding", [0, 0, 0, 0])
    return {"strides": node.attributes.get("stride", [1, 1]), "pads": [top, left, bottom, right]}


def _convert(node: Node) -> list[onnx.NodeProto]:
    inputs, output, w = list(node.inputs), [node.output], node.weights
    match node.op:
        case "conv2d":
            extra = {"dilations": node.attributes.get("dilation", [1, 1]), "group": node.attributes.get("groups", 1)}
            roles = [w["w"], *([w["b"]] if "b" in w else [])]
            return [helper.make_node("Conv", inputs + roles, output, **_window(node), **extra)]
        case "dense":
            roles = [w["w"], *([w["b"]] if "b" in w else [])]
            return [helper.make_node("Gemm", inputs + roles, output, transB=1)]
        case "batch_norm":
            roles = [w[k] for k in ("gamma", "beta", "mean", "variance")]
            epsilon = node.attributes["epsilon"]
            return [helper.make_node("BatchNormalization", inputs + roles, output, epsilon=epsilon)]
        case "activation" if node.attributes["kind"] == "relu6":
            bounds = [f"{node.output}_{word}" for word in ("low", "high")]
            numbers = [numpy_helper.from_array(np.float32(value)) for value in (0, 6)]
            constants = [helper.make_node("Constant", [], [b], value=n) for b, n in zip(bounds, numbers, strict=True)]
            return [*constants, helper.make_node("Clip", inputs + bounds, output)]
        case "activation":
            return [helper.make_node(ACTIVATIONS[node.attributes["kind"]], inputs, output)]
        case "max_pool2d":
            return [helper.make_node("MaxPool", inputs, output, kernel_shape=node.attributes["size"], **_window(node))]
        case "local_response_norm":
            a = node.attributes
            named = {"size": a["size"], "alpha": a["alpha"], "beta": a["beta"], "bias": a["k"]}
            return [helper.make_node("LRN", inputs, output, **named)]
        case "global_avg_pool":
            mean = f"{node.output}_4d"
            return [
                helper.make_node("GlobalAveragePool", inputs, [mean]),
                helper.make_node("Flatten", [mean], output),
            ]
        case "flatten":
            return [helper.make_node("Flatten", inputs, output)]
        case "add":
            return [helper.make_node("Sum", inputs, output)]
        case "concat":
            return [helper.make_node("Concat", inputs, output, axis=1)]
        case "softmax":
            return [helper.make_node("Softmax", inputs, output, axis=1)]
        case "dropout":
            return [helper.make_node("Identity", inputs, output)]
    raise ValueError(f"node: operator {node.op!r} has no ONNX form here")


def to_onnx(network: Network, *, batch: int) -> bytes:
    """An ONNX model (opset 17) with a fixed batch; raises ValueError for an operator that has no form here."""
    shape = network.infer_shapes()[network.output]
    graph = helper.make_graph(
        [part for node in network.nodes for part in _convert(node)],
        network.name,
        [helper.make_tensor_value_info(network.input, TensorProto.FLOAT, [batch, *network.input_shape])],
        [helper.make_tensor_value_info(network.output, TensorProto.FLOAT, [batch, *shape])],
        [numpy_helper.from_array(np.ascontiguousarray(w), name) for name, w in network.weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
