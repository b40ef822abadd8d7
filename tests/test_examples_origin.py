"""The tokens of an example that a proposal came from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cdwidget.examples import ExamplePredictor, find_similar, proposal_origin
from cdwidget.items import Instance
from cdwidget.masks import Patch
from cdwidget.session import Session
from support.token_predictor import BRIGHT, BrightPredictor, bright_squares

CORNERS = [(8, 8), (40, 40)]
IMAGE = bright_squares(CORNERS)
EXAMPLE = bright_squares(CORNERS[:1])[..., 0] > BRIGHT
(PROPOSAL,) = find_similar(Session(IMAGE, BrightPredictor(), instances=[Instance(EXAMPLE)]), 1)


def test_a_proposal_comes_from_the_tokens_of_the_example() -> None:
    origin = proposal_origin(BrightPredictor(), IMAGE, EXAMPLE, PROPOSAL)
    assert origin.box == (0, 0, 64, 64) and origin.foreground.shape == origin.background.shape == (16, 16)
    assert origin.foreground.sum() + origin.background.sum() == pytest.approx(1) and origin.foreground.sum() > 0.9
    inside = np.zeros((16, 16), bool)
    inside[2:6, 2:6] = True  # The example covers 16 x 16 pixels, 4 x 4 tokens, from (8, 8) on.
    assert (origin.foreground[~inside] == 0).all() and origin.foreground[inside].min() == pytest.approx(origin.foreground.max())
    other = np.zeros((16, 16), bool)
    other[10:14, 10:14] = True  # The only background that is bright.
    assert origin.background[other].sum() > origin.background[~other].sum()


def test_the_two_maps_are_the_affinity_of_the_formula() -> None:
    origin = proposal_origin(BrightPredictor(), IMAGE, EXAMPLE, PROPOSAL)
    bright = IMAGE[::4, ::4, 0].ravel() > BRIGHT
    tokens = np.stack([IMAGE[::4, ::4, 0].ravel() / 255, 1 - IMAGE[::4, ::4, 0].ravel() / 255], -1)
    units = tokens - tokens.mean(0)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    inside = EXAMPLE[::4, ::4].ravel()
    weights = np.exp(10 * units @ units[bright][0])
    foreground, background = weights * inside / inside.sum(), weights * ~inside / (~inside).sum()
    total = foreground.sum() + background.sum()
    np.testing.assert_allclose(origin.foreground.ravel(), foreground / total, rtol=1e-4)
    np.testing.assert_allclose(origin.background.ravel(), background / total, rtol=1e-4)


def test_the_proposal_may_be_in_another_image_of_another_size() -> None:
    other = np.pad(bright_squares([(40, 8)]), ((0, 32), (0, 0), (0, 0)), constant_values=40)
    examples = ExamplePredictor(BrightPredictor())
    examples.add(IMAGE, EXAMPLE)
    (proposal,) = examples.predict(other)
    origin = proposal_origin(BrightPredictor(), IMAGE, EXAMPLE, proposal, other)
    assert origin.box == (0, 0, 64, 64) and origin.foreground.sum() > 0.9
    with pytest.raises(ValueError, match=r"is of an image of shape \(96, 64\), not \(64, 64\); give its image"):
        proposal_origin(BrightPredictor(), IMAGE, EXAMPLE, proposal)


def test_a_proposal_may_be_much_larger_than_the_example() -> None:
    image = np.full((300, 300, 3), 40, np.uint8)
    image[4:8, 4:8] = 220
    image[50:250, 50:250] = 220
    image[60:240, 60:240] = 40  # A ring, which tiles of six small objects would not show whole.
    mask, ring = np.zeros((2, 300, 300), bool)
    mask[4:8, 4:8] = True
    ring[50:250, 50:250] = image[50:250, 50:250, 0] > BRIGHT
    origin = proposal_origin(BrightPredictor(), image, mask, replace(PROPOSAL, patch=Patch.of(ring), size=ring.shape))
    assert origin.foreground.sum() + origin.background.sum() == pytest.approx(1) and origin.box == (0, 0, 300, 300)


def test_a_mask_and_a_model_that_do_not_fit_are_errors() -> None:
    with pytest.raises(ValueError, match="needs a mask with pixels"):
        proposal_origin(BrightPredictor(), IMAGE, np.zeros_like(EXAMPLE), PROPOSAL)
    with pytest.raises(TypeError, match="object has no encoder tokens"):
        proposal_origin(object(), IMAGE, EXAMPLE, PROPOSAL)


def test_the_figure_shows_both_maps_over_the_view() -> None:
    figure = proposal_origin(BrightPredictor(), IMAGE, EXAMPLE, PROPOSAL).figure(IMAGE)
    maps = [axes for axes in figure.axes if len(axes.images) == 2]
    assert [axes.get_title().split(" of ")[0] for axes in maps] == ["foreground", "background"]
    assert all(tuple(image.get_extent()) == (0, 64, 64, 0) for axes in maps for image in axes.images)
    assert figure._repr_png_().startswith(b"\x89PNG")
