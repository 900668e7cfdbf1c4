"""Random cascades as OpenCV's XML: every form that is read, small enough to be made in a test."""

from __future__ import annotations

import numpy as np

WINDOW = 20


def _text(values: object) -> str:
    return " ".join(f"{v:.9g}" if isinstance(v, float) else str(v) for v in values)  # type: ignore[attr-defined]


def _rect(rng: np.random.Generator, *, tilted: bool = False) -> list[int]:
    while True:
        w, h = (int(v) for v in rng.integers(1, WINDOW // 2, 2))
        x, y = (int(v) for v in rng.integers(0, WINDOW, 2))
        if tilted and x - h >= 0 and x + w <= WINDOW and y + w + h <= WINDOW:
            return [x, y, w, h]
        if not tilted and x + w <= WINDOW and y + h <= WINDOW:
            return [x, y, w, h]


def _haar_rects(rng: np.random.Generator, tilted: bool) -> str:
    rows = []
    for i in range(int(rng.integers(2, 4))):
        r = _rect(rng, tilted=tilted)
        weight = -1.0 if i == 0 else round(float(rng.uniform(0.5, 3.0)), 3)
        rows.append(f"<_>{_text([*r, weight])}</_>")
    return "".join(rows)


def _wrap(body: str) -> bytes:
    return f'<?xml version="1.0"?>\n<opencv_storage>\n{body}</opencv_storage>\n'.encode()


def haar(rng: np.random.Generator, *, depth: int = 1, tilted: bool = False, stages: int = 4, trees: int = 5) -> bytes:
    """The new form with Haar features; `depth` nodes in a chain to every tree."""
    features, body = [], []
    for _ in range(stages):
        weak = []
        for _ in range(trees):
            nodes = []
            for n in range(depth):
                left, right = (-n, n + 1) if n + 1 < depth else (-n, -n - 1)
                if rng.random() < 0.5:
                    left, right = right, left
                nodes.append(f"{left} {right} {len(features)} {rng.normal(0.0, 0.02):.9g}")
                turned = tilted and rng.random() < 0.6
                features.append(f"<_><rects>{_haar_rects(rng, turned)}</rects><tilted>{int(turned)}</tilted></_>")
            leaves = _text([float(v) for v in rng.normal(0, 1, depth + 1)])
            weak.append(f"<_><internalNodes>{' '.join(nodes)}</internalNodes><leafValues>{leaves}</leafValues></_>")
        body.append(
            f"<_><maxWeakCount>{trees}</maxWeakCount><stageThreshold>{-0.9 * trees**0.5:.9g}</stageThreshold>"
            f"<weakClassifiers>{''.join(weak)}</weakClassifiers></_>"
        )
    return _wrap(
        _new_head("HAAR", 0, stages, trees) + f"<stages>{''.join(body)}</stages>\n"
        f"<features>{''.join(features)}</features></cascade>\n"
    )


def lbp(rng: np.random.Generator, *, depth: int = 1, stages: int = 4, trees: int = 4) -> bytes:
    """The new form with LBP features."""
    features, body = [], []
    for _ in range(stages):
        weak = []
        for _ in range(trees):
            nodes = []
            for n in range(depth):
                left, right = (-n, n + 1) if n + 1 < depth else (-n, -n - 1)
                words = _text([int(v) for v in rng.integers(-(2**31), 2**31, 8)])
                nodes.append(f"{left} {right} {len(features)} {words}")
                w, h = (int(v) for v in rng.integers(1, WINDOW // 3 + 1, 2))
                x, y = int(rng.integers(0, WINDOW - 3 * w + 1)), int(rng.integers(0, WINDOW - 3 * h + 1))
                features.append(f"<_><rect>{x} {y} {w} {h}</rect></_>")
            leaves = _text([float(v) for v in rng.normal(0, 1, depth + 1)])
            weak.append(f"<_><internalNodes>{' '.join(nodes)}</internalNodes><leafValues>{leaves}</leafValues></_>")
        body.append(
            f"<_><maxWeakCount>{trees}</maxWeakCount><stageThreshold>{-0.9 * trees**0.5:.9g}</stageThreshold>"
            f"<weakClassifiers>{''.join(weak)}</weakClassifiers></_>"
        )
    return _wrap(
        _new_head("LBP", 256, stages, trees) + f"<stages>{''.join(body)}</stages>\n"
        f"<features>{''.join(features)}</features></cascade>\n"
    )


def _new_head(kind: str, categories: int, stages: int, trees: int) -> str:
    return (
        '<cascade type_id="opencv-cascade-classifier"><stageType>BOOST</stageType>'
        f"<featureType>{kind}</featureType><height>{WINDOW}</height><width>{WINDOW}</width>"
        f"<stageParams><maxWeakCount>{trees}</maxWeakCount></stageParams>"
        f"<featureParams><maxCatCount>{categories}</maxCatCount></featureParams><stageNum>{stages}</stageNum>\n"
    )


def old(rng: np.random.Generator, *, depth: int = 1, tilted: bool = False, stages: int = 4, trees: int = 5) -> bytes:
    """The old form, `opencv-haar-classifier`."""
    body = []
    for number in range(stages):
        weak = []
        for _ in range(trees):
            nodes = []
            for n in range(depth):
                turned = tilted and rng.random() < 0.6
                follow = f"<right_node>{n + 1}</right_node>"
                right = follow if n + 1 < depth else f"<right_val>{rng.normal():.9g}</right_val>"
                nodes.append(
                    f"<_><feature><rects>{_haar_rects(rng, turned)}</rects><tilted>{int(turned)}</tilted></feature>"
                    f"<threshold>{rng.normal(0.0, 0.02):.9g}</threshold>"
                    f"<left_val>{rng.normal():.9g}</left_val>{right}</_>"
                )
            weak.append(f"<_>{''.join(nodes)}</_>")
        body.append(
            f"<_><trees>{''.join(weak)}</trees><stage_threshold>{-0.9 * trees**0.5:.9g}</stage_threshold>"
            f"<parent>{number - 1}</parent><next>-1</next></_>"
        )
    return _wrap(
        f'<made_up type_id="opencv-haar-classifier"><size>{WINDOW} {WINDOW}</size>'
        f"<stages>{''.join(body)}</stages></made_up>\n"
    )


FORMS = {
    "haar stumps": lambda rng: haar(rng),
    "haar trees": lambda rng: haar(rng, depth=3),
    "haar tilted": lambda rng: haar(rng, tilted=True),
    "old stumps": lambda rng: old(rng),
    "old trees, tilted": lambda rng: old(rng, depth=2, tilted=True),
    "lbp stumps": lambda rng: lbp(rng),
    "lbp trees": lambda rng: lbp(rng, depth=3),
}


def picture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Smooth blobs, noise and flat patches: windows of every contrast, none among them."""
    y, x = np.mgrid[:height, :width]
    image = np.full((height, width), 128.0)
    for _ in range(12):
        cy, cx, r = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(4, 60)
        image += rng.normal(0, 60) * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * r * r))
    image += rng.normal(0, 6, image.shape)
    image[: height // 4, : width // 3] = 77
    return np.clip(image, 0, 255).astype(np.uint8)
