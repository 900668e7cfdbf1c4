"""``ferkern tune``: finds the fastest kernels and tiles of an OpenCL device for the convolutions of networks."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ferkern.cli.output import check_folders, results, say_kept, track, write_json
from ferkern.cli.tables import show

if TYPE_CHECKING:
    from ferkern.opencl.tune import Layer, Tuned
    from ferkern.opencl.tuned import Choice

__all__ = ["tune"]


def tune(
    networks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NET]...",
            help="Networks, as for ferkern bench; without one, those of the papers, MobileNet, SqueezeNet, ResNet-50.",
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="opencl (the first), opencl:0 or opencl:name.")] = "opencl",
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images a call.")] = 1,
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write everything as JSON; - is stdout.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Measure which kernel and tile serves each convolution fastest; later plans on the device use them.

    Every candidate's result is checked before it is timed. What is found is saved for this device and driver in the
    user's cache folder (or that named by FERKERN_CACHE_DIR). Nothing else should run meanwhile.
    """
    from ferkern import cache
    from ferkern.bench.measure import identity
    from ferkern.opencl import DeviceError, find
    from ferkern.opencl import tune as tuning
    from ferkern.opencl.tuned import FILE

    check_folders(json=json_path)
    layers, began = _layers(networks or list(tuning.BUILT_IN), batch), time.time()

    def shown(every: list[Layer]) -> Iterable[Layer]:
        return track(every, "tuning", total=len(every), quiet=quiet, unit="layers")

    try:
        found = list(tuning.tune(layers, device, wrap=shown))
    except (DeviceError, ValueError) as error:
        raise typer.BadParameter(f"--device {device}: {error}") from error
    if not quiet:
        if json_path != Path("-"):
            _print(found)
        say_kept(cache.folder() / FILE, began)
    if json_path is not None:
        info = asdict(find(device, only=True).info)
        head = {"kind": "tune", "machine": identity(), "device": info, "batch": batch}
        write_json(json_path, {**head, "layers": [_record(row) for row in found]})


def _layers(names: list[str], batch: int) -> list[Layer]:
    from ferkern.bench import named
    from ferkern.opencl.tune import layers_of

    found: dict[bytes, Layer] = {}
    for name in names:
        try:
            network = named(name)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        for layer in layers_of(network, batch):
            found.setdefault(layer.shape().tobytes(), layer)
    if not found:
        raise typer.BadParameter(f"{', '.join(names)}: there is no convolution in it, and these alone are tuned")
    return list(found.values())


def _record(row: Tuned) -> dict[str, Any]:
    return {
        "layer": row.layer.name,
        "x": row.layer.x,
        "w": row.layer.w,
        **_choice(row.best, row.best_seconds),
        "by_rule": _choice(row.by_rule, row.rule_seconds),
        "flops": row.flops,
        "tried": row.tried,
    }


def _choice(choice: Choice, seconds: float) -> dict[str, Any]:
    tuning = choice.tuning.to_dict()
    return {"kernel": choice.kernel, "tuning": tuning, "words": str(choice), "seconds": seconds}


def _print(found: list[Tuned]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("layer", "input", "filters", "fastest: filters x vectors x pixels"):
        table.add_column(name, no_wrap=True)
    for name in ("ms", "GFLOP/s", "gain", "tried"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found:
        sizes = [" x ".join(map(str, dims)) for dims in (row.layer.x, row.layer.w)]
        gain = row.rule_seconds / row.best_seconds
        table.add_row(
            escape(row.layer.name),
            *sizes,
            str(row.best),
            f"{1e3 * row.best_seconds:.3f}",
            f"{row.flops / row.best_seconds / 1e9:,.0f}",
            f"{gain:.2f}",
            str(row.tried),
        )
    show(results(), table, spare=("tried", "filters", "ms", "input"))
