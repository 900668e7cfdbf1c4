"""The table of tracks: what is written is read, and damage is told by file, line and column."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from ferkern.face.align import TEMPLATE
from ferkern.models.network import CLASSES
from ferkern.video.tracks import TrackRow, TrackWriter, header
from ferkern.video.tracks_read import read_tracks

pytestmark = pytest.mark.slow  # Python alone


def row(frame: int, face: int = 1, **changed) -> TrackRow:
    shares = np.full(7, 0.1)
    shares[3] = 0.4
    values = {
        "state": "tracked",
        "box": (1.5, 2, 100.25, 99),
        "score": 7.125,
        "landmarks": (TEMPLATE + frame + 0.001).astype(np.float32),
        "emotion": "happy",
        "probabilities": dict(zip(CLASSES, shares.tolist(), strict=True)),
        "raw_probabilities": shares[::-1],
        "smile": 0.75,
        "pose": (0.1, -0.2, 0.3),
    }
    return TrackRow(frame=frame, time=frame / 30, face=face, **{**values, **changed})


@pytest.fixture
def table(tmp_path) -> Path:
    """Three frames of face 1, of which the last knows nothing but the frame, and one of face 0."""
    path = tmp_path / "tracks.csv"
    with TrackWriter(path) as writer:
        writer.write(row(0, state="detected"))
        writer.write(row(2))
        writer.write(row(2, face=0))
        writer.write(TrackRow(frame=3, time=0.1, face=1))
    return path


def test_the_columns_are_those_agreed():
    names = header()
    assert names[:10] == ["frame", "time", "face", "state", "x", "y", "width", "height", "score", "emotion"]
    assert names[10:25] == [*CLASSES, *("raw_" + name for name in CLASSES), "smile"]
    assert names[25:30] == ["yaw", "pitch", "roll", "x0", "y0"]
    assert names[-2:] == ["x67", "y67"]
    assert len(names) == 164


def test_what_is_written_is_read(table):
    tracks = read_tracks(table)
    assert tracks.classes == CLASSES
    assert [(track.face, len(track)) for track in tracks] == [(0, 1), (1, 3)]
    track = tracks.faces[1]
    assert track.frames.tolist() == [0, 2, 3]
    np.testing.assert_allclose(track.times, [0, 2 / 30, 0.1], atol=5e-7)
    assert track.states.tolist() == ["detected", "tracked", ""]
    assert track.emotions.tolist() == ["happy", "happy", ""]
    np.testing.assert_array_equal(track.boxes[0], [1.5, 2, 100.25, 99])
    np.testing.assert_array_equal(track.scores[:2], 7.125)
    np.testing.assert_allclose(track.landmarks[1], TEMPLATE + 2.001, atol=6e-4)
    np.testing.assert_allclose(track.probabilities[0], [0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1])
    np.testing.assert_allclose(track.raw_probabilities[0], [0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1][::-1])
    assert track.smile[0] == 0.75
    np.testing.assert_array_equal(track.pose[0], [0.1, -0.2, 0.3])
    for name in ("boxes", "scores", "landmarks", "probabilities", "raw_probabilities", "smile", "pose"):
        assert np.isnan(getattr(track, name)[2]).all(), name
    assert track.landmarks.dtype == track.probabilities.dtype == np.float32


def test_every_row_is_there_at_once(tmp_path):
    path = tmp_path / "t.csv"
    writer = TrackWriter(path)
    assert len(read_tracks(path)) == 0
    for frame in range(3):
        writer.write(row(frame))
        assert len(read_tracks(path).faces[0]) == frame + 1
    writer.close()


def test_a_file_of_the_caller_stays_open():
    out = io.StringIO()
    with TrackWriter(out, classes=("no", "yes")) as writer:
        writer.write(TrackRow(frame=0, time=0, face=0, emotion="yes", probabilities=[0.25, 0.75]))
    assert out.getvalue().splitlines()[1].startswith("0,0.000000,0,,,,,,,yes,0.250000,0.750000,,,")


def test_other_classes_are_taken_from_the_header(tmp_path):
    with TrackWriter(tmp_path / "t.csv", classes=("no", "yes")) as writer:
        writer.write(TrackRow(frame=0, time=0, face=0, emotion="yes", probabilities=[0.25, 0.75]))
    tracks = read_tracks(tmp_path / "t.csv")
    assert tracks.classes == ("no", "yes")
    np.testing.assert_array_equal(tracks.faces[0].probabilities, [[0.25, 0.75]])


def test_a_byte_order_mark_and_windows_ends_are_read(table):
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\n", b"\r\n"))
    assert len(read_tracks(table).faces[1]) == 3


def test_landmarks_that_are_not_known_are_empty(tmp_path):
    with TrackWriter(tmp_path / "t.csv") as writer:
        writer.write(row(0, landmarks=np.full((68, 2), np.nan)))
    assert np.isnan(read_tracks(tmp_path / "t.csv").faces[0].landmarks).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"state": "lost"}, "state must be one of detected, tracked, corrected, is 'lost'"),
        ({"emotion": "bored"}, "emotion must be one of angry"),
        ({"landmarks": np.zeros((5, 2))}, r"landmarks must be \[68, 2\], is \[5, 2\]"),
        ({"box": (1, 2, 3)}, "box must be 4 numbers, are 3"),
        ({"pose": (0, np.nan, 0)}, "pose must be finite"),
        ({"smile": np.inf}, "smile must be finite"),
        ({"probabilities": {"happy": 1.0}}, "probabilities must be of the classes angry.*are of happy"),
        ({"raw_probabilities": [1.0]}, "raw_probabilities must be 7 numbers, are 1"),
        ({"frame": 0, "time": 9.0}, "frame and time must rise: face 1 has frame 0 at 9.0 s after 0 at 0.0 s"),
        ({"time": 0.0}, "frame and time must rise"),
    ],
)
def test_the_writer_refuses_what_cannot_be_read_again(changed, message, tmp_path):
    with TrackWriter(tmp_path / "t.csv") as writer:
        writer.write(row(0))
        wrong = {name: getattr(row(1), name) for name in TrackRow.__slots__} | changed
        with pytest.raises(ValueError, match=message):
            writer.write(TrackRow(**wrong))
    assert len(read_tracks(tmp_path / "t.csv").faces[0]) == 1


def cell(line: int, column: str, text: str):
    """Put `text` into one cell of the table; lines count from 1, the header."""

    def change(lines: list[str]) -> list[str]:
        cells = lines[line - 1].split(",")
        cells[header().index(column)] = text
        return [*lines[: line - 1], ",".join(cells), *lines[line:]]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [], r"line 1: 0 columns, a table of tracks of these classes has"),
        (lambda lines: lines[1:], r"line 1: column 1 is '0', in a table of tracks 'frame'"),
        (cell(1, "x5", "x6"), r"line 1: column 39 is 'x6', in a table of tracks 'x5'"),
        (cell(1, "disgust", "anger"), "line 1: column 19 is 'raw_disgust', in a table of tracks 'raw_anger'"),
        (lambda lines: [",".join(line.split(",")[:-2]) for line in lines], "162 columns, .* has 164"),
        (lambda lines: [*lines[:2], lines[2].rsplit(",", 1)[0]], "line 3: has 163 columns, the header 164"),
        (cell(3, "frame", "0"), "line 3: column frame: '0', expected more than 0, the last of face 1"),
        (cell(3, "frame", "1.5"), "line 3: column frame: '1.5', expected a whole number from 0"),
        (cell(3, "frame", "-2"), "line 3: column frame"),
        (cell(3, "frame", "1e300"), "line 3: column frame"),
        (cell(3, "face", ""), "line 3: column face: '', expected a number"),
        (cell(3, "time", "nan"), "line 3: column time: 'nan', expected a number"),
        (cell(3, "time", "-1"), "line 3: column time: '-1', expected more than 0.0, the last of face 1"),
        (cell(3, "state", "lost"), "line 3: column state: 'lost', expected one of detected, tracked, corrected"),
        (cell(3, "emotion", "sadly"), "line 3: column emotion: 'sadly', expected one of angry"),
        (cell(3, "happy", "1.5"), "line 3: column happy: '1.5', expected a probability, 0 to 1"),
        (cell(3, "smile", "-0.5"), "line 3: column smile: '-0.5', expected a probability"),
        (cell(3, "raw_sad", "much"), "line 3: column raw_sad: 'much', expected a number"),
        (cell(3, "pitch", ""), "line 3: column pitch: '', expected a number"),
        (cell(3, "y40", ""), "line 3: column y40: '', expected a number"),
        (cell(3, "x67", "inf"), "line 3: column x67: 'inf', expected a number"),
        (cell(3, "x67", "1e200"), "line 3: column x67: '1e200', expected a number"),
        (cell(5, "x0", "3"), "line 5: column y0: '', expected a number"),
        (cell(3, "state", '"tracked'), "line 3: not a CSV table: unexpected end of data"),
    ],
)
def test_damage_is_told_by_line_and_column(change, message, table):
    lines = table.read_text().splitlines()
    table.write_text("".join(line + "\n" for line in change(lines)))
    with pytest.raises(ValueError, match=rf"tracks\.csv: (.*)({message})"):
        read_tracks(table)


def test_a_table_cut_anywhere_is_read_to_its_last_whole_line_or_refused(table):
    whole = table.read_text()
    ends = [i for i, c in enumerate(whole, start=1) if c == "\n"]
    for size in range(1, len(whole), 13):
        table.write_text(whole[:size])
        if size in ends:
            read_tracks(table)
            continue
        line = whole[:size].count("\n") + 1
        with pytest.raises(ValueError, match=rf"tracks\.csv: line {line}: the file ends within it"):
            read_tracks(table)


def test_files_that_are_no_tables(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xd8\xff\xe0" * 99)
    with pytest.raises(ValueError, match=r"a\.csv: after line 0: not a text file"):
        read_tracks(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"b\.csv: cannot be read: No such file"):
        read_tracks(tmp_path / "b.csv")
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        read_tracks(tmp_path)
    (tmp_path / "c.csv").write_text("x" * 200_000 + "\n")
    with pytest.raises(ValueError, match=r"c\.csv: line 1: not a CSV table: field larger"):
        read_tracks(tmp_path / "c.csv")


def test_any_damage_is_a_clear_error_or_a_table(table, rng):
    good = table.read_bytes()
    for _ in range(300):
        bad = bytearray(good)
        for at in rng.integers(0, len(bad), 3):
            bad[at] = rng.integers(256)
        table.write_bytes(bad)
        refused = None
        try:
            read_tracks(table)
        except ValueError as error:
            refused = str(error)
        assert refused is None or "tracks.csv" in refused
