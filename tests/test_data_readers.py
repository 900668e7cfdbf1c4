"""Readers of faces: every form gives the same faces, and damage is named with file and row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferkern.data import FERPLUS_NAMES, FaceSet, read_faces
from ferkern.data.ferplus import read_ferplus_csv

USAGE = ["Training"] * 5 + ["PublicTest"] * 3 + ["PrivateTest"] * 2


def _faces() -> FaceSet:
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (10, 48, 48), dtype=np.uint8)
    images[0, 0, :6] = [0, 9, 10, 99, 100, 255]
    labels = np.array([0, 1, 2, 3, 4, 5, 6, 0, 1, 2], np.int64)
    return FaceSet(images, labels, np.array(USAGE), rng.integers(0, 10, (10, 10)))


def _pixels(image: np.ndarray) -> str:
    return " ".join(map(str, image.ravel()))


def _write_kaggle(path: Path, faces: FaceSet, *, icml: bool = False) -> None:
    rows = zip(faces.labels, faces.images, faces.usage, strict=True)
    if icml:
        lines = ["emotion, Usage, pixels", *(f"{y},{u},{_pixels(x)}" for y, x, u in rows)]
    else:
        lines = ["emotion,pixels,Usage", *(f"{y},{_pixels(x)},{u}" for y, x, u in rows)]
    path.write_text("\n".join(lines) + "\n")


def _write_votes(path: Path, faces: FaceSet, *, dropped: int | None = None) -> None:
    assert faces.votes is not None
    lines = ["Usage,Image name," + ",".join(FERPLUS_NAMES)]
    for i, (usage, votes) in enumerate(zip(faces.usage, faces.votes, strict=True)):
        name = "" if i == dropped else f"fer{i:07d}.png"
        lines.append(f"{usage},{name}," + ",".join(map(str, votes)))
    path.write_text("\n".join(lines) + "\n")


def _write_sheet(folder: Path, stem: str, faces: FaceSet, *, columns: int = 4) -> None:
    rows = -(-len(faces) // columns)
    tiles = np.zeros((rows * columns, 48, 48), np.uint8)
    tiles[: len(faces)] = faces.images
    sheet = tiles.reshape(rows, columns, 48, 48).transpose(0, 2, 1, 3).reshape(rows * 48, columns * 48)
    Image.fromarray(sheet).save(folder / f"{stem}.webp", lossless=True)
    exact = np.ones(len(faces), bool)
    exact[-1] = False
    twin = np.arange(len(faces)) == 1
    name = "in_public_test" if stem == "train" else "has_twin"
    np.savez(
        folder / f"{stem}.npz",
        **{
            "labels": faces.labels.astype(np.uint8),
            "ferplus_votes": faces.votes,
            "exact_row": exact,
            name: twin,
        },
    )


@pytest.mark.parametrize("icml", [False, True])
def test_kaggle_tables(tmp_path: Path, icml: bool) -> None:
    faces = _faces()
    path = tmp_path / ("icml_face_data.csv" if icml else "fer2013.csv")
    _write_kaggle(path, faces, icml=icml)
    for place in (path, tmp_path):
        got = read_faces(place)
        assert np.array_equal(got.images, faces.images)
        assert np.array_equal(got.labels, faces.labels)
        assert got.usage.tolist() == USAGE
        assert got.votes is None


def test_any_subset_of_usages(tmp_path: Path) -> None:
    faces = _faces().part("PrivateTest")
    _write_kaggle(tmp_path / "fer2013.csv", faces)
    assert np.array_equal(read_faces(tmp_path).evaluation().images, faces.images)


def test_rows_over_many_blocks(tmp_path: Path) -> None:
    faces = _faces().select(np.arange(1100) % 10)
    _write_kaggle(tmp_path / "fer2013.csv", faces)
    assert np.array_equal(read_faces(tmp_path).images, faces.images)


@pytest.mark.parametrize(
    ("row", "column", "text", "message"),
    [
        (3, 0, "7", r"row 3: emotion must be 0\.\.6, is '7'"),
        (3, 0, "happy", "row 3: emotion"),
        (10, 0, "", "row 10: emotion"),
        (4, 2, "Testing", "row 4: Usage must be one of"),
        (4, 1, "1 2 3", r"row 4: pixels must be 2304 numbers in 0\.\.255, are 3 words"),
        (10, 1, "256", "row 10: pixels"),
        (1, 1, "1000", "row 1: pixels"),
        (1, 1, "-1", "row 1: pixels"),
        (1, 1, "1.5", "row 1: pixels"),
        (1, 1, "é", "row 1: pixels"),
        (1, 1, "", "row 1: pixels"),
    ],
)
def test_damaged_rows_are_named(tmp_path: Path, row: int, column: int, text: str, message: str) -> None:
    path = tmp_path / "fer2013.csv"
    _write_kaggle(path, _faces())
    lines = path.read_text().splitlines()
    cells = lines[row].split(",")
    if column == 1 and text and " " not in text:
        text = " ".join([text, *cells[1].split(" ")[1:]])
    cells[column] = text
    lines[row] = ",".join(cells)
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=message) as caught:
        read_faces(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lacks the column"),
        (b"emotion,Usage\n0,Training\n", "lacks the column.* pixels"),
        (b"emotion,pixels,Usage\n", "no rows"),
        (b"emotion,pixels,Usage\n0,1 2\n", "row 1: has 2 columns, the header 3"),
        (b"emotion,pixels,Usage\n\xff\xfe,1,2\n", "not a text file"),
        (b"emotion,pixels,Usage\n0," + b"1 " * 200_000 + b",Training\n", "not a CSV table"),
    ],
)
def test_damaged_tables_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_faces(path)


def test_votes_beside_the_table(tmp_path: Path) -> None:
    faces = _faces()
    _write_kaggle(tmp_path / "fer2013.csv", faces)
    _write_votes(tmp_path / "fer2013new.csv", faces, dropped=2)
    got = read_faces(tmp_path)
    assert got.votes is not None
    assert faces.votes is not None
    assert not got.votes[2].any()
    kept = np.arange(10) != 2
    assert np.array_equal(got.votes[kept], faces.votes[kept])


def test_votes_of_a_subset_and_votes_that_do_not_fit(tmp_path: Path) -> None:
    faces = _faces()
    _write_votes(tmp_path / "fer2013new.csv", faces)
    _write_kaggle(tmp_path / "fer2013.csv", faces.part("PublicTest"))
    got = read_faces(tmp_path)
    assert got.votes is not None
    assert faces.votes is not None
    assert np.array_equal(got.votes, faces.votes[5:8])
    _write_kaggle(tmp_path / "fer2013.csv", faces.select(np.arange(4)))
    with pytest.raises(ValueError, match="has 5 rows of the faces' usages, there are 4 faces"):
        read_faces(tmp_path)


def test_damaged_votes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "fer2013new.csv"
    _write_votes(path, _faces())
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], lines[4].rsplit(",", 1)[0] + ",-1"]))
    with pytest.raises(ValueError, match="row 4: NF must be a count"):
        read_ferplus_csv(path)
    path.write_text("\n".join([*lines[:4], "Training"]))
    with pytest.raises(ValueError, match="row 4: has 1 columns"):
        read_ferplus_csv(path)
    path.write_text("Usage,Image name,neutral\n")
    with pytest.raises(ValueError, match="lacks the column"):
        read_ferplus_csv(path)


def test_sheets(tmp_path: Path) -> None:
    faces = _faces()
    _write_sheet(tmp_path, "train", faces.part("Training"))
    _write_sheet(tmp_path, "public_test", faces.part("PublicTest"))
    got = read_faces(tmp_path)
    assert np.array_equal(got.images, faces.images[:8])
    assert got.usage.tolist() == USAGE[:8]
    assert got.votes is not None
    assert faces.votes is not None
    assert not got.votes[[4, 7]].any()  # rows whose votes belong to another picture
    assert np.array_equal(got.votes[:4], faces.votes[:4])
    assert got.has_twin is not None
    assert got.has_twin.tolist() == [False, True, False, False, False, False, True, False]
    assert got.distribution()["angry"] == 2


def test_damaged_sheets_are_named(tmp_path: Path) -> None:
    faces = _faces().part("Training")
    _write_sheet(tmp_path, "train", faces)
    table, sheet = tmp_path / "train.npz", tmp_path / "train.webp"
    good_table, good_sheet = table.read_bytes(), sheet.read_bytes()
    for cut in (0, 10, len(good_table) // 2, len(good_table) - 10):
        table.write_bytes(good_table[:cut])
        with pytest.raises(ValueError, match=r"train\.npz"):
            read_faces(tmp_path)
    table.write_bytes(good_table)
    for cut in (0, 10, len(good_sheet) // 2):
        sheet.write_bytes(good_sheet[:cut])
        with pytest.raises(ValueError, match=r"train\.webp"):
            read_faces(tmp_path)
    Image.new("L", (96, 48)).save(sheet, lossless=True)
    with pytest.raises(ValueError, match="no room for 5 tiles"):
        read_faces(tmp_path)
    sheet.write_bytes(good_sheet)
    np.savez(table, labels=np.full(5, 9, np.uint8))
    with pytest.raises(ValueError, match=r"labels must be in 0\.\.6"):
        read_faces(tmp_path)
    table.unlink()
    with pytest.raises(ValueError, match="a sheet needs its table"):
        read_faces(tmp_path)


def test_class_folders(tmp_path: Path) -> None:
    faces = _faces()
    for i, (image, label) in enumerate(zip(faces.images, faces.labels, strict=True)):
        folder = tmp_path / ("train" if i < 5 else "test") / faces.classes[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i}.png")
    got = read_faces(tmp_path)
    assert sorted(got.usage.tolist()) == ["PrivateTest"] * 5 + ["Training"] * 5
    assert got.distribution() == faces.distribution()
    assert sorted(x.tobytes() for x in got.images) == sorted(x.tobytes() for x in faces.images)
    assert len(read_faces(tmp_path / "train").evaluation()) == 5
    (tmp_path / "test" / "happy").mkdir(exist_ok=True)
    (tmp_path / "test" / "happy" / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    with pytest.raises(ValueError, match=r"broken\.jpg: not a readable picture"):
        read_faces(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no faces in a known form"):
        read_faces(tmp_path)
    with pytest.raises(ValueError, match="no such file or folder"):
        read_faces(tmp_path / "fer2013.csv")


def test_rows_that_do_not_fit_each_other() -> None:
    faces = _faces()
    with pytest.raises(ValueError, match="labels has 9 rows, but there are 10 images"):
        FaceSet(faces.images, faces.labels[:9], faces.usage)
    with pytest.raises(ValueError, match="images must be uint8"):
        FaceSet(faces.images.astype(np.float32), faces.labels, faces.usage)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="votes must have shape"):
        FaceSet(faces.images, faces.labels, faces.usage, np.zeros((10, 3), np.int64))


def test_the_shared_sheets(data: Path) -> None:
    from ferkern.data.sheets import read_sheet

    faces = read_sheet(data / "fer2013" / "public_test.webp", usage="PublicTest")
    assert len(faces) == 3589
    assert faces.has_twin is not None
    assert int(faces.has_twin.sum()) == 280
    assert faces.distribution()["happy"] == 895
