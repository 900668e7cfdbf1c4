"""Graphs of the networks, their builders and their files."""

from __future__ import annotations

from ferkern.models.imagenet import mobilenet, resnet50, squeezenet, vgg_s
from ferkern.models.network import CLASSES, Network, Node
from ferkern.models.preprocessing import preprocess
from ferkern.models.store import load, save, shipped
from ferkern.models.zoo import build, fer_2conv, fer_4conv, fer_small, mini_xception

__all__ = [
    "CLASSES",
    "Network",
    "Node",
    "build",
    "fer_2conv",
    "fer_4conv",
    "fer_small",
    "load",
    "mini_xception",
    "mobilenet",
    "preprocess",
    "resnet50",
    "save",
    "shipped",
    "squeezenet",
    "vgg_s",
]
