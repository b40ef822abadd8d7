"""Prelabel("example"): one accepted object, proposals of the others in all images of a catalogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cdwidget
from cdwidget import Catalogue, Instance, Item, Prelabel
from cdwidget.batch.examples import collect_examples, load_examples
from cdwidget.examples import ExamplePredictor
from cdwidget.masks import bbox
from support.token_predictor import SQUARE_PX, BrightPredictor, bright_squares

CORNERS = [[(8, 8), (40, 40)], [(8, 40), (40, 8), (40, 40)], []]  # of the squares in each image


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Three images; the first square of the first one is a labeled cup, and that item is accepted."""
    for number, corners in enumerate(CORNERS, 1):
        Image.fromarray(bright_squares(corners)).save(tmp_path / f"{number}.png")
    cup = np.zeros((64, 64), bool)
    cup[8 : 8 + SQUARE_PX, 8 : 8 + SQUARE_PX] = True
    catalogue = Catalogue(tmp_path / "labels.db", user="ana")
    catalogue.add([Item(tmp_path / "1.png", [Instance(cup, "cup")]), Item(tmp_path / "2.png"), Item(tmp_path / "3.png")])
    return catalogue


def corners(catalogue: Catalogue, item: int) -> list[tuple[int, ...]]:
    return sorted(one.bbox[:2] for one in catalogue.item(item).instances)


def test_one_accepted_object_proposes_the_others_of_all_images_as_new(catalogue: Catalogue) -> None:
    job = Prelabel("example", BrightPredictor(), label="cup")
    with pytest.raises(ValueError, match="no accepted instance with the label 'cup'"):
        cdwidget.run(job, catalogue, progress=False)
    catalogue.set_status(1, "accepted")
    cdwidget.run(job, catalogue, progress=False)
    assert [corners(catalogue, item) for item in (1, 2, 3)] == [sorted(found) for found in CORNERS]
    added = catalogue.query("new", "cup", of="instances", limit=None)
    assert len(added) == 4 and all(row.confidence is not None and 0.5 <= row.confidence <= 1 for row in added)
    assert catalogue.item(1).instances[0].bbox[:2] == (8, 8)

    again = cdwidget.run(job, catalogue, progress=False)  # Nothing is left to do, and nothing is proposed twice.
    assert again.done == 0
    assert [len(corners(catalogue, item)) for item in (1, 2, 3)] == [2, 3, 0]


def test_accepted_objects_cannot_be_overwritten(catalogue: Catalogue) -> None:
    catalogue.set_status(1, "accepted")
    with pytest.raises(ValueError, match="only adds objects"):
        cdwidget.run(Prelabel("example", BrightPredictor(), label="cup", overwrite=True), catalogue, progress=False)


def test_an_example_whose_image_is_missing_is_left_out(catalogue: Catalogue, tmp_path: Path) -> None:
    cup = catalogue.item(1).instances[0].mask
    catalogue.add([Item(tmp_path / "4.png", [Instance(np.pad(cup[:-1], ((1, 0), (0, 0))) | cup, "cup")])])
    catalogue.set_status(4, "accepted")
    job = Prelabel("example", BrightPredictor(), label="cup")
    with pytest.raises(ValueError, match=r"no example can be read \(.*4.png.*\); restore its image, or accept another instance"):
        cdwidget.run(job, catalogue, progress=False)
    catalogue.set_status(1, "accepted")
    assert cdwidget.run(job, catalogue, progress=False).done == 3
    assert [corners(catalogue, item) for item in (1, 2, 3)] == [sorted(found) for found in CORNERS]


def test_rejected_instances_are_examples_of_other_objects(catalogue: Catalogue) -> None:
    catalogue.set_status(1, "accepted")
    cdwidget.run(Prelabel("example", BrightPredictor(), label="cup"), catalogue, progress=False)
    (rejected,) = [row for row in catalogue.query("new", "cup", of="instances") if row.item == 1]
    catalogue.set_status([rejected.id], "rejected", of="instances")
    stored = collect_examples(catalogue, "cup")
    assert [one.is_accepted for one in stored] == [True, False]
    with pytest.MonkeyPatch.context() as patch:
        others = []
        patch.setattr(ExamplePredictor, "add_other", lambda self, image, mask: others.append(bbox(mask)[:2]))
        load_examples(BrightPredictor(), stored)
    assert others == [(40, 40)]
    cdwidget.run(Prelabel("example", BrightPredictor(), label="cup"), catalogue, progress=False)
    assert len(catalogue.query("rejected", "cup", of="instances")) == 1  # It is not proposed again.
    assert corners(catalogue, 1) == [(8, 8), (40, 40)]
