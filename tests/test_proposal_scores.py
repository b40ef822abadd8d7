"""Fitting of the score of proposals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdwidget.formats.map_classes import MapClasses
from cdwidget.train.proposal_scores import fit_proposal_scores, logistic_regression
from support.token_predictor import SQUARE_PX, BrightPredictor, bright_squares

CORNERS = [(4, 4), (40, 6), (6, 40), (42, 42), (24, 24)]


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    """A data set with one image of five bright squares."""
    folder = tmp_path / "Squares"
    values = np.zeros((64, 64), np.uint8)
    for number, (x, y) in enumerate(CORNERS, 1):
        values[y : y + SQUARE_PX, x : x + SQUARE_PX] = number
    for name, pixels in (("images", bright_squares(CORNERS)), ("masks", values)):
        (folder / name).mkdir(parents=True)
        Image.fromarray(pixels).save(folder / name / "0.png")
    return folder


def test_the_weights_of_a_known_regression_are_found() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20_000, 2))
    hits = rng.random(20_000) < 1 / (1 + np.exp(-(0.5 + values @ [2.0, -1.0])))
    assert logistic_regression(values, hits) == pytest.approx([0.5, 2.0, -1.0], abs=0.1)


def test_a_rerun_reads_the_candidates_of_the_first_run(squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "candidates.jsonl"
    first = fit_proposal_scores(BrightPredictor(), [squares], MapClasses(), 10, out)
    assert " candidates in 1 images: intercept " in first and "match=" in first and "iou=" in first
    monkeypatch.setattr("cdwidget.train.proposal_scores.find_candidates", None)
    assert fit_proposal_scores(BrightPredictor(), [squares], MapClasses(), 10, out) == first


def test_without_enough_objects_of_a_class_there_is_nothing_to_fit(squares: Path, tmp_path: Path) -> None:
    classes = MapClasses(class_maps=("Squares",))  # Each square is of a class of its own.
    with pytest.raises(ValueError, match="5 objects of a class"):
        fit_proposal_scores(BrightPredictor(), [squares], classes, 10, tmp_path / "candidates.jsonl")
