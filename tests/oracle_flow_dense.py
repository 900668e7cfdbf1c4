"""Dense flow in NumPy float64, written from the papers and independent of the C++."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oracle_flow import halve

Float64 = NDArray[np.float64]


def sample(image: NDArray, x: Float64, y: Float64) -> Float64:
    """Bilinear samples; positions beyond the border are moved onto it."""
    height, width = image.shape
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    a, b = x - left, y - top
    image = image.astype(np.float64)
    above = (1 - a) * image[top, left] + a * image[top, right]
    below = (1 - a) * image[bottom, left] + a * image[bottom, right]
    return (1 - b) * above + b * below


def shifted(plane: Float64, down: int, right: int) -> Float64:
    """plane(y + down, x + right), with copies of the outermost pixels beyond the border."""
    height, width = plane.shape
    rows = np.clip(np.arange(height) + down, 0, height - 1)
    return plane[rows][:, np.clip(np.arange(width) + right, 0, width - 1)]


def refine(prev, next, flow, *, refinements=1, sweeps=4, alpha=20.0, delta=5.0, gamma=10.0):
    for _ in range(refinements):
        flow = refine_once(prev.astype(np.float64), next, flow.astype(np.float64), sweeps, alpha, delta, gamma)
    return flow


def refine_once(prev, next, flow, sweeps, alpha, delta, gamma):
    height, width = prev.shape
    ys, xs = np.mgrid[:height, :width]
    warped = sample(next, xs + flow[..., 0], ys + flow[..., 1])
    mean, d = (prev + warped) / 2, warped - prev
    ix, iy = (shifted(mean, 0, 1) - shifted(mean, 0, -1)) / 2, (shifted(mean, 1, 0) - shifted(mean, -1, 0)) / 2
    xx = (shifted(mean, 0, 2) - 2 * mean + shifted(mean, 0, -2)) / 4
    yy = (shifted(mean, 2, 0) - 2 * mean + shifted(mean, -2, 0)) / 4
    xy = sum(i * j * shifted(mean, i, j) for i in (-1, 1) for j in (-1, 1)) / 4
    xz, yz = (shifted(d, 0, 1) - shifted(d, 0, -1)) / 2, (shifted(d, 1, 0) - shifted(d, -1, 0)) / 2
    n, n1, n2 = (1 / (p**2 + q**2 + 0.1**2) for p, q in ((ix, iy), (xx, xy), (xy, yy)))

    def slope(s):
        return 1 / np.sqrt(s + 0.01**2)

    matrix = 1e-3 * np.eye(2) * np.ones((height, width, 1, 1))
    right = np.zeros((height, width, 2))
    robust = slope(n1 * xz**2 + n2 * yz**2)
    for weight, p, q, r in (
        (delta * slope(n * d**2) * n, ix, iy, d),
        (gamma * robust * n1, xx, xy, xz),
        (gamma * robust * n2, xy, yy, yz),
    ):
        g = np.stack([p, q], axis=-1)
        matrix = matrix + weight[..., None, None] * g[..., :, None] * g[..., None, :]
        right = right - (weight * r)[..., None] * g
    right = right + np.einsum("yxij,yxj->yxi", matrix, flow)
    forward = sum((shifted(flow[..., c], *step) - flow[..., c]) ** 2 for c in (0, 1) for step in ((0, 1), (1, 0)))
    smooth = alpha / 2 * slope(forward)
    weights = []
    for down, across in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        inside = (xs + across >= 0) & (xs + across < width) & (ys + down >= 0) & (ys + down < height)
        weights.append((down, across, np.where(inside, smooth + shifted(smooth, down, across), 0)))
    matrix = matrix + sum(w for _, _, w in weights)[..., None, None] * np.eye(2)
    flow = flow.copy()
    for half in range(2 * sweeps):
        pull = sum(
            w[..., None] * np.stack([shifted(flow[..., c], down, across) for c in (0, 1)], axis=-1)
            for down, across, w in weights
        )
        new = -0.6 * flow + 1.6 * np.linalg.solve(matrix, (right + pull)[..., None])[..., 0]
        flow = np.where(((xs + ys + half) % 2 == 0)[..., None], new, flow)
    return flow


def search(prev, next, coarse, stride, iterations):
    """Mean motion of the patches on each pixel."""
    height, width = prev.shape
    total, weight = np.zeros((height + 16, width + 16, 2)), np.zeros((height + 16, width + 16))
    gx, gy = (np.pad(prev, 24, mode="edge"),) * 2
    gx, gy = (np.roll(gx, -1, 1) - np.roll(gx, 1, 1)) / 2, (np.roll(gy, -1, 0) - np.roll(gy, 1, 0)) / 2
    still = np.pad(prev, 24, mode="edge")
    tops, lefts = (range(0, max(n - 8, 0) + stride, stride) if n > 8 else (0,) for n in (height, width))
    for top in (t for t in tops if t < max(height - 8, 0) + stride):
        for left in (t for t in lefts if t < max(width - 8, 0) + stride):
            at = np.s_[top + 24 : top + 32, left + 24 : left + 32]
            g = np.stack([gx[at].ravel(), gy[at].ravel()])
            g = g - g.mean(axis=1, keepdims=True)
            inverse = np.linalg.inv(g @ g.T + 1e-3 * np.eye(2))
            start = np.zeros(2)
            if coarse is not None:
                row, column = min((top + 4) // 2, coarse.shape[0] - 1), min((left + 4) // 2, coarse.shape[1] - 1)
                start = 2 * coarse[row, column]

            def differences(motion, top=top, left=left, at=at):
                x = np.clip(left + motion[0], -8, width - 1) + np.arange(8)
                y = np.clip(top + motion[1], -8, height - 1) + np.arange(8)
                return sample(next, *np.broadcast_arrays(x, y[:, None])) - still[at]

            motion = best = start
            least = np.inf
            for _ in range(iterations + 1):
                d = differences(motion).ravel()
                error = d @ d - d.sum() ** 2 / 64
                if not error < least:
                    break
                least, best = error, motion
                motion = motion - inverse @ (g @ d)
            if np.hypot(*(best - start)) > 8:
                best = start
            share = 1 / np.maximum(1, np.abs(differences(best)))
            total[top : top + 8, left : left + 8] += share[..., None] * best
            weight[top : top + 8, left : left + 8] += share
    return total[:height, :width] / weight[:height, :width, None]


def expand(flow, halvings, shape):
    ys, xs = (np.arange(n) / 2**halvings for n in shape)
    x, y = np.meshgrid(xs, ys)
    return 2**halvings * np.stack([sample(flow[..., c], x, y) for c in (0, 1)], axis=-1)


def dense(prev, next, *, finest, stride=4, iterations=3, refinements=1, sweeps=4):
    shape = prev.shape
    coarsest = int(max(0, min(np.log2(max(shape) / 32) + 0.5, np.log2(min(shape) / 8))))
    finest = min(finest, coarsest)
    levels = [(prev.astype(np.float64), next.astype(np.float64))]
    for _ in range(coarsest):
        levels.append(tuple(halve(x) for x in levels[-1]))
    flow = None
    for a, b in reversed(levels[finest:]):
        flow = refine(a, b, search(a, b, flow, stride, iterations), refinements=refinements, sweeps=sweeps)
    return expand(flow, finest, shape)


def horn_schunck(prev, next, *, alpha, iterations):
    a, b = prev.astype(np.float64), next.astype(np.float64)
    cube = np.array([[[shifted(x, i, j) for j in (0, 1)] for i in (0, 1)] for x in (a, b)])
    ix, iy, it = (np.diff(cube, axis=axis).mean(axis=(0, 1, 2)) for axis in (2, 1, 0))
    flow = np.zeros((*a.shape, 2))
    for _ in range(iterations):
        sides = sum(
            np.stack([shifted(flow[..., c], *s) for c in (0, 1)], -1) for s in ((0, 1), (0, -1), (1, 0), (-1, 0))
        )
        corners = sum(np.stack([shifted(flow[..., c], i, j) for c in (0, 1)], -1) for i in (-1, 1) for j in (-1, 1))
        mean = sides / 6 + corners / 12
        r = (ix * mean[..., 0] + iy * mean[..., 1] + it) / (alpha**2 + ix**2 + iy**2)
        flow = mean - np.stack([ix * r, iy * r], axis=-1)
    return flow


def warp(image, flow, border, fill):
    height, width = image.shape
    known = (np.abs(flow) <= 1e9).all(axis=-1)
    motion = np.where(known[..., None], flow, 0).astype(np.float64)
    ys, xs = np.mgrid[:height, :width]
    x, y = xs + motion[..., 0], ys + motion[..., 1]
    if border == "constant":
        padded = np.pad(image.astype(np.float64), 2, constant_values=fill)
        result = sample(padded, x + 2, y + 2)
    else:
        result = sample(image, x, y)
    return np.where(known, result, fill)
