"""The stored graph of a network: plain and unfused, so that it can be trained as well as run.

Folding, fusing and layout are passes of the planner; nothing of them shows here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferkern.errors import ModelError
from ferkern.models.preprocessing import check_preprocessing
from ferkern.models.shapes import infer_node, node_multiply_adds

if TYPE_CHECKING:
    from ferkern.session import Session

__all__ = ["CLASSES", "Network", "Node", "Quantization", "Shape"]

CLASSES: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Class order of every network for expressions, that of FER-2013."""

Shape = tuple[int, ...]


@dataclass(slots=True)
class Node:
    """One operator of the graph.

    Attributes
    ----------
    op
        Name of the operator, such as ``"conv2d"``.
    inputs
        Names of the values it reads.
    output
        Name of the value it makes; every value is made once.
    attributes
        Numbers and words that say how, such as ``stride``.
    weights
        Role (``"w"``, ``"b"``, ``"gamma"``, ...) to the tensor's name in `Network.weights`.
    """

    op: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quantization:
    """What a byte q of a value means: ``scale * (q - zero_point)``."""

    scale: float
    """Positive."""
    zero_point: int
    """The byte that stands for 0: 0 to 255."""


@dataclass
class Network:
    """A network: nodes in topological order, weights, and what goes in and comes out.

    Attributes
    ----------
    name
        Name, as in the literature.
    input, output
        Names of the value that is fed and of the value that is returned.
    input_shape
        (channels, height, width) of one input; the batch is free.
    nodes
        The operators, each after those that it reads from.
    weights
        Tensor name to float32 array.
    preprocessing
        How a face becomes an input; see `ferkern.models.preprocess`.
    classes
        Meaning of the outputs, in order.
    metadata
        Facts for the card, text to text.
    quantization
        Value name to what its bytes mean, from `ferkern.quantize.calibrate`; empty where nobody calibrated.
    """

    name: str
    input: str
    input_shape: tuple[int, int, int]
    output: str
    nodes: list[Node]
    weights: dict[str, NDArray[np.float32]]
    preprocessing: dict[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = CLASSES
    metadata: dict[str, str] = field(default_factory=dict)
    quantization: dict[str, Quantization] = field(default_factory=dict)

    def infer_shapes(self) -> dict[str, Shape]:
        """Shape of every value, without the batch.

        Returns
        -------
        dict
            Value name to (C, H, W) or (C,).

        Raises
        ------
        ModelError
            If a node, a reference or a shape is not consistent; the message names it.
        """
        return self._infer({name: tuple(w.shape) for name, w in self.weights.items()})

    def _infer(self, tensors: dict[str, Shape]) -> dict[str, Shape]:
        """`infer_shapes` from the tensors' shapes alone, so that a file is judged before it is read."""
        if len(self.input_shape) != 3 or any(not 1 <= n <= 65536 for n in self.input_shape):
            raise ModelError(
                f"network {self.name!r}: input_shape must be three sizes in 1..65536, is {self.input_shape}"
            )
        shapes: dict[str, Shape] = {self.input: tuple(self.input_shape)}
        for index, node in enumerate(self.nodes):
            where = f"network {self.name!r}, node {index} ({node.op} -> {node.output!r})"
            for name in node.inputs:
                if name not in shapes:
                    raise ModelError(f"{where}: input {name!r} is made by no earlier node")
            if node.output in shapes:
                raise ModelError(f"{where}: value {node.output!r} is made twice")
            for role, name in node.weights.items():
                if name not in tensors:
                    raise ModelError(f"{where}: weight {role!r} names tensor {name!r}, which is not there")
            shapes[node.output] = infer_node(
                where,
                node.op,
                [shapes[name] for name in node.inputs],
                node.attributes,
                {role: tensors[name] for role, name in node.weights.items()},
            )
        if self.output not in shapes:
            raise ModelError(f"network {self.name!r}: output {self.output!r} is made by no node")
        return shapes

    def validate(self) -> None:
        """Check references, shapes, the weights' type and the number of classes.

        Raises
        ------
        ModelError
            Naming the node, tensor or field that is wrong.
        """
        for name, tensor in self.weights.items():
            if tensor.dtype != np.float32:
                raise ModelError(f"network {self.name!r}: tensor {name!r} must be float32, is {tensor.dtype}")
        if self.preprocessing:
            check_preprocessing(self.preprocessing, self.input_shape)
        shapes = self.infer_shapes()
        self._check_quantization(shapes)
        out = shapes[self.output]
        if self.classes and out != (len(self.classes),):
            raise ModelError(
                f"network {self.name!r}: output {self.output!r} has shape {out}, "
                f"but there are {len(self.classes)} classes"
            )

    def _check_quantization(self, shapes: dict[str, Shape]) -> None:
        for name, q in self.quantization.items():
            if name not in shapes:
                raise ModelError(f"network {self.name!r}: quantization of {name!r}, which is no value of it")
            if type(q.scale) not in (int, float) or not 1e-30 <= q.scale <= 1e30:
                raise ModelError(f"network {self.name!r}: scale of {name!r} must be in 1e-30..1e30, is {q.scale!r}")
            if type(q.zero_point) is not int or not 0 <= q.zero_point <= 255:
                raise ModelError(
                    f"network {self.name!r}: zero_point of {name!r} must be in 0..255, is {q.zero_point!r}"
                )

    def multiply_adds(self) -> int:
        """Multiply-adds of convolutions and dense layers for one input (the rest is folded or small)."""
        shapes = self.infer_shapes()
        return sum(
            node_multiply_adds(node.op, shapes[node.output], self.weights[node.weights["w"]].shape)
            for node in self.nodes
            if "w" in node.weights
        )

    def parameters(self) -> int:
        """Number of stored weights, batch-norm statistics included."""
        return sum(int(w.size) for w in self.weights.values())

    def split(self, value: str) -> tuple[Network, Network]:
        """Cut the graph at a value: what makes it, and what is made of it.

        Parameters
        ----------
        value
            Name of a value that all paths from input to output go through, such as the features before the classifier.

        Returns
        -------
        front, back : Network
            ``back`` of what ``front`` gives is what the whole gives. A value without height and width becomes an input
            of (C, 1, 1). Weights are shared, not copied.

        Raises
        ------
        ValueError
            There is no such value, or a later node reads past it.
        """
        shapes = self.infer_shapes()
        if value not in shapes or value in (self.input, self.output):
            inner = ", ".join(n.output for n in self.nodes if n.output != self.output)
            raise ValueError(f"value: {value!r} is no value inside network {self.name!r}; there are {inner}")
        front = _made_from(self.nodes, value, {self.input})
        back = _made_from(self.nodes, self.output, {value})
        for node in back:
            if self.input in node.inputs:
                raise ValueError(f"value: node {node.op} -> {node.output!r} of {self.name!r} reads past {value!r}")
        shape = shapes[value]
        entrance = "input" if len(shape) == 1 else value
        if len(shape) == 1:
            back = [Node("flatten", (entrance,), value), *back]
        c, h, w = (*shape, 1, 1)[:3]
        head = Network(f"{self.name}.back", entrance, (c, h, w), self.output, back, {}, {}, self.classes)
        body = Network(
            f"{self.name}.front", self.input, self.input_shape, value, front, {}, dict(self.preprocessing), ()
        )
        body.quantization = _of_values(self.quantization, body, {})
        head.quantization = _of_values(self.quantization, head, {entrance: value})
        for part in (body, head):
            part.weights = {name: self.weights[name] for node in part.nodes for name in node.weights.values()}
            part.validate()
        return body, head

    def plan(
        self,
        *,
        device: str = "cpu",
        precision: str = "float32",
        batch: int = 1,
        threads: int | None = None,
        budget: int | None = None,
        kernels: Mapping[str, str] | None = None,
        tune: bool = False,
    ) -> Session:
        """Plan the network once, to be run often.

        Parameters
        ----------
        device
            Where it runs: ``"cpu"``, an OpenCL device such as ``"opencl"`` (docs/opencl.md), or ``"auto"``: where this
            machine's crossover map (`ferkern.bench.crossover`) expects this batch to be faster.
        precision
            ``"float32"``, ``"bfloat16"`` (weights of large dense layers), or ``"int8"`` for a network that
            `ferkern.quantize.calibrate` has seen.
        batch
            Largest number of inputs a call.
        threads
            Number of threads; None: as many as the process may use.
        budget
            Of a device: bytes that it may take there; `batch` becomes as small as they demand.
        kernels
            Value to the name of the kernel that makes it, such as `Session.choices` of an earlier plan: the same
            choices give the same bits on the same instruction set.
        tune
            Choose the kernels of convolutions by measuring them in this network, instead of by estimated work. What was
            measured is remembered in the user's cache folder, by layer and machine (FERKERN_CACHE_DIR names another).
            `kernels` goes before it. Layers on bytes have one kernel each: there is nothing to measure. On a device:
            what ``ferkern tune`` does, for those layers that it has not measured yet.
        """
        from ferkern.session import Session

        if tune and precision != "int8":
            from ferkern.tune import tuned_kernels

            measured = tuned_kernels(self, device=device, precision=precision, batch=batch, threads=threads)
            kernels = {**measured, **(kernels or {})}
        return Session(
            self,
            device=device,
            precision=precision,
            batch=batch,
            threads=threads,
            budget=budget,
            kernels=kernels,
        )


def _of_values(quantization: dict[str, Quantization], part: Network, names: dict[str, str]) -> dict[str, Quantization]:
    """What a part of a network keeps of it; `names`: values that have another name in the whole."""
    inside = [part.input, *(node.output for node in part.nodes)]
    return {name: quantization[names.get(name, name)] for name in inside if names.get(name, name) in quantization}


def _made_from(nodes: list[Node], value: str, given: set[str]) -> list[Node]:
    """The nodes that make a value, in their order; `given` values need none."""
    needed, kept = {value}, []
    for node in reversed(nodes):
        if node.output in needed and node.output not in given:
            needed.update(node.inputs)
            kept.append(node)
    return kept[::-1]
