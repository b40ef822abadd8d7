"""The editor of a gallery: decisions, stepping, conflicts, a full disk and killed kernels; no accepted edit is lost."""

import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdwidget import Catalogue, Gallery, Session
from cdwidget.catalogue import Conflict
from cdwidget.prompts import Click
from cdwidget.tools import Brush
from support.gallery_page import GalleryPage, catalogue_of, scored, square
from support.scripted_predictor import ScriptedPredictor
from support.widget_page import wait_until


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """6 images with a cat and a dog each."""
    return scored(catalogue_of(tmp_path, 6))


class Twins(ScriptedPredictor):
    """A predictor that records the images that it and its twins have encoded."""

    def __init__(self, *answers: np.ndarray) -> None:
        super().__init__(*answers)
        self.encoded: list[tuple[int, int]] = []  # Predictor, gray level.
        self.others: list[Twins] = []

    def set_image(self, image: np.ndarray) -> None:
        self.encoded.append((id(self), int(image[0, 0, 0])))

    def twin(self) -> "Twins":
        other = Twins(*self.masks)
        other.encoded = self.encoded
        self.others.append(other)
        return other


@pytest.fixture
def page(catalogue: Catalogue) -> GalleryPage:
    return GalleryPage(Gallery(catalogue, ScriptedPredictor(square(1, 1)), order_by="id"))


def session(page: GalleryPage) -> Session:
    assert page.widget.editor is not None
    return page.widget.editor.session


def paint(page: GalleryPage, x: float = 15.0) -> None:
    assert page.widget.editor is not None
    page.widget.editor.apply(Brush(((x, 15.0),), 3.0))


def status(page: GalleryPage, *ids: int) -> list[str]:
    return [row.status for row in page.widget.catalogue.rows(ids, of="instances")]


def mask_of(catalogue: Catalogue, item: int, number: int = 1) -> np.ndarray:
    return next(one.mask for one in catalogue.item(item).instances if one.id == number)


def test_accept_writes_and_opens_the_next(page: GalleryPage, catalogue: Catalogue) -> None:
    assert page.request("edit", instance=4)["result"] == {"id": 4, "index": 3}
    editor = page.widget.editor
    assert session(page).selected == 2 and session(page).label == "dog" and not session(page).can_undo
    assert editor is not None and editor.labels == ["cat", "dog"]
    paint(page)
    edited = session(page).mask.copy()
    assert page.request("accept")["result"] == {"id": 5, "index": 4}
    assert page.widget.editor is editor and session(page).selected == 1 and editor.active_image.key == 3
    assert (mask_of(catalogue, 2, 2) == edited).all() and status(page, 3, 4, 5) == ["new", "accepted", "new"]
    (changed,) = [row for row in page.notifications[-1]["changed"] if row["id"] == 4]
    assert changed["score"] is None and changed["status"] == "accepted"
    assert page.progress["done"] == 1
    assert [past.action for past in catalogue.history(2)] == ["accepted"]
    assert [action["type"] for action in catalogue.history(2)[0].detail["actions"]] == ["brush"]


def test_an_instance_without_a_label_opens_in_the_editor(catalogue: Catalogue) -> None:
    catalogue.set_label([2, 3], "")
    page = GalleryPage(Gallery(catalogue, ScriptedPredictor(square(1, 1))))
    assert page.request("edit", instance=3)["result"]["id"] == 3
    assert page.widget.editor is not None and page.widget.editor.labels == ["cat", "dog"] and session(page).label == ""


def test_a_click_in_the_editor(page: GalleryPage, catalogue: Catalogue) -> None:
    page.request("edit", instance=1)
    assert page.widget.editor is not None
    page.widget.editor.apply(Click(2, 2))
    clicked = session(page).mask.copy()
    page.request("accept")
    assert (mask_of(catalogue, 1) == clicked).all() and not (clicked == square(3, 4)).all()


def test_an_unchanged_instance_keeps_its_scores(page: GalleryPage, catalogue: Catalogue) -> None:
    page.request("edit", instance=1)
    page.request("accept")
    (row,) = catalogue.rows([1], of="instances")
    assert (row.status, row.score) == ("accepted", 0.1) and len(catalogue.history(1)) == 1


def test_reject_and_skip_are_decisions_too(page: GalleryPage) -> None:
    page.request("edit", instance=1)
    assert page.request("reject")["result"]["id"] == 2
    assert page.request("skip")["result"]["id"] == 3
    assert status(page, 1, 2, 3) == ["rejected", "skipped", "new"]
    page.request("close")
    assert page.request("undo")["result"]["undone"] == {"ids": [2], "status": "skipped"}
    assert page.request("undo")["result"]["undone"] == {"ids": [1], "status": "rejected"} and status(page, 1, 2) == ["new", "new"]


def test_the_next_instance_is_undecided(page: GalleryPage, catalogue: Catalogue) -> None:
    catalogue.set_status([2, 3, 4, 5], "accepted")  # items
    page.request("edit", instance=2)
    assert page.request("accept")["result"] == {"id": 11, "index": 10}
    assert page.request("accept")["result"]["id"] == 12
    assert page.request("accept")["result"] == {"id": None, "index": None} and page.widget.editor is None
    again = GalleryPage(Gallery(catalogue, ScriptedPredictor(square(1, 1)), order_by="id", status=["accepted"], filter_labels=["cat"]))
    again.request("edit", instance=3)
    assert [again.request("accept")["result"]["id"] for _ in range(3)] == [5, 7, 9], "all listed instances are decided again"


def test_an_instance_that_is_not_listed_may_be_edited(page: GalleryPage) -> None:
    page.widget.filter_labels = ["dog"]
    page.wait_for_list()
    page.widget.edit(1)
    assert page.widget.step(1) == 1, "it is not listed"
    assert page.widget.accept() == 2, "the first of the list"


def test_stepping_decides_nothing_and_keeps_edits(page: GalleryPage, catalogue: Catalogue) -> None:
    page.request("edit", instance=2)
    assert [page.request("step", by=by)["result"]["id"] for by in (1, 1, -1, -1, -1, -1)] == [3, 4, 3, 2, 1, 1]
    assert catalogue.history(1) == []
    paint(page)
    page.request("step", by=1)
    assert session(page).selected == 2 and mask_of(catalogue, 1)[15, 15] and status(page, 1) == ["new"]
    assert page.request("close")["result"] == {"id": None, "index": None} and page.widget.editor is None
    assert page.request("undo")["result"]["undone"] == {"ids": [1], "status": "edited"} and not mask_of(catalogue, 1)[15, 15]


def test_undo_undoes_an_accepted_edit(page: GalleryPage, catalogue: Catalogue) -> None:
    page.request("edit", instance=1)
    paint(page)
    page.request("accept")
    assert "open in the editor" in page.request("undo")["error"], "2 is on the same image"
    page.request("close")
    page.request("undo")
    assert status(page, 1) == ["new"] and (mask_of(catalogue, 1) == square(3, 4)).all()
    assert page.progress["done"] == 0


def test_newly_drawn_instances_are_accepted_with_it(page: GalleryPage, catalogue: Catalogue) -> None:
    page.request("edit", instance=1)
    session(page).accept()
    paint(page, 36.0)
    session(page).relabel("bird")
    page.request("accept")
    assert [(one.label, record.status) for one, record in zip(catalogue.item(1).instances, catalogue.item(1).records)] == [
        ("cat", "accepted"), ("dog", "new"), ("bird", "accepted"),
    ]  # fmt: skip


def test_undo_restores_a_deleted_instance(page: GalleryPage, catalogue: Catalogue) -> None:
    page.request("edit", instance=1)
    session(page).delete()
    assert page.request("accept")["result"]["id"] == 2
    assert [one.label for one in catalogue.item(1).instances] == ["dog"]
    rows = page.request("page", key=page.key, start=0, stop=2)["result"]["rows"]
    assert rows[0]["name"] == "no longer there" and page.progress["by_status"]["rejected"] == 1
    page.request("close")
    key = page.key
    (back,) = page.request("undo")["result"]["undone"]["ids"]
    (replaced,) = (one["replaced"] for one in page.notifications if "replaced" in one)
    assert back != 1 and {id: row["id"] for id, row in replaced.items()} == {1: back}, "it has another id, and the page is notified"
    assert page.key == key and page.widget.ids[0] == back, "the list is the same"
    assert page.rows(0, 2) == [("cat", 1), ("dog", 1)] and page.progress["by_status"]["new"] == 12


def test_the_last_instance_of_an_image_can_be_deleted(page: GalleryPage, catalogue: Catalogue) -> None:
    page.request("edit", instance=1)
    session(page).delete(2)
    session(page).delete(1)
    page.request("accept")
    assert len(catalogue.item(1).instances) == 0 and catalogue.item(1).status == "accepted", "it has no instances"


def test_a_conflict_keeps_both(page: GalleryPage, catalogue: Catalogue) -> None:
    page.request("edit", instance=1)
    paint(page)
    mine = session(page).mask.copy()
    code = """
        import sys
        from cdwidget import Catalogue
        Catalogue(sys.argv[1], user="ben").set_status(1, "rejected")
        """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(catalogue.path)], check=True)
    for op in ("accept", "reject", "accept"):
        error = page.request(op)["error"]
        assert "Another user changed this image after you opened it (rejected by ben)" in error
        assert "still in the editor" in error and "Overwrite with your version (undo in the gallery restores theirs)" in error
    assert status(page, 1) == ["rejected"] and (session(page).mask == mine).all() and session(page).can_undo
    with pytest.raises(Conflict):
        page.widget.accept()
    assert page.widget.accept(overwrite=True) == 3, "2 was rejected"
    assert status(page, 1) == ["accepted"] and (mask_of(catalogue, 1) == mine).all()
    page.request("undo")
    assert status(page, 1) == ["rejected"] and (mask_of(catalogue, 1) == square(3, 4)).all(), "theirs"
    assert [past.user for past in catalogue.history(1)] == ["ben", "ana", "ana"]


@pytest.mark.parametrize(("op", "fields"), [("close", {}), ("step", {"by": 1})])
def test_leaving_can_overwrite_a_conflict(page: GalleryPage, catalogue: Catalogue, op: str, fields: dict) -> None:
    page.request("edit", instance=1)
    paint(page)
    mine = session(page).mask.copy()
    Catalogue(catalogue.path, user="ben").set_status(2, "rejected")
    page.request(op, **fields)
    assert (mask_of(catalogue, 1) == mine).all(), "the conflict is on another image"
    page.request("close")
    page.request("edit", instance=5)
    paint(page)
    mine = session(page).mask.copy()
    Catalogue(catalogue.path, user="ben").set_status(3, "rejected")
    assert page.request(op, **fields)["kind"] == "Conflict"
    assert page.request(op, **fields, overwrite=True)["ok"]
    assert (mask_of(catalogue, 3) == mine).all() and status(page, 5) == ["rejected"], "their decision stays"


def test_leaving_twice_discards_edits_in_conflict(page: GalleryPage, catalogue: Catalogue) -> None:
    page.request("edit", instance=1)
    paint(page)
    Catalogue(catalogue.path, user="ben").set_status(1, "rejected")
    assert "Leave again" in page.request("close")["error"] and page.widget.editor is not None
    assert page.request("close")["ok"] and page.widget.editor is None
    assert not mask_of(catalogue, 1)[15, 15]
    page.request("edit", instance=1)
    assert not session(page).can_undo, "theirs"


def test_a_decision_on_a_changed_item_is_a_conflict(page: GalleryPage, catalogue: Catalogue) -> None:
    page.request("edit", instance=1)
    other = Catalogue(catalogue.path, user="ben")
    other.update(1, [])
    assert "Another user changed" in page.request("accept")["error"]


def test_a_full_disk_loses_nothing(page: GalleryPage, catalogue: Catalogue) -> None:
    catalogue.set_status(6, "accepted")
    page.request("edit", instance=1)
    paint(page)
    mine = session(page).mask.copy()
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    wal = Path(f"{catalogue.path}-wal")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size, unlimited[1]))
        for op in ("accept", "reject"):
            error = page.request(op)["error"]
            assert "cannot be read or written" in error and "still in the editor" in error
        with pytest.raises(OSError, match="cannot be read or written"):
            page.widget.set_status([3, 4], "accepted")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        signal.signal(signal.SIGXFSZ, ignored)
    assert status(page, 1, 3, 4, 11) == ["new", "new", "new", "accepted"] and (session(page).mask == mine).all()
    assert page.progress["done"] == 0
    assert page.request("accept")["ok"] and (mask_of(catalogue, 1) == mine).all() and status(page, 1) == ["accepted"]


REVIEW = """
    import os, signal, sys
    sys.path.insert(0, sys.argv[2])
    from cdwidget import Catalogue, Gallery
    from cdwidget.tools import Brush
    from support.gallery_page import GalleryPage, square
    from support.scripted_predictor import ScriptedPredictor
    page = GalleryPage(Gallery(Catalogue(sys.argv[1]), ScriptedPredictor(square(1, 1)), order_by="id"))
    page.request("edit", instance=1)
    for number in range(5):
        page.widget.editor.apply(Brush(((15.0, 15.0),), 3.0))
        print(page.widget.editor_state.current.row.id, flush=True)
        assert page.request("accept")["ok"]
    page.widget.editor.apply(Brush(((30.0, 5.0),), 2.0))
    print("edited", page.widget.editor_state.current.row.id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    """


def test_a_kill_during_a_review_loses_nothing(catalogue: Catalogue) -> None:
    command = [sys.executable, "-c", textwrap.dedent(REVIEW), str(catalogue.path), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    *accepted, last = done.stdout.splitlines()
    assert accepted == ["1", "2", "3", "4", "5"] and last == "edited 6"
    page = GalleryPage(Gallery(catalogue, ScriptedPredictor(square(1, 1)), order_by="id"))
    assert status(page, 1, 2, 3, 4, 5, 6) == ["accepted"] * 5 + ["new"]
    assert all(mask_of(catalogue, item, number)[15, 15] for item, number in ((1, 1), (1, 2), (2, 1), (2, 2), (3, 1)))
    assert page.progress["done"] == 5
    assert not mask_of(catalogue, 3, 2)[5, 30]
    page.request("edit", instance=6)
    assert session(page).selected == 2 and session(page).mask[5, 30] and "Restored your unsaved edits" in page.notice
    page.request("accept")
    assert mask_of(catalogue, 3, 2)[5, 30] and status(page, 6) == ["accepted"]


def test_images_that_cannot_be_opened_are_skipped(page: GalleryPage, catalogue: Catalogue) -> None:
    (catalogue.path.parent / "1.png").unlink()
    (catalogue.path.parent / "2.png").write_bytes(b"no image")
    assert "relocate" in page.request("edit", instance=3)["error"] and page.widget.editor is None
    page.request("edit", instance=2)
    assert page.request("accept")["result"]["id"] == 7
    assert "Skipped: item 2: there is no file" in page.notice and "cannot be read" in page.notice


def test_the_next_image_is_encoded_in_advance(tmp_path: Path) -> None:
    catalogue = catalogue_of(tmp_path, 4)
    for number in range(4):
        Image.fromarray(np.full((30, 40, 3), 10 * number, np.uint8)).save(tmp_path / f"{number}.png")
    twins = Twins(square(1, 1))
    page = GalleryPage(Gallery(catalogue, twins, order_by="id", filter_labels=["cat"]))
    assert len(twins.others) == 1, "two images at most are encoded at once"
    first, second = id(twins), id(twins.others[0])
    page.request("edit", instance=1)
    wait_until(lambda: twins.encoded == [(second, 10)])
    page.widget.editor_state.current.session.encode()
    page.request("accept")
    wait_until(lambda: twins.encoded[2:] == [(first, 20)])
    page.widget.editor_state.current.session.encode()
    assert twins.encoded == [(second, 10), (first, 0), (first, 20)], "an image encoded in advance is not encoded again"
    catalogue.set_status(3, "skipped")  # The prefetched item changes.
    page.request("step", by=1)
    assert session(page).can_undo is False and page.widget.editor_state.current.row.version == 1


def test_without_a_twin_the_next_image_is_read_in_advance(catalogue: Catalogue) -> None:
    page = GalleryPage(Gallery(catalogue, ScriptedPredictor(square(1, 1)), order_by="id", filter_labels=["cat"]))
    page.request("edit", instance=1)
    wait_until(lambda: page.widget.editor_state.prefetched is not None)
    assert page.widget.editor_state.prefetched.row.id == 3
    page.request("accept")
    assert session(page).selected == 1 and page.widget.editor_state.current.row.id == 3


def test_closing_keeps_unwritten_edits(catalogue: Catalogue) -> None:
    page = GalleryPage(Gallery(catalogue, ScriptedPredictor(square(1, 1)), order_by="id"))
    page.request("edit", instance=1)
    paint(page)
    page.widget.close()
    again = GalleryPage(Gallery(catalogue, ScriptedPredictor(square(1, 1)), order_by="id"))
    again.request("edit", instance=1)
    assert session(again).mask[15, 15] and not mask_of(catalogue, 1)[15, 15]


def test_viewing_leaves_no_files(page: GalleryPage, catalogue: Catalogue) -> None:
    page.request("edit", instance=1)
    for _ in range(4):
        page.request("step", by=1)
    page.request("close")
    assert not list((catalogue.path.parent).glob(".cdwidget/**/*.jsonl"))


def test_only_one_gallery_of_a_kernel_edits_an_image(catalogue: Catalogue) -> None:
    pages = [GalleryPage(Gallery(catalogue, ScriptedPredictor(square(1, 1)), order_by="id")) for _ in range(2)]
    for page in pages:
        page.request("edit", instance=1)
    with pytest.raises(OSError, match="opened again in another cell"):
        paint(pages[0])
    paint(pages[1])
    assert pages[1].request("accept")["ok"]
    assert "Another user changed" in pages[0].request("accept")["error"]
