"""What ``ferkern tune`` measured: the fastest kernel and tile of a convolution, by device, driver and shape."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

from ferkern import _core, cache
from ferkern.opencl.device import DeviceInfo
from ferkern.opencl.ops.conv2d_tuning import Tuning
from ferkern.opencl.ops.plan import Shape

__all__ = ["Choice", "lookup", "save"]

log = logging.getLogger(__name__)

FILE = "opencl_tuning.json"
# Whatever else two shapes differ in, the same tile serves both.
_FIELDS = (
    *("n", "ic", "ih", "iw", "oc", "oh", "ow", "kh", "kw", "stride_h", "stride_w"),
    *("pad_top", "pad_left", "dilation_h", "dilation_w", "groups"),
)

_read: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Choice:
    """A row of the list in ``kernels.inc`` by its name, and what it is built and launched with."""

    kernel: str
    tuning: Tuning

    def __str__(self) -> str:
        t = self.tuning
        order = ", interleaved" if t.interleave else ""
        group = f", group {' x '.join(map(str, t.group))}" if t.group else ""
        runs = ", in runs" if t.runs else ", in local tiles" if t.local else ""
        return f"{self.kernel} {t.tile} x {t.vecs} x {t.lanes}{group}{order}{runs}"


def lookup(info: DeviceInfo, shape: Shape) -> Choice | None:
    """What was measured for a shape on a device; None where nothing was, or the file is damaged."""
    entry = _of_device(info).get(_shape_key(shape))
    if not isinstance(entry, dict):
        return None
    kernel, tuning = entry.get("kernel"), Tuning.from_dict(entry.get("tuning"))
    if not isinstance(kernel, str) or tuning is None:
        log.debug("%s: the entry of %s is damaged", FILE, _shape_key(shape))
        return None
    return Choice(kernel, tuning)


def save(info: DeviceInfo, found: list[tuple[Shape, Choice, float]]) -> bool:
    """Keeps choices, with their seconds, beside those that are there; False where the folder cannot be written.

    They serve this process in any case.
    """
    stored = cache.read_json(FILE)
    devices = stored.get("devices") if isinstance(stored, dict) else None
    devices = devices if isinstance(devices, dict) else {}
    here = devices.get(_device_key(info))
    here = {**(here if isinstance(here, dict) else {}), **_of_device(info)}
    for shape, choice, seconds in found:
        here[_shape_key(shape)] = {"kernel": choice.kernel, "tuning": choice.tuning.to_dict(), "seconds": seconds}
    devices[_device_key(info)] = here
    _read[str(cache.folder())] = devices
    return cache.write_json(FILE, {"devices": devices})


def _of_device(info: DeviceInfo) -> dict[str, Any]:
    folder = str(cache.folder())
    if folder not in _read:
        stored = cache.read_json(FILE)
        devices = stored.get("devices") if isinstance(stored, dict) else None
        _read[folder] = devices if isinstance(devices, dict) else {}
    here = _read[folder].get(_device_key(info))
    return here if isinstance(here, dict) else {}


def _device_key(info: DeviceInfo) -> str:
    """Another driver compiles otherwise, other kernels of another ferkern may be the fastest."""
    return json.dumps([info.platform, info.name, info.version, info.driver, info.compute_units, _core.__version__])


def _shape_key(shape: Shape) -> str:
    return ",".join(f"{name}={int(shape[name])}" for name in _FIELDS)
