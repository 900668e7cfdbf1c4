"""The command line as a person or a script meets it: streams, exit codes, files, interruption."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import ferkern, lines
from ferkern.models import CLASSES

pytestmark = pytest.mark.slow  # nothing here depends on the instruction set


def test_table(portrait: Path) -> None:
    done = ferkern("recognize", portrait)
    assert done.returncode == 0
    assert str(portrait) in done.stdout
    assert any(name in done.stdout for name in CLASSES)
    assert "1 picture, 1 face" in done.stderr


def test_json_lines(album: Path) -> None:
    done = ferkern("recognize", album, "--json")
    assert done.returncode == 0
    records = lines(done.stdout)
    assert [Path(str(r["file"])).name for r in records] == ["a.jpg", "empty.png", "b.png"]
    assert records[1]["faces"] == []
    face = records[0]["faces"][0]  # type: ignore[index]
    assert set(face["probabilities"]) == set(CLASSES)
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert face["emotion"] == max(face["probabilities"], key=face["probabilities"].get)
    x, y, width, height = face["box"]
    assert 150 < x + width / 2 < 300
    assert 50 < y + height / 2 < 200  # the astronaut's face


def test_csv(album: Path) -> None:
    done = ferkern("recognize", album, "--csv", "--quiet")
    assert done.returncode == 0
    assert done.stderr == ""
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["file"][-5:] for row in rows] == ["a.jpg", "b.png"]
    assert sum(float(rows[0][name]) for name in CLASSES) == pytest.approx(1, abs=1e-5)


def test_one_broken_among_many(album: Path) -> None:
    whole = (album / "a.jpg").read_bytes()
    (album / "broken.jpg").write_bytes(whole[: len(whole) // 3])
    for i in range(20):
        Image.new("L", (40, 40), i).save(album / f"plain{i:02}.png")
    done = ferkern("recognize", album, "--json")
    assert done.returncode == 1
    assert len(lines(done.stdout)) == 23
    assert "broken.jpg" in done.stderr
    assert "truncated" in done.stderr
    assert "1 failed" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_file_and_empty_folder(tmp_path: Path, portrait: Path) -> None:
    done = ferkern("recognize", tmp_path / "nowhere.jpg", tmp_path, portrait, tmp_path / "*.gif", "--json")
    assert done.returncode == 1
    assert len(lines(done.stdout)) == 1
    assert "nowhere.jpg: No such file" in done.stderr
    assert "the folder holds no pictures" in done.stderr
    assert "*.gif: matches no file" in done.stderr


def test_patterns_are_expanded(album: Path) -> None:
    done = ferkern("recognize", album / "**" / "*.png", "--json")
    assert [Path(str(r["file"])).name for r in lines(done.stdout)] == ["b.png", "empty.png"]


def test_1x1_and_blank(tmp_path: Path) -> None:
    Image.new("L", (1, 1)).save(tmp_path / "dot.png")
    Image.new("L", (1, 5000)).save(tmp_path / "line.png")
    done = ferkern("recognize", tmp_path, "--json")
    assert done.returncode == 0
    assert [r["faces"] for r in lines(done.stdout)] == [[], []]
    assert "no face" in ferkern("recognize", tmp_path / "dot.png").stdout


def test_draw(album: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "drawn"
    (album / "below" / "a.jpg").write_bytes((album / "a.jpg").read_bytes())
    done = ferkern("recognize", album, "--draw", out)
    assert done.returncode == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "a-2.faces.jpg",
        "a.faces.jpg",
        "b.faces.jpg",
        "empty.faces.jpg",
    ]
    for path in out.iterdir():
        with Image.open(path) as image:
            assert max(image.size) >= 900


def test_unwritable_output(album: Path, tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    done = ferkern("recognize", album, "--draw", occupied)
    assert done.returncode == 2
    assert "--draw" in done.stderr
    assert done.stdout == ""
    done = ferkern("demo", "--output", occupied / "x.png")
    assert done.returncode == 2
    assert "--output" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["recognize"], "PATH"),
        (["recognize", "x.jpg", "--nonsense"], "--nonsense"),
        (["recognize", "x.jpg", "--json", "--csv"], "exclude each other"),
        (["recognize", "x.jpg", "--model", "nosuch"], "nosuch"),
        (["recognize", "x.jpg", "--device", "abacus"], "abacus"),
        (["recognize", "x.jpg", "--detector", "nosuch.xml"], "nosuch.xml"),
        (["eval", "fer2013", "--path", "nowhere"], "nowhere"),
        (["eval", "imagenet", "--path", "."], "imagenet"),
        (["nonsense"], "nonsense"),
    ],
)
def test_usage_errors(arguments: list[str], words: str) -> None:
    done = ferkern(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_damaged_weights_are_named(tmp_path: Path, portrait: Path) -> None:
    damaged = tmp_path / "w.safetensors"
    damaged.write_bytes(b"\xff" * 64)
    done = ferkern("recognize", portrait, "--model", damaged)
    assert done.returncode == 2
    assert "w.safetensors" in done.stderr
    assert "Traceback" not in done.stderr


def test_interrupt_ends_cleanly(tmp_path: Path, portrait: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    with Image.open(portrait) as image:
        large = image.convert("RGB").resize((1600, 1600))
    for i in range(200):
        large.save(folder / f"{i:03}.bmp")
    process = subprocess.Popen(
        [sys.executable, "-m", "ferkern.cli", "recognize", str(folder), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["faces"]
    process.send_signal(signal.SIGINT)
    # Not communicate(): it would miss what readline() has read ahead.
    assert process.stderr is not None
    out, err = process.stdout.read(), process.stderr.read()
    assert process.wait(timeout=60) == 130
    assert "Traceback" not in err
    assert "interrupted" in err
    assert all(json.loads(line) for line in out.splitlines())


def test_reader_that_goes_away(album: Path) -> None:
    for i in range(100):
        Image.new("L", (40, 40), i).save(album / f"plain{i:02}.png")
    process = subprocess.Popen(
        [sys.executable, "-m", "ferkern.cli", "recognize", str(album), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    assert process.wait(timeout=60) == 141
    assert "Traceback" not in err
    assert "Exception" not in err


def test_demo(tmp_path: Path) -> None:
    done = ferkern("demo", "-o", "pictures/demo.png", cwd=tmp_path)
    assert done.returncode == 0
    for words in ("Grace Hopper", "Eileen Collins", str(tmp_path / "pictures" / "demo.png")):
        assert words in done.stdout
    with Image.open(tmp_path / "pictures" / "demo.png") as image:
        assert image.width > 1200
        assert len(np.unique(np.asarray(image.convert("L")))) > 100


def test_demo_without_the_portraits(tmp_path: Path) -> None:
    """Without matplotlib and scikit-image: a message with the line that brings them, no traceback."""
    hide = (
        "import sys\n"
        "sys.modules['matplotlib'] = sys.modules['skimage'] = None\n"
        "sys.argv = ['ferkern', 'demo']\n"
        "from ferkern.cli import main; main()\n"
    )
    done = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert 'pip install "ferkern[demo]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_version_and_help() -> None:
    assert ferkern("--version").stdout.startswith("ferkern ")
    shown = ferkern("--help").stdout
    for command in ("demo", "recognize", "eval", "doctor"):
        assert command in shown


def test_doctor() -> None:
    done = ferkern("doctor")
    assert done.returncode == 0, done.stdout
    for words in ("instruction sets", "conv2d", "threads", "OpenCL", "fer_small"):
        assert words in done.stdout


def test_doctor_says_why_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = ferkern("doctor", FERKERN_CACHE_DIR=str(tmp_path / "file"), COLUMNS="300")
    assert done.returncode == 0, done.stdout
    assert f"{tmp_path / 'file'} cannot be written" in done.stdout
    assert "FERKERN_CACHE_DIR" in done.stdout
    (tmp_path / "cache").mkdir()
    for name in ("machine.json", "crossover.json", "kernels.json"):
        (tmp_path / "cache" / name).write_text('{"format":')
    done = ferkern("doctor", "--json", FERKERN_CACHE_DIR=str(tmp_path / "cache"))
    found = {f["name"]: f for f in json.loads(done.stdout) if f["section"] == "what is kept between processes"}
    assert found["folder"]["state"] == "good"
    for name, maker in (("machine.json", "bench machine"), ("crossover.json", "crossover"), ("kernels.json", "tune=")):
        assert found[name]["state"] == "note"
        assert found[name]["text"].startswith("is not used: ")
        assert maker in found[name]["text"]
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.name.startswith("doctor")] == []


def test_doctor_names_a_choice_of_drivers_that_holds_none(tmp_path: Path) -> None:
    done = ferkern("doctor", OCL_ICD_VENDORS=str(tmp_path / "nowhere"), COLUMNS="300")
    assert done.returncode == 0, done.stdout
    assert f"OCL_ICD_VENDORS is set to {tmp_path / 'nowhere'}, which is not there" in done.stdout
    assert "unset OCL_ICD_VENDORS" in done.stdout


def test_import_is_quick() -> None:
    """`import ferkern` takes at most 0.15 s beyond NumPy (best of five, processor time)."""
    code = (
        "import numpy, time; t = time.process_time(); import ferkern; print(time.process_time() - t);"
        "import sys; print([m for m in ('PIL', 'torch', 'typer', 'rich', 'pyopencl') if m in sys.modules])"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split("\n")
        for _ in range(5)
    ]
    assert min(float(run[0]) for run in runs) <= 0.15
    assert runs[0][1] == "[]"


def test_eval(data: Path, tmp_path: Path) -> None:
    done = ferkern(
        "eval", "fer2013", "--path", data / "fer2013", "--json", tmp_path / "e.json", "--picture", tmp_path / "e.png"
    )
    assert done.returncode == 0
    for words in ("accuracy", "precision", "AUC", "Confusion matrix", "ms a face", "without the 280 faces"):
        assert words in done.stdout
    record = json.loads((tmp_path / "e.json").read_text())
    wanted = {"accuracy", "n", "classes", "per_class", "confusion", "ms_per_face", "model", "class_distribution"}
    assert wanted <= set(record)
    assert record["n"] == 3589
    assert 0.6 < record["accuracy_without_twins"] < record["accuracy"] < 0.8
    assert np.array(record["confusion"]).sum() == 3589
    assert set(record["per_class"]["happy"]) == {"precision", "recall", "f1", "auc"}
    assert record["class_distribution"]["happy"] == 895
    with Image.open(tmp_path / "e.png") as image:
        assert image.width > 800


def test_eval_of_a_table_with_some_usages(tmp_path: Path) -> None:
    """Rows of Kaggle's form; only what is not Training counts, or what --usage names."""
    rng = np.random.default_rng(1)
    usages = ["Training", "PrivateTest", "PrivateTest", "PublicTest"]
    rows = [f"{i},{' '.join(map(str, rng.integers(0, 256, 2304)))},{usage}" for i, usage in enumerate(usages)]
    table = tmp_path / "fer2013.csv"
    table.write_text("emotion,pixels,Usage\n" + "\n".join(rows) + "\n")
    record = json.loads(ferkern("eval", "fer2013", "--path", table, "--json", "-").stdout)
    assert (record["n"], record["usage"]["PrivateTest"]["n"]) == (3, 2)
    record = json.loads(ferkern("eval", "fer2013", "--path", table, "--usage", "Training", "--json", "-").stdout)
    assert (record["n"], record["class_distribution"]["angry"]) == (1, 1)
    done = ferkern("eval", "fer2013", "--path", table, "--usage", "Nothing")
    assert done.returncode == 2
    assert "PrivateTest, PublicTest, Training" in done.stderr


def test_torch_is_not_imported_to_recognize(portrait: Path) -> None:
    started = time.monotonic()
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, ferkern\n"
            f"assert ferkern.recognize({str(portrait)!r})\n"
            "print([m for m in ('torch', 'matplotlib', 'skimage', 'scipy', 'pyopencl') if m in sys.modules])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
    assert time.monotonic() - started < 30
