"""Sessions of a catalogue: unsaved edits outlive the process and decisions, and the other fields of an instance outlive edits."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdwidget import Catalogue, Instance, Item
from cdwidget.catalogue import Conflict
from cdwidget.session import Session
from cdwidget.tools import Brush

FIELDS = {"attributes": {"occluded": True}, "score": 0.25, "track_id": 7, "extra": {"coco": {"area_m2": 1.5}}}


def square(x: int, y: int) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[y : y + 8, x : x + 8] = True
    return mask


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(tmp_path / "a.png")
    found = Catalogue(tmp_path / "labels.db", user="ana")
    found.add([Item(tmp_path / "a.png", [Instance(square(3, 4), "cat", **FIELDS), Instance(square(20, 10), "dog")])])
    return found


def abandon(session: Session) -> None:
    """End a session as a process that is killed does."""
    assert session.journal is not None
    session.journal.close()


def journals(catalogue: Catalogue) -> list[Path]:
    return list((catalogue.path.parent / ".cdwidget").rglob("*.jsonl"))


@pytest.mark.parametrize("of", ["items", "instances"])
def test_unsaved_edits_outlive_a_decision(catalogue: Catalogue, of: str) -> None:
    session = catalogue.session(1, selected=1)
    session.apply(Brush(points=((30, 25),), radius=3))
    drawn = session.mask.copy()
    abandon(session)
    catalogue.set_status(1, "accepted", of=of)  # type: ignore[arg-type]
    restored = catalogue.session(1, selected=1)
    assert (restored.mask == drawn).all()
    catalogue.update(1, restored)
    assert (catalogue.item(1).instances[0].mask == drawn).all() and not journals(catalogue)


def test_unsaved_edits_stay_when_the_masks_were_changed(catalogue: Catalogue) -> None:
    session = catalogue.session(1, selected=1)
    session.apply(Brush(points=((30, 25),), radius=3))
    abandon(session)
    catalogue.update(1, [Instance(square(9, 9), "cat", 1)])
    opened = catalogue.session(1, selected=1)
    assert (opened.mask == square(9, 9)).all() and opened.journal is not None and ".jsonl" in opened.journal.notice
    opened.apply(Brush(points=((30, 5),), radius=3))
    catalogue.update(1, opened)
    assert journals(catalogue), "the earlier edits are kept"


def test_unsaved_edits_outlive_a_transaction_that_is_rolled_back(catalogue: Catalogue) -> None:
    session = catalogue.session(1, selected=1)
    session.apply(Brush(points=((30, 25),), radius=3))
    drawn = session.mask.copy()
    with pytest.raises(KeyError), catalogue.transaction():
        catalogue.update(1, session)
        raise KeyError("another change of the block fails")
    abandon(session)
    assert (catalogue.item(1).instances[0].mask == square(3, 4)).all()
    restored = catalogue.session(1, selected=1)
    assert (restored.mask == drawn).all()
    with catalogue.transaction():
        catalogue.update(1, restored)
    abandon(restored)
    reopened = catalogue.session(1, selected=1)
    assert (catalogue.item(1).instances[0].mask == drawn).all() and (reopened.mask == drawn).all()
    assert reopened.journal is not None and not reopened.journal.notice


def test_a_rolled_back_update_is_no_conflict_and_a_committed_one_continues(catalogue: Catalogue) -> None:
    session = catalogue.session(1, selected=1)
    session.relabel("lion")
    with pytest.raises(KeyError), catalogue.transaction():
        catalogue.update(1, session)
        session.relabel("tiger")
        catalogue.update(1, session)
        raise KeyError("another change of the block fails")
    catalogue.update(1, session)
    with catalogue.transaction():
        for label in ("puma", "lynx"):
            session.relabel(label)
            catalogue.update(1, session)
    session.relabel("cat")
    catalogue.update(1, session)
    assert catalogue.item(1).instances[0].label == "cat" and len(catalogue.history(1)) == 4


def test_a_change_after_a_rolled_back_update_is_a_conflict(catalogue: Catalogue) -> None:
    session = catalogue.session(1, selected=1)
    session.relabel("lion")
    with pytest.raises(KeyError), catalogue.transaction():
        catalogue.update(1, session)
        raise KeyError("another change of the block fails")
    catalogue.update(1, [Instance(square(9, 9), "dog", 1)])  # It has the version that the rolled back one would have.
    with pytest.raises(Conflict):
        catalogue.update(1, session)


def test_edits_keep_the_other_fields(catalogue: Catalogue) -> None:
    session = catalogue.session(1, selected=1)
    session.relabel("lion")
    catalogue.update(1, session)
    (lion, dog) = catalogue.item(1).instances
    assert lion.label == "lion" and {name: getattr(lion, name) for name in FIELDS} == FIELDS
    assert (dog.attributes, dog.score, dog.track_id, dog.extra) == ({}, None, None, {})
