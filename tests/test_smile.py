"""The smile head: its regression, its folds, its file."""

from __future__ import annotations

import hashlib
from importlib import resources

import numpy as np
import pytest

from ferkern import Recognizer, models
from ferkern.data import read_smiles
from ferkern.errors import ModelError
from ferkern.face.landmarks import LANDMARKS
from ferkern.face.smile import SmileHead, smile_network
from ferkern.models.store import files
from ferkern.train.smile import fit_logistic, folds, judge


def blobs(rng, n=400, apart=1.5):
    labels = rng.random(n) < 0.55
    x = rng.normal(size=(n, 6)) * (1, 10, 0.1, 1, 1, 3) + 5
    x[:, 0] += apart * labels
    x[:, 1] -= 10 * apart * labels
    return x, labels


def test_regression_is_where_the_gradient_vanishes(rng):
    x, labels = blobs(rng)
    decay = 0.05
    w, b = fit_logistic(x, labels, decay=decay)
    p = 1 / (1 + np.exp(-(x @ w + b)))
    deviation = x.std(axis=0)
    slope = ((x - x.mean(axis=0)) / deviation).T @ (p - labels) / len(x) + decay * w * deviation
    np.testing.assert_allclose(slope, 0, atol=1e-9)
    assert abs((p - labels).mean()) < 1e-9


def test_a_feature_that_never_changes_is_no_trouble(rng):
    x, labels = blobs(rng)
    x[:, 3] = 7.0
    w, b = fit_logistic(x, labels)
    assert np.isfinite([*w, b]).all()


def test_folds_share_both_classes_out_evenly():
    labels = np.arange(103) < 40
    fold = folds(labels, count=5, seed=3)
    for value in (False, True):
        counts = np.bincount(fold[labels == value], minlength=5)
        assert counts.max() - counts.min() <= 1
    np.testing.assert_array_equal(fold, folds(labels, count=5, seed=3))
    assert (fold != folds(labels, count=5, seed=4)).any()


def test_what_tells_nothing_has_even_chances_and_what_tells_all_is_right(rng):
    x, labels = blobs(rng, n=1000)
    found = np.ones(1000, np.bool_)
    nothing = judge(rng.normal(size=(1000, 6)), labels, found)
    assert abs(nothing.auc - 0.5) < 0.08
    everything = judge(np.c_[x, 40.0 * labels], labels, found)
    assert everything.accuracy > 0.99
    assert len(everything.accuracies) == 5


def test_a_missed_face_is_an_error_with_score_one_half(rng):
    x, labels = blobs(rng, n=500, apart=30)
    found = np.ones(500, np.bool_)
    found[:100] = False
    x[:100] = np.nan
    report = judge(x, labels, found)
    assert report.found == pytest.approx(0.8)
    assert report.accuracy == pytest.approx(0.8, abs=0.02)
    assert (report.scores[:100] == 0.5).all()
    assert report.auc == pytest.approx(1 - 0.2 * 0.2 / 2, abs=0.01)  # only missed against missed is undecided


def test_the_head_is_the_regression(rng, tmp_path):
    x, labels = blobs(rng)
    w, b = fit_logistic(x, labels)
    path = tmp_path / "smile.safetensors"
    models.save(smile_network(w, b, metadata={"features": "fer_small"}), path, dtype="float32")
    head = SmileHead(path)
    assert head.reads == "fer_small"
    np.testing.assert_allclose(head(x.astype(np.float32)), 1 / (1 + np.exp(-(x @ w + b))), atol=1e-5)
    assert head(np.zeros((0, 6), np.float32)).shape == (0,)


def test_another_network_is_no_smile_head(tmp_path):
    with pytest.raises(ModelError, match=r"a smile head has input \[F, 1, 1\], output \[1\]"):
        SmileHead("fer_small")
    network = smile_network(np.zeros(4), 0.0, metadata={})
    with pytest.raises(ModelError, match="names a network as 'features'"):
        SmileHead(network)


def test_the_shipped_head_belongs_to_its_card_and_to_the_shipped_network():
    shipped = files()
    digest = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in shipped.items()}
    card = (resources.files("ferkern.models") / "weights" / "smile.md").read_text()
    assert f"`{digest['smile']}`" in card
    head = SmileHead()
    assert head.reads == "fer_small"
    assert head.network.metadata["features_sha256"] == digest["fer_small"]
    assert head.network.metadata["landmarks"] == LANDMARKS


def test_a_portrait_smiles():
    skimage_data = pytest.importorskip("skimage.data")
    (face,) = Recognizer()(skimage_data.astronaut())
    assert face.smile is not None
    assert face.smile > 0.9


@pytest.mark.slow
@pytest.mark.dataset
def test_smiles_of_genki(data):
    labels = read_smiles(data / "genki4k", "genki4k")
    recognizer, right, found = Recognizer(), 0, 0
    every = range(0, len(labels), 15)
    for i, done in zip(every, recognizer.stream([labels.paths[i] for i in every]), strict=True):
        found += bool(done.faces)
        right += bool(done.faces) and (done.faces[0].smile > 0.5) == labels.smiles[i]
    assert found >= 0.97 * len(every)
    assert right >= 0.91 * len(every)
