"""Pyramids, tracking and corners in NumPy float64, written from the papers and independent of the C++."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def halve(x: NDArray) -> NDArray:
    """Every second pixel of the binomial mean of 5 x 5; bytes are rounded."""
    k = np.array([1, 4, 6, 4, 1]) / 16
    height, width = x.shape
    rows, columns = (reflected(np.arange(-2, n + 2), n) for n in (height, width))
    y = x.astype(np.float64)[np.ix_(rows, columns)]
    y = sum(k[i] * y[i : i + height : 2] for i in range(5))
    y = sum(k[j] * y[:, j : j + width : 2] for j in range(5))
    return np.floor(y + 0.5).astype(np.uint8) if x.dtype == np.uint8 else y


def reflected(i: NDArray, n: int) -> NDArray:
    """Positions mirrored about the outermost centres; a zigzag of period 2 n - 2."""
    if n == 1:
        return np.zeros_like(i)
    i = np.abs(i) % (2 * n - 2)
    return np.where(i < n, i, 2 * n - 2 - i)


class Picture:
    def __init__(self, x: NDArray) -> None:
        self.x = x.astype(np.float64)
        padded = np.pad(self.x, 1, mode="reflect") if min(x.shape) > 1 else np.pad(self.x, 1, mode="edge")
        smooth = np.array([3, 10, 3])
        height, width = x.shape
        across = padded[:, 2:] - padded[:, :-2]
        down = padded[2:] - padded[:-2]
        self.gx = sum(smooth[i] * across[i : i + height] for i in range(3)) / 32
        self.gy = sum(smooth[i] * down[:, i : i + width] for i in range(3)) / 32

    def at(self, plane: Float64, rows: NDArray, columns: NDArray, hidden: bool) -> Float64:
        height, width = self.x.shape
        values = plane[np.ix_(reflected(rows, height), reflected(columns, width))]
        if hidden:
            inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
            values = np.where(inside, values, 0)
        return values

    def window(self, plane: Float64, x: float, y: float, side: int, hidden: bool = False) -> Float64:
        """Bilinear samples of side x side places from (x, y)."""
        u, v = int(np.floor(x)), int(np.floor(y))
        p = self.at(plane, np.arange(v, v + side + 1), np.arange(u, u + side + 1), hidden)
        fx, fy = x - u, y - v
        p = p[:, :-1] * (1 - fx) + p[:, 1:] * fx
        return p[:-1] * (1 - fy) + p[1:] * fy

    def touched(self, x: float, y: float, side: int) -> bool:
        return -side <= x < self.x.shape[1] and -side <= y < self.x.shape[0]


def track_level(i, j, point, guess, window, iterations, epsilon, min_eigenvalue):
    """(estimate, outcome) on one level; the outcome is "tracked", "flat" or "outside"."""
    half = (window - 1) / 2
    x, y = point[0] - half, point[1] - half
    estimate = np.array(guess, dtype=np.float64)
    if not i.touched(x, y, window):
        return estimate, "outside"
    template = i.window(i.x, x, y, window)
    gradient = np.stack([i.window(g, x, y, window, hidden=True).ravel() for g in (i.gx, i.gy)])
    g = gradient @ gradient.T
    if np.linalg.eigvalsh(g)[0] / (1024 * window**2) < min_eigenvalue or np.linalg.det(g) <= 0:
        return estimate, "flat"
    last = np.full(2, np.inf)
    for _ in range(iterations):
        if not j.touched(*(estimate - half), window):
            return estimate, "outside"
        difference = j.window(j.x, *(estimate - half), window) - template
        step = -np.linalg.solve(g, gradient @ difference.ravel())
        estimate = estimate + step
        if step @ step <= epsilon**2:
            break
        if (np.abs(step + last) < 0.01).all():
            estimate = estimate - step / 2
            break
        last = step
    return estimate, "tracked"


def track(prev, next, pts, *, guess=None, window=21, levels=3, iterations=30, epsilon=0.01, min_eigenvalue=1e-4):
    """Points, status and residual."""
    pyramid = [(Picture(prev), Picture(next))]
    while len(pyramid) <= levels and min((n + 1) // 2 for n in prev.shape) > window:
        prev, next = halve(prev), halve(next)
        pyramid.append((Picture(prev), Picture(next)))
    half = (window - 1) / 2
    points, status, residual = [], [], []
    for k, point in enumerate(np.asarray(pts, np.float64)):
        estimate = np.asarray(point if guess is None else guess[k], np.float64) / 2 ** (len(pyramid) - 1)
        for level in reversed(range(len(pyramid))):
            i, j = pyramid[level]
            estimate, outcome = track_level(
                i, j, point / 2**level, estimate, window, iterations, epsilon, min_eigenvalue
            )
            estimate = estimate * (2 if level else 1)
        found = outcome == "tracked" and j.touched(*(estimate - half), window)
        points.append(estimate)
        status.append(found)
        residual.append(
            np.abs(
                j.window(j.x, *(estimate - half), window) - i.window(i.x, point[0] - half, point[1] - half, window)
            ).mean()
            if found
            else np.nan
        )
    return np.array(points).reshape(-1, 2), np.array(status, bool), np.array(residual)


def eigenvalues(x: NDArray, block: int) -> Float64:
    """Smaller eigenvalue of the mean of g g^T over a block around each pixel, g by Sobel's filter / 8."""
    height, width = x.shape
    rows, columns = (reflected(np.arange(-1, n + 1), n) for n in (height, width))
    p = x.astype(np.float64)[np.ix_(rows, columns)]
    k = np.array([1, 2, 1]) / 8
    gx = sum(k[i] * (p[i : i + height, 2:] - p[i : i + height, :-2]) for i in range(3))
    gy = sum(k[j] * (p[2:, j : j + width] - p[:-2, j : j + width]) for j in range(3))
    before = block // 2
    rows, columns = (reflected(np.arange(-before, n + block - 1 - before), n) for n in (height, width))

    def mean(a: Float64) -> Float64:
        a = a[np.ix_(rows, columns)]
        return sum(a[i : i + height, j : j + width] for i in range(block) for j in range(block)) / block**2

    matrix = np.array([[mean(gx * gx), mean(gx * gy)], [mean(gx * gy), mean(gy * gy)]])
    return np.linalg.eigvalsh(matrix.transpose(2, 3, 0, 1))[..., 0]


def corners(x: NDArray, count: int, quality: float, min_distance: float, block: int) -> NDArray:
    """Peaks of `eigenvalues`, best first, each at its distance from those before it."""
    strength = eigenvalues(x, block).astype(np.float32).astype(np.float64)
    height, width = x.shape
    if min(height, width) < 3:
        return np.zeros((0, 2))
    inner = strength[1:-1, 1:-1]
    around = np.max([strength[i : i + height - 2, j : j + width - 2] for i in range(3) for j in range(3)], axis=0)
    ys, xs = np.nonzero((inner > quality * strength.max()) & (inner == around))
    order = np.lexsort((-xs, -ys, -inner[ys, xs]))
    chosen: list[NDArray] = []
    for point in np.stack([xs, ys], axis=1)[order] + 1:
        if len(chosen) < count and all(np.hypot(*(point - other)) >= min_distance for other in chosen):
            chosen.append(point)
    return np.array(chosen).reshape(-1, 2)
