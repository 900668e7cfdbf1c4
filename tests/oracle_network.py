"""Runs a stored graph node by node in NumPy float64, unfused: what the planned network must agree with."""

from __future__ import annotations

import numpy as np

import oracle
from ferkern.models import Network


def window(node):
    a = node.attributes
    return oracle.pair(tuple(a.get("stride", (1, 1)))), tuple(a.get("padding", (0, 0, 0, 0)))


def pool(x, node):
    stride, pads = window(node)
    size = tuple(node.attributes["size"])
    fill = -np.inf if node.op == "max_pool2d" else 0.0
    seen = oracle.windows(x, size, stride, (1, 1), pads, fill)
    if node.op == "max_pool2d":
        return seen.max(axis=(4, 5))
    if node.op == "l2_pool2d":
        return np.sqrt((seen**2).sum(axis=(4, 5)))
    inside = oracle.windows(np.ones_like(x), size, stride, (1, 1), pads, 0.0).sum(axis=(4, 5))
    count = size[0] * size[1] if node.attributes.get("count_include_pad", False) else inside
    return seen.sum(axis=(4, 5)) / count


def local_response_norm(x, node):
    """y = x / (k + alpha / size * sum of squares over `size` neighbouring channels)^beta"""
    a = node.attributes
    size, channels = a["size"], x.shape[1]
    y = np.empty_like(x)
    for c in range(channels):
        low, high = max(0, c - size // 2), min(channels, c + (size - 1) // 2 + 1)
        total = (x[:, low:high] ** 2).sum(axis=1)
        y[:, c] = x[:, c] / (a.get("k", 1.0) + a["alpha"] / size * total) ** a["beta"]
    return y


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def apply(node, inputs, w):
    x, a = inputs[0], node.attributes
    match node.op:
        case "conv2d":
            stride, pads = window(node)
            dilation, groups = tuple(a.get("dilation", (1, 1))), a.get("groups", 1)
            return oracle.conv2d(x, w["w"], w.get("b"), stride=stride, padding=pads, dilation=dilation, groups=groups)
        case "dense":
            return x @ w["w"].astype(np.float64).T + w.get("b", np.zeros(1)).astype(np.float64)
        case "batch_norm":
            shape = (1, -1) + (1,) * (x.ndim - 2)
            gamma, beta, mean, variance = (
                w[k].astype(np.float64).reshape(shape) for k in ("gamma", "beta", "mean", "variance")
            )
            return gamma * (x - mean) / np.sqrt(variance + a["epsilon"]) + beta
        case "activation":
            return oracle.activate(x, a["kind"], a.get("alpha"))
        case "max_pool2d" | "avg_pool2d" | "l2_pool2d":
            return pool(x, node)
        case "global_avg_pool":
            return x.mean(axis=(2, 3))
        case "global_max_pool":
            return x.max(axis=(2, 3))
        case "flatten":
            return x.reshape(len(x), -1)
        case "add":
            return sum(inputs[1:], start=x)
        case "concat":
            return np.concatenate(inputs, axis=1)
        case "softmax":
            return softmax(x)
        case "local_response_norm":
            return local_response_norm(x, node)
        case "dropout":
            return x
    raise AssertionError(node.op)


def run(network: Network, x):
    values = {network.input: x.astype(np.float64)}
    for node in network.nodes:
        weights = {role: network.weights[name] for role, name in node.weights.items()}
        values[node.output] = apply(node, [values[i] for i in node.inputs], weights)
    return values[network.output]
