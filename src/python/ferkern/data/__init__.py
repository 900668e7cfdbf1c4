"""Readers of public data sets in their own formats; all give a `FaceSet`."""

from __future__ import annotations

from ferkern.data.faceset import FERPLUS_NAMES, FaceSet
from ferkern.data.read import read_faces
from ferkern.models.preprocessing import preprocess

__all__ = ["FERPLUS_NAMES", "FaceSet", "preprocess", "read_faces"]
