"""Finding faces: OpenCV's cascades as they are, and ferkern's own detector.

Sources: Viola and Jones, "Rapid object detection using a boosted cascade of simple features", CVPR 2001. A cascade in
front of a small network: Li et al., "A convolutional neural network cascade for face detection", CVPR 2015.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.auto import by_map
from ferkern.errors import ModelError
from ferkern.face import cascade_xml
from ferkern.face.verify import Verifier

__all__ = ["Detections", "Detector"]

Size = int | tuple[int, int]
Hits = tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]

_GROUP_EPSILON = 0.2
_KNOWN_FLAGS = 1 | 2 | 4 | 8
_OPENCV_FACTOR, _FACTOR = 1.1, 1.2
_SMALLEST = 30


@dataclass(frozen=True, slots=True)
class Detections:
    """What was found in one picture.

    Attributes
    ----------
    boxes
        float32 [n, 4]: x, y, width, height in pixels of the picture. Best first for ferkern's own detector, in
        OpenCV's order for a cascade file.
    scores
        float32 [n]: from ferkern's own detector the probability of a face; from a cascade file the number of windows
        that were merged into the box.
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.boxes)


class Detector:
    """Finds upright faces in grey pictures; made by `Detector.load`.

    Nothing in it changes after it is made: one detector serves any number of threads at once, and the work is done
    without Python's lock.
    """

    def __init__(
        self, tables: cascade_xml.CascadeTables, verifier: Verifier | None, name: str, device: str = "cpu"
    ) -> None:
        try:
            self._cascade = _core.Cascade(
                tables.kind == "lbp",
                tables.window,
                tables.cumulative,
                tables.rects,
                tables.weights,
                tables.tilted,
                tables.nodes,
                tables.thresholds,
                tables.leaves,
                tables.tables,
                tables.trees,
                tables.stages,
                tables.stage_thresholds,
            )
        except ModelError as error:
            raise ModelError(f"{name}: {error}") from None
        self._scan: Callable[..., Hits] = self._cascade.scan
        if device != "cpu":
            from ferkern.opencl.ops.cascade import DeviceCascade

            self._scan = DeviceCascade(self._cascade, device).scan
        self._verifier = verifier
        self.name = name
        self.device = device
        self.window = tables.window

    @classmethod
    @by_map("cascade")
    def load(cls, name_or_path: str | os.PathLike[str] = "frontal", *, device: str = "cpu") -> Detector:
        """Load a detector.

        Parameters
        ----------
        name_or_path
            ``"frontal"``, the detector that comes with the package; the path of a ``.safetensors`` file of that kind;
            or the path of an XML file with a cascade in OpenCV's new or old form (Haar or LBP features).
        device
            Where the cascade scans: ``"cpu"``, ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``; a device gives the
            same boxes to the last bit. The network behind ferkern's own cascade stays on the processor.

        Raises
        ------
        ValueError
            If there is neither a shipped detector nor a file of that name.
        ModelError
            If the file is damaged; the message names what is wrong.
        ferkern.opencl.DeviceError
            If the device is missing, or has no float64.
        """
        name = os.fspath(name_or_path)
        if Path(name).suffix.lower() == ".xml":
            if not Path(name).is_file():
                raise ValueError(f"name_or_path: there is no file {name!r}")
            return cls(cascade_xml.read(name), None, name, device)
        from ferkern.face.frontal import read

        tables, network, fusion = read(name)
        return cls(tables, Verifier(network, fusion), name, device)

    def detect(
        self,
        gray: npt.NDArray[np.uint8],
        *,
        scale_factor: float | None = None,
        min_neighbors: int | None = None,
        min_size: Size | None = None,
        max_size: Size | None = None,
        flags: int = 0,
        threshold: float = 0.5,
    ) -> Detections:
        """Find faces.

        Parameters
        ----------
        gray : uint8 [H, W]
            Grey picture; rows may be strided, pixels of a row must stand together.
        scale_factor
            Ratio of the sizes that are looked for one after the other, above 1. Default 1.2; 1.1 for a cascade file.
        min_neighbors
            Windows of the cascade that a box must unite: at least that many for ferkern's own detector (default 1), and
            as OpenCV counts, more than that many less one, for a cascade file (default 3; 0 gives every window).
        min_size, max_size
            Smallest and largest face, pixels: one number or (width, height). Defaults 30 and the picture; for a cascade
            file none and the picture.
        flags
            OpenCV's flags 1, 2, 4 and 8. Its own classifier has ignored them since version 3, and so does this one.
        threshold
            Least probability, 0 to 1. Not for cascade files.

        Returns
        -------
        Detections

        Raises
        ------
        TypeError, ValueError
            For an array of another type or rank, or a number out of range; the message names it.
        """
        if flags & ~_KNOWN_FLAGS:
            raise ValueError(f"flags is {flags}; OpenCV's are 1, 2, 4 and 8")
        if min_neighbors is not None and not 0 <= min_neighbors < 2**31:
            raise ValueError(f"min_neighbors is {min_neighbors}; it must be at least 0")
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold is {threshold}; it must be a probability, 0 to 1")
        if scale_factor is not None and not scale_factor > 1.0:
            raise ValueError(f"scale_factor is {scale_factor}; it must be greater than 1")
        smallest, largest = _size(min_size, "min_size"), _size(max_size, "max_size")
        if self._verifier is None:
            factor, neighbors = scale_factor or _OPENCV_FACTOR, 3 if min_neighbors is None else min_neighbors
            hits, votes = self._scan(gray, factor, smallest, largest, 0)
            return self._grouped(hits, votes, neighbors, np.shape(gray))
        smallest = (_SMALLEST, _SMALLEST) if min_size is None else smallest
        hits, votes = self._scan(gray, scale_factor or _FACTOR, smallest, largest, 2)
        if _none_between(smallest, largest, np.shape(gray)):
            hits, votes = hits[:0], votes[:0]
        squares, scores = self._verifier.judge(gray, hits, votes, min_neighbors or 1, threshold)
        return Detections(_boxes(squares), scores.astype(np.float32))

    def _grouped(
        self, hits: npt.NDArray[np.int32], votes: npt.NDArray[np.float64], neighbors: int, shape: tuple[int, ...]
    ) -> Detections:
        boxes, counts, _ = _core.cascade_group(np.ascontiguousarray(hits[:, :4]), votes, neighbors, _GROUP_EPSILON)
        boxes[:, 2:] = np.minimum(boxes[:, :2] + boxes[:, 2:], shape[::-1]) - boxes[:, :2]
        return Detections(boxes.astype(np.float32), counts.astype(np.float32))


def _size(size: Size | None, name: str) -> tuple[int, int]:
    if size is None:
        return 0, 0
    pair: tuple[Any, ...] = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or not all(isinstance(n, int | np.integer) and 0 <= n < 2**20 for n in pair):
        raise ValueError(f"{name} is {size!r}; it must be a number of pixels or (width, height), from 0 to {2**20 - 1}")
    return int(pair[0]), int(pair[1])


def _none_between(smallest: tuple[int, int], largest: tuple[int, int], shape: tuple[int, ...]) -> bool:
    limits = [n or side for n, side in zip(largest, shape[::-1], strict=True)]
    return max(smallest) > min(min(limits), min(shape))


def _boxes(squares: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return np.concatenate([squares, squares[:, 2:]], axis=1).astype(np.float32)


def _empty() -> Detections:
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
