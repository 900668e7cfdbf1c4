"""What stands in an ONNX file beside its operators: constants, attributes, the shape of the image that goes in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkern.errors import ModelError

__all__ = ["Array", "read_attributes", "read_constants", "read_image_shape"]

Array = NDArray[Any]


def read_attributes(onnx: Any, node: Any) -> dict[str, Any]:
    """Name to value."""
    try:
        return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    except ValueError as error:
        raise ModelError(f"node {node.op_type} -> {node.output[0]!r}: {error}") from error


def read_constants(onnx: Any, graph: Any) -> dict[str, Array]:
    """Initializers and what Constant nodes make; floating ones as float32."""
    constants = {tensor.name: _array(onnx, tensor, tensor.name) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            value = read_attributes(onnx, node).get("value")
            if value is None:
                raise ModelError(f"node Constant -> {node.output[0]!r}: has no tensor as its value")
            constants[node.output[0]] = _array(onnx, value, node.output[0])
    return constants


def _array(onnx: Any, tensor: Any, name: str) -> Array:
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise ModelError(f"tensor {name!r}: lies in another file; save the model with its weights inside")
    try:
        array: Array = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"tensor {name!r}: {error}") from error
    if array.dtype.kind == "f":
        array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise ModelError(f"tensor {name!r}: has values that are not finite")
    return array


def read_image_shape(onnx: Any, value: Any) -> tuple[int, int, int]:
    """C, H, W of an input [N, C, H, W]."""
    kind = value.type.tensor_type
    sizes = [d.dim_value if d.HasField("dim_value") else 0 for d in kind.shape.dim]
    if kind.elem_type != onnx.TensorProto.FLOAT or len(sizes) != 4 or min(sizes[1:]) < 1:
        shown = [d.dim_value or d.dim_param or "?" for d in kind.shape.dim]
        raise ModelError(f"input {value.name!r}: is {shown}, expected float32 [N, C, H, W] with fixed C, H and W")
    return sizes[1], sizes[2], sizes[3]
