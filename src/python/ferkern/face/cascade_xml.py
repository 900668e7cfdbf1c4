"""Reads cascade classifiers from OpenCV's XML, in the new form, the old form and with LBP features.

A file is data from outside. It is read with expat, with document types and entities refused, and every number
that later serves as a count or an index is judged before anything is made from it.
"""

from __future__ import annotations

import math
import os
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from ferkern.errors import ModelError

MAX_BYTES = 64 << 20
MAX_ELEMENTS = 4_000_000
MAX_DEPTH = 32
LBP_CODES = 256
THRESHOLD_SLACK = np.float32(1e-5)


@dataclass(slots=True)
class CascadeTables:
    """A cascade as flat tables, the form in which the native code takes it.

    Attributes
    ----------
    kind : {"haar", "lbp"}
    window : (width, height) of the trained window, pixels
    rects : int32 [features, 3, 4], x y width height in the window (LBP: the first of 3x3 blocks)
    weights : float32 [features, 3], zero for a rectangle that is not there
    tilted : int32 [features]
    nodes : int32 [nodes, 4], feature, first table entry, left child, right child
    thresholds : float32 [nodes]
    leaves : float32 [leaves]
    tables : float32, 256 entries for every LBP node: its value (stump) or 1 for left (tree)
    trees : int32 [trees, 4], first node, nodes, first leaf, leaves
    stages : int32 [stages, 2], first tree, trees
    stage_thresholds : float32 [stages]
    cumulative : bool, whether a stage's vote starts from that of the stage before
    """

    kind: str
    window: tuple[int, int]
    rects: NDArray[np.int32]
    weights: NDArray[np.float32]
    tilted: NDArray[np.int32]
    nodes: NDArray[np.int32]
    thresholds: NDArray[np.float32]
    leaves: NDArray[np.float32]
    tables: NDArray[np.float32]
    trees: NDArray[np.int32]
    stages: NDArray[np.int32]
    stage_thresholds: NDArray[np.float32]
    cumulative: bool = False


@dataclass(slots=True)
class _Rows:
    rects: list[list[list[int]]] = field(default_factory=list)
    weights: list[list[float]] = field(default_factory=list)
    tilted: list[int] = field(default_factory=list)
    nodes: list[list[int]] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)
    leaves: list[float] = field(default_factory=list)
    tables: list[NDArray[np.float32]] = field(default_factory=list)
    trees: list[list[int]] = field(default_factory=list)
    stages: list[list[int]] = field(default_factory=list)
    stage_thresholds: list[np.float32] = field(default_factory=list)


def read(path: str | os.PathLike[str]) -> CascadeTables:
    """Read a cascade classifier file.

    Parameters
    ----------
    path : path of an XML file as OpenCV writes it (``opencv-cascade-classifier`` or ``opencv-haar-classifier``)

    Returns
    -------
    CascadeTables

    Raises
    ------
    FileNotFoundError
    ferkern.errors.ModelError
        When the file is damaged, not a cascade, or asks for something that cannot be; the message names the place.
    """
    name = Path(path)
    size = name.stat().st_size
    if size > MAX_BYTES:
        raise ModelError(f"{name}: {size} bytes; a cascade file of up to {MAX_BYTES} bytes is read")
    try:
        return parse(name.read_bytes())
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from None


def parse(data: bytes) -> CascadeTables:
    """The same for the file's content."""
    root = _tree(data)
    if root.tag != "opencv_storage":
        raise ModelError(f"the root element is <{root.tag[:40]}>, not <opencv_storage>")
    if len(root) == 0:
        raise ModelError("<opencv_storage> is empty")
    node = root[0]
    return _new_form(node) if node.find("stageType") is not None else _old_form(node)


def _tree(data: bytes) -> ET.Element:
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate()
    depth = count = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > MAX_DEPTH or count > MAX_ELEMENTS:
            raise ModelError(
                f"line {parser.CurrentLineNumber}: more than {MAX_DEPTH} levels or {MAX_ELEMENTS} elements"
            )
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: Any) -> None:
        raise ModelError(f"line {parser.CurrentLineNumber}: document types and entities are not read")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
        return builder.close()
    except expat.ExpatError as error:
        raise ModelError(f"not well-formed XML: {error}") from None
    except (LookupError, ValueError, AssertionError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"not readable XML: {error}") from None


def _child(node: ET.Element, tag: str, where: str) -> ET.Element:
    found = node.find(tag)
    if found is None:
        raise ModelError(f"{where} has no <{tag}>")
    return found


def _numbers(node: ET.Element, where: str) -> list[float]:
    words = (node.text or "").split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise ModelError(f"{where}: <{node.tag}> holds {' '.join(words)[:60]!r}, which is not numbers") from None
    if not all(map(math.isfinite, values)):
        raise ModelError(f"{where}: <{node.tag}> holds a number that is not finite")
    return values


def _integer(value: float, where: str) -> int:
    if value != int(value) or abs(value) > 2**31 - 1:
        raise ModelError(f"{where}: {value} is not a 32-bit integer")
    return int(value)


def _one(node: ET.Element, tag: str, where: str) -> float:
    values = _numbers(_child(node, tag, where), where)
    if len(values) != 1:
        raise ModelError(f"{where}: <{tag}> holds {len(values)} numbers, not one")
    return values[0]


def _optional(node: ET.Element, tag: str, where: str) -> float:
    return _one(node, tag, where) if node.find(tag) is not None else 0.0


def _word(node: ET.Element, tag: str, where: str) -> str:
    return (_child(node, tag, where).text or "").strip()


def _haar_rects(node: ET.Element, where: str) -> tuple[list[list[int]], list[float]]:
    entries = list(_child(node, "rects", where))
    if not 1 <= len(entries) <= 3:
        raise ModelError(f"{where} has {len(entries)} rectangles; one to three are possible")
    rects, weights = [], []
    for entry in entries:
        values = _numbers(entry, where)
        if len(values) != 5:
            raise ModelError(f"{where}: a rectangle has {len(values)} numbers, not five")
        rects.append([_integer(v, where) for v in values[:4]])
        weights.append(values[4])
    empty = 3 - len(rects)
    return rects + [[0, 0, 0, 0]] * empty, weights + [0.0] * empty


# ---------------------------------------------------------------------------------------------- the new form


def _new_form(root: ET.Element) -> CascadeTables:
    stage_type, kind = _word(root, "stageType", "the cascade"), _word(root, "featureType", "the cascade")
    if stage_type != "BOOST":
        raise ModelError(f"stageType is {stage_type[:40]!r}, not 'BOOST'")
    if kind not in ("HAAR", "LBP"):
        raise ModelError(f"featureType is {kind[:40]!r}; HAAR and LBP are read")
    window = tuple(_integer(_one(root, tag, "the cascade"), f"<{tag}>") for tag in ("width", "height"))
    parameters = _child(root, "featureParams", "the cascade")
    categories = _integer(_optional(parameters, "maxCatCount", "featureParams"), "maxCatCount")
    if categories != (LBP_CODES if kind == "LBP" else 0):
        raise ModelError(f"maxCatCount is {categories}; {kind} has {LBP_CODES if kind == 'LBP' else 0}")
    rows = _Rows()
    for number, feature in enumerate(_child(root, "features", "the cascade")):
        _new_feature(rows, feature, kind, f"feature {number}")
    stages = list(_child(root, "stages", "the cascade"))
    declared = root.find("stageNum")
    if declared is not None and _one(root, "stageNum", "the cascade") != len(stages):
        raise ModelError(f"stageNum is {(declared.text or '').strip()[:20]}, but <stages> holds {len(stages)}")
    for number, stage in enumerate(stages):
        _new_stage(rows, stage, kind, f"stage {number}")
    return _tables(kind.lower(), (window[0], window[1]), rows)


def _new_feature(rows: _Rows, node: ET.Element, kind: str, where: str) -> None:
    if kind == "LBP":
        values = [_integer(v, where) for v in _numbers(_child(node, "rect", where), where)]
        if len(values) != 4:
            raise ModelError(f"{where}: <rect> holds {len(values)} numbers, not four")
        rects, weights, tilted = [values, [0] * 4, [0] * 4], [0.0] * 3, 0
    else:
        rects, weights = _haar_rects(node, where)
        tilted = int(_optional(node, "tilted", where) != 0)
    rows.rects.append(rects)
    rows.weights.append(weights)
    rows.tilted.append(tilted)


def _new_stage(rows: _Rows, node: ET.Element, kind: str, where: str) -> None:
    weak = list(_child(node, "weakClassifiers", where))
    declared = node.find("maxWeakCount")
    if declared is not None and _one(node, "maxWeakCount", where) < len(weak):
        raise ModelError(
            f"{where}: maxWeakCount is {(declared.text or '').strip()[:20]}, but there are {len(weak)} trees"
        )
    rows.stages.append([len(rows.trees), len(weak)])
    rows.stage_thresholds.append(np.float32(_one(node, "stageThreshold", where)) - THRESHOLD_SLACK)
    for number, tree in enumerate(weak):
        _new_tree(rows, tree, kind, f"{where}, tree {number}")


def _new_tree(rows: _Rows, node: ET.Element, kind: str, where: str) -> None:
    values = _numbers(_child(node, "internalNodes", where), where)
    leaves = _numbers(_child(node, "leafValues", where), where)
    step = 3 + (LBP_CODES // 32 if kind == "LBP" else 1)
    count = len(values) // step
    if count == 0 or len(values) != count * step or not leaves:
        raise ModelError(f"{where}: {len(values)} numbers in <internalNodes> ({step} a node), {len(leaves)} leaves")
    rows.trees.append([len(rows.nodes), count, len(rows.leaves), len(leaves)])
    rows.leaves.extend(leaves)
    for i in range(0, len(values), step):
        left, right, feature = (_integer(v, where) for v in values[i : i + 3])
        table = 0
        if kind == "LBP":
            table = LBP_CODES * len(rows.tables)
            words = [_integer(v, where) for v in values[i + 3 : i + step]]
            rows.tables.append(_bits(words))
        rows.nodes.append([feature, table, left, right])
        rows.thresholds.append(0.0 if kind == "LBP" else values[i + 3])


def _bits(words: list[int]) -> NDArray[np.float32]:
    """256 bits, lowest first, as 1 (left) and 0 (right)."""
    raw = np.array(words, np.int64).astype(np.uint32).astype("<u4").view(np.uint8)
    return np.unpackbits(raw, bitorder="little").astype(np.float32)


# ---------------------------------------------------------------------------------------------- the old form


def _old_form(root: ET.Element) -> CascadeTables:
    size = [_integer(v, "<size>") for v in _numbers(_child(root, "size", "the cascade"), "the cascade")]
    if len(size) != 2:
        raise ModelError(f"<size> holds {len(size)} numbers, not two")
    rows = _Rows()
    for number, stage in enumerate(_child(root, "stages", "the cascade")):
        where = f"stage {number}"
        parent = _optional(stage, "parent", where) if stage.find("parent") is not None else number - 1
        follow = _optional(stage, "next", where) if stage.find("next") is not None else -1
        if parent != number - 1 or follow != -1:
            raise ModelError(
                f"{where} has parent {parent:g} and next {follow:g}: a tree of stages, only a chain is read"
            )
        trees = list(_child(stage, "trees", where))
        rows.stages.append([len(rows.trees), len(trees)])
        rows.stage_thresholds.append(np.float32(_one(stage, "stage_threshold", where)) - THRESHOLD_SLACK)
        for index, tree in enumerate(trees):
            _old_tree(rows, tree, f"{where}, tree {index}")
    return _tables("haar", (size[0], size[1]), rows)


def _old_tree(rows: _Rows, tree: ET.Element, where: str) -> None:
    first_node, first_leaf = len(rows.nodes), len(rows.leaves)
    for node in tree:
        feature = _child(node, "feature", where)
        rects, weights = _haar_rects(feature, where)
        children = []
        for side in ("left", "right"):
            if node.find(f"{side}_val") is not None:
                children.append(first_leaf - len(rows.leaves))
                rows.leaves.append(_one(node, f"{side}_val", where))
            else:
                child = _integer(_one(node, f"{side}_node", where), where)
                if child <= 0:
                    raise ModelError(f"{where}: {side}_node is {child}")
                children.append(child)
        rows.nodes.append([len(rows.rects), 0, *children])
        rows.thresholds.append(_one(node, "threshold", where))
        rows.rects.append(rects)
        rows.weights.append(weights)
        rows.tilted.append(int(_optional(feature, "tilted", where) != 0))
    rows.trees.append([first_node, len(rows.nodes) - first_node, first_leaf, len(rows.leaves) - first_leaf])


def _in_leaf_order(rows: _Rows) -> None:
    """OpenCV takes the two leaves of a stump in their order and does not look at the stump's child numbers."""
    if any(tree[1] != 1 for tree in rows.trees):
        return
    for number, tree in enumerate(rows.trees):
        if tree[3] != 2:
            raise ModelError(f"tree {number} of a cascade of stumps has {tree[3]} leaves, not two")
    for number, node in enumerate(rows.nodes):
        if not {*node[2:]} <= {0, -1}:
            raise ModelError(f"tree {number}, a stump, points to {node[2]} and {node[3]}; its leaves are 0 and -1")
        node[2:] = [0, -1]
    if rows.tables:  # a stump's table holds what the window earns
        pairs = np.array(rows.leaves, np.float32).reshape(-1, 2)
        rows.tables = [np.where(t > 0, left, right) for t, (left, right) in zip(rows.tables, pairs, strict=True)]


def _tables(kind: str, window: tuple[int, int], rows: _Rows) -> CascadeTables:
    if not (rows.stages and rows.trees and rows.nodes and rows.rects):
        raise ModelError("the cascade has no stages, trees, nodes or features")
    _in_leaf_order(rows)
    with np.errstate(over="ignore"):
        return CascadeTables(
            kind=kind,
            window=window,
            rects=np.array(rows.rects, np.int32).reshape(-1, 3, 4),
            weights=np.array(rows.weights, np.float32).reshape(-1, 3),
            tilted=np.array(rows.tilted, np.int32),
            nodes=np.array(rows.nodes, np.int32).reshape(-1, 4),
            thresholds=np.array(rows.thresholds, np.float32),
            leaves=np.array(rows.leaves, np.float32),
            tables=np.concatenate(rows.tables) if rows.tables else np.zeros(0, np.float32),
            trees=np.array(rows.trees, np.int32).reshape(-1, 4),
            stages=np.array(rows.stages, np.int32).reshape(-1, 2),
            stage_thresholds=np.array(rows.stage_thresholds, np.float32),
        )
