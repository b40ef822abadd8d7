"""A gallery opens a catalogue, a data set or items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdwidget import Catalogue, Gallery
from support.gallery_page import catalogue_of


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """Return a COCO file of three images with two instances each."""
    (tmp_path / "photos").mkdir()
    return catalogue_of(tmp_path / "photos", 3).export("coco", tmp_path / "labels.json")


def test_a_coco_file_has_a_catalogue_next_to_it(data_set: Path) -> None:
    widget = Gallery(str(data_set))
    assert len(widget.ids) == 6 and widget.catalogue.path == data_set.with_suffix(".db")
    widget.set_status(widget.ids[:2], "accepted")
    again = Gallery(data_set, status=["accepted"])
    assert len(again.ids) == 2 and len(again.catalogue) == 3


def test_a_catalogue_is_opened_by_its_path(data_set: Path) -> None:
    Gallery(data_set)
    assert len(Gallery(data_set.with_suffix(".db")).ids) == 6


def test_items_have_a_temporary_catalogue(data_set: Path) -> None:
    items = list(Catalogue(data_set.parent / "photos" / "labels.db").items())
    with pytest.warns(UserWarning, match="The decisions are in a temporary catalogue.*Catalogue.'labels.db'"):
        assert len(Gallery(items).ids) == 6
    with pytest.warns(UserWarning, match="temporary"):
        assert len(Gallery(items[0]).ids) == 2


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (3, TypeError, "a gallery shows a Catalogue, the path of a catalogue or a COCO file, or Items, not int"),
        ([np.zeros((3, 3))], TypeError, "not ndarray"),
        ("nothing.json", FileNotFoundError, "there is no file 'nothing.json'"),
        (__file__, ValueError, "'test_gallery_sources.py' names no format; import it"),
    ],
)
def test_other_sources_are_refused(source: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Gallery(source)


def test_an_entry_that_cannot_be_read_is_reported(data_set: Path) -> None:
    content = json.loads(data_set.read_text())
    content["annotations"][0]["segmentation"] = [[1, 1, "left", 5, 9, 9]]
    data_set.write_text(json.dumps(content))
    with pytest.warns(UserWarning, match="1 entries of .*labels.json cannot be shown, such as"):
        assert len(Gallery(data_set).ids) == 5
