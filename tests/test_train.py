"""The training recipe: graph to torch and back, targets, augmentation, resuming, and what a run writes."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [train] with torch is not installed")

import torch.nn.functional as F  # noqa: E402
import typer  # noqa: E402
from PIL import Image  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from ferkern import models  # noqa: E402
from ferkern.cli.train import train  # noqa: E402
from ferkern.data import FaceSet  # noqa: E402
from ferkern.models.builder import GraphBuilder  # noqa: E402
from ferkern.models.network import Network, Node  # noqa: E402
from ferkern.train.augment import Augmentation, augment, standardise  # noqa: E402
from ferkern.train.average import WeightAverage  # noqa: E402
from ferkern.train.config import SecondCycle, TrainConfig, recipe  # noqa: E402
from ferkern.train.finish import finish  # noqa: E402
from ferkern.train.loop import Trainer, split_held_out  # noqa: E402
from ferkern.train.module import GraphModule  # noqa: E402
from ferkern.train.targets import soft_targets  # noqa: E402

STILL = Augmentation(flip=0, rotation=0, scale=0, aspect=0, shift=0, erase=0)


def _faces(n: int = 210, *, seed: int = 0) -> FaceSet:
    """Faces that a small network can tell apart: class k has a bright square at place k."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 7
    images = rng.integers(0, 60, (n, 48, 48), dtype=np.uint8)
    for image, k in zip(images, labels, strict=True):
        image[6 * k : 6 * k + 8, 20:28] += 150
    usage = np.where(np.arange(n) % 10 == 9, "PublicTest", "Training")
    votes = np.zeros((n, 10), np.int64)
    votes[np.arange(n), np.array([4, 5, 6, 1, 3, 2, 0])[labels]] = 10
    return FaceSet(images, labels.astype(np.int64), usage, votes, np.arange(n) % 20 == 9)


def _config(**changes: object) -> TrainConfig:
    settings = {
        "epochs": 2,
        "batch_size": 32,
        "held_out": 20,
        "warmup": 0.5,
        "precision": "float32",
        "second": SecondCycle(),
    }
    return recipe("fer_2conv", **{**settings, "augmentation": STILL, **changes})


@pytest.mark.parametrize("name", ["fer_2conv", "fer_4conv", "fer_small", "mini_xception"])
def test_graph_to_torch_and_back_keeps_every_bit(name: str) -> None:
    network = models.build(name, seed=4)
    module = GraphModule(network).to(memory_format=torch.channels_last)
    back = module.to_network()
    back.validate()
    assert back.nodes == network.nodes
    for key, tensor in network.weights.items():
        assert np.array_equal(back.weights[key], tensor)
        assert back.weights[key].flags.c_contiguous
    logits = module.eval()(torch.zeros(2, *network.input_shape))
    assert logits.shape == (2, 7)


def test_the_residual_graph_against_torch_written_out() -> None:
    g = GraphBuilder("block", (2, 6, 5), seed=1)
    y = g.conv_bn("input", 4, 3, stride=2)
    x = g.conv_bn("input", 4, 1, stride=2, activation=None)
    g.softmax(g.dense(g.global_avg_pool(g.activation(g.add(y, x))), 7))
    network = g.finish()
    rng = np.random.default_rng(0)
    for name, tensor in network.weights.items():
        tensor[...] = rng.uniform(0.5, 1.5, tensor.shape) if "batch_norm" in name else tensor
    w = {name: torch.from_numpy(tensor) for name, tensor in network.weights.items()}

    def bn(x: torch.Tensor, k: int) -> torch.Tensor:
        m, v, a, b = (w[f"batch_norm_{k}.{r}"] for r in ("mean", "variance", "gamma", "beta"))
        return F.batch_norm(x, m, v, a, b, eps=1e-5)

    inputs = torch.from_numpy(rng.normal(size=(3, 2, 6, 5)).astype(np.float32))
    y = F.relu(bn(F.conv2d(inputs, w["conv2d_1.w"], stride=2, padding=1), 1))
    x = bn(F.conv2d(inputs, w["conv2d_2.w"], stride=2), 2)
    expected = F.relu(y + x).mean((2, 3)) @ w["dense_1.w"].T + w["dense_1.b"]
    got = GraphModule(network).eval()(inputs)
    assert torch.allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("op", "attributes", "expected"),
    [
        ("max_pool2d", {"size": [2, 2], "stride": [2, 2], "padding": [1, 0, 0, 0]}, [[-1, -3], [-5, -7]]),
        ("avg_pool2d", {"size": [2, 2], "stride": [2, 2], "padding": [1, 0, 0, 0]}, [[-1.5, -3.5], [-7.5, -9.5]]),
        (
            "avg_pool2d",
            {"size": [2, 2], "stride": [2, 2], "padding": [1, 0, 0, 0], "count_include_pad": True},
            [[-0.75, -1.75], [-7.5, -9.5]],
        ),
        ("l2_pool2d", {"size": [3, 4], "stride": [3, 4], "padding": [0, 0, 0, 0]}, [[650**0.5]]),
    ],
)
def test_pools_by_hand(op: str, attributes: dict[str, object], expected: list[list[float]]) -> None:
    network = Network("pool", "a", (1, 3, 4), "b", [Node(op, ("a",), "b", attributes)], {}, classes=())
    x = -torch.arange(1.0, 13.0).reshape(1, 1, 3, 4)
    assert torch.allclose(GraphModule(network)(x)[0, 0], torch.tensor(expected, dtype=torch.float32))


def test_augmentation_of_no_strength_only_standardises() -> None:
    x = torch.rand(5, 1, 48, 48) * 255
    got = augment(x, STILL, torch.Generator().manual_seed(0))
    assert torch.allclose(got, standardise(x), atol=1e-3)
    assert got.mean((1, 2, 3)).abs().max() < 1e-4


def test_augmentation_is_decided_by_its_generator() -> None:
    x = torch.rand(8, 1, 48, 48) * 255
    a, b, c = (augment(x, Augmentation(), torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.isfinite(a).all()


def test_mirroring_shifting_and_another_size() -> None:
    x = torch.rand(4, 1, 48, 48) * 255
    still = {"rotation": 0.0, "scale": 0.0, "aspect": 0.0, "shift": 0.0, "erase": 0.0}
    mirrored = augment(x, Augmentation(flip=1.0, **still), torch.Generator().manual_seed(0))
    assert torch.allclose(mirrored, standardise(x.flip(3)), atol=1e-3)
    small = augment(x, Augmentation(flip=0.0, **still), torch.Generator().manual_seed(0), size=36)
    assert small.shape == (4, 1, 36, 36)
    erased = augment(x, Augmentation(flip=0.0, **{**still, "erase": 1.0}), torch.Generator().manual_seed(0))
    holes = (erased == 0).sum((1, 2, 3)) / 48**2
    assert ((holes > 0.01) & (holes < 0.2)).all()


def test_faces_that_are_not_moved_stay_as_sharp_as_they_were() -> None:
    x = torch.rand(64, 1, 48, 48) * 255
    got = augment(x, Augmentation(flip=0, still=0.5, erase=0), torch.Generator().manual_seed(3))
    same = (got - standardise(x)).abs().amax((1, 2, 3)) < 1e-3
    assert 16 < int(same.sum()) < 48


def test_soft_targets_are_distributions_between_label_and_votes() -> None:
    faces = _faces()
    assert faces.votes is not None
    votes = faces.votes.copy()
    votes[0] = 0
    kwargs = {"classes": 7, "votes_weight": 0.5, "label_smoothing": 0.0}
    t = soft_targets(faces.labels, votes, **kwargs)
    assert torch.allclose(t.sum(1), torch.ones(len(t)), atol=1e-5)
    assert t[0].tolist() == F.one_hot(torch.tensor(0), 7).tolist()  # no votes: the label alone
    assert (t.argmax(1).numpy() == faces.labels).all()
    smooth = soft_targets(faces.labels, None, classes=7, votes_weight=0.5, label_smoothing=0.07)
    assert smooth.max(1).values.tolist() == pytest.approx([0.94] * len(t))
    with pytest.raises(ValueError, match=r"votes_weight must be in 0\.\.1, is 2"):
        soft_targets(faces.labels, None, classes=7, votes_weight=2, label_smoothing=0)


def test_votes_that_say_nothing_teach_the_classes_frequencies() -> None:
    labels = np.repeat(np.arange(7), [10, 20, 30, 40, 50, 60, 70])
    votes = np.tile(np.array([[5, 5, 0, 0, 0, 0, 0, 0, 0, 0]]), (len(labels), 1))
    t = soft_targets(labels, votes, classes=7, votes_weight=1.0, label_smoothing=0.0)
    assert t[0].numpy() == pytest.approx(np.bincount(labels) / len(labels), abs=0.01)


def test_held_out_faces_are_of_training_and_apart() -> None:
    faces = _faces()
    faces.images[3] = 9  # blank
    train_part, held_out = split_held_out(faces, 30, seed=1)
    assert set(train_part.usage) | set(held_out.usage) == {"Training"}
    assert len(train_part) + len(held_out) == len(faces.part("Training")) - 1
    seen = {x.tobytes() for x in train_part.images}
    assert not seen & {x.tobytes() for x in held_out.images}
    again = split_held_out(faces, 30, seed=1)[1]
    assert np.array_equal(again.images, held_out.images)
    with pytest.raises(ValueError, match="held_out must be in"):
        split_held_out(faces, 0, seed=1)


def test_average_is_the_written_out_recurrence() -> None:
    module = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(module.weight, 0.0)
    average = WeightAverage(module, decay=0.5)
    expected = 0.0
    for t, value in enumerate((1.0, 2.0, 4.0), start=1):
        torch.nn.init.constant_(module.weight, value)
        average.update(module)
        d = min(0.5, (1 + t) / (10 + t))
        expected = d * expected + (1 - d) * value
    with average.applied(module):
        assert module.weight.item() == pytest.approx(expected)
    assert module.weight.item() == 4.0


def test_one_cycle_rises_and_falls(tmp_path: Path) -> None:
    trainer = Trainer(_config(epochs=10, warmup=2.0, learning_rate=0.5), _faces(), tmp_path)
    rates = [trainer.learning_rate(s) for s in range(10 * trainer.steps)]
    top = int(np.argmax(rates))
    assert rates[top] == pytest.approx(0.5)
    assert abs(top - 2 * trainer.steps) <= 1
    assert np.all(np.diff(rates[: top + 1]) >= 0)
    assert np.all(np.diff(rates[top:]) <= 0)
    assert rates[-1] < 0.01


def test_a_second_cycle_begins_from_the_average_and_resumes(tmp_path: Path) -> None:
    second = SecondCycle(epochs=2, learning_rate=0.01)
    config = _config(epochs=1, second=second)
    trainer = Trainer(config, _faces(), tmp_path / "a")
    rates = [trainer.learning_rate(s) for s in range(3 * trainer.steps)]
    assert max(rates[trainer.steps :]) == pytest.approx(0.01)
    assert rates[-1] < 0.002
    whole = trainer.run()
    assert [r.epoch for r in trainer.history] == [1, 2, 3]
    Trainer(_config(epochs=1), _faces(), tmp_path / "b").run()
    resumed = Trainer(config, _faces(), tmp_path / "b", resume=True).run()
    for name, tensor in whole.weights.items():
        assert np.array_equal(resumed.weights[name], tensor), name


def test_a_resumed_run_gives_the_same_bits(tmp_path: Path) -> None:
    faces = _faces()
    whole = Trainer(_config(epochs=3, augmentation=Augmentation()), faces, tmp_path / "a").run()

    class Stop(Exception):
        pass

    def stop(epoch: int, step: int, steps: int) -> None:
        if epoch == 2:
            raise Stop

    with pytest.raises(Stop):
        Trainer(_config(epochs=3, augmentation=Augmentation()), faces, tmp_path / "b").run(on_step=stop)
    again = Trainer(_config(epochs=3, augmentation=Augmentation()), faces, tmp_path / "b", resume=True)
    assert len(again.history) == 2
    resumed = again.run()
    for name, tensor in whole.weights.items():
        assert np.array_equal(resumed.weights[name], tensor), name


def test_another_networks_checkpoint_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    Trainer(_config(epochs=1), _faces(), tmp_path).run()
    with pytest.raises(ValueError, match="holds a run of 'fer_2conv', not of 'fer_4conv'"):
        Trainer(recipe("fer_4conv", held_out=20), _faces(), tmp_path, resume=True)
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match=r"checkpoint\.pt: not a readable checkpoint"):
        Trainer(_config(epochs=2), _faces(), tmp_path, resume=True)


def test_a_run_may_start_from_trained_weights_and_go_straight_to_the_second_cycle(tmp_path: Path) -> None:
    second = SecondCycle(epochs=1, learning_rate=1e-9, augmentation=STILL)
    config = _config(epochs=0, start="fer_2conv", second=second)
    trainer = Trainer(config, _faces(), tmp_path)
    network = trainer.run()
    assert [record.epoch for record in trainer.history] == [1]
    for name, tensor in models.load("fer_2conv").weights.items():
        np.testing.assert_allclose(network.weights[name], tensor, atol=1e-6)
    before = network.metadata["recipe"]
    result = finish(network, config, _faces(), tmp_path)
    stored = models.load(result.weights)
    assert stored.metadata["start_recipe"] == before
    assert json.loads(stored.metadata["recipe"])["start"] == "fer_2conv"
    text = result.weights.with_suffix(".md").read_text()
    assert "It started from weights" in text
    assert json.dumps(json.loads(before), indent=2) in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, is 0"),
        ({"start": "fer_small"}, "start: 'fer_small' holds 'fer_small', the network is 'fer_2conv'"),
        ({"second": SecondCycle(aligned=1.5)}, r"second\.aligned must be in 0\.\.1, is 1\.5"),
    ],
)
def test_starts_and_shares_that_cannot_be_are_refused(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        Trainer(_config(**changes), _faces(), tmp_path)


def test_aligned_faces_are_shown_in_the_second_cycle_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = _faces()
    shown: list[tuple[bool, bool]] = []

    def watch(x: torch.Tensor, *rest: object, **options: object) -> torch.Tensor:
        white = x.flatten(1).min(dim=1).values == 255
        shown.append((bool(white.any()), bool(white.all())))
        return augment(x, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("ferkern.train.loop.upright", lambda images: np.full_like(images, 255))
    monkeypatch.setattr("ferkern.train.loop.augment", watch)
    second = SecondCycle(epochs=1, aligned=0.5, augmentation=STILL)
    trainer = Trainer(_config(epochs=1, second=second), faces, tmp_path)
    trainer.run()
    first, later = shown[: trainer.steps], shown[trainer.steps :]
    assert all(some is False for some, _ in first)
    assert all(some and not every for some, every in later)


def test_turned_faces_are_laid_upright() -> None:
    from ferkern import image
    from ferkern.face.detect import Detector
    from ferkern.face.expression import crop
    from ferkern.train.align import upright

    skimage_data = pytest.importorskip("skimage.data")
    gray = image.to_gray(skimage_data.astronaut())
    face = crop(gray, Detector.load().detect(gray).boxes[:1].astype(np.float64))[0]
    angle = np.deg2rad(15)
    c, s = np.cos(angle), np.sin(angle)
    about_middle = np.array([[c, -s, 23.5 - 23.5 * c + 23.5 * s], [s, c, 23.5 - 23.5 * s - 23.5 * c]])
    turned = image.warp(face, about_middle, (48, 48), border="replicate")
    straight, back = upright(np.stack([face, turned]))

    def likeness(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.corrcoef(a[8:40, 8:40].ravel(), b[8:40, 8:40].ravel())[0, 1])

    assert likeness(straight, back) > 0.9
    assert likeness(straight, back) > likeness(face, turned) + 0.2


def test_settings_go_to_plain_values_and_back() -> None:
    config = recipe("fer_small", epochs=3, seed=None)
    assert config.epochs == 3
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    for wrong in ({"speed": 3}, {"second": {"speed": 3}}, {"augmentation": {"speed": 3}}):
        with pytest.raises(ValueError, match=r"unknown settings of .*: speed"):
            TrainConfig.from_dict({"network": "fer_small", **wrong})
    for wrong in ({"epochs": 0}, {"precision": "int4"}, {"average_decay": 1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            recipe("fer_small", **wrong)


def _write_folders(root: Path, faces: FaceSet) -> None:
    for i, (image, label, usage) in enumerate(zip(faces.images, faces.labels, faces.usage, strict=True)):
        folder = root / ("train" if usage == "Training" else "validation") / faces.classes[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i:04d}.png")


def test_the_command_writes_weights_curves_evaluation_and_card(tmp_path: Path) -> None:
    _write_folders(tmp_path / "data", _faces(1400))
    app = typer.Typer()
    app.command()(train)
    out = tmp_path / "out"
    arguments = ["fer_4conv", "--path", str(tmp_path / "data"), "--out", str(out), "--epochs", "2"]
    done = CliRunner().invoke(app, [*arguments, "--batch-size", "16"])
    assert done.exit_code == 0, done.output
    record = json.loads((out / "evaluation.json").read_text())
    assert record["all"]["n"] == 140
    assert record["all"]["accuracy"] > 0.5  # chance is 1/7
    assert hashlib.sha256((out / "fer_4conv.safetensors").read_bytes()).hexdigest() == record["sha256"]
    network = models.load(out / "fer_4conv.safetensors")
    assert network.metadata["accuracy"].endswith("of 140")
    with open(out / "curves.csv", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    with Image.open(out / "curves.png") as picture:
        assert picture.width > 500
    text = (out / "fer_4conv.md").read_text()
    for words in (record["sha256"], "Article 5", "Confusion matrix", "ferkern train fer_4conv"):
        assert words in text


def test_the_command_refuses_a_network_that_there_is_not_before_it_reads_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferkern.data.read_faces", None)
    app = typer.Typer()
    app.command()(train)
    done = CliRunner().invoke(app, ["fer_huge", "--path", str(tmp_path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "there is no 'fer_huge'; there are" in " ".join(done.output.replace("│", " ").split())
    assert not (tmp_path / "out").exists()
