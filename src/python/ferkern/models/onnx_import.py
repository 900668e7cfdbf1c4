"""ONNX models as networks: the operators that image classifiers use, with a fixed input size and a free batch.

The stored graph has few operators, so some of ONNX's become others here: a sum or product with a constant is a batch
normalisation, padding moves into the convolution behind it, what only renames or reshapes features vanishes.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ferkern.errors import ModelError
from ferkern.models.network import Network, Node
from ferkern.models.onnx_tensors import Array, read_attributes, read_constants, read_image_shape
from ferkern.models.shapes import infer_node

__all__ = ["SUPPORTED", "read_onnx"]

_LARGEST_FILE = 1 << 31
_NO_EPSILON = 1e-12  # of a batch normalisation that only scales and shifts: 1 + 1e-12 is 1 in float32
_ACTIVATIONS = {
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "HardSwish": "hard_swish",
    "LeakyRelu": "leaky_relu",
    "Elu": "elu",
}
_ALPHA = {"LeakyRelu": 0.01, "Elu": 1.0}
_POOLS = {"MaxPool": "max_pool2d", "AveragePool": "avg_pool2d", "LpPool": "l2_pool2d"}


def read_onnx(path: str | os.PathLike[str]) -> Network:
    """Read an ONNX model (the extra ``[onnx]``).

    Parameters
    ----------
    path
        Of a model with one float32 image [N, C, H, W] in and one output, its weights inside the file.

    Returns
    -------
    Network
        Without preprocessing and class names, which ONNX does not store.

    Raises
    ------
    ModelError
        The file is damaged, or has something that there is no counterpart for; every such operator is named.
    ValueError
        The package onnx is not installed.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise ValueError('name_or_path: ONNX models need the package onnx: pip install "ferkern[onnx]"') from error
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > _LARGEST_FILE:
            raise ModelError(f"file has {size} bytes, at most {_LARGEST_FILE} are read")
        model = onnx.load_model_from_string(path.read_bytes())
        return _Import(onnx, model, path.stem).network()
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except (DecodeError, OSError) as error:
        raise ModelError(f"{path}: cannot be read as ONNX: {error}") from error


class _Import:
    """One model on its way into a `Network`."""

    def __init__(self, onnx: Any, model: Any, name: str) -> None:
        self.graph = model.graph
        self.attributes = functools.partial(read_attributes, onnx)
        self.opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
        self.constants = read_constants(onnx, self.graph)
        self.same: dict[str, str] = {}  # a value that is another by another name
        self.pads: dict[str, tuple[str, list[int]]] = {}  # a padded value, and top, bottom, left, right
        inputs = [value for value in self.graph.input if value.name not in self.constants]
        if len(inputs) != 1 or len(self.graph.output) != 1:
            raise ModelError(f"has {len(inputs)} inputs and {len(self.graph.output)} outputs, expected one of each")
        self.result = Network(
            name,
            inputs[0].name,
            read_image_shape(onnx, inputs[0]),
            "",
            [],
            {},
            {},
            (),
            {"source": f"ONNX, opset {self.opset}"},
        )
        self.shapes: dict[str, tuple[int, ...]] = {self.result.input: self.result.input_shape}

    def network(self) -> Network:
        """The whole graph, validated."""
        unknown: dict[str, None] = {}
        for node in self.graph.node:
            if node.op_type not in SUPPORTED or node.domain not in ("", "ai.onnx"):
                where = f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type
                unknown[f"{where} (node {node.name or node.output[0]!r})"] = None
        if unknown:
            raise ModelError(f"operators without a counterpart: {', '.join(unknown)}; there are {', '.join(SUPPORTED)}")
        for node in self.graph.node:
            if node.op_type != "Constant":
                try:
                    SUPPORTED[node.op_type](self, node, self.attributes(node))
                except ModelError as error:
                    raise ModelError(f"node {node.op_type} -> {node.output[0]!r}: {error}") from error
        self.result.output = self._value(self.graph.output[0].name)
        self.result.validate()
        return self.result

    def _value(self, name: str) -> str:
        """The value of the network that a name means."""
        name = self.same.get(name, name)
        if name in self.constants:
            raise ModelError(f"input {name!r} is a constant, which this operator does not take there")
        if name in self.pads:
            raise ModelError(f"input {name!r} is padded; only convolutions and average pools may read that")
        return name

    def _shape(self, value: str) -> tuple[int, ...]:
        if value not in self.shapes:
            raise ModelError(f"input {value!r} is made by no earlier node")
        return self.shapes[value]

    def _constant(self, node: Any, index: int) -> Array | None:
        """Input number `index` where it is a constant; None where it is left out or computed."""
        if index >= len(node.input) or not node.input[index]:
            return None
        return self.constants.get(self.same.get(node.input[index], node.input[index]))

    def _weight(self, node: Any, index: int, what: str) -> Array:
        value = self._constant(node, index)
        if value is None:
            raise ModelError(f"{what} must be a constant")
        return value

    def add(self, op: str, inputs: list[str], output: str, attributes: dict[str, Any], **weights: Array | None) -> None:
        """Append a node; its shape is judged here."""
        shapes = [self._shape(name) for name in inputs]
        given = {role: np.ascontiguousarray(w, np.float32) for role, w in weights.items() if w is not None}
        self.result.weights |= {f"{output}.{role}": w for role, w in given.items()}
        names = {role: f"{output}.{role}" for role in given}
        tensors = {role: tuple(w.shape) for role, w in given.items()}
        self.shapes[output] = infer_node(f"as {op}", op, shapes, attributes, tensors)
        self.result.nodes.append(Node(op, tuple(inputs), output, attributes, names))

    # One method for each kind of operator: (node, attributes).

    def conv(self, node: Any, a: dict[str, Any]) -> None:
        source, extra = self._padded(node.input[0])
        w, b = self._weight(node, 1, "the filter"), self._constant(node, 2)
        if w.ndim != 4 or list(a.get("kernel_shape", w.shape[2:])) != list(w.shape[2:]):
            kernel = a.get("kernel_shape", ["KH", "KW"])
            expected = f"[OC, IC / group, {', '.join(map(str, kernel))}]"
            raise ModelError(f"the filter has shape {list(w.shape)}, expected {expected}")
        if len(self._shape(source)) == 1:  # behind a global pool: an image of one pixel
            if w.shape[2:] != (1, 1) or a.get("group", 1) != 1:
                raise ModelError(f"a {w.shape[2]}x{w.shape[3]} filter on an image of one pixel")
            self.add("dense", [source], node.output[0], {}, w=w[:, :, 0, 0], b=b)
            return
        stride, dilation = list(a.get("strides", [1, 1])), list(a.get("dilations", [1, 1]))
        pads = self._pads(a, source, w.shape[2:], stride, dilation)
        attributes = {
            "stride": stride,
            "padding": [p + q for p, q in zip(pads, extra, strict=True)],
            "dilation": dilation,
            "groups": a.get("group", 1),
        }
        self.add("conv2d", [source], node.output[0], attributes, w=w, b=b)

    def pool(self, node: Any, a: dict[str, Any]) -> None:
        op = _POOLS[node.op_type]
        source, extra = self._padded(node.input[0]) if op == "avg_pool2d" else (self._value(node.input[0]), [0] * 4)
        size, stride = list(a.get("kernel_shape", [])), list(a.get("strides", [1, 1]))
        if len(size) != 2 or list(a.get("dilations", [1, 1])) != [1, 1] or a.get("p", 2) != 2:
            raise ModelError(f"attributes {a}, expected a window of two axes, no dilation, and p = 2")
        pads = self._pads(a, source, size, stride, [1, 1])
        include = bool(a.get("count_include_pad", 0))
        if any(extra) and any(pads) and not include:
            raise ModelError("padding that counts before padding that does not")
        pads = [p + q for p, q in zip(pads, extra, strict=True)]
        if a.get("ceil_mode", 0):
            if include and op == "avg_pool2d":
                raise ModelError("ceil_mode with count_include_pad")
            _, *plane = self._shape(source)
            for axis in (0, 1):
                rest = -(plane[axis] + pads[2 * axis] + pads[2 * axis + 1] - size[axis]) % stride[axis]
                pads[2 * axis + 1] += rest
        attributes: dict[str, Any] = {"size": size, "stride": stride, "padding": pads}
        if op == "avg_pool2d":
            attributes["count_include_pad"] = include or any(extra)
        self.add(op, [source], node.output[0], attributes)

    def _padded(self, name: str) -> tuple[str, list[int]]:
        name = self.same.get(name, name)
        if name in self.pads:
            return self.pads[name]
        return self._value(name), [0, 0, 0, 0]

    def _pads(self, a: dict[str, Any], source: str, size: Any, stride: list[int], dilation: list[int]) -> list[int]:
        """Top, bottom, left, right."""
        if len(self._shape(source)) != 3 or len(stride) != 2 or len(dilation) != 2 or min([*stride, *dilation]) < 1:
            what = "an image, and two strides and dilations of at least 1"
            raise ModelError(f"strides {stride}, dilations {dilation} on {self._shape(source)}, expected {what}")
        kind = a.get("auto_pad", b"NOTSET").decode()
        if kind in ("NOTSET", "VALID"):
            top, left, bottom, right = a.get("pads", [0, 0, 0, 0]) if kind == "NOTSET" else [0, 0, 0, 0]
            return [top, bottom, left, right]
        pads: list[int] = []
        for length, k, s, d in zip(self._shape(source)[1:], size, stride, dilation, strict=True):
            total = max((-(-length // s) - 1) * s + d * (k - 1) + 1 - length, 0)
            less, more = total // 2, total - total // 2
            pads += [less, more] if kind == "SAME_UPPER" else [more, less]
        return pads

    def pad(self, node: Any, a: dict[str, Any]) -> None:
        pads = a.get("pads") or self._weight(node, 1, "pads").tolist()
        fill = a.get("value", 0.0) if self._constant(node, 2) is None else float(self._weight(node, 2, "value"))
        if (
            a.get("mode", b"constant") != b"constant"
            or fill != 0
            or len(pads) != 8
            or any(pads[i] for i in (0, 1, 4, 5))
        ):
            raise ModelError(f"pads {pads} with mode {a.get('mode', b'constant').decode()} and value {fill}")
        self.pads[node.output[0]] = (self._value(node.input[0]), [pads[2], pads[6], pads[3], pads[7]])

    def gemm(self, node: Any, a: dict[str, Any]) -> None:
        w, b = self._weight(node, 1, "B"), self._constant(node, 2)
        if a.get("transA", 0) or w.ndim != 2:
            raise ModelError(f"transA {a.get('transA', 0)} with B {list(w.shape)}")
        w = (w if a.get("transB", 0) else w.T) * np.float32(a.get("alpha", 1.0))
        if b is not None:
            b = np.broadcast_to(b * np.float32(a.get("beta", 1.0)), (1, len(w)))[0] if b.size in (1, len(w)) else b
        self.add("dense", [self._value(node.input[0])], node.output[0], {}, w=w, b=b)

    def matmul(self, node: Any, a: dict[str, Any]) -> None:
        w = self._weight(node, 1, "B")
        if w.ndim != 2:
            raise ModelError(f"B has shape {list(w.shape)}, expected two axes")
        self.add("dense", [self._value(node.input[0])], node.output[0], {}, w=w.T)

    def batch_norm(self, node: Any, a: dict[str, Any]) -> None:
        if a.get("training_mode", 0) or len([o for o in node.output if o]) > 1:
            raise ModelError("is set to training")
        gamma, beta, mean, variance = (self._weight(node, i, "a statistic") for i in (1, 2, 3, 4))
        epsilon = {"epsilon": float(a.get("epsilon", 1e-5))}
        source = self._value(node.input[0])
        self.add("batch_norm", [source], node.output[0], epsilon, gamma=gamma, beta=beta, mean=mean, variance=variance)

    def arithmetic(self, node: Any, a: dict[str, Any]) -> None:
        op, output = node.op_type, node.output[0]
        constants = [self._constant(node, i) for i in range(len(node.input))]
        if all(c is None for c in constants):
            values = [self._value(name) for name in node.input]
            if op == "Mul":
                self._gate(values, output)
            elif op in ("Add", "Sum") and len(values) > 1:
                self.add("add", values, output, {})
            elif op in ("Add", "Sum"):
                self.same[output] = values[0]
            else:
                raise ModelError("of two computed values")
            return
        if len(node.input) != 2 or (constants[0] is not None and (constants[1] is not None or op == "Div")):
            raise ModelError("of more than one value and one constant, or a constant divided")
        index = 0 if constants[0] is None else 1
        source = self._value(node.input[index])
        shape = self._shape(source)
        gamma, beta = self._scale_and_shift(op, np.asarray(constants[1 - index], np.float32), shape, flipped=index == 1)
        zeros, ones = np.zeros(shape[0], np.float32), np.ones(shape[0], np.float32)
        attributes = {"epsilon": _NO_EPSILON}
        self.add("batch_norm", [source], output, attributes, gamma=gamma, beta=beta, mean=zeros, variance=ones)

    @staticmethod
    def _scale_and_shift(op: str, c: Array, shape: tuple[int, ...], *, flipped: bool) -> tuple[Array, Array]:
        """gamma and beta [C] of x op c (or c op x where `flipped`)."""
        channel = (c.ndim - 3 if len(shape) == 3 else c.ndim - 1) if c.size > 1 else None
        if channel is not None and (channel < 0 or c.shape[channel] != c.size or c.size != shape[0]):
            raise ModelError(f"the constant has shape {list(c.shape)}, expected one number or one a channel of {shape}")
        c = np.broadcast_to(c.reshape(-1), shape[:1]).astype(np.float32)
        ones, zeros = np.ones_like(c), np.zeros_like(c)
        match op:
            case "Add" | "Sum":
                return ones, c
            case "Sub":
                return (-ones, c) if flipped else (ones, -c)
            case "Mul":
                return c, zeros
        if (c == 0).any():
            raise ModelError("divides by zero")
        return 1 / c, zeros

    def _gate(self, values: list[str], output: str) -> None:
        """x * sigmoid(x)."""
        makers = {n.output: n for n in self.result.nodes}
        for x, gate in (values, values[::-1]):
            maker = makers.get(gate)
            if maker and maker.op == "activation" and maker.attributes["kind"] == "sigmoid" and maker.inputs == (x,):
                self.add("activation", [x], output, {"kind": "silu"})
                return
        raise ModelError("of two computed values that is not x * sigmoid(x)")

    def activation(self, node: Any, a: dict[str, Any]) -> None:
        attributes: dict[str, Any] = {"kind": _ACTIVATIONS[node.op_type]}
        if node.op_type in _ALPHA:
            attributes["alpha"] = float(a.get("alpha", _ALPHA[node.op_type]))
        self.add("activation", [self._value(node.input[0])], node.output[0], attributes)

    def clip(self, node: Any, a: dict[str, Any]) -> None:
        low, high = (self._constant(node, i) for i in (1, 2))
        bounds = (a.get("min") if low is None else float(low), a.get("max") if high is None else float(high))
        kinds: dict[tuple[Any, Any], str] = {(0.0, 6.0): "relu6", (0.0, None): "relu", (0.0, np.inf): "relu"}
        kind = kinds.get(bounds)
        if kind is None:
            raise ModelError(f"to {bounds[0]}..{bounds[1]}, expected 0..6 or 0 and no upper bound")
        self.add("activation", [self._value(node.input[0])], node.output[0], {"kind": kind})

    def global_pool(self, node: Any, a: dict[str, Any]) -> None:
        if node.op_type == "ReduceMean":
            axes = a.get("axes") or self._weight(node, 1, "axes").tolist()
            if sorted(axis % 4 for axis in axes) != [2, 3]:
                raise ModelError(f"over the axes {list(axes)}, expected 2 and 3")
        op = "global_max_pool" if node.op_type == "GlobalMaxPool" else "global_avg_pool"
        self.add(op, [self._value(node.input[0])], node.output[0], {})

    def reshape(self, node: Any, a: dict[str, Any]) -> None:
        """Flatten, Reshape, Squeeze: to features, in the order of the image."""
        source = self._value(node.input[0])
        shape = self._shape(source)
        if node.op_type == "Reshape":
            target = self._weight(node, 1, "the shape").tolist()
            features = int(np.prod(shape))
            if len(target) != 2 or target[1] not in (-1, features):
                raise ModelError(f"{shape} to {target}, expected [N, {features}]")
        if node.op_type == "Flatten" and a.get("axis", 1) not in (1, 1 - 1 - len(shape)):
            raise ModelError(f"axis is {a['axis']}, expected 1")
        if node.op_type == "Squeeze" and shape[1:] not in ((), (1, 1)):
            raise ModelError(f"of {shape}")
        if len(shape) == 1:
            self.same[node.output[0]] = source
        else:
            self.add("flatten", [source], node.output[0], {})

    def concat(self, node: Any, a: dict[str, Any]) -> None:
        values = [self._value(name) for name in node.input]
        rank = len(self._shape(values[0])) + 1
        if a.get("axis") not in (1, 1 - rank):
            raise ModelError(f"axis is {a.get('axis')}, expected 1")
        self.add("concat", values, node.output[0], {"axis": 1})

    def softmax(self, node: Any, a: dict[str, Any]) -> None:
        source = self._value(node.input[0])
        rank = len(self._shape(source)) + 1
        axis = a.get("axis", -1 if self.opset >= 13 else 1)
        if axis not in (1, 1 - rank):
            raise ModelError(f"over axis {axis} of {rank}, expected 1")
        self.add("softmax", [source], node.output[0], {"axis": 1})

    def local_response_norm(self, node: Any, a: dict[str, Any]) -> None:
        numbers = {"alpha": a.get("alpha", 1e-4), "beta": a.get("beta", 0.75), "k": a.get("bias", 1.0)}
        attributes = {"size": a.get("size", 0), **{name: float(v) for name, v in numbers.items()}}
        self.add("local_response_norm", [self._value(node.input[0])], node.output[0], attributes)

    def rename(self, node: Any, a: dict[str, Any]) -> None:
        """Identity, and dropout, which does nothing where nothing is trained."""
        self.same[node.output[0]] = self.same.get(node.input[0], node.input[0])


SUPPORTED: dict[str, Callable[[_Import, Any, dict[str, Any]], None]] = {
    "Conv": _Import.conv,
    **dict.fromkeys(_POOLS, _Import.pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "ReduceMean"), _Import.global_pool),
    "Pad": _Import.pad,
    "Gemm": _Import.gemm,
    "MatMul": _Import.matmul,
    "BatchNormalization": _Import.batch_norm,
    **dict.fromkeys(("Add", "Sum", "Sub", "Mul", "Div"), _Import.arithmetic),
    **dict.fromkeys(_ACTIVATIONS, _Import.activation),
    "Clip": _Import.clip,
    **dict.fromkeys(("Flatten", "Reshape", "Squeeze"), _Import.reshape),
    "Concat": _Import.concat,
    "Softmax": _Import.softmax,
    "LRN": _Import.local_response_norm,
    **dict.fromkeys(("Identity", "Dropout"), _Import.rename),
    "Constant": _Import.rename,
}
"""ONNX operators that have a counterpart."""
