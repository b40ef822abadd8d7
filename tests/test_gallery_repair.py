"""The editor of a gallery: accept and go on, walking, conflicts, a full disk, kills; nothing that was accepted is lost."""

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
from support.gallery_page import Tiles, catalogue_of, scored, square
from support.scripted_predictor import Scripted


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """6 images with a cat and a dog each."""
    return scored(catalogue_of(tmp_path, 6))


class Twins(Scripted):
    """Says which images it and its twins were given."""

    def __init__(self, *answers: np.ndarray) -> None:
        super().__init__(*answers)
        self.encoded: list[tuple[int, int]] = []  # which predictor, grey level
        self.others: list[Twins] = []

    def set_image(self, image: np.ndarray) -> None:
        self.encoded.append((id(self), int(image[0, 0, 0])))

    def twin(self) -> "Twins":
        other = Twins(*self.answers)
        other.encoded = self.encoded
        self.others.append(other)
        return other


@pytest.fixture
def page(catalogue: Catalogue) -> Tiles:
    return Tiles(Gallery(catalogue, Scripted(square(1, 1)), order_by="id"))


def session(page: Tiles) -> Session:
    assert page.widget.editor is not None
    return page.widget.editor.session


def dab(page: Tiles, x: float = 15.0) -> None:
    assert page.widget.editor is not None
    page.widget.editor.apply(Brush(((x, 15.0),), 3.0))


def status(page: Tiles, *ids: int) -> list[str]:
    return [row.status for row in page.widget.catalogue.rows(ids, of="instances")]


def mask_of(catalogue: Catalogue, item: int, number: int = 1) -> np.ndarray:
    return next(one.mask for one in catalogue.item(item).instances if one.id == number)


def test_accept_writes_and_goes_on(page: Tiles, catalogue: Catalogue) -> None:
    assert page.ask("edit", instance=4)["result"] == {"id": 4, "index": 3}
    editor = page.widget.editor
    assert session(page).selected == 2 and session(page).label == "dog" and not session(page).can_undo
    assert page.widget._editor is editor and editor is not None and editor.labels == ["cat", "dog"]
    dab(page)
    mended = session(page).mask.copy()
    assert page.ask("accept")["result"] == {"id": 5, "index": 4}
    assert page.widget.editor is editor and session(page).selected == 1 and editor._image["key"] == 3
    assert (mask_of(catalogue, 2, 2) == mended).all() and status(page, 3, 4, 5) == ["new", "accepted", "new"]
    (changed,) = [row for row in page.told[-1]["changed"] if row["id"] == 4]
    assert changed["score"] is None and changed["status"] == "accepted"
    assert page.widget._progress["done"] == 1
    assert [past.what for past in catalogue.history(2)] == ["accepted"]
    assert [action["type"] for action in catalogue.history(2)[0].detail["actions"]] == ["brush"]


def test_a_click_is_answered_in_the_editor(page: Tiles, catalogue: Catalogue) -> None:
    page.ask("edit", instance=1)
    assert page.widget.editor is not None
    page.widget.editor.apply(Click(2, 2))
    clicked = session(page).mask.copy()
    page.ask("accept")
    assert (mask_of(catalogue, 1) == clicked).all() and not (clicked == square(3, 4)).all()


def test_what_is_unchanged_keeps_its_scores(page: Tiles, catalogue: Catalogue) -> None:
    page.ask("edit", instance=1)
    page.ask("accept")
    (row,) = catalogue.rows([1], of="instances")
    assert (row.status, row.score) == ("accepted", 0.1) and len(catalogue.history(1)) == 1


def test_reject_and_skip_are_verdicts_too(page: Tiles) -> None:
    page.ask("edit", instance=1)
    assert page.ask("reject")["result"]["id"] == 2
    assert page.ask("skip")["result"]["id"] == 3
    assert status(page, 1, 2, 3) == ["rejected", "skipped", "new"]
    page.ask("close")
    assert page.ask("undo")["result"]["undone"] == {"ids": [2], "status": "skipped"}
    assert page.ask("undo")["result"]["undone"] == {"ids": [1], "status": "rejected"} and status(page, 1, 2) == ["new", "new"]


def test_the_next_one_waits_for_a_verdict(page: Tiles, catalogue: Catalogue) -> None:
    catalogue.set_status([2, 3, 4, 5], "accepted")  # items
    page.ask("edit", instance=2)
    assert page.ask("accept")["result"] == {"id": 11, "index": 10}
    assert page.ask("accept")["result"]["id"] == 12
    assert page.ask("accept")["result"] == {"id": None, "index": None} and page.widget.editor is None
    again = Tiles(Gallery(catalogue, Scripted(square(1, 1)), order_by="id", status=["accepted"], labels=["cat"]))
    again.ask("edit", instance=3)
    assert [again.ask("accept")["result"]["id"] for _ in range(3)] == [5, 7, 9], "those that are looked at again"


def test_an_instance_that_is_not_listed_may_be_edited(page: Tiles) -> None:
    page.widget.labels = ["dog"]
    page.wait(lambda: not page.widget.busy)
    page.widget.edit(1)
    assert page.widget.step(1) == 1, "it is nowhere in the list"
    assert page.widget.accept() == 2, "the list begins"


def test_walking_gives_no_verdict_and_keeps_what_was_done(page: Tiles, catalogue: Catalogue) -> None:
    page.ask("edit", instance=2)
    assert [page.ask("step", by=by)["result"]["id"] for by in (1, 1, -1, -1, -1, -1)] == [3, 4, 3, 2, 1, 1]
    assert catalogue.history(1) == []
    dab(page)
    page.ask("step", by=1)
    assert session(page).selected == 2 and mask_of(catalogue, 1)[15, 15] and status(page, 1) == ["new"]
    assert page.ask("close")["result"] == {"id": None, "index": None} and page.widget.editor is None
    assert page.ask("undo")["result"]["undone"] == {"ids": [1], "status": "edited"} and not mask_of(catalogue, 1)[15, 15]


def test_undo_takes_an_accepted_edit_back(page: Tiles, catalogue: Catalogue) -> None:
    page.ask("edit", instance=1)
    dab(page)
    page.ask("accept")
    assert "open in the editor" in page.ask("undo")["error"], "2 is of the same image"
    page.ask("close")
    page.ask("undo")
    assert status(page, 1) == ["new"] and (mask_of(catalogue, 1) == square(3, 4)).all()
    assert page.widget._progress["done"] == 0


def test_what_was_drawn_newly_is_accepted_with_it(page: Tiles, catalogue: Catalogue) -> None:
    page.ask("edit", instance=1)
    session(page).accept()
    dab(page, 36.0)
    session(page).relabel("bird")
    page.ask("accept")
    assert [(one.label, record.status) for one, record in zip(catalogue.item(1).instances, catalogue.item(1).records)] == [
        ("cat", "accepted"), ("dog", "new"), ("bird", "accepted"),
    ]  # fmt: skip


def test_an_instance_that_was_deleted_comes_back(page: Tiles, catalogue: Catalogue) -> None:
    page.ask("edit", instance=1)
    session(page).delete()
    assert page.ask("accept")["result"]["id"] == 2
    assert [one.label for one in catalogue.item(1).instances] == ["dog"]
    rows = page.ask("page", key=page.key, start=0, stop=2)["result"]["rows"]
    assert rows[0]["name"] == "no longer there" and page.widget._progress["by_status"]["rejected"] == 1
    page.ask("close")
    key = page.key
    (back,) = page.ask("undo")["result"]["undone"]["ids"]
    (told,) = (told["replaced"] for told in page.told if "replaced" in told)
    assert back != 1 and {id: row["id"] for id, row in told.items()} == {1: back}, "it has another id, and the page is told"
    assert page.key == key and page.widget.ids[0] == back, "the list is the same"
    assert page.rows(0, 2) == [("cat", 1), ("dog", 1)] and page.widget._progress["by_status"]["new"] == 12


def test_the_last_instance_of_an_image_may_be_deleted(page: Tiles, catalogue: Catalogue) -> None:
    page.ask("edit", instance=1)
    session(page).delete(2)
    session(page).delete(1)
    page.ask("accept")
    assert len(catalogue.item(1).instances) == 0 and catalogue.item(1).status == "accepted", "there is nothing in it"


def test_a_conflict_keeps_both(page: Tiles, catalogue: Catalogue) -> None:
    page.ask("edit", instance=1)
    dab(page)
    mine = session(page).mask.copy()
    code = """
        import sys
        from cdwidget import Catalogue
        Catalogue(sys.argv[1], who="ben").set_status(1, "rejected")
        """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(catalogue.path)], check=True)
    for op in ("accept", "reject", "accept"):
        error = page.ask(op)["error"]
        assert "Somebody else has changed this image since you opened it (rejected by ben)" in error
        assert "still in the editor" in error and "Write yours over theirs, which undo in the gallery brings back" in error
    assert status(page, 1) == ["rejected"] and (session(page).mask == mine).all() and session(page).can_undo
    with pytest.raises(Conflict):
        page.widget.accept()
    assert page.widget.accept(overwrite=True) == 3, "2 was rejected"
    assert status(page, 1) == ["accepted"] and (mask_of(catalogue, 1) == mine).all()
    page.ask("undo")
    assert status(page, 1) == ["rejected"] and (mask_of(catalogue, 1) == square(3, 4)).all(), "theirs"
    assert [past.who for past in catalogue.history(1)] == ["ben", "ana", "ana"]


@pytest.mark.parametrize(("op", "fields"), [("close", {}), ("step", {"by": 1})])
def test_who_leaves_may_write_over_a_conflict(page: Tiles, catalogue: Catalogue, op: str, fields: dict) -> None:
    page.ask("edit", instance=1)
    dab(page)
    mine = session(page).mask.copy()
    Catalogue(catalogue.path, who="ben").set_status(2, "rejected")
    page.ask(op, **fields)
    assert (mask_of(catalogue, 1) == mine).all(), "another image's"
    page.ask("close")
    page.ask("edit", instance=5)
    dab(page)
    mine = session(page).mask.copy()
    Catalogue(catalogue.path, who="ben").set_status(3, "rejected")
    assert page.ask(op, **fields)["kind"] == "Conflict"
    assert page.ask(op, **fields, overwrite=True)["ok"]
    assert (mask_of(catalogue, 3) == mine).all() and status(page, 5) == ["rejected"], "their verdict, which nobody gave anew"


def test_one_may_leave_a_conflict(page: Tiles, catalogue: Catalogue) -> None:
    page.ask("edit", instance=1)
    dab(page)
    Catalogue(catalogue.path, who="ben").set_status(1, "rejected")
    assert "Leave once more" in page.ask("close")["error"] and page.widget.editor is not None
    assert page.ask("close")["ok"] and page.widget.editor is None
    assert not mask_of(catalogue, 1)[15, 15]
    page.ask("edit", instance=1)
    assert not session(page).can_undo, "theirs"


def test_what_was_only_looked_at_is_no_verdict_on_something_else(page: Tiles, catalogue: Catalogue) -> None:
    page.ask("edit", instance=1)
    other = Catalogue(catalogue.path, who="ben")
    other.update(1, [])
    assert "Somebody else has changed" in page.ask("accept")["error"]


def test_a_full_disk_loses_nothing(page: Tiles, catalogue: Catalogue) -> None:
    catalogue.set_status(6, "accepted")
    page.ask("edit", instance=1)
    dab(page)
    mine = session(page).mask.copy()
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    wal = Path(f"{catalogue.path}-wal")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size, unlimited[1]))
        for op in ("accept", "reject"):
            error = page.ask(op)["error"]
            assert "so this was not done; what was saved before is safe" in error and "still in the editor" in error
        with pytest.raises(OSError, match="cannot be written"):
            page.widget.set_status([3, 4], "accepted")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        signal.signal(signal.SIGXFSZ, ignored)
    assert status(page, 1, 3, 4, 11) == ["new", "new", "new", "accepted"] and (session(page).mask == mine).all()
    assert page.widget._progress["done"] == 0
    assert page.ask("accept")["ok"] and (mask_of(catalogue, 1) == mine).all() and status(page, 1) == ["accepted"]


REVIEW = """
    import os, signal, sys
    sys.path.insert(0, sys.argv[2])
    from cdwidget import Catalogue, Gallery
    from cdwidget.tools import Brush
    from support.gallery_page import Tiles, square
    from support.scripted_predictor import Scripted
    page = Tiles(Gallery(Catalogue(sys.argv[1]), Scripted(square(1, 1)), order_by="id"))
    page.ask("edit", instance=1)
    for number in range(5):
        page.widget.editor.apply(Brush(((15.0, 15.0),), 3.0))
        print(page.widget._repair.open.row.id, flush=True)
        assert page.ask("accept")["ok"]
    page.widget.editor.apply(Brush(((30.0, 5.0),), 2.0))
    print("edited", page.widget._repair.open.row.id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    """


def test_a_kill_in_the_middle_of_a_review_loses_nothing(catalogue: Catalogue) -> None:
    command = [sys.executable, "-c", textwrap.dedent(REVIEW), str(catalogue.path), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    *accepted, last = done.stdout.splitlines()
    assert accepted == ["1", "2", "3", "4", "5"] and last == "edited 6"
    page = Tiles(Gallery(catalogue, Scripted(square(1, 1)), order_by="id"))
    assert status(page, 1, 2, 3, 4, 5, 6) == ["accepted"] * 5 + ["new"]
    assert all(mask_of(catalogue, item, number)[15, 15] for item, number in ((1, 1), (1, 2), (2, 1), (2, 2), (3, 1)))
    assert page.widget._progress["done"] == 5
    assert not mask_of(catalogue, 3, 2)[5, 30]
    page.ask("edit", instance=6)
    assert session(page).selected == 2 and session(page).mask[5, 30] and "is here again" in page.widget._notice
    page.ask("accept")
    assert mask_of(catalogue, 3, 2)[5, 30] and status(page, 6) == ["accepted"]


def test_images_that_cannot_be_opened_are_passed_over(page: Tiles, catalogue: Catalogue) -> None:
    (catalogue.path.parent / "1.png").unlink()
    (catalogue.path.parent / "2.png").write_bytes(b"no image")
    assert "relocate" in page.ask("edit", instance=3)["error"] and page.widget.editor is None
    page.ask("edit", instance=2)
    assert page.ask("accept")["result"]["id"] == 7
    assert "Passed over: item 2: there is no file" in page.widget._notice and "cannot be read" in page.widget._notice


def test_the_next_image_is_encoded_ahead(tmp_path: Path) -> None:
    catalogue = catalogue_of(tmp_path, 4)
    for number in range(4):
        Image.fromarray(np.full((30, 40, 3), 10 * number, np.uint8)).save(tmp_path / f"{number}.png")
    twins = Twins(square(1, 1))
    page = Tiles(Gallery(catalogue, twins, order_by="id", labels=["cat"]))
    assert len(twins.others) == 1, "two images at most are encoded at once"
    first, second = id(twins), id(twins.others[0])
    page.ask("edit", instance=1)
    page.wait(lambda: twins.encoded == [(second, 10)])
    page.widget._repair.open.session.encode()  # type: ignore[union-attr]
    page.ask("accept")
    page.wait(lambda: twins.encoded[2:] == [(first, 20)])
    page.widget._repair.open.session.encode()  # type: ignore[union-attr]
    assert twins.encoded == [(second, 10), (first, 0), (first, 20)], "what was encoded ahead is not encoded again"
    catalogue.set_status(3, "skipped")  # what is ahead is not as it was
    page.ask("step", by=1)
    assert session(page).can_undo is False and page.widget._repair.open.row.version == 1  # type: ignore[union-attr]


def test_a_predictor_without_twin_reads_ahead(catalogue: Catalogue) -> None:
    page = Tiles(Gallery(catalogue, Scripted(square(1, 1)), order_by="id", labels=["cat"]))
    page.ask("edit", instance=1)
    page.wait(lambda: page.widget._repair._ahead is not None)
    assert page.widget._repair._ahead.row.id == 3  # type: ignore[union-attr]
    page.ask("accept")
    assert session(page).selected == 1 and page.widget._repair.open.row.id == 3  # type: ignore[union-attr]


def test_closing_keeps_what_was_not_decided_on(catalogue: Catalogue) -> None:
    page = Tiles(Gallery(catalogue, Scripted(square(1, 1)), order_by="id"))
    page.ask("edit", instance=1)
    dab(page)
    page.widget.close()
    again = Tiles(Gallery(catalogue, Scripted(square(1, 1)), order_by="id"))
    again.ask("edit", instance=1)
    assert session(again).mask[15, 15] and not mask_of(catalogue, 1)[15, 15]


def test_looking_leaves_no_files(page: Tiles, catalogue: Catalogue) -> None:
    page.ask("edit", instance=1)
    for _ in range(4):
        page.ask("step", by=1)
    page.ask("close")
    assert not list((catalogue.path.parent).glob(".cdwidget/**/*.jsonl"))


def test_only_one_gallery_of_a_kernel_edits_an_image(catalogue: Catalogue) -> None:
    pages = [Tiles(Gallery(catalogue, Scripted(square(1, 1)), order_by="id")) for _ in range(2)]
    for page in pages:
        page.ask("edit", instance=1)
    with pytest.raises(OSError, match="opened again in another cell"):
        dab(pages[0])
    dab(pages[1])
    assert pages[1].ask("accept")["ok"]
    assert "Somebody else has changed" in pages[0].ask("accept")["error"]
