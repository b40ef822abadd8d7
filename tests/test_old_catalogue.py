"""A catalogue written by the release before this one opens, reads and edits as before; its old names still work."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import cdwidget.catalogue
from cdwidget import Catalogue
from cdwidget.catalogue import AddResult, Duplicate, HistoryEntry, ScoreValue
from cdwidget.catalogue.similarity import read_embeddings
from cdwidget.formats.coco import Crowd
from cdwidget.session import Session
from cdwidget.session.files import FOLDER
from cdwidget.tools import Brush

OLD_CATALOGUE = Path(__file__).parent / "data" / "old_catalogue"  # Four images of 40 x 30 pixels.


def box(x: int, y: int, side: int = 8) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[y : y + side, x : x + side] = True
    return mask


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    shutil.copytree(OLD_CATALOGUE / "images", tmp_path / "images")
    shutil.copyfile(OLD_CATALOGUE / "labels.db", tmp_path / "labels.db")
    shutil.copytree(OLD_CATALOGUE / "autosave", tmp_path / FOLDER / "labels.db" / "2-1")
    return Catalogue(tmp_path / "labels.db", user="ben")


def test_items_and_instances(catalogue: Catalogue) -> None:
    rows = catalogue.query()
    assert [(row.status, row.instances, row.version) for row in rows] == [("new", 2, 1), ("accepted", 2, 1), ("new", 1, 2), ("new", 0, 0)]
    assert catalogue.labels() == ["bird", "cat", "people"] and catalogue.tags() == ["night", "old"]
    assert catalogue.item(2).tags == ("night", "old")
    cat, bird = catalogue.item(1).instances
    assert (cat.mask == box(3, 4)).all() and bird.label == "bird" and bird.mask[18, 30]
    ring, people = catalogue.item(2).instances
    assert (ring.mask == (box(3, 4, 12) & ~box(6, 7, 4))).all() and isinstance(people, Crowd)
    (soft,) = catalogue.item(3).instances
    assert soft.alpha is not None and sorted(set(soft.alpha.ravel().tolist())) == [0, 100, 255]
    assert [row.status for row in catalogue.query(of="instances", where=[("item", "=", 1)])] == ["new", "accepted"]


def test_scores_and_heat_maps(catalogue: Catalogue) -> None:
    assert catalogue.score_names() == ["critic", "overall"]
    critic, overall = catalogue.scores(1)
    assert (critic.name, critic.value, critic.reason) == ("critic", 0.6, "IoU 0.4")
    assert (overall.value, overall.reason) == (0.7, "a straight cut") and overall.heat is not None and overall.heat.shape == (8, 8)
    assert [row.score for row in catalogue.query(order_by="-score")] == [0.7, 0.4, None, None]
    assert catalogue.heat(1) is not None and catalogue.thumbnails([1])[0].error == ""


def test_history_is_read_and_undone(catalogue: Catalogue) -> None:
    (entry,) = catalogue.history(1)
    assert (entry.action, entry.user, entry.undone) == ("accepted", "ana", False)
    assert [action["type"] for action in entry.detail["actions"]] == ["select", "brush", "relabel"]
    assert [(entry.action, entry.undone) for entry in catalogue.history(3)] == [("update", True), ("undo", True)]
    assert catalogue.undo(1)
    assert catalogue.item(1).instances[1].label == "dog" and (catalogue.item(1).instances[1].mask == box(20, 10)).all()
    assert not catalogue.figure("effort").axes[0].texts, "the sessions of the history are counted"


def test_the_progress_of_a_job(catalogue: Catalogue) -> None:
    state = catalogue.job_state("prelabel", "a setting")
    assert state.pending().tolist() == [2, 3]
    assert catalogue.job_state("prelabel", "another setting").pending().tolist() == [1, 2, 3, 4]


def test_embeddings_and_subsets(catalogue: Catalogue) -> None:
    ids, vectors = read_embeddings(catalogue)
    assert ids.tolist() == [1, 2, 3, 4] and vectors.shape == (4, 6)
    assert len(catalogue.subset(tag="old").without_duplicates().diverse(2)) == 2
    assert len(catalogue.database.rows("SELECT * FROM fingerprints")) == 4


def test_problems_of_images(catalogue: Catalogue) -> None:
    assert [row.id for row in catalogue.query(where=[("problem", "!=", None)])] == [4]
    assert catalogue.check(decode=True) == [] and catalogue.query(where=[("problem", "!=", None)]) == []


def test_unsaved_changes_are_restored_and_saved(catalogue: Catalogue) -> None:
    session = catalogue.session(2)
    assert session.selected == 1 and session.can_undo and session.mask[20, 10]
    session.apply(Brush(((30.0, 25.0),), 2.0))
    assert catalogue.update(2, session, status="rejected") == 2
    assert catalogue.item(2).instances[0].mask[25, 30] and catalogue.history(2)[-1].user == "ben"
    assert not (catalogue.path.parent / FOLDER / "labels.db" / "2-1").exists()


def test_export(catalogue: Catalogue, tmp_path: Path) -> None:
    copy = Catalogue(tmp_path / "copy.db")
    assert copy.import_("coco", catalogue.export("coco", tmp_path / "out.json")).instances == 5
    assert [len(item.instances) for item in copy.items()] == [2, 2, 1, 0]


def test_the_module_review_is_deprecated() -> None:
    import cdwidget.review

    with pytest.warns(DeprecationWarning, match=r"cdwidget.review.Catalogue is deprecated .* use cdwidget.catalogue.Catalogue"):
        assert cdwidget.review.Catalogue is Catalogue
    with pytest.warns(DeprecationWarning, match="cdwidget.review.Score is deprecated"):
        assert cdwidget.review.Score is ScoreValue


@pytest.mark.parametrize(("old", "new"), [("Score", ScoreValue), ("Past", HistoryEntry), ("Added", AddResult), ("LeftOut", Duplicate)])
def test_renamed_classes_are_deprecated(old: str, new: type) -> None:
    with pytest.warns(DeprecationWarning, match=f"cdwidget.catalogue.{old} is deprecated .* use cdwidget.catalogue.{new.__name__}"):
        assert getattr(cdwidget.catalogue, old) is new
    with pytest.raises(AttributeError, match="no attribute 'Unknown'"):
        cdwidget.catalogue.Unknown  # noqa: B018


def test_renamed_attributes_are_deprecated(catalogue: Catalogue) -> None:
    entry = catalogue.history(1)[0]
    for old, new in (("what", "action"), ("who", "user"), ("at", "time")):
        with pytest.warns(DeprecationWarning, match=f"HistoryEntry.{old} is deprecated .* use HistoryEntry.{new}"):
            assert getattr(entry, old) == getattr(entry, new)
    with pytest.warns(DeprecationWarning, match="Subset.duplicates"):
        assert catalogue.subset().left_out == ()
    with pytest.warns(DeprecationWarning, match="Catalogue.job_state"):
        assert catalogue.work("prelabel", "a setting").pending().tolist() == [2, 3]
    with pytest.warns(DeprecationWarning, match="Catalogue.user"):
        assert catalogue.who == "ben"
    with pytest.warns(DeprecationWarning, match=r"Catalogue\(user=...\)"):
        assert Catalogue(catalogue.path, who="eva").user == "eva"


def test_a_session_without_an_origin_is_saved(catalogue: Catalogue) -> None:
    item = catalogue.item(1)
    session = Session(item.read_image(), instances=list(item.instances))
    session.delete(1)
    assert catalogue.update(1, session) == 2 and len(catalogue.item(1).instances) == 1
