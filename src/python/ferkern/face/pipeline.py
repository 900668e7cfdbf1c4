"""From a picture to its faces and what they express: `recognize`, and `Recognizer` for many calls.

Every picture goes the same way: the detector finds boxes, the landmark model finds the points of each face, alignment
says where its upright crop lies, and the heads judge the crops of many faces at once.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from ferkern import _core
from ferkern.auto import AUTO, for_pipeline
from ferkern.face import landmarks as landmark_models
from ferkern.face.ahead import ahead
from ferkern.face.align import align
from ferkern.face.expression import ExpressionClassifier, ExpressionHead, cut, frame
from ferkern.face.landmarks import LANDMARKS
from ferkern.face.pose import estimate as estimate_pose
from ferkern.face.smile import SMILE, SmileStage
from ferkern.face.stages import Face, FaceBatch, FaceDetector, Head, checked_boxes, checked_points, checked_results
from ferkern.models.store import files
from ferkern.pictures import Picture, PictureSource, read

if TYPE_CHECKING:
    from ferkern.face.landmarks import LandmarkModel
    from ferkern.models.network import Network

__all__ = ["Face", "FaceBatch", "FaceDetector", "Head", "Recognized", "Recognizer", "recognize"]

_OWN_NAMES = frozenset({"expression", *Face.__dataclass_fields__})
_ENOUGH_FACES, _ENOUGH_PICTURES, _ENOUGH_BYTES = 32, 16, 64 << 20  # any of them, and the heads are asked


class Options(TypedDict, total=False):
    """Keyword options of `recognize` and `Recognizer`."""

    detector: FaceDetector | str | os.PathLike[str] | None
    model: str | os.PathLike[str] | Network
    landmarks: LandmarkModel | str | os.PathLike[str] | None
    smile: bool | None
    heads: Sequence[Head]
    device: str
    threads: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Recognized:
    """What became of one picture of many.

    Attributes
    ----------
    source : PictureSource
        As it was given.
    picture : Picture, or None
        None where it could not be read.
    faces : list of Face
        The largest first.
    seconds : float
        Time spent on it: reading, detecting, finding landmarks, and its faces' share of the heads.
    error : Exception, or None
        Why there are no faces: what `recognize` would have raised.
    """

    source: PictureSource
    picture: Picture | None
    faces: list[Face]
    seconds: float
    error: Exception | None = None


class Recognizer:
    """The stages of the pipeline, loaded and planned once, for many pictures.

    Parameters
    ----------
    detector : FaceDetector, str or path, optional
        None: the detector that comes with ferkern. A string or path names a cascade (OpenCV's XML).
    model : str, path or Network
        Network for expressions: name of a shipped one, a `.safetensors` file, or a graph with its weights.
    landmarks : LandmarkModel, str or path, optional
        What `ferkern.face.landmarks.load` takes, or a model of your own. None: no landmarks, no pose, and crops as the
        detector's boxes frame them.
    smile : bool, optional
        Whether faces are asked for a smile. The head that comes with ferkern reads features that `fer_small` has of
        aligned faces; None: where both are there.
    heads : sequence of Head
        Heads of your own; what they say stands in `Face.extra`.
    device : str
        Where the network for expressions runs and the detector's cascade scans (not a detector of your own);
        ``"auto"``: see `ferkern.bench.crossover`. Landmarks stay on the processor.
    threads : int, optional
        Threads of one call; None: as many as the process may use.

    Raises
    ------
    ferkern.errors.ModelError
        The cascade's or a network's file is damaged.
    ValueError
        A name means nothing, two heads have the same, or a smile is asked for where it cannot be told.
    """

    def __init__(
        self,
        *,
        detector: FaceDetector | str | os.PathLike[str] | None = None,
        model: str | os.PathLike[str] | Network = "fer_small",
        landmarks: LandmarkModel | str | os.PathLike[str] | None = LANDMARKS,
        smile: bool | None = None,
        heads: Sequence[Head] = (),
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        if device == AUTO:
            device = for_pipeline(threads=threads)
        if detector is None or isinstance(detector, (str, os.PathLike)):
            from ferkern.face.detect import Detector

            self.detector: FaceDetector = Detector.load("frontal" if detector is None else detector, device=device)
        else:
            self.detector = detector
        self.landmarks: LandmarkModel | None = (
            landmark_models.load(landmarks, threads=threads) if isinstance(landmarks, (str, os.PathLike)) else landmarks
        )
        self.expression = ExpressionHead(ExpressionClassifier(model, device=device, threads=threads))
        self.smile = self._smile_head(smile)
        self.heads = tuple(heads)
        names = [head.name for head in self.heads]
        for name in names:
            if name in _OWN_NAMES or names.count(name) > 1:
                why = "stands for a part of a face" if name in _OWN_NAMES else "is given twice"
                raise ValueError(f"heads: the name {name!r} {why}; choose another")

    def _smile_head(self, wanted: bool | None) -> SmileStage | None:
        name = self.classifier.network.name
        if wanted is False or (wanted is None and (self.landmarks is None or SMILE not in files())):
            return None
        head = SmileStage()
        if head.reads == name and self.landmarks is not None:
            return head
        if wanted:
            lacks = "landmarks are None" if self.landmarks is None else f"the model is {name!r}"
            raise ValueError(f"smile: the head reads features of {head.reads!r} on aligned faces, but {lacks}")
        return None

    @property
    def classifier(self) -> ExpressionClassifier:
        """The network for expressions."""
        return self.expression.classifier

    def __call__(self, source: PictureSource) -> list[Face]:
        """Faces of one picture, the largest first; see `recognize`."""
        return next(self._judged([self._searched(source, "source")])).faces

    def many(self, sources: Sequence[PictureSource]) -> list[list[Face]]:
        """Faces of several pictures; see `recognize`."""
        faces = []
        for done in self.stream(sources):
            if done.error is not None:
                raise done.error
            faces.append(done.faces)
        return faces

    def stream(
        self, sources: Iterable[PictureSource], *, workers: int | None = None
    ) -> Generator[Recognized, None, None]:
        """Faces of any number of pictures, in their order, as they are done.

        Pictures are read and searched in several threads, a few ahead of the one that is due; the heads judge the
        faces of several pictures in one call. Memory stays flat however many pictures there are.

        Parameters
        ----------
        sources : iterable of paths, arrays or PIL images
            Taken as they are needed.
        workers : int, optional
            Threads that read, detect and find landmarks; each kernel then runs in one thread. None: as many as the
            process may use. A detector or landmark model of your own that is not safe in several threads needs 1.

        Yields
        ------
        Recognized
            A picture that cannot be read has an `error` (OSError, ValueError, TypeError, MemoryError); the others are
            done.

        Raises
        ------
        ferkern.errors.StageError
            A detector, landmark model or head of your own failed.
        """
        waiting: list[_Searched] = []
        for source, searched, error in ahead(self._searched, sources, workers=workers):
            waiting.append(searched or _Searched(source, None, None, 0.0, error))
            if _is_enough(waiting):
                yield from self._judged(waiting)
                waiting = []
        yield from self._judged(waiting)

    def _searched(self, source: PictureSource, name: str) -> _Searched:
        started = time.perf_counter()
        picture = read(source, name=name)
        faces = self._found(picture)
        return _Searched(source, picture, faces, time.perf_counter() - started)

    def _found(self, picture: Picture) -> FaceBatch:
        """The faces of one picture, ready to be judged."""
        gray = picture.gray()
        boxes, scores = checked_boxes(self.detector, gray, picture.name)
        matrices = frame(boxes)
        aligned = np.zeros(len(boxes), np.bool_)
        points = poses = None
        if self.landmarks is not None:
            points = checked_points(self.landmarks, gray, boxes, picture.name)
            upright, aligned = align(points)
            matrices = np.where(aligned[:, None, None], upright, matrices)
            poses = estimate_pose(points)
        return FaceBatch(
            crops=cut(gray, matrices),
            boxes=boxes,
            scores=scores,
            landmarks=points,
            poses=poses,
            aligned=aligned,
            matrices=matrices,
            pictures=(picture,) * len(boxes),
        )

    def _judged(self, waiting: Sequence[_Searched]) -> Iterator[Recognized]:
        """What the heads say of all faces together, given back picture by picture."""
        started = time.perf_counter()
        batches = [w.faces for w in waiting if w.faces]
        faces = self._faces(FaceBatch.joined(batches)) if batches else []
        each = (time.perf_counter() - started) / max(len(faces), 1)
        first = 0
        for w in waiting:
            count = len(w.faces or ())
            seconds = w.seconds + each * count
            yield Recognized(w.source, w.picture, faces[first : first + count], seconds, w.error)
            first += count

    def _faces(self, batch: FaceBatch) -> list[Face]:
        batch = replace(batch, features=self.classifier.features(batch.crops))
        expressions = checked_results(self.expression, batch)
        smiles = checked_results(self.smile, batch) if self.smile is not None else None
        said = {head.name: checked_results(head, batch) for head in self.heads}
        faces = []
        for i, probabilities in enumerate(expressions):
            scale = np.array(batch.pictures[i].scale)
            box = batch.boxes[i] * np.tile(scale, 2)
            faces.append(
                Face(
                    box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])),
                    score=float(batch.scores[i]),
                    emotion=max(probabilities, key=probabilities.__getitem__),
                    probabilities=probabilities,
                    landmarks=_full(batch.landmarks, i, scale),
                    pose=_pose(batch.poses, i),
                    aligned=bool(batch.aligned[i]),
                    smile=None if smiles is None else smiles[i],
                    extra={name: results[i] for name, results in said.items()},
                )
            )
        return faces


@dataclass(frozen=True, slots=True, eq=False)
class _Searched:
    """A picture whose faces wait for the heads."""

    source: PictureSource
    picture: Picture | None
    faces: FaceBatch | None
    seconds: float
    error: Exception | None = None


def _is_enough(waiting: Sequence[_Searched]) -> bool:
    """Whether the heads should be asked: their call is full, or the pictures held take much memory."""
    faces = sum(len(w.faces or ()) for w in waiting)
    held = sum(w.picture.rgb.nbytes for w in waiting if w.picture is not None)
    return faces >= _ENOUGH_FACES or held >= _ENOUGH_BYTES or len(waiting) >= _ENOUGH_PICTURES


def _full(points: NDArray[np.float32] | None, i: int, scale: NDArray[np.float64]) -> NDArray[np.float32] | None:
    """Points of face i in pixels of the full picture; pixel centres are at whole numbers in both."""
    if points is None or np.isnan(points[i, 0, 0]):
        return None
    full: NDArray[np.float32] = ((points[i] + 0.5) * scale - 0.5).astype(np.float32)
    return full


def _pose(poses: NDArray[np.float64] | None, i: int) -> tuple[float, float, float] | None:
    if poses is None or np.isnan(poses[i]).any():
        return None
    yaw, pitch, roll = poses[i].tolist()
    return yaw, pitch, roll


@overload
def recognize(source: PictureSource, **options: Unpack[Options]) -> list[Face]: ...
@overload
def recognize(
    source: list[PictureSource] | tuple[PictureSource, ...], **options: Unpack[Options]
) -> list[list[Face]]: ...
def recognize(
    source: PictureSource | list[PictureSource] | tuple[PictureSource, ...],
    *,
    detector: FaceDetector | str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | Network = "fer_small",
    landmarks: LandmarkModel | str | os.PathLike[str] | None = LANDMARKS,
    smile: bool | None = None,
    heads: Sequence[Head] = (),
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
    landmarks : LandmarkModel, str or path, optional
        What `ferkern.face.landmarks.load` takes, or a model of your own. None: no landmarks, no pose, and crops as the
        detector's boxes frame them.
    smile : bool, optional
        Whether faces are asked for a smile. None: where landmarks and model allow it; see `Recognizer`.
    heads : sequence of Head
        Heads of your own; what they say stands in `Face.extra`.
    device : str
        Where the network for expressions runs and the detector's cascade scans (not a detector of your own);
        ``"auto"``: see `ferkern.bench.crossover`. Landmarks stay on the processor.
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
        The detector's or a network's file is damaged.
    ferkern.errors.StageError
        A detector, landmark model or head of your own failed.

    Examples
    --------
    >>> for face in ferkern.recognize("group.jpg"):
    ...     print(face.box, face.emotion, face.probabilities[face.emotion])
    """
    named = all(isinstance(part, str) and not os.path.exists(part) for part in (model, landmarks or "none"))
    if detector is None and not heads and named:
        make: Callable[..., Recognizer] = _shared
    else:  # files may change, so those are read again
        make = functools.partial(Recognizer, detector=detector, heads=heads)
    recognizer = make(model=model, landmarks=landmarks, smile=smile, device=device, threads=threads)
    if isinstance(source, (list, tuple)):
        return recognizer.many(source)
    return recognizer(source)


def _shared(**options: Unpack[Options]) -> Recognizer:
    """One that was made before, unless `ferkern.config` says something else where the networks are planned."""
    return _planned(_core.get_choice(), tuple(options.items()))


@functools.lru_cache(maxsize=4)
def _planned(choice: tuple[object, ...], options: tuple[tuple[str, Any], ...]) -> Recognizer:
    return Recognizer(**dict(options))
