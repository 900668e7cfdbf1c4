"""Whole networks on every OpenCL device: as the processor computes them, and measured."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import oracle_network
from ferkern import models
from ferkern.config import config
from ferkern.models import Network, Node, build
from ferkern.opencl import find, memory
from ferkern.quantize import calibrate
from test_session import odd_network, trained_looking

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["fer_2conv", "fer_4conv", "fer_small", "mini_xception"])
def test_zoo_agrees_with_the_stored_graph(cl_device, name, rng):
    network = trained_looking(build(name, seed=3), rng)
    x = rng.standard_normal((3, *network.input_shape)).astype(np.float32)
    session = network.plan(device=cl_device, batch=2)
    np.testing.assert_allclose(session.run(x), oracle_network.run(network, x), atol=2e-5, rtol=1e-4)
    assert all(kernel.endswith(":opencl") for _, kernel in session.kernels)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mobilenet", {"alpha": 0.25, "resolution": 64}),
        ("squeezenet", {"resolution": 65}),
        ("resnet50", {"resolution": 32}),
        ("vgg_s", {"resolution": 64}),
    ],
)
def test_imagenet_networks_agree_with_the_processor(cl_device, name, options, rng):
    network = getattr(models, name)(**options, classes=5)
    end = next(node.inputs[0] for node in network.nodes if node.op in ("flatten", "global_avg_pool"))
    front, _ = network.split(end)
    x = rng.standard_normal((2, *network.input_shape)).astype(np.float32)
    expected = front.plan(batch=2).run(x)
    y = front.plan(device=cl_device, batch=2).run(x)
    np.testing.assert_allclose(y, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def test_every_value_of_the_odd_network(cl_device, rng):
    """Cut at each node in turn: every operator, and what is fused away is right where it is asked for."""
    network = odd_network(rng)
    x = rng.standard_normal((4, 3, 13, 11)).astype(np.float32)
    for index, node in enumerate(network.nodes):
        cut = replace(network, output=node.output, nodes=network.nodes[: index + 1], classes=())
        y = cut.plan(device=cl_device, batch=3).run(x)
        np.testing.assert_allclose(y, oracle_network.run(cut, x), atol=1e-4, rtol=1e-4, err_msg=str(node))


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_run_is_one_upload_and_one_download(cl_device, rng, precision):
    """Weights went there when it was planned; nothing comes back between the layers."""
    network = build("fer_small")
    x = rng.standard_normal((4, *network.input_shape)).astype(np.float32)
    session = (calibrate(network, x) if precision == "int8" else network).plan(
        device=cl_device, batch=4, precision=precision
    )
    with find(cl_device).recording() as timeline:
        y = session.run(x)
    copies = [(span.kind, span.bytes) for span in timeline.spans() if span.bytes]
    assert copies == [("host to device", x.nbytes), ("device to host", y.nbytes)]


def test_nothing_but_views(cl_device, rng):
    nodes = [Node("dropout", ("x",), "d", {"rate": 0.5}, {}), Node("flatten", ("d",), "y", {}, {})]
    network = Network("views", "x", (2, 3, 4), "y", nodes, {})
    x = rng.standard_normal((5, 2, 3, 4), np.float32)
    assert (network.plan(device=cl_device, batch=2).run(x) == x.reshape(5, 24)).all()


def test_any_number_of_inputs_and_out(cl_device, rng):
    session = build("fer_2conv").plan(device=cl_device, batch=3)
    x = rng.standard_normal((7, 1, 48, 48)).astype(np.float32)
    whole = session.run(x)
    for n in (0, 1, 2, 3, 4, 7):
        out = np.empty((n, 7), np.float32)
        assert session.run(x[:n], out=out) is out
        assert (out == whole[:n]).all()


def test_wrong_input_is_judged_as_on_the_processor(cl_device):
    there, here = (build("fer_2conv").plan(device=d) for d in (cl_device, "cpu"))
    wrong = [np.zeros((1, 1, 48, 47), np.float32), np.zeros((1, 1, 48, 48)), np.zeros((1, 48, 48), np.float32)]
    for x in (*wrong, np.zeros((1, 1, 48, 96), np.float32)[..., ::2]):
        said = []
        for session in (there, here):
            with pytest.raises((TypeError, ValueError)) as caught:
                session.run(x)
            said.append((caught.type, str(caught.value)))
        assert said[0] == said[1]


def test_a_kernel_can_be_named(cl_device, rng):
    network = build("fer_2conv")
    session = network.plan(device=cl_device, kernels={"conv2d_1": "reference"})
    assert ("conv2d -> 'conv2d_1'", "conv2d:reference:opencl") in session.kernels
    x = rng.standard_normal((1, 1, 48, 48)).astype(np.float32)
    np.testing.assert_allclose(session.run(x), network.plan().run(x), atol=1e-6)
    with config(kernel="reference"), pytest.raises(ValueError, match="no kernel named 'reference'"):
        network.plan(device=cl_device)


def test_bfloat16_weights(cl_device, rng):
    network = build("fer_2conv")
    x = rng.standard_normal((2, 1, 48, 48)).astype(np.float32)
    there, here = (network.plan(device=d, precision="bfloat16", batch=2).run(x) for d in (cl_device, "cpu"))
    np.testing.assert_allclose(there, here, atol=1e-5)
    assert (there != network.plan(device=cl_device, batch=2).run(x)).any()


def test_the_ledger_covers_the_call(cl_device, rng):
    network = build("fer_small")
    session = network.plan(device=cl_device, batch=8)
    x = rng.standard_normal((16, *network.input_shape)).astype(np.float32)
    expected = session.run(x)
    ledgers = []
    for _ in range(5):
        y, ledger = session.profile(x)
        assert (y == expected).all()
        ledgers.append(ledger)
    ledger = min(ledgers, key=lambda one: one.remainder_seconds / one.wall_seconds)
    assert 0 <= ledger.remainder_seconds <= 0.03 * ledger.wall_seconds
    assert [row.layer for row in ledger.rows] == [layer for layer, _ in session.kernels]
    assert all(row.seconds > 0 for row in ledger.rows)
    assert ledger.kinds["kernel"] == pytest.approx(sum(ledger.seconds))
    assert {"kernel", "host to device", "device to host", "host"} <= ledger.kinds.keys()
    assert sum(ledger.kinds.values()) + ledger.remainder_seconds == pytest.approx(ledger.wall_seconds)
    for one, following in zip(ledger.spans, ledger.spans[1:], strict=False):
        assert one.start + one.seconds <= following.start + 1e-9
    assert "host to device" in str(ledger)
    assert "outside all spans" in str(ledger)
    read = json.loads(ledger.to_json())
    assert read["device"] == str(find(cl_device).info)
    trace = ledger.to_chrome_trace()
    assert len(trace) == len(ledger.spans)
    assert json.loads(json.dumps(trace)) == trace
    assert {event["ph"] for event in trace} == {"X"}


def test_ten_threads_use_one_device(cl_device, rng):
    network = build("fer_2conv")
    x = rng.standard_normal((10, 3, 1, 48, 48)).astype(np.float32)
    shared = network.plan(device=cl_device, batch=2)
    expected = [shared.run(one) for one in x]

    def work(i):
        own = network.plan(device=cl_device, batch=2)
        return [(own if k % 2 else shared).run(x[i]) for k in range(6)]

    with ThreadPoolExecutor(10) as pool:
        for i, results in enumerate(pool.map(work, range(10))):
            assert all((y == expected[i]).all() for y in results)


def test_two_devices_at_once(rng):
    from ferkern.opencl import devices

    network = build("fer_2conv")
    x = rng.standard_normal((4, 1, 48, 48)).astype(np.float32)
    sessions = [network.plan(device=f"opencl:{info.index}", batch=4) for info in devices()]
    if not sessions:
        pytest.skip("no OpenCL device on this machine: pip install 'ferkern[opencl-cpu]' brings one")
    expected = [session.run(x) for session in sessions]
    with ThreadPoolExecutor(2 * len(sessions)) as pool:
        for i, y in pool.map(lambda i: (i % len(sessions), sessions[i % len(sessions)].run(x)), range(20)):
            assert (y == expected[i]).all()
    for y in expected:
        np.testing.assert_allclose(y, expected[0], atol=1e-6)


def test_bench_on_a_device(cl_device, tmp_path):
    from typer.testing import CliRunner

    from ferkern.cli.app import app

    table, trace = tmp_path / "bench.json", tmp_path / "trace.json"
    call = ["bench", "fer_2conv", "--device", cl_device, "--repeats", "3", "--json", str(table), "--trace", str(trace)]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 0, done.output
    assert "host to device" in done.output
    found = json.loads(table.read_text())
    assert found["ledger"]["device"] == str(find(cl_device).info)
    assert {"kernel", "host to device"} <= found["ledger"]["kinds"].keys()
    assert len(json.loads(trace.read_text())["traceEvents"]) == len(found["ledger"]["spans"])
    done = CliRunner().invoke(app, [*call[:4], "--plot", str(tmp_path / "x.png")])
    assert done.exit_code == 2
    assert "the processor's roofline" in done.output


def test_memory_that_one_queue_gives_back_no_other_takes(cl_device):
    """A command of the first queue may still read it."""
    device = find(cl_device)
    lanes = [device.new_stream(), device.new_stream()]
    with device.using(lanes[0]):
        places = {memory.empty(device, 1 << 16).int_ptr for _ in range(4)}
    with device.using(lanes[1]):
        others = [memory.empty(device, 1 << 16) for _ in range(4)]
    assert not places & {buffer.int_ptr for buffer in others}
    with device.using(lanes[0]):
        assert memory.empty(device, 1 << 16).int_ptr in places


def test_a_run_takes_no_memory_that_another_queue_may_still_read(cl_device, rng):
    """Input and output of a run come from the pool of the network's own queue."""
    session = build("fer_2conv").plan(device=cl_device)
    device = find(cl_device)
    shared = device.stream.pool.active_bytes
    held = []
    take = memory.empty

    def watched(there, size):
        held.append(there.stream)
        return take(there, size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ferkern.opencl.network.empty", watched)
        session.run(rng.standard_normal((1, 1, 48, 48)).astype(np.float32))
    assert held == [session._native.lane] * 2
    assert device.stream.pool.active_bytes == shared


def test_runs_and_profiles_of_one_session_side_by_side(cl_device, rng):
    """A recorded run has a queue of its own, but the values between the layers are there once."""
    network = build("fer_small")
    x = rng.standard_normal((4, 6, *network.input_shape)).astype(np.float32)
    session = network.plan(device=cl_device, batch=3)
    expected = [session.run(one) for one in x]

    def work(i):
        return [session.profile(x[i])[0] if (i + k) % 2 else session.run(x[i]) for k in range(6)]

    with ThreadPoolExecutor(4) as pool:
        for i, results in enumerate(pool.map(work, range(4))):
            assert all((y == expected[i]).all() for y in results)
