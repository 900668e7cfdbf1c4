"""Middlebury's ``.flo`` files."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ferkern.errors import ModelError
from ferkern.flow._field import UNKNOWN, _known, _require_field

__all__ = ["read_flo", "write_flo"]

_TAG = b"PIEH"  # the float32 202021.25, little-endian
_HEADER = struct.Struct("<4sii")
_MAX_SIDE = 1 << 15
_WRITTEN_UNKNOWN = 10 * UNKNOWN  # as Middlebury's own tools write it


def read_flo(path: str | os.PathLike[str]) -> npt.NDArray[np.float32]:
    """Read a flow field from a ``.flo`` file.

    Returns
    -------
    float32 [H, W, 2]
        (u, v) in pixels, NaN where the file says that the motion is unknown (beyond 1e9).

    Raises
    ------
    OSError
        The file does not exist or may not be opened.
    ModelError
        The file is damaged: another tag, a size below 1 or above 32,768, or more or fewer bytes than the size says.

    Notes
    -----
    The tag ``PIEH``, width and height as int32, then float32 (u, v) row by row, all little-endian: Baker et al., "A
    database and evaluation methodology for optical flow", IJCV 92(1), 2011, and the code that comes with the data.
    """
    path = Path(path)
    with path.open("rb") as file:
        length = os.fstat(file.fileno()).st_size
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise ModelError(f"{path}: has {len(header)} bytes, a .flo file begins with {_HEADER.size}")
        tag, width, height = _HEADER.unpack(header)
        if tag != _TAG:
            raise ModelError(f"{path}: begins with {tag!r}, a .flo file with {_TAG!r}")
        if not (1 <= width <= _MAX_SIDE and 1 <= height <= _MAX_SIDE):
            raise ModelError(f"{path}: says {width} x {height} pixels; from 1 to {_MAX_SIDE} a side are read")
        expected = _HEADER.size + 8 * width * height
        if length != expected:
            raise ModelError(f"{path}: has {length} bytes, {width} x {height} pixels need {expected}")
        flow = np.fromfile(file, dtype="<f4").astype(np.float32, copy=False).reshape(height, width, 2)
    flow[~_known(flow)] = np.nan
    return flow


def write_flo(path: str | os.PathLike[str], flow: npt.NDArray[np.float32]) -> None:
    """Write a flow field as a ``.flo`` file; unknown motions (NaN, or beyond 1e9) as 1e10.

    Parameters
    ----------
    flow : float32 [H, W, 2]

    Raises
    ------
    OSError
        The file cannot be written.
    TypeError, ValueError
        `flow` is not float32, or not [H, W, 2].
    """
    _require_field(flow, "flow")
    height, width = flow.shape[:2]
    if max(height, width) > _MAX_SIDE:
        raise ValueError(f"flow has the shape {list(flow.shape)}; a side may be at most {_MAX_SIDE}")
    values = np.where(_known(flow)[..., None], flow, np.float32(_WRITTEN_UNKNOWN)).astype("<f4")
    Path(path).write_bytes(_HEADER.pack(_TAG, width, height) + values.tobytes())
