"""What test_emulated.py runs on a processor without AVX2 and FMA: everything between a picture and its expressions.

Not a test by itself. Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from PIL import Image

import ferkern
from ferkern import _core, image, models, nn


def main(path: str) -> None:
    rgb = np.asarray(Image.open(path).convert("RGB"))
    gray = image.to_gray(rgb)
    small = image.resize(gray, (48, 48))
    crop = image.warp(gray, image.similarity(3.0, 0.1, (10, 10)), (48, 48), antialias=True)
    x = np.stack([small, crop])[:, None].astype(np.float32) / 255
    y = nn.conv2d(x, np.ones((20, 1, 5, 5), np.float32), padding="same", activation="relu")
    untrained = {}
    for name in ("fer_2conv", "fer_4conv", "fer_small", "mini_xception"):
        net = models.build(name)
        inputs = np.resize(x, (2, *net.input_shape))
        untrained[name] = net.plan(batch=2).run(inputs).sum(axis=1).tolist()
    faces = ferkern.recognize(path)
    report = {
        "isa": _core.isa_supported(),
        "cpu": _core.cpu(),
        "finite": bool(np.isfinite(y).all()),
        "sums": untrained,
        "faces": [{"box": [float(v) for v in face.box], "emotion": face.emotion} for face in faces],
    }
    sys.stdout.write(json.dumps(report) + "\n")


main(sys.argv[1])
