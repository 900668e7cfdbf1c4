"""Types of the layers' arguments."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Float32", "Padding", "Pair"]

Float32 = npt.NDArray[np.float32]
Pair = int | tuple[int, int]
Padding = str | int | tuple[int, int] | tuple[int, int, int, int]
