"""A head of one's own: how brightly each face is lit, beside its expression.

python examples/own_head.py photo.jpg
"""

import sys

import numpy as np

import ferkern as fk


class Light:
    """Mean grey level of the face and how much brighter its left half is, 0..1 and -1..1."""

    name = "light"

    def __call__(self, faces: fk.FaceBatch) -> list[tuple[float, float]]:
        gray = faces.crops / 255.0  # uint8 [n, 48, 48], upright; faces.views(224) is [n, 224, 224, 3] in colour
        left, right = gray[:, :, :24].mean(axis=(1, 2)), gray[:, :, 24:].mean(axis=(1, 2))
        return list(zip(np.add(left, right) / 2, left - right, strict=True))


for face in fk.recognize(sys.argv[1], heads=[Light()]):
    level, slope = face.extra["light"]
    yaw, pitch, roll = np.degrees(face.pose) if face.pose else (0.0, 0.0, 0.0)
    print(f"{face.emotion:9} light {level:.2f}, left less right {slope:+.2f}; yaw {yaw:+.0f}°, roll {roll:+.0f}°")
