"""Granularity: the view that it chooses, predictions in it, and the suggestions of a session."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from cdwidget.default_predictor import LazyPredictor
from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.model.granularity import granularity_view
from cdwidget.model.predictor import CDNetPredictor
from cdwidget.predictor import Prediction
from cdwidget.prompts import Box, Click, Prompt
from cdwidget.session import Alternative, Session
from cdwidget.session.actions import action_from_json

CASES = json.loads((Path(__file__).parent / "granularity_cases.json").read_text())
IMAGE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)


@pytest.fixture(scope="module")
def predictor() -> CDNetPredictor:
    torch.manual_seed(0)
    return CDNetPredictor(CDNet(CDNetConfig(backbone="lite0", size=64, channels=32)))


@pytest.mark.parametrize("case", CASES)
def test_the_page_has_the_same_views(case: dict) -> None:
    """js/src/offline/views.test.ts checks the same cases."""
    prompts = [action_from_json(prompt) for prompt in case["prompts"]]
    assert list(granularity_view((case["height"], case["width"]), prompts, case["granularity"])) == case["view"]


@pytest.mark.parametrize("prompt", [Click(0, 0), Click(159, 119), Click(70, 30), Box(100, 10, 160, 50)])
def test_a_larger_granularity_has_a_larger_view_around_the_prompt(prompt: Prompt) -> None:
    views = [granularity_view((120, 160), [prompt], step / 20) for step in range(21)]
    assert views[-1] == (0, 0, 160, 120) != views[0]
    for inner, outer in zip(views, views[1:]):
        assert outer[0] <= inner[0] < inner[2] <= outer[2] and outer[1] <= inner[1] < inner[3] <= outer[3]


def test_a_prediction_is_made_in_the_view_and_the_prior_stays_around_it(predictor: CDNetPredictor) -> None:
    predictor.set_image(IMAGE)
    click, prior = Click(80, 60), np.full(IMAGE.shape[:2], 0.75, np.float32)
    x0, y0, x1, y1 = granularity_view((120, 160), [click], 0.25)
    outside = np.ones((120, 160), bool)
    outside[y0:y1, x0:x1] = False
    for given, expected in ((None, 0), (prior, 0.75)):
        prediction = predictor.predict([click], given, granularity=0.25)
        assert prediction.factors is not None and prediction.factors.box == (x0, y0, x1, y1)
        assert (prediction.prob[outside] == expected).all() and np.array_equal(prediction.mask, prediction.prob > 0.5)
        assert len(prediction.alternatives) == 4


def test_without_a_granularity_predictions_are_those_before(predictor: CDNetPredictor) -> None:
    predictor.set_image(IMAGE)
    before = predictor.predict([Click(80, 60)])
    predictor.predict([Click(80, 60)], granularity=0.0)
    assert np.array_equal(predictor.predict([Click(80, 60)], granularity=None).prob, before.prob)


@pytest.mark.parametrize("granularity", [-0.01, 1.5, float("nan")])
def test_a_granularity_out_of_range_is_refused(predictor: CDNetPredictor, granularity: float) -> None:
    predictor.set_image(IMAGE)
    with pytest.raises(ValueError, match="from 0 .part. to 1 .whole."):
        predictor.predict([Click(80, 60)], granularity=granularity)


class NestedPredictor:
    """Predicts a square around the newest click, the larger the granularity, and records the granularities."""

    granularities = (0.25, 0.5)

    def __init__(self) -> None:
        self.calls: list[float | None] = []

    def set_image(self, image: np.ndarray) -> None:
        self.shape = image.shape[:2]

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None, granularity: float | None = None) -> Prediction:
        self.calls.append(granularity)
        row, column = prompts[-1].pixel  # type: ignore[union-attr]
        half = 32 if granularity is None else int(40 * granularity)
        mask = np.zeros(self.shape, bool)
        mask[row - half : row + half, column - half : column + half] = True
        return Prediction(mask, mask.astype(np.float32))


def test_the_suggestions_for_a_first_prompt_are_ordered_by_size() -> None:
    predictor = NestedPredictor()
    session = Session(IMAGE, predictor)
    session.apply(Click(80, 60))
    assert predictor.calls == [None], "other granularities are predicted on request only"
    assert session.alternatives == 3
    areas = []
    for number in range(3):
        session.apply(Alternative(number))
        areas.append(session.mask.sum())
    assert areas == [64**2, 20**2, 40**2]  # After the largest, the smallest one.
    assert predictor.calls == [None, 0.25, 0.5], "each granularity is predicted once"


def test_a_later_prompt_has_no_suggestions_of_other_granularities() -> None:
    predictor = NestedPredictor()
    session = Session(IMAGE, predictor)
    session.apply(Click(40, 60))
    session.apply(Click(120, 60))
    session.apply(Alternative(1))
    assert session.alternatives == 1 and predictor.calls == [None, None]


def test_a_predictor_that_is_loaded_later_offers_granularities() -> None:
    predictor = LazyPredictor(NestedPredictor)
    session = Session(IMAGE, predictor)
    session.apply(Click(80, 60))
    assert session.alternatives == 3
