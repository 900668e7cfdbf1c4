"""Drawing on the planes of a frame, and the annotated file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from ferkern.errors import StageError
from ferkern.face.align import TEMPLATE
from ferkern.video import VideoFace
from ferkern.video.annotate import annotate, draw_faces
from ferkern.video.canvas import Canvas, Coloring, Ink, Sprite
from ferkern.video.encode import Encoder
from ferkern.video.frame import Frame
from ferkern.video.source import connect
from video_clips import StillFaces, frames, opened, write

pytestmark = pytest.mark.slow  # nothing here depends on the instruction set


def blank(width: int, height: int, luma: int = 60) -> tuple[np.ndarray, ...]:
    half = (-(-height // 2), -(-width // 2))
    return np.full((height, width), luma, np.uint8), np.full(half, 128, np.uint8), np.full(half, 128, np.uint8)


@pytest.mark.parametrize("matrix", [601, 709])
@pytest.mark.parametrize("full", [False, True])
def test_colours_are_those_that_a_player_shows(matrix: int, full: bool) -> None:
    """A rectangle of a colour, converted to RGB by FFmpeg, has that colour."""
    for color in ((250, 196, 46), (226, 74, 66), (66, 135, 224), (0, 0, 0), (255, 255, 255)):
        planes = blank(16, 16)
        Canvas(planes, Coloring(matrix, full)).rectangle((0, 0, 16, 16), color)
        picture = av.VideoFrame(16, 16, "yuv420p")
        for target, plane in zip(picture.planes, planes, strict=True):
            rows = np.zeros((plane.shape[0], target.line_size), np.uint8)
            rows[:, : plane.shape[1]] = plane
            target.update(rows.tobytes())
        rgb = picture.reformat(
            format="rgb24",
            src_colorspace=1 if matrix == 709 else 5,
            src_color_range="JPEG" if full else "MPEG",
            dst_color_range="JPEG",
        ).to_ndarray()
        assert np.abs(rgb[8, 8].astype(int) - color).max() <= 4, (color, rgb[8, 8])


def test_rectangles_are_cut_off_at_the_border() -> None:
    for box in ((-10, -10, 4, 4), (10, 6, 40, 40), (-4, -4, 40, 40), (20, 20, 30, 30), (4, 4, 4, 8)):
        planes = blank(15, 11)
        Canvas(planes, Coloring()).rectangle(box, (255, 255, 255))
        left, top, right, bottom = max(box[0], 0), max(box[1], 0), min(box[2], 15), min(box[3], 11)
        assert (planes[0] != 60).sum() == max(right - left, 0) * max(bottom - top, 0)


def test_half_seen_through() -> None:
    planes = blank(8, 8, 100)
    canvas = Canvas(planes, Coloring(full_range=True))
    canvas.rectangle((0, 0, 8, 8), (200, 200, 200), opacity=0.5)
    assert abs(int(planes[0][4, 4]) - 150) <= 1
    assert abs(int(planes[1][2, 2]) - 128) <= 1


def test_sprites() -> None:
    """Laid anywhere, also across the border: what is inside is drawn, once."""
    mask = np.full((8, 12), 255, np.uint8)
    mask[:, 6:] = 0
    sprite = Sprite([(mask, (255, 255, 255))], Coloring(full_range=True))
    for left, top in ((2, 2), (-4, 0), (10, 4), (0, -6), (-20, 0), (16, 16)):
        planes = blank(16, 12, 0)
        Canvas(planes, Coloring(full_range=True)).sprite(left, top, sprite)
        expected = np.zeros((40, 60), bool)
        expected[top + 20 : top + 28, left + 20 : left + 26] = True
        assert np.array_equal(planes[0] > 200, expected[20:32, 20:36])


def test_strokes_lie_where_they_should() -> None:
    """The centre of gravity of a dot is its place, to a fraction of a pixel."""
    for x, y in ((10.0, 8.0), (10.3, 8.8), (12.5, 7.5)):
        planes = blank(32, 24, 0)
        Canvas(planes, Coloring(full_range=True)).strokes(np.array([[x, y]]), [Ink((255, 255, 255), 2.0)])
        weight = planes[0].astype(float)
        rows, columns = np.mgrid[:24, :32]
        assert (weight * columns).sum() / weight.sum() == pytest.approx(x, abs=0.06)
        assert (weight * rows).sum() / weight.sum() == pytest.approx(y, abs=0.06)
        assert weight.sum() / 255 == pytest.approx(np.pi * 4, rel=0.1)


def test_strokes_far_outside_and_over_the_border() -> None:
    planes = blank(9, 7)
    points = np.array([[-1e6, 3], [1e6, 1e6], [0.2, 0.1], [8.4, 6.4], [-0.9, 3.0]])
    Canvas(planes, Coloring()).strokes(points, [Ink((0, 0, 0), 2.0, 0.5), Ink((255, 255, 255), 1.0)])
    assert planes[0][0, 0] > 200
    assert planes[0][6, 8] > 200
    assert planes[0][3, 4] == 60


def face(box: tuple[float, float, float, float], **changes: Any) -> VideoFace:
    points = (TEMPLATE / 47 * box[2] + box[:2]).astype(np.float32)
    values: dict[str, Any] = {
        "id": 0, "box": box, "score": 1.0, "landmarks": points, "state": "tracked", "emotion": "happy",
        "probabilities": {"happy": 0.75, "sad": 0.25}, "raw_probabilities": {"happy": 1.0, "sad": 0.0},
        "smile": 0.5, "raw_smile": 0.5, "pose": None, "aligned": True,
    }  # fmt: skip
    return VideoFace(**{**values, **changes})


def test_faces_anywhere() -> None:
    """Boxes outside, across the border, tiny, larger than the frame: drawn as far as they are seen, nothing raised."""
    nan = np.full((68, 2), np.nan, np.float32)
    boxes = ((10, 10, 100, 100), (-50, -40, 90, 90), (5000, 5000, 10, 10), (-900, 0, 2000, 2000), (3, 3, 0.5, 0.5))
    for size in ((320, 180), (64, 48), (1, 1), (33, 17)):
        for box in boxes:
            for changes in ({}, {"landmarks": None, "smile": None}, {"landmarks": nan, "emotion": "sad"}):
                planes = blank(*size)
                draw_faces(Canvas(planes, Coloring()), [face(box, **changes), face((2, 2, 30, 30), id=1)])


def test_the_frame_itself_is_not_drawn_upon() -> None:
    for channels in (0, 3, 4):
        (frame,) = connect(frames(1, (101, 75), channels=channels))
        before = frame.luma.copy()
        picture = annotate(frame, [face((10, 10, 60, 60))])
        assert (picture.width, picture.height, picture.format.name) == (100, 74, "yuv420p")
        assert np.array_equal(frame.luma, before)
        plain = annotate(frame, [])
        changed = picture.to_ndarray()[:74] != plain.to_ndarray()[:74]
        assert 200 < changed.sum() < 74 * 100


def test_annotated_file(tmp_path: Path) -> None:
    """As many frames, at the same times, of the same size; different where the face is, near the same elsewhere."""
    stamps = [0, 1, 2, 4, 5, 6, 9, 10, 11, 12]
    path = write(tmp_path / "in.mkv", frames(10, (200, 120)), stamps=stamps)
    out = tmp_path / "out.mp4"
    with opened(path, tracker=StillFaces(), annotate=out) as video:
        results = list(video)
        assert list(results[0].seconds) == ["decode", "track", "judge", "smooth", "draw", "encode"]
    with av.open(str(out)) as written, av.open(str(path)) as read:
        stream = written.streams.video[0]
        assert (stream.codec_context.name, stream.frames) == ("h264", 10)
        drawn = list(written.decode(video=0))
        plain = list(read.decode(video=0))
    assert [f.time for f in drawn] == pytest.approx([s / 30 for s in stamps], abs=1e-3)
    for a, b in zip(drawn, plain, strict=True):
        away = np.abs(a.to_ndarray()[:120].astype(int) - b.to_ndarray()[:120])
        assert away[80:].mean() < 3
        assert away[4:28, 4:28].mean() > 10


def test_annotated_file_is_whole_after_an_early_end(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    with opened(frames(500, (100, 76)), tracker=StillFaces(), annotate=out) as video:
        for result in video:
            if result.index == 20:
                break
    with av.open(str(out)) as container:
        count = len(list(container.decode(video=0)))
    assert 21 <= count <= 21 + video.report.abandoned

    with opened(frames(50), tracker=StillFaces(fails_at=9), annotate=out) as video, pytest.raises(StageError):
        list(video)
    with av.open(str(out)) as container:
        assert len(list(container.decode(video=0))) == 9


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    before = tmp_path / "before.mp4"
    before.write_text("precious")
    with pytest.raises(FileNotFoundError):
        opened(frames(1), tracker=StillFaces(), annotate=tmp_path / "no" / "out.mp4")
    with pytest.raises(IsADirectoryError):
        opened(frames(1), tracker=StillFaces(), annotate=tmp_path)
    with pytest.raises(ValueError, match="Could not determine output format"):
        opened(frames(1), tracker=StillFaces(), annotate=tmp_path / "out.xyz")
    with pytest.raises(ValueError, match="workers"):
        opened(frames(1), tracker=StillFaces(), annotate=before, workers={"encode": 2})
    with opened([], tracker=StillFaces(), annotate=before) as video:
        assert list(video) == []
    assert before.read_text() == "precious"  # no frame, no video
    with opened([], tracker=StillFaces(), annotate=tmp_path / "none.mp4") as video:
        assert list(video) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["before.mp4"]


def test_shape_of_pixels_is_kept(tmp_path: Path) -> None:
    """Camcorders write pixels that are wider than high."""
    path, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    encoder = Encoder(path, pixel_aspect=Fraction(4, 3))
    for i in range(3):
        encoder.write(av.VideoFrame(64, 48, "yuv420p"), i / 30)
    encoder.close()
    with opened(path, annotate=out) as video:
        assert len(list(video)) == 3
    with av.open(str(out)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_several_drawing_workers_keep_the_order(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    with opened(frames(40), annotate=out, workers={"draw": 3}) as video:
        assert len(list(video)) == 40
    with av.open(str(out)) as container:
        means = [float(f.to_ndarray()[:48].mean()) for f in container.decode(video=0)]
    assert (np.diff(means) > -0.1).all()
    assert means[-1] - means[0] > 25


def test_frame_of_another_kind() -> None:
    frame = Frame(0, 0.0, np.zeros((2, 2), np.uint8), True, np.zeros((2, 2), np.uint8))
    assert annotate(frame, []).width == 2
