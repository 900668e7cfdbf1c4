"""What the tests share: one parameter for each kernel row, guarded buffers, the shared data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from ferkern.config import config
from ferkern.opencl import DeviceInfo
from ferkern.registry import Kernel, kernels, last_kernel


def rows_of(op: str) -> list[Kernel]:
    """Rows of an op for the processor that this machine and FERKERN_ISA allow."""
    from ferkern import _core
    from ferkern.registry import ISAS

    allowed = ISAS[: ISAS.index(_core.isa_default()) + 1]
    return [k for k in kernels(op) if k.isa in allowed]


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("FERKERN_TEST_AS_GPU") == "1":
        from opencl_devices import take_for_gpus

        take_for_gpus()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`@pytest.mark.op("conv2d")` with an argument `row` runs a test once per kernel row of the op."""
    marker = metafunc.definition.get_closest_marker("op")
    if marker is not None and "row" in metafunc.fixturenames:
        rows = rows_of(marker.args[0])
        assert rows, f"no kernel rows for {marker.args[0]}"
        metafunc.parametrize("row", rows, ids=[f"{r.name}-{r.isa}" for r in rows])
    if "cl_device" in metafunc.fixturenames:
        from opencl_devices import every_device, name_of  # looks for devices only where a test wants them

        metafunc.parametrize("cl_device", every_device(), ids=name_of, indirect=True)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """FERKERN_NO_SKIP=1 (set where everything must run): remember what was skipped. Torch has a run of its own."""
    if report.skipped and os.environ.get("FERKERN_NO_SKIP") == "1" and "torch" not in str(report.longrepr):
        _skipped.append(report.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Each OpenCL device's version, and how many kernels were built there."""
    for info, programs, count in _built_on_devices():
        text = f"{info}, {info.version}, driver {info.driver}: {count} kernels in {programs} programs"
        terminalreporter.write_line(text)


def _built_on_devices() -> list[tuple[DeviceInfo, int, int]]:
    if not _used_devices:
        return []
    from ferkern.opencl import devices
    from ferkern.opencl.program import built

    counts = built()
    return [(info, *counts.get(str(info), (0, 0))) for info in devices()]


def pytest_sessionfinish(session: pytest.Session) -> None:
    # A few tests may build nothing; a suite that builds nothing on a required device has tested nothing there.
    if len(_used_devices) > 200 and os.environ.get("FERKERN_REQUIRE_OPENCL"):
        idle = [str(info) for info, _, count in _built_on_devices() if count == 0]
        if idle:
            print(f"\nno kernel was built on {', '.join(idle)} although FERKERN_REQUIRE_OPENCL is set")  # noqa: T201
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if _skipped:
        print(f"\nskipped although FERKERN_NO_SKIP=1: {_skipped}")  # noqa: T201
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


_skipped: list[str] = []
_used_devices: list[str] = []
"""Tests that were run on an OpenCL device."""


@pytest.fixture
def forced() -> Callable[[Kernel], AbstractContextManager[None]]:
    """``with forced(row):`` runs exactly that row and proves afterwards that it ran."""

    @contextmanager
    def use(row: Kernel) -> Iterator[None]:
        with config(isa=row.isa, kernel=row.name, exact=True):
            yield
        assert last_kernel() == f"{row.op}:{row.name}:{row.isa}"

    return use


@pytest.fixture
def guarded() -> Iterator[Callable[..., np.ndarray]]:
    """Makes float32 output arrays between guard words; checks on leaving that none was touched."""
    made: list[tuple[np.ndarray, int]] = []

    def make(*shape: int, dtype: type = np.float32) -> np.ndarray:
        n = int(np.prod(shape))
        whole = np.full(n + 128, 77, dtype=dtype)
        made.append((whole, n))
        return whole[64 : 64 + n].reshape(shape)

    yield make
    for whole, n in made:
        assert (whole[:64] == 77).all(), "written before the buffer"
        assert (whole[64 + n :] == 77).all(), "written past the buffer"


@pytest.fixture
def cl_device(request: pytest.FixtureRequest) -> str:
    """Runs a test once on every OpenCL device; the device string."""
    from opencl_devices import string_of

    _used_devices.append(request.node.nodeid)
    return string_of(request.param)


@pytest.fixture(scope="session")
def data() -> Path:
    """The shared data sets, from FERKERN_DATA."""
    root = os.environ.get("FERKERN_DATA")
    if not root:
        pytest.skip("FERKERN_DATA is not set: this test needs the data sets")
    return Path(root)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260101)


@pytest.fixture(scope="session")
def portrait() -> Path:
    from ferkern.cli.demo import portraits

    return portraits()["Eileen Collins"]


@pytest.fixture
def album(tmp_path: Path, portrait: Path) -> Path:
    """A folder: two portraits, one below, a picture without faces, and files that are no pictures."""
    from PIL import Image

    folder = tmp_path / "album"
    (folder / "below").mkdir(parents=True)
    with Image.open(portrait) as image:
        image.convert("RGB").save(folder / "a.jpg")
        image.convert("RGB").save(folder / "below" / "b.png")
    Image.new("RGB", (200, 100), (90, 90, 90)).save(folder / "empty.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A grey photograph (NASA, public domain), 512 x 512."""
    from skimage import data as pictures

    from ferkern import image

    return image.to_gray(np.ascontiguousarray(pictures.astronaut()))
