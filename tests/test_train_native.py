"""The stored graph means the same to torch in training and to the native run."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [train] with torch is not installed")

import torch.nn.functional as F  # noqa: E402

from ferkern import models  # noqa: E402
from ferkern.train.module import GraphModule  # noqa: E402


@pytest.mark.parametrize("name", ["fer_2conv", "fer_4conv", "fer_small", "mini_xception"])
def test_torch_and_the_native_run_agree(name: str) -> None:
    """The stored graph means the same in training and at run time, folded batch norm included."""
    network = models.build(name, seed=6)
    rng = np.random.default_rng(6)
    for node in network.nodes:
        if node.op == "batch_norm":
            for role, low, high in (("gamma", 0.5, 1.5), ("beta", -1, 1), ("mean", -1, 1), ("variance", 0.2, 2)):
                tensor = network.weights[node.weights[role]]
                tensor[...] = rng.uniform(low, high, tensor.shape)
    x = rng.normal(size=(3, *network.input_shape)).astype(np.float32)
    with torch.no_grad():
        expected = F.softmax(GraphModule(network).eval()(torch.from_numpy(x)), dim=1).numpy()
    got = network.plan(batch=3).run(x)
    assert np.abs(got - expected).max() < 2e-4  # probabilities; the sums differ in their order
