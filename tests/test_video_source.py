"""Frames out of files: their luma and times, and files that are turned, cut off, or change on the way."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from ferkern.video import Frame, Result, Video
from ferkern.video.frame import Buffers
from ferkern.video.smooth import Smoother
from ferkern.video.source import Clock, FileSource, connect, upright
from video_clips import StillFaces, frames, opened, write

pytestmark = pytest.mark.slow  # nothing here depends on the instruction set


def levels(source: FileSource) -> list[float]:
    """Mean luma of every frame."""
    return [float(frame.luma.mean()) for frame in source]


def test_luma_is_the_decoders_own_plane(tmp_path: Path) -> None:
    clip = frames(25)
    path = write(tmp_path / "a.mp4", clip)
    with av.open(str(path)) as container:
        expected = [np.array(f.to_ndarray(format="yuv420p")[:48]) for f in container.decode(video=0)]
    source = FileSource(str(path))
    assert (source.frames, source.rate, source.live) == (25, 30.0, False)
    got = list(source)
    source.close()
    assert [f.index for f in got] == list(range(25))
    assert [f.time for f in got] == pytest.approx([i / 30 for i in range(25)])
    for frame, luma in zip(got, expected, strict=True):
        assert np.array_equal(frame.luma, luma)
        assert not frame.luma.flags.writeable
        assert frame.luma.strides[0] > frame.luma.shape[1]  # no copy was made
        assert frame.size == (64, 48)
    assert (source.damaged, source.missing) == (0, 0)


def test_colours_and_grey(tmp_path: Path) -> None:
    """Video's black is 16 and its white 235; `grey` and `rgb` give 0 and 255."""
    ramp = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None], 48, axis=0)
    source = FileSource(str(write(tmp_path / "a.mp4", [ramp] * 2)))
    frame = next(iter(source))
    assert not frame.full_range
    assert 14 <= int(frame.luma.min()) <= 18
    assert 233 <= int(frame.luma.max()) <= 237
    assert np.abs(frame.grey(frame.luma).astype(int) - ramp).max() <= 4
    rgb = frame.rgb()
    assert rgb.shape == (48, 64, 3)
    assert np.abs(rgb.astype(int) - ramp[:, :, None]).max() <= 6
    assert [p.shape for p in frame.planes()] == [(48, 64), (24, 32), (24, 32)]
    source.close()


def test_given_arrays() -> None:
    from ferkern import image

    colour = np.random.default_rng(1).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    rgba = np.dstack([colour, np.zeros((5, 7), np.uint8)])
    source = connect([colour, rgba, colour[:, :, 0], colour[:, ::-1, :1], colour[::2]])
    got = list(source)
    assert all(f.full_range and not f.is_decoded for f in got)
    grey = image.to_gray(colour)
    lumas = (grey, grey, colour[:, :, 0], colour[:, ::-1, 0], grey[::2])
    for frame, luma in zip(got, lumas, strict=True):
        assert np.array_equal(frame.luma, luma)
        assert np.array_equal(frame.grey(luma), luma)
    assert np.array_equal(got[1].rgb(), colour)
    assert np.array_equal(got[2].rgb(), np.repeat(colour[:, :, :1], 3, axis=2))
    with pytest.raises(ValueError, match="given as an array and has no planes"):
        got[0].planes()


@pytest.mark.parametrize("form", ["yuv422p", "yuvj422p", "yuv444p", "nv12", "yuv420p10le", "rgb24", "gray", "yuyv422"])
def test_every_form_of_pixels_becomes_yuv420(form: str) -> None:
    """What cameras and telephones give; grey levels are kept."""
    ramp = np.repeat(np.linspace(20, 230, 64).astype(np.uint8)[None], 48, axis=0)
    picture = av.VideoFrame.from_ndarray(ramp, "gray").reformat(format=form)
    turned = upright(picture)
    assert turned.format.name in ("yuv420p", "yuvj420p")
    frame = Frame(0, 0.0, turned.to_ndarray()[:48], turned.color_range == 2, turned)
    assert np.abs(frame.grey(frame.luma).astype(int) - ramp).max() <= 3


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_telephones_film_sideways(tmp_path: Path, degrees: int) -> None:
    """The display matrix in the track header, as a telephone writes it, turns the frames clockwise."""
    picture = np.zeros((48, 64), np.uint8)
    picture[:24, :32] = 200  # upper left
    path = write(tmp_path / "a.mp4", [picture] * 3)
    data = bytearray(path.read_bytes())
    c, s = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    matrix = struct.pack(">9i", c << 16, s << 16, 0, -s << 16, c << 16, 0, 0, 0, 1 << 30)
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = matrix
    path.write_bytes(data)
    source = FileSource(str(path))
    frame = next(iter(source))
    assert frame.size == ((64, 48) if degrees % 180 == 0 else (48, 64))
    height, width = frame.luma.shape
    quarters = [frame.luma[y:y + height // 2, x:x + width // 2].mean() for y, x in
                ((0, 0), (0, width // 2), (height // 2, width // 2), (height // 2, 0))]  # clockwise  # fmt: skip
    assert int(np.argmax(quarters)) == degrees // 90
    assert np.array_equal(np.array(quarters) > 100, np.arange(4) == degrees // 90)
    source.close()


def test_a_file_that_was_cut_off(tmp_path: Path) -> None:
    """It ends in the middle of a frame: what is whole comes, the rest is counted as missing."""
    whole = write(tmp_path / "a.mp4", frames(60), movflags="faststart").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) * 6 // 10])
    with opened(cut) as video:
        assert video.frames == 60
        results = list(video)
    report = video.report
    assert 10 < len(results) < 60
    assert report.read == report.results == len(results)
    assert report.missing == 60 - len(results)
    assert f"{report.missing} of 60 frames are missing at the end" in report.damage
    assert report.ended == "end"


def test_a_stream_that_was_cut_off(tmp_path: Path) -> None:
    """A stream declares no number of frames; it ends where it ends."""
    whole = write(tmp_path / "a.ts", frames(60)).read_bytes()
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole[: len(whole) * 6 // 10])
    source = FileSource(str(cut))
    assert 10 < len(levels(source)) < 60
    source.close()


def test_pieces_that_cannot_be_decoded(tmp_path: Path) -> None:
    """Zeros in the middle of the pictures: those frames are left out, the others come."""
    path = write(tmp_path / "a.avi", frames(40))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 10] = bytes(len(data) // 10)
    path.write_bytes(data)
    with opened(path) as video:
        results = list(video)
    assert 10 < len(results) <= 40
    assert [r.index for r in results] == list(range(len(results)))
    assert (np.diff([r.time for r in results]) > 0).all()


def test_size_changes_on_the_way(tmp_path: Path) -> None:
    """Two streams, one behind the other: their sizes, and time goes on although the second begins at 0 again."""
    first = write(tmp_path / "a.ts", frames(12)).read_bytes()
    second = write(tmp_path / "b.ts", frames(9, (96, 64))).read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(first + second)
    tracker = StillFaces()
    out = tmp_path / "out.mp4"
    with opened(path, tracker=tracker, annotate=out) as video:
        results = list(video)
    assert video.report.sizes == [(64, 48), (96, 64)]
    assert len(results) == 21
    assert tracker.resets == 1
    steps = np.diff([r.time for r in results])
    assert (steps > 0).all()
    assert steps[12:] == pytest.approx(1 / 30)
    with av.open(str(out)) as container:
        assert [(f.width, f.height) for f in container.decode(video=0)] == [(64, 48)] * 21


def test_what_is_no_video(tmp_path: Path) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()
    text = tmp_path / "notes.mp4"
    text.write_text("no video")
    whole = write(tmp_path / "a.mp4", frames(20)).read_bytes()
    headless = tmp_path / "headless.mp4"  # its index stands at the end
    headless.write_bytes(whole[: len(whole) // 2])
    for path in (empty, text, headless):
        with pytest.raises(ValueError, match=f"{path.name}: not a video that FFmpeg can read"):
            opened(path)
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "nothing.mp4")
    with pytest.raises(IsADirectoryError):
        opened(tmp_path)
    sound = tmp_path / "sound.wav"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(ValueError, match="no pictures in it, only audio"):
        opened(sound)


def test_times_of_a_file_are_its_own(tmp_path: Path) -> None:
    stamps = [0, 1, 2, 5, 9, 10]
    source = FileSource(str(write(tmp_path / "a.mkv", frames(6), stamps=stamps)))
    assert [f.time for f in source] == pytest.approx([s / 30 for s in stamps], abs=6e-4)
    assert source.clock.mended == 0
    source.close()


def test_stream_without_times(tmp_path: Path) -> None:
    source = FileSource(str(write(tmp_path / "a.h264", frames(6))))
    times = [f.time for f in source]
    assert len(times) == 6
    assert (np.diff(times) > 0).all()
    source.close()


def test_real_time(tmp_path: Path) -> None:
    """A file under "latest" is taken as a camera gives it: what comes too early waits for its time."""
    path = write(tmp_path / "a.mp4", frames(10))
    with opened(path, drop="latest") as video:
        results = list(video)
    assert video.report.seconds >= 9 / 30
    assert video.report.read == 10 == len(results) + video.report.dropped


def pattern(rate: int = 200) -> FileSource:
    """FFmpeg's test pattern without end, taken as a camera is."""
    return FileSource(f"testsrc=size=64x48:rate={rate}", live=True, format="lavfi")


def test_camera() -> None:
    """Frames come until nobody wants more; the newest is taken; all are accounted for."""
    with opened(pattern()) as video:
        assert video.frames is None
        for result in video:
            if result.index > 50:
                break
    report = video.report
    assert report.ended == "closed"
    assert report.read == report.results + report.dropped + report.abandoned
    assert report.sizes == [(64, 48)]
    assert report.damage == ""


def test_camera_by_the_command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It watches until Ctrl-C, which is how a camera's video ends: what there is is written, and all is well."""
    from typer.testing import CliRunner

    from ferkern.cli import video as command
    from ferkern.cli.app import app

    monkeypatch.setattr(FileSource, "camera", staticmethod(lambda number: pattern()))
    out = tmp_path / "out.mp4"
    done = CliRunner().invoke(app, ["video", "-", "--seconds", "0.4", "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert "no face was seen" in done.output
    first = out.stat().st_size

    def tired(results: Video, *arguments: object, **options: object) -> Iterator[Result]:
        for result in results:
            yield result
            if result.time > 0.2:
                raise KeyboardInterrupt

    monkeypatch.setattr(command, "track", tired)
    done = CliRunner().invoke(app, ["video", "-", "-o", str(out)])
    assert done.exit_code == 0, done.output
    with av.open(str(out)) as container:
        assert len(list(container.decode(video=0))) > 0
    assert out.stat().st_size != first


def test_pyav_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r'pip install "ferkern\[video\]"'):
        opened("a.mp4")
    with opened(frames(2)) as video:  # arrays need none
        assert len(list(video)) == 2


def test_video_is_there_by_its_short_name() -> None:
    import subprocess
    import sys

    code = "import sys, ferkern as fk; fk.video.open; print('av' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# -- small parts ---------------------------------------------------------------------------


def test_clock() -> None:
    clock = Clock(0.5)
    assert [clock(s) for s in (None, 3.0, 4.0, 4.0, 4.5, None, 1.0, 2.0)] == [0.0, 3.0, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0]
    assert clock.mended == 4
    camera = Clock(0.5, from_zero=True)
    assert [camera(1.7e9 + s) for s in (0, 0.25, 0.25, 1)] == [0.0, 0.25, 0.75, 1.5]


def test_buffers_belong_to_whoever_looks_at_them() -> None:
    buffers = Buffers()
    first = buffers.take((4, 5))
    first[...] = 1
    row = first[2, 1:3]
    del first
    second = buffers.take((4, 5))
    second[...] = 2
    assert row.tolist() == [1, 1]
    assert buffers.made == 2
    del row, second
    buffers.take((4, 5))
    buffers.take((2, 10))
    assert buffers.made == 2
    buffers.take((3, 3))
    assert buffers.made == 3


def test_smoother_reaches_its_time_constant() -> None:
    """After one time constant at 63 %, whatever the distances between readings; other faces do not matter."""
    for step in (0.001, 0.01):
        smooth = Smoother(0.3)
        for i in range(round(10 / step)):
            smooth(1, i * step, np.array([0.0]))
        at = [smooth(1, 10 + i * step, np.array([1.0]))[0] for i in range(round(0.3 / step))]
        assert at[-1] == pytest.approx(1 - np.exp(-1), abs=0.02)
        assert smooth(2, 99.0, np.array([0.25]))[0] == 0.25
    assert Smoother(0)(1, 0.0, np.array([0.5]))[0] == 0.5


def test_smoother_forgets() -> None:
    smooth = Smoother(0.1)
    for face in range(100):
        smooth(face, float(face), np.array([1.0]))
        smooth.forget(float(face))
    assert len(smooth._faces) <= 3
