"""Whole networks on bytes on every OpenCL device: the processor's layers, the processor's bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ferkern import models
from ferkern.errors import ModelError
from ferkern.models import Node
from ferkern.quantize import calibrate
from test_networks_int8 import CASES, calibrated, without_softmax
from test_session import odd_network

pytestmark = pytest.mark.slow

# Numbers come and go through them as on the processor; other layers in float32 have other last bits.
BYTES = ("conv2d_int8", "depthwise_int8", "dense_int8", "pool_int8", "add_int8", "lookup_int8", "concat_int8")
EXACT = {"quantize", *BYTES}


def ops(session):
    """The ops of a session, those apart of which one device needs more steps than the other."""
    found = [kernel.split(":")[0] for _, kernel in session.kernels]
    return [op for op in found if op not in ("quantize", "reorder", "concat_int8")]


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_the_processor_s_bits(cl_device, name, options, rng):
    network, x = calibrated(name, options, rng, 3)
    front = without_softmax(network)
    here = front.plan(precision="int8", batch=2)
    there = front.plan(precision="int8", batch=2, device=cl_device)
    expected, y = here.run(x), there.run(x)
    if name == "vgg_s":  # its local response normalisation is float32
        assert np.abs(y - expected).max() <= 0.02 * np.abs(expected).max()
    else:
        assert {kernel.split(":")[0] for _, kernel in there.kernels} <= EXACT
        np.testing.assert_array_equal(y, expected)
        assert ops(there) == ops(here)


def test_probabilities(cl_device, rng):
    """The softmax at the end is float32: its exponential is the device's own."""
    network, x = calibrated("fer_small", {}, rng, 3)
    y = network.plan(precision="int8", batch=3, device=cl_device).run(x)
    np.testing.assert_allclose(y, network.plan(precision="int8", batch=3).run(x), rtol=1e-5, atol=1e-7)


def test_every_value_of_the_odd_network(cl_device, rng):
    """Cut at each node in turn: every operator, what is fused away, what runs in float32 between changes of form."""
    network = odd_network(rng)
    x = rng.standard_normal((2, 3, 13, 11)).astype(np.float32)
    network = calibrate(network, x)
    exact = 0
    for index, node in enumerate(network.nodes):
        cut = replace(network, output=node.output, nodes=network.nodes[: index + 1], classes=())
        here, there = (cut.plan(precision="int8", batch=2, device=where) for where in ("cpu", cl_device))
        expected, y = here.run(x), there.run(x)
        if {kernel.split(":")[0] for _, kernel in there.kernels} <= EXACT:
            exact += 1
            np.testing.assert_array_equal(y, expected, err_msg=str(node))
        else:
            # A last bit before a change of form may be a step of a byte behind it.
            assert np.abs(y - expected).max() <= 0.05 * np.abs(expected).max(), node
    assert exact >= 9


def test_any_number_of_inputs(cl_device, rng):
    network, x = calibrated("fer_2conv", {}, rng, 7)
    session = network.plan(precision="int8", batch=3, device=cl_device)
    whole = session.run(x)
    assert session.run(x[:0]).shape == (0, 7)
    for n in (1, 2, 3, 4):
        np.testing.assert_array_equal(session.run(x[:n]), whole[:n])


def test_profile_counts_the_work(cl_device, rng):
    network, x = calibrated("mobilenet", {"alpha": 0.25, "resolution": 64, "classes": 5}, rng, 2)
    _, ledger = network.plan(precision="int8", batch=2, device=cl_device).profile(x)
    layers = [row for row in ledger.rows if row.kernel.startswith(("conv2d", "depthwise", "dense"))]
    assert all(row.kernel.endswith(":opencl") for row in layers)
    assert sum(row.flops for row in layers) == pytest.approx(2 * 2 * network.multiply_adds())


def test_what_is_not_calibrated_is_named(cl_device, rng):
    network, _ = calibrated("fer_2conv", {}, rng, 1)
    network = replace(network, quantization={network.input: network.quantization[network.input]})
    for where in ("cpu", cl_device):
        with pytest.raises(ModelError, match=r"has no quantisation; calibrate the network again"):
            network.plan(precision="int8", device=where)


def test_a_value_is_in_bytes_and_in_floats(cl_device, rng):
    """Read by a layer on bytes, by one in float32 and by the caller: changed once each way."""
    attributes = {"stride": [1, 1], "padding": [1, 1, 1, 1], "dilation": [1, 1], "groups": 1}
    nodes = [
        Node("conv2d", ("x",), "a", attributes, {"w": "w"}),
        Node("local_response_norm", ("a",), "n", {"size": 3, "alpha": 1e-4, "beta": 0.75, "k": 2.0}),
        Node("add", ("a", "n"), "y", {}),
    ]
    w = rng.standard_normal((5, 5, 3, 3)).astype(np.float32)
    x = rng.standard_normal((2, 5, 7, 6)).astype(np.float32)
    network = calibrate(models.Network("both", "x", (5, 7, 6), "y", nodes, {"w": w}), x)
    here, there = (network.plan(precision="int8", batch=2, device=where) for where in ("cpu", cl_device))
    found = [kernel.split(":")[1] for _, kernel in there.kernels if kernel.startswith("quantize")]
    assert found == ["to_bytes", "to_floats", "to_bytes", "to_floats"]  # x; a; n; y
    expected = here.run(x)
    assert np.abs(there.run(x) - expected).max() <= 0.02 * np.abs(expected).max()
