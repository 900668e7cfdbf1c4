"""ferkern: fast native kernels for facial-expression networks and the face pipeline around them.

Names below are imported when they are first used, so that ``import ferkern`` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ferkern._core import __version__
from ferkern.config import config

if TYPE_CHECKING:
    from ferkern.errors import ModelError, StageError
    from ferkern.face.pipeline import Face, FaceBatch, Recognizer, recognize
    from ferkern.models import load
    from ferkern.profiling import profile

__all__ = [
    "Face",
    "FaceBatch",
    "ModelError",
    "Recognizer",
    "StageError",
    "__version__",
    "config",
    "load",
    "profile",
    "recognize",
]

_HOME = {
    "Face": "ferkern.face.pipeline",
    "FaceBatch": "ferkern.face.pipeline",
    "ModelError": "ferkern.errors",
    "StageError": "ferkern.errors",
    "Recognizer": "ferkern.face.pipeline",
    "load": "ferkern.models",
    "profile": "ferkern.profiling",
    "recognize": "ferkern.face.pipeline",
}
_MODULES = frozenset(
    {
        "analyze",
        "bench",
        "data",
        "evaluate",
        "face",
        "flow",
        "image",
        "linalg",
        "models",
        "nn",
        "opencl",
        "pictures",
        "quantize",
        "registry",
        "video",
    }
)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _MODULES:
        return import_module(f"ferkern.{name}")
    raise AttributeError(f"module 'ferkern' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})
