"""Intensity windows of single images: chosen in the widget or the catalogue, used for the view and the model, kept when reopened."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cdwidget import Annotator, Catalogue, Instance, Item, read_image
from cdwidget.batch.examples import collect_examples, load_examples
from cdwidget.catalogue.similarity import fingerprint, read_fingerprints
from cdwidget.examples import ExamplePredictor
from cdwidget.images import Window
from cdwidget.prompts import Click
from cdwidget.session import Session
from cdwidget.session.autosave import FileJournal
from cdwidget.session.files import journal_path
from cdwidget.widget.points import Points
from support.scripted_predictor import SquarePredictor
from support.token_predictor import BrightPredictor
from support.widget_page import WidgetPage

NARROW = Window(200.0, 400.0, 1.5)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A 12-bit photograph in a 16-bit file."""
    values = np.random.default_rng(0).integers(0, 700, (24, 32)).astype(np.uint16)
    values[4:12, 6:16] = 3900
    Image.fromarray(values).save(tmp_path / "scan.png")
    return tmp_path / "scan.png"


def pixels(widget: Annotator) -> np.ndarray:
    return widget.session.image


def set_window(page: WidgetPage, window: Window | None) -> dict[str, Any]:
    fields = None if window is None else {"low": window.low, "high": window.high, "gamma": window.gamma}
    return page.request("set_window", window=fields, key=page.widget.active_image.key)


def test_a_window_is_kept_with_the_edits_of_an_image(scan: Path) -> None:
    widget = Annotator(scan, SquarePredictor())
    page = WidgetPage(widget)
    found = page.request("window")["result"]
    assert found == {"window": {"low": 0, "high": 4095, "gamma": 1}, "range": [0, 3900], "is_whole": True}
    widget.apply(Click(10, 8))
    mask = widget.mask
    assert set_window(page, NARROW)["ok"]
    expected = read_image(scan, window=NARROW)
    assert np.array_equal(pixels(widget), expected) and np.array_equal(widget.mask, mask) and widget.session.can_undo
    widget.apply(Click(20, 15))
    edited = widget.mask
    again = Annotator(scan, SquarePredictor())
    assert np.array_equal(pixels(again), expected) and np.array_equal(again.mask, edited) and "other pixels" not in again._notice
    again.active_image.encode().done.wait()
    assert again.items[0].window == NARROW and np.array_equal(again.items[0].read_image(), expected)
    assert set_window(WidgetPage(again), None)["ok"]
    last = Annotator(scan, SquarePredictor())
    assert np.array_equal(pixels(last), read_image(scan)) and np.array_equal(last.mask, edited)
    assert last._notice == "Saved after every change"


def test_a_preview_shows_a_window_without_setting_it(scan: Path) -> None:
    widget = Annotator(scan, SquarePredictor(), window=(100, 1000))
    page = WidgetPage(widget)
    before = pixels(widget)
    assert page.request("window")["result"]["window"] == {"low": 100, "high": 1000, "gamma": 1}
    reply, (file,) = page.exchange("preview_window", low=200, high=400, gamma=1.5)
    assert np.array_equal(read_image(bytes(file)), read_image(scan, window=NARROW)) and reply["result"]["mime"] == "image/png"
    assert pixels(widget) is before
    assert "is empty" in page.request("preview_window", low=4, high=4, gamma=1)["error"]


@pytest.mark.parametrize("values", [np.zeros((8, 9, 3), np.uint8), np.zeros((8, 9), bool)])
def test_an_image_of_8_bits_has_no_window(values: np.ndarray) -> None:
    page = WidgetPage(Annotator(values, SquarePredictor()))
    assert page.request("window")["result"] == {"window": None}
    assert "8 bits" in page.request("preview_window", low=0, high=4, gamma=1)["error"]


def test_an_image_that_is_not_saved_keeps_window_and_undo_while_the_widget_exists() -> None:
    values = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    widget = Annotator([values, values], SquarePredictor())
    page = WidgetPage(widget)
    assert page.request("window")["result"]["is_whole"] is False
    widget.apply(Click(10, 8))
    assert set_window(page, Window(0.25, 0.5))["ok"] and widget.session.can_undo and widget.mask.any()
    shown = pixels(widget)
    assert np.array_equal(shown, read_image(values, window=(0.25, 0.5)))
    page.request("go", step=1)
    assert np.array_equal(pixels(widget), read_image(values))
    page.request("go", step=-1)
    assert np.array_equal(pixels(widget), shown)
    widget.view_only = True
    assert "viewing only" in set_window(page, None)["error"]


def test_an_image_that_is_taken_over_has_the_window_that_was_chosen_elsewhere(scan: Path) -> None:
    widget = Annotator(scan, SquarePredictor())
    file = scan.parent / ".cdwidget" / "scan.png.window.json"
    file.parent.mkdir()
    file.write_text('{"low": 200, "high": 400, "gamma": 1.5}')
    Annotator(scan, SquarePredictor())  # In another cell.
    widget.take_over()
    assert np.array_equal(pixels(widget), read_image(scan, window=NARROW))


def test_edits_are_restored_that_an_older_version_saved_through_a_window(scan: Path) -> None:
    through = {"window": (600, 4000)}
    session = Session(read_image(scan, **through), SquarePredictor())
    FileJournal(journal_path(scan)).resume(session)
    session.apply(Click(10, 8))
    session.journal.close()
    widget = Annotator(scan, SquarePredictor(), **through)
    assert np.array_equal(widget.mask, session.mask) and widget._notice == "Saved after every change"
    widget.apply(Click(20, 15))
    edited = widget.mask
    assert set_window(WidgetPage(widget), NARROW)["ok"]
    assert np.array_equal(Annotator(scan, SquarePredictor()).mask, edited)


def test_a_damaged_window_file_is_ignored(scan: Path) -> None:
    (scan.parent / ".cdwidget").mkdir()
    for content in ("", "[1", '{"low": 5, "high": 5, "gamma": 1}', '{"low": "a"}'):
        (scan.parent / ".cdwidget" / "scan.png.window.json").write_text(content)
        assert np.array_equal(pixels(Annotator(scan, SquarePredictor())), read_image(scan))


def test_a_catalogue_keeps_the_windows_of_its_images(scan: Path, tmp_path: Path) -> None:
    mask = np.zeros((24, 32), bool)
    mask[4:12, 6:16] = True
    Image.fromarray(np.zeros((24, 32), np.uint16)).save(tmp_path / "other.png")
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([Item(scan, [Instance(mask, "cell")]).with_window(NARROW), Item(tmp_path / "other.png", extra={"coco": {"license": 3}})])
    expected = read_image(scan, window=NARROW)
    assert np.array_equal(catalogue.item(1).read_image(), expected) and catalogue.item(2).window is None
    assert np.array_equal(catalogue.session(1).image, expected)
    (picture,) = catalogue.thumbnails([1], 64)
    catalogue.set_window([1, 2], (0, 60_000))
    assert catalogue.item(1).window == catalogue.item(2).window == Window(0, 60_000)
    assert catalogue.item(2).extra["coco"] == {"license": 3}
    (darker,) = catalogue.thumbnails([1], 64)
    assert read_image(darker.picture).mean() < read_image(picture.picture).mean() / 2
    catalogue.set_window(1, None)
    assert np.array_equal(catalogue.item(1).read_image(), read_image(scan))
    with pytest.raises(ValueError, match="is empty"):
        catalogue.set_window(1, (5, 5))


def test_edits_of_a_catalogue_are_restored_after_its_window_has_changed(scan: Path, tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([scan])
    session = catalogue.session(1, SquarePredictor())
    session.apply(Click(10, 8))
    session.journal.close()
    catalogue.set_window(1, NARROW)
    again = catalogue.session(1, SquarePredictor())
    assert np.array_equal(again.mask, session.mask) and again.can_undo and np.array_equal(again.image, read_image(scan, window=NARROW))


def test_duplicates_examples_and_cards_of_the_map_are_read_through_the_windows(scan: Path, tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "labels.db")
    mask = np.ones((24, 32), bool)
    catalogue.add([Item(scan, [Instance(mask, "cell")]).with_window(NARROW)])
    for window in (NARROW, Window(0, 60_000)):
        catalogue.set_window(1, window)
        image = read_image(scan, window=window)
        assert np.array_equal(read_fingerprints(catalogue, np.array([1]), progress=False)[0][0], fingerprint(image))
        _, picture = Points(catalogue).describe(1, 32)
        assert abs(read_image(picture).mean() - image.mean()) < 4
    catalogue.set_status(1, "accepted")
    (example,) = collect_examples(catalogue, "cell")
    with pytest.MonkeyPatch.context() as patch:
        shown = []
        patch.setattr(ExamplePredictor, "add", lambda self, image, mask: shown.append(image))
        load_examples(BrightPredictor(), [example])
    assert np.array_equal(shown[0], image)
