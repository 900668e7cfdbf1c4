"""Labels of frames, and decision trees whose figures do not flatter."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ferkern.analyze.labels import assign, from_network, read_labels
from ferkern.analyze.structure import decompose
from ferkern.analyze.trajectories import Trajectories, gather
from ferkern.analyze.trees import Leaf, Question, cross_validate, learn, prepare
from ferkern.video.tracks_read import read_tracks
from moving_faces import faces, phases, write_tracks

pytest.importorskip("sklearn")
pytestmark = pytest.mark.slow


def trajectories_of(path: Path) -> Trajectories:
    return gather([read_tracks(path)])


@pytest.fixture(scope="module")
def phased(tmp_path_factory) -> Trajectories:
    """Ten phases of a second, smiling and not in turn, as the network would say; face 2 is the same for 4 seconds."""
    smile, emotions = phases(10, 25)
    smile = smile + np.random.default_rng(2).normal(0, 0.1, len(smile))
    one, two = faces(smile, 0 * smile), faces(smile[:100], 0 * smile[:100], seed=5)
    return trajectories_of(
        write_tracks(tmp_path_factory.mktemp("tracks") / "t.csv", {1: one, 2: two}, emotions=emotions)
    )


@pytest.fixture
def labelled(tmp_path):
    def write(text: str) -> Path:
        (tmp_path / "labels.csv").write_text(text)
        return tmp_path / "labels.csv"

    return write


# -- labels ----------------------------------------------------------------------


def test_frames_hold_their_last_seconds_do_not(phased, labelled):
    found = assign(phased, read_labels(labelled("first,last,label\n0,9,a\n10,19,b\n")), "x.csv")
    assert found.of_rows[:21].tolist() == ["a"] * 10 + ["b"] * 10 + [""]
    found = assign(phased, read_labels(labelled("start,end,label\n0,0.4,a\n0.4,0.8,b\n")), "x.csv")
    assert found.of_rows[:21].tolist() == ["a"] * 10 + ["b"] * 10 + [""]
    assert (found.source, found.given) == ("given by x.csv", True)


def test_face_and_file_say_which_is_meant(phased, labelled):
    text = "label,face,first,last,file\na,2,0,249,\nb,1,0,9,t.csv\nc,,0,9,other.csv\n\n"
    found = assign(phased, read_labels(labelled(text)), "x.csv")
    assert set(found.of_rows[250:].tolist()) == {"a"}
    assert found.of_rows[:11].tolist() == ["b"] * 10 + [""]
    assert found.unused == ("line 4 (0 to 9 frames, 'c')",)


def test_stretches_may_overlap_where_they_agree(phased, labelled):
    found = assign(phased, read_labels(labelled("first,last,label\n0,9,a\n5,14,a\n")), "x.csv")
    assert (found.of_rows == "a").sum() == 30  # of both faces
    with pytest.raises(
        ValueError, match=r"x\.csv: line 2 .* and line 3 \(5 to 14 frames, 'b'\) do not agree on frame 5 "
    ):
        assign(phased, read_labels(labelled("first,last,label\n0,9,a\n5,14,b\n")), "x.csv")


def test_labels_beside_the_recording(phased, labelled):
    with pytest.raises(
        ValueError, match=r"x\.csv: no frame has a label; there are t\.csv, face 1: frames 0 to 249, 0\.00"
    ):
        assign(phased, read_labels(labelled("start,end,label\n100,200,a\n")), "x.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the columns are '', expected start,end,label"),
        ("from,to,label\n0,1,a\n", "line 1: the columns are 'from,to,label'"),
        ("start,last,label\n0,1,a\n", "line 1: the columns"),
        ("start,end,label,mood\n0,1,a,b\n", "line 1: the columns"),
        ("start,end,label\n", "has no labels below its header"),
        ("start,end,label\n0,1\n", "line 2: has 2 columns, the header 3"),
        ("start,end,label\n\n0,x,a\n", "line 3: column end: 'x', expected a number from 0"),
        ("start,end,label\n-1,2,a\n", "line 2: column start: '-1', expected a number from 0"),
        ("start,end,label\n2,1,a\n", "line 2: column end: 1 does not lie behind 2"),
        ("start,end,label\n1,1,a\n", "line 2: column end: 1 does not lie behind 1"),
        ("first,last,label\n0.5,2,a\n", "line 2: column first: '0.5', expected a whole number"),
        ("first,last,label\n0,nan,a\n", "line 2: column last: 'nan', expected a whole number"),
        ("first,last,label\n0,2, \n", "line 2: column label: is empty"),
        ("first,last,label,face\n0,2,a,me\n", "line 2: column face: 'me', expected a whole number"),
        ('first,last,label\n0,2,"a\n', "line 2: not a CSV table"),
    ],
)
def test_damaged_labels_are_told_by_line_and_column(text, message, labelled):
    path = labelled(text)
    with pytest.raises(ValueError, match=re.escape(f"labels.csv: {message}")):
        read_labels(path)


def test_labels_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        read_labels(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(ValueError, match="not a text file"):
        read_labels(tmp_path / "b.csv")


# -- trees ----------------------------------------------------------------------


def test_what_can_be_told_is_told(phased):
    samples = prepare(phased, from_network(phased), block_seconds=1)
    assert samples.classes == ("happy", "neutral")  # in the network's order
    found = cross_validate(phased, samples, depth=2)
    assert found.evaluation.accuracy > 0.97
    assert found.baseline == pytest.approx(175 / 350)
    assert len(found.folds) == 5
    assert sum(fold.tested for fold in found.folds) == len(samples) == found.evaluation.n == 350
    tree = learn(decompose(phased), samples, depth=2)
    assert isinstance(tree, Question)
    assert tree.component == 0
    assert {tree.yes.label, tree.no.label} == {"happy", "neutral"}


def test_trees_are_tested_on_faces_they_have_not_seen(phased):
    samples = prepare(phased, from_network(phased))
    found = cross_validate(phased, samples, split="recordings")
    assert [fold.name for fold in found.folds] == ["t.csv, face 1", "t.csv, face 2"]
    assert [(fold.learnt_from, fold.tested) for fold in found.folds] == [(100, 250), (250, 100)]
    assert found.evaluation.accuracy > 0.97


def test_labels_that_have_nothing_to_do_with_the_face_are_not_told(tmp_path):
    """A face that drifts and labels by the clock: a random split learns the clock by heart, blocks do not."""
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    rng = np.random.default_rng(4)
    smile, brows = np.cumsum(rng.normal(0, 0.1, (2, 800)), axis=1)
    emotions = [("happy", "sad", "fear")[int(i)] for i in np.repeat(rng.integers(0, 3, 20), 40)]
    path = write_tracks(tmp_path / "t.csv", {1: faces(smile, brows)}, emotions=emotions)
    drifting = trajectories_of(path)
    samples = prepare(drifting, from_network(drifting), block_seconds=1.6)
    honest = cross_validate(drifting, samples, depth=8).evaluation.accuracy
    flattering = cross_val_score(
        DecisionTreeClassifier(max_depth=8, random_state=0),
        decompose(drifting).scores,
        samples.labels,
        cv=KFold(5, shuffle=True, random_state=0),
    ).mean()
    assert flattering > 0.65
    assert honest < 0.5


def test_nothing_near_a_held_out_frame_is_learnt_from(phased):
    samples = prepare(phased, from_network(phased), block_seconds=2)
    found = cross_validate(phased, samples, folds=5)
    # Of 250 frames in blocks of 50, and of 100 in the same, a fold holds out one block of the first, and of the second
    # one or none; 0.5 s to each side, 12 frames (the 13th is 0.52 s away), are not learnt from.
    assert [fold.tested for fold in found.folds] == [100, 100, 50, 50, 50]
    first = found.folds[0]
    assert first.learnt_from == 350 - 100 - 2 * 12


def test_what_is_missing_for_a_test_is_said(tmp_path):
    smile, emotions = phases(2, 20)
    path = write_tracks(tmp_path / "t.csv", {1: faces(smile, 0 * smile)}, emotions=emotions)
    short = trajectories_of(path)
    samples = prepare(short, from_network(short), block_seconds=2)
    with pytest.raises(ValueError, match="the labelled frames fill one block of 2 s: nothing can be held out honestly"):
        cross_validate(short, samples)
    with pytest.raises(ValueError, match="labels stand in one recording alone"):
        cross_validate(short, samples, split="recordings")
    with pytest.raises(ValueError, match="split must be 'time blocks' or 'recordings', is 'random'"):
        cross_validate(short, samples, split="random")
    with pytest.raises(ValueError, match="folds must be 2 or more, is 1"):
        cross_validate(short, samples, folds=1)
    with pytest.raises(ValueError, match="block_seconds must be positive, is 0"):
        prepare(short, from_network(short), block_seconds=0)


def test_one_label_is_nothing_to_learn(tmp_path, labelled, phased):
    only = assign(phased, read_labels(labelled("first,last,label\n0,99,a\n100,102,b\n")), "x.csv")
    with pytest.raises(ValueError, match=r"two labels of 10 frames or more; given by x\.csv: a 200, b 3 of 350 frames"):
        prepare(phased, only)
    three = assign(phased, read_labels(labelled("first,last,label\n0,49,a\n50,99,b\n100,102,c\n")), "x.csv")
    samples = prepare(phased, three)
    assert samples.classes == ("a", "b")
    assert samples.left_out == {"c": 3}
    assert len(samples) == 200


def test_a_question_whose_answers_agree_is_left_out(phased):
    samples = prepare(phased, from_network(phased))

    def check(node: Question | Leaf) -> int:
        if isinstance(node, Leaf):
            return node.frames
        both = isinstance(node.yes, Leaf) and isinstance(node.no, Leaf)
        assert not both or node.yes.label != node.no.label
        return check(node.yes) + check(node.no)

    assert check(learn(decompose(phased, 20), samples, depth=8)) == len(samples)
