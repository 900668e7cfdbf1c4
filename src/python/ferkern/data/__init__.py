"""Readers of public data sets in their own formats; faces give a `FaceSet`, smiles a `SmileSet`."""

from __future__ import annotations

from ferkern.data.faceset import FERPLUS_NAMES, FaceSet
from ferkern.data.read import read_faces
from ferkern.data.smiles import SmileSet, read_smiles
from ferkern.models.preprocessing import preprocess

__all__ = ["FERPLUS_NAMES", "FaceSet", "SmileSet", "preprocess", "read_faces", "read_smiles"]
