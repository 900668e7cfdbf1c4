"""From a picture to its faces and what they express: `recognize`, and `Recognizer` for many calls."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from ferkern import _core
from ferkern.face.expression import ExpressionClassifier, crop
from ferkern.pictures import Picture, PictureSource, read

if TYPE_CHECKING:
    from ferkern.models.network import Network

__all__ = ["Face", "FaceDetector", "Recognizer", "recognize"]


class FaceDetector(Protocol):
    """Anything that finds faces: `ferkern.face.detect.Detector`, or your own."""

    def detect(self, gray: NDArray[np.uint8], /) -> Any:
        """Boxes float32 [n, 4] (x, y, width, height) as `.boxes`, confidence float32 [n] as `.scores`."""


@dataclass(frozen=True, slots=True)
class Face:
    """One face of a picture.

    Attributes
    ----------
    box : (float, float, float, float)
        x, y, width, height in pixels of the full, upright (EXIF-applied) picture.
    score : float
        The detector's confidence; higher is surer.
    emotion : str
        The most probable class.
    probabilities : dict of str to float
        All classes; sums to 1.
    landmarks : float32 [68, 2], or None
        Points (x, y) in the same pixels.
    pose : (float, float, float), or None
        Yaw, pitch, roll in radians.
    aligned : bool
        Whether the face was turned upright by its landmarks before it was judged.
    smile : float, or None
        Probability of a smile, 0..1.
    """

    box: tuple[float, float, float, float]
    score: float
    emotion: str
    probabilities: dict[str, float]
    landmarks: NDArray[np.float32] | None = field(default=None, compare=False)
    pose: tuple[float, float, float] | None = None
    aligned: bool = False
    smile: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, ready for JSON; pixels to 2 decimals, probabilities to 6."""
        return {
            "box": [round(v, 2) for v in self.box],
            "score": round(self.score, 4),
            "emotion": self.emotion,
            "probabilities": {name: round(p, 6) for name, p in self.probabilities.items()},
            "landmarks": None if self.landmarks is None else np.round(self.landmarks, 2).tolist(),
            "pose": None if self.pose is None else [round(v, 4) for v in self.pose],
            "aligned": self.aligned,
            "smile": self.smile,
        }


class Recognizer:
    """A detector and a network, loaded and planned once, for many pictures.

    Parameters
    ----------
    detector : FaceDetector, str or path, optional
        None: the detector that comes with ferkern. A string or path names a cascade (OpenCV's XML).
    model : str, path or Network
        Name of a shipped network, a `.safetensors` file, or a graph with its weights.
    device : str
        Where the network runs.
    threads : int, optional
        Threads of one call; None: as many as the process may use.

    Raises
    ------
    ferkern.errors.ModelError
        The cascade's or network's file is damaged.
    """

    def __init__(
        self,
        *,
        detector: FaceDetector | str | os.PathLike[str] | None = None,
        model: str | os.PathLike[str] | Network = "fer_small",
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        if detector is None or isinstance(detector, (str, os.PathLike)):
            from ferkern.face.detect import Detector

            self.detector: FaceDetector = Detector.load("frontal" if detector is None else detector)
        else:
            self.detector = detector
        self.classifier = ExpressionClassifier(model, device=device, threads=threads)

    def __call__(self, source: PictureSource) -> list[Face]:
        """Faces of one picture, the largest first; see `recognize`."""
        return self.many([source])[0]

    def many(self, sources: Sequence[PictureSource]) -> list[list[Face]]:
        """Faces of several pictures, all of them judged together by the network."""
        found = [self._find(read(source, name=_name(i, len(sources)))) for i, source in enumerate(sources)]
        crops = [cut for _, _, cut in found if len(cut)]
        if not crops:
            return [[] for _ in found]
        probabilities = iter(self.classifier(np.concatenate(crops)))
        return [
            [
                self._face(box, score, next(probabilities))
                for box, score in zip(boxes.tolist(), scores.tolist(), strict=True)
            ]
            for boxes, scores, _ in found
        ]

    def _find(self, picture: Picture) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]:
        """Boxes in pixels of the full picture and their scores, the largest first, and the crops."""
        gray = picture.gray()
        detections = self.detector.detect(gray)
        boxes = np.asarray(detections.boxes, np.float64).reshape(-1, 4)
        scores = np.asarray(detections.scores, np.float64)
        order = np.argsort(-boxes[:, 2] * boxes[:, 3], kind="stable")
        boxes, scores = boxes[order], scores[order]
        return boxes * np.array([*picture.scale, *picture.scale]), scores, crop(gray, boxes)

    def _face(self, box: list[float], score: float, probabilities: NDArray[np.float32]) -> Face:
        named = dict(zip(self.classifier.classes, probabilities.tolist(), strict=True))
        return Face(
            box=(box[0], box[1], box[2], box[3]),
            score=score,
            emotion=max(named, key=named.__getitem__),
            probabilities=named,
        )


@overload
def recognize(
    source: PictureSource,
    *,
    detector: FaceDetector | str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | Network = "fer_small",
    device: str = "cpu",
    threads: int | None = None,
) -> list[Face]: ...
@overload
def recognize(
    source: list[PictureSource] | tuple[PictureSource, ...],
    *,
    detector: FaceDetector | str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | Network = "fer_small",
    device: str = "cpu",
    threads: int | None = None,
) -> list[list[Face]]: ...
def recognize(
    source: PictureSource | list[PictureSource] | tuple[PictureSource, ...],
    *,
    detector: FaceDetector | str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | Network = "fer_small",
    device: str = "cpu",
    threads: int | None = None,
) -> list[Face] | list[list[Face]]:
    """Find the faces of a picture and say what each expresses.

    Parameters
    ----------
    source : path, array, PIL image, or a list of these
        Arrays are uint8: [H, W], [H, W, 3] (RGB) or [H, W, 4] (RGBA). Files may be anything Pillow reads;
        their EXIF orientation is applied.
    detector : FaceDetector, str or path, optional
        None: the detector that comes with ferkern. A string or path names a cascade (OpenCV's XML).
    model : str, path or Network
        ``"fer_small"``, ``"fer_2conv"``, ``"fer_4conv"``, a `.safetensors` file, or a `Network`.
    device : str
        Where the network runs.
    threads : int, optional
        None: as many as the process may use.

    Returns
    -------
    list of Face, or a list of such lists for a list of sources
        The largest face first; empty where there is none.

    Raises
    ------
    OSError
        A file does not exist or may not be opened.
    ValueError
        A file is no picture, is damaged or empty; an array has a wrong shape. The message names it.
    TypeError
        An array is not uint8 (the message says how to cast), or a source is of another type.
    ferkern.errors.ModelError
        The detector's or network's file is damaged.

    Examples
    --------
    >>> for face in ferkern.recognize("group.jpg"):
    ...     print(face.box, face.emotion, face.probabilities[face.emotion])
    """
    recognizer = _recognizer(detector, model, device, threads)
    if isinstance(source, (list, tuple)):
        return recognizer.many(source)
    return recognizer(source)


def _recognizer(
    detector: FaceDetector | str | os.PathLike[str] | None,
    model: str | os.PathLike[str] | Network,
    device: str,
    threads: int | None,
) -> Recognizer:
    """One that was made before where both parts are named; files may change, so those are read again."""
    if detector is None and isinstance(model, str) and not os.path.exists(model):
        return _shared_recognizer(model, device, threads, _core.get_choice())
    return Recognizer(detector=detector, model=model, device=device, threads=threads)


@functools.lru_cache(maxsize=4)
def _shared_recognizer(model: str, device: str, threads: int | None, choice: tuple[object, ...]) -> Recognizer:
    """`choice`: what `ferkern.config` says where the network is planned; another choice is another plan."""
    return Recognizer(model=model, device=device, threads=threads)


def _name(index: int, count: int) -> str:
    return "source" if count == 1 else f"source[{index}]"
