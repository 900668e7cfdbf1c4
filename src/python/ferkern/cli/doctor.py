"""``ferkern doctor``: what this machine offers, what was chosen, and why something is missing."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ferkern.cli.output import pip_install, results

__all__ = ["Finding", "State", "doctor", "examine"]


class State(StrEnum):
    """How a finding bears on use."""

    GOOD = "good"
    NOTE = "note"
    """Something optional is missing; ferkern works."""
    BROKEN = "broken"
    """ferkern does not work as it should."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    section: str
    name: str
    state: State
    text: str


_SIGNS = {State.GOOD: "[green]ok[/]", State.NOTE: "[yellow]--[/]", State.BROKEN: "[bold red]!![/]"}

_OPTIONAL = {
    "matplotlib": ("demo", "sample portrait; curves of training"),
    "skimage": ("demo", "sample portrait"),
    "av": ("video", "reading and writing video"),
    "plotly": ("report", "pages of results"),
    "sklearn": ("analyze", "analysis of tracks"),
    "onnx": ("onnx", "reading ONNX files"),
    "torch": ("train", "training"),
    "onnxruntime": ("peers", "comparison"),
    "openvino": ("peers", "comparison"),
    "cv2": ("peers", "comparison"),
}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="A list of findings as JSON.")] = False,
) -> None:
    """Look at CPU, kernels, threads, OpenCL, the cache folder, weights and optional packages.

    Exit code: 0 ferkern is usable (optional parts may be missing), 1 something is broken.
    """
    findings = examine()
    if as_json:
        typer.echo(json.dumps([asdict(f) for f in findings], indent=2))
    else:
        _print(findings)
    if any(f.state is State.BROKEN for f in findings):
        raise typer.Exit(1)


def examine() -> list[Finding]:
    """All findings, in the order of the report."""
    findings: list[Finding] = []
    for section, look in _SECTIONS.items():
        try:
            findings += [Finding(section, *rest) for rest in look()]
        except Exception as error:  # a part that cannot even be asked is what this command is for
            findings.append(Finding(section, "", State.BROKEN, f"{type(error).__name__}: {error}"))
    return findings


def _print(findings: list[Finding]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    section = None
    for f in findings:
        if f.section != section:
            if section is not None:
                table.add_row("", "", "")
            table.add_row("", f"[bold]{escape(f.section)}[/]", "")
            section = f.section
        table.add_row(_SIGNS[f.state], escape(f.name), escape(f.text))
    results().print(table)
    broken = [f for f in findings if f.state is State.BROKEN]
    verdict = f"{len(broken)} broken" if broken else "usable"
    results().print(f"\nferkern is [bold]{verdict}[/]")


Looked = Iterator[tuple[str, State, str]]


def _look_at_versions() -> Looked:
    import numpy as np

    import ferkern

    yield "ferkern", State.GOOD, str(ferkern.__version__)
    yield "Python", State.GOOD, f"{platform.python_version()} ({platform.platform()})"
    yield "NumPy", State.GOOD, np.__version__


def _look_at_cpu() -> Looked:
    from ferkern import _core

    facts = _core.cpu()
    yield "processor", State.GOOD, str(facts["brand"]).strip() or platform.processor() or platform.machine()
    flags = [name for name, value in facts.items() if value is True and not name.startswith("os_")]
    yield "offers", State.GOOD, " ".join(flags) or "none of the instruction sets that matter here"
    saves = [
        f"{name} registers: {'saved' if facts[key] else 'not saved'}"
        for name, key in (("YMM", "os_ymm"), ("ZMM", "os_zmm"))
    ]
    yield "system saves", State.GOOD, ", ".join(saves)


def _look_at_isa() -> Looked:
    from ferkern import _core, registry

    levels = registry.isa_levels()
    forced = os.environ.get("FERKERN_ISA")
    chosen = _core.isa_default()
    for isa in registry.ISAS:
        if isa == chosen:
            yield isa, State.GOOD, f"in use, forced by FERKERN_ISA={forced}" if forced else "in use"
        elif isa in levels:
            yield isa, State.GOOD, "available"
        else:
            yield isa, State.NOTE, f"not here: {_why_not(isa)}"


def _why_not(isa: str) -> str:
    from ferkern import _core

    facts = _core.cpu()
    needed = {
        "avx2": ("avx2", "fma", "f16c", "bmi2", "os_ymm"),
        "avx512": ("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd", "os_zmm"),
        "avx512icl": ("avx512_vnni", "avx512vbmi", "avx512_vbmi2", "avx512_bitalg", "avx512_vpopcntdq"),
    }
    missing = [name for name in needed.get(isa, ()) if not facts.get(name)]
    words = {
        "os_ymm": "the operating system does not save YMM registers",
        "os_zmm": "the operating system does not save ZMM registers",
    }
    return ", ".join(words.get(name, f"no {name}") for name in missing) or "a lower set is missing"


def _look_at_threads() -> Looked:
    from ferkern import _core

    threads, cpus = _core.default_threads(), _core.available_cpus()
    forced = os.environ.get("FERKERN_NUM_THREADS")
    how = f"FERKERN_NUM_THREADS={forced}" if forced else "one for each CPU that this process may use"
    yield "threads", State.GOOD, f"{threads} ({how}; {cpus} of {os.cpu_count()} CPUs)"


def _look_at_kernels() -> Looked:
    from ferkern import _core, registry

    allowed = registry.ISAS[: registry.ISAS.index(_core.isa_default()) + 1]
    ops: dict[str, list[str]] = {}
    for row in registry.kernels():
        if row.isa in (*allowed, "opencl") and row.op != "machine":  # those loops measure, and are all used
            ops.setdefault(row.op, []).append(f"{row.name}:{row.isa}")
    if not ops:
        yield "", State.BROKEN, "the registry is empty: the native extension was not built as it should be"
    for op, rows in sorted(ops.items()):
        others = f" (then {', '.join(rows[1:])})" if rows[1:] else ""
        yield op, State.GOOD, rows[0] + others


def _look_at_opencl() -> Looked:
    from ferkern.opencl import describe

    report = describe()
    if report.host is not None:
        yield "host", State.GOOD, report.host
    for name, library in report.drivers.items():
        yield "driver", State.GOOD, f"{name}: {library}"
    usable = report.usable
    for device in report.devices:
        memory = f"{device.memory_bytes / 2**30:.1f} GiB"
        kind = device.kind.upper() if device.kind in ("cpu", "gpu") else device.kind
        text = f"{device.name}, {kind} ({device.platform}, {device.version}, {device.compute_units} units, {memory})"
        builds = device in usable
        yield f"opencl:{device.index}", State.GOOD if builds else State.NOTE, text + ("" if builds else "; see below")
    for problem in report.problems:
        where = "missing" if problem.device is None else f"opencl:{problem.device}"
        yield where, State.NOTE, f"{problem.text}: {problem.remedy}"


def _look_at_weights() -> Looked:
    from ferkern.models import store

    files = store.files()
    networks = store.shipped()
    if "fer_small" not in files:
        yield (
            "fer_small",
            State.BROKEN,
            "the default network's weights are not in the package; install it anew",
        )
    for name, file in files.items():
        data = file.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        card = resources.files("ferkern.models").joinpath("weights", f"{name}.md")
        known = re.findall(r"\b[0-9a-f]{64}\b", card.read_text(encoding="utf-8")) if card.is_file() else []
        size = f"{len(data) / 1e6:.2f} MB" if len(data) >= 1e4 else f"{len(data) / 1e3:.1f} kB"
        if name in networks:
            size += f", {store.load(name).multiply_adds() / 1e6:.1f} M multiply-adds"
        if digest in known:
            yield name, State.GOOD, f"{size}, sha256 {digest[:12]}... as its card says"
        elif known:
            yield name, State.BROKEN, f"{size}, sha256 {digest[:12]}..., but its card says {known[0][:12]}..."
        else:
            yield name, State.NOTE, f"{size}, sha256 {digest[:12]}...; no card names it"


def _look_at_pipeline() -> Looked:
    """One small picture through detector and network."""
    import numpy as np

    from ferkern.face.pipeline import Recognizer

    recognizer = Recognizer()
    recognizer(np.full((64, 64), 128, np.uint8))
    yield "detector", State.GOOD, "runs"
    sums = recognizer.classifier(np.zeros((1, 48, 48), np.uint8)).sum(axis=1)
    if np.isfinite(sums).all() and abs(float(sums[0]) - 1) < 1e-3:
        yield "network", State.GOOD, "runs"
    else:
        yield "network", State.BROKEN, f"probabilities of a blank face sum to {float(sums[0])}, not 1"


def _look_at_packages() -> Looked:
    for module, (extra, purpose) in _OPTIONAL.items():
        if importlib.util.find_spec(module) is None:
            yield module, State.NOTE, f"not installed ({purpose}): {pip_install(extra)}"
        else:
            yield module, State.GOOD, purpose


def _look_at_limits() -> Looked:
    if sys.platform == "linux":
        pages, size = os.sysconf("SC_AVPHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        yield "free memory", State.GOOD, f"{pages * size / 2**30:.1f} GiB"
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS
    text = "no limit" if limit is None else f"{2 * limit:,} pixels a picture (PIL.Image.MAX_IMAGE_PIXELS)"
    yield "pictures", State.GOOD, text


# What is kept there as JSON, and what makes it anew.
_KEPT = {
    "machine.json": "ferkern bench machine",
    "crossover.json": "ferkern crossover",
    "opencl_tuning.json": "ferkern tune",
    "efficiencies.json": "ferkern estimate",
    "kernels.json": "plan(tune=True)",
}


def _look_at_cache() -> Looked:
    """Whether what is measured and built can be kept, and what of it is damaged."""
    from ferkern import cache

    folder = cache.folder()
    probe = folder / f"doctor-{os.getpid()}"
    try:
        cache.write_whole(probe, bytes(1 << 16))
        probe.unlink()
    except OSError as error:
        text = f"{folder} cannot be written ({error.strerror or error}): nothing that is measured or built is kept; "
        yield "folder", State.NOTE, f"{text}mend it, or name another by FERKERN_CACHE_DIR"
        return
    yield "folder", State.GOOD, str(folder)
    for name, maker in _KEPT.items():
        trouble = _damage_of(folder / name)
        if trouble:
            yield name, State.NOTE, f"is not used: {trouble}; delete it, {maker} makes it anew"


def _damage_of(file: Path) -> str:
    """Why a file of the cache is not used; empty: it is, or it is not there."""
    from ferkern.bench import load_profile
    from ferkern.bench.crossover_map import FILE, load_maps
    from ferkern.errors import ModelError

    if not file.exists():
        return ""
    try:
        if file.name == "machine.json":
            load_profile(file)
        elif file.name == FILE:
            load_maps(file)
        else:
            json.loads(file.read_bytes())
    except ModelError as error:
        return str(error).removeprefix(f"{file}: ").partition("; ")[0]
    except (OSError, ValueError, RecursionError) as error:
        return str(getattr(error, "strerror", None) or error)
    return ""


_SECTIONS: dict[str, Callable[[], Looked]] = {
    "versions": _look_at_versions,
    "CPU": _look_at_cpu,
    "instruction sets": _look_at_isa,
    "threads": _look_at_threads,
    "limits": _look_at_limits,
    "what is kept between processes": _look_at_cache,
    "kernels, best first": _look_at_kernels,
    "OpenCL": _look_at_opencl,
    "weights": _look_at_weights,
    "pipeline": _look_at_pipeline,
    "optional packages": _look_at_packages,
}
