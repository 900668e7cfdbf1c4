"""Pictures to track in."""

from __future__ import annotations

import numpy as np


def textured(rng, height, width, smooth=1.5, dtype=np.float32):
    """Noise from 0 to 255 with structure of every size, as pictures have it (amplitude 1 / f), under a Gaussian blur
    of `smooth` pixels, so that bilinear sampling is nearly true.
    """
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)
    f = np.hypot(fx, fy)
    spectrum = np.fft.fft2(rng.standard_normal((height, width))) * np.exp(-2 * (np.pi * f * smooth) ** 2) / (f + 0.02)
    x = np.fft.ifft2(spectrum).real
    x = np.clip(127.5 + 45 * (x - x.mean()) / x.std(), 0, 255)
    return (np.floor(x + 0.5) if dtype == np.uint8 else x).astype(dtype)
