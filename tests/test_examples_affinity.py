"""The affinity to examples: what it computes, and that it follows CDNet's tokens from one image to another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdwidget.examples.affinity import (
    SHARPNESS,
    Sources,
    affinity,
    example_sources,
    join_sources,
    similarity,
    token_weights,
)
from cdwidget.model import CDNetPredictor, load_predictor
from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.predictor import Tokens


def random_sources(rng: np.random.Generator, count: int, channels: int = 6) -> Sources:
    units = rng.normal(size=(count, channels)).astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    return Sources(units, *rng.random((2, count), np.float32))


@given(st.integers(0, 10_000), st.integers(1, 20))
def test_the_affinity_equals_the_formula(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    sources, units = random_sources(rng, count), random_sources(rng, 7).tokens
    exponentials = np.exp(SHARPNESS * units.astype(float) @ sources.tokens.T)
    branches = np.stack([exponentials * sources.foreground, exponentials * sources.background])
    expected = branches / branches.sum((0, 2), keepdims=True)
    np.testing.assert_allclose(affinity(units, sources), expected, atol=1e-4)


def test_without_any_source_nothing_is_similar() -> None:
    tokens = Tokens(np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32), (0, 0, 4, 3))
    sources = example_sources(tokens, np.zeros(5, np.float32), np.zeros((3, 4), bool), np.ones((3, 4), bool))
    assert (similarity(tokens, np.zeros(5, np.float32), sources) == 0).all()


def test_a_token_covered_at_the_edge_of_an_object_is_no_source() -> None:
    mask = np.zeros((20, 40), bool)
    mask[5:15, 10:23] = True
    tokens = Tokens(np.zeros((4, 8, 1), np.float32), (0, 0, 40, 20))
    assert token_weights(mask, tokens).reshape(4, 8)[1].tolist() == pytest.approx([0, 0, 1, 1, 0.6, 0, 0, 0])
    cut = Tokens(np.zeros((4, 4, 1), np.float32), (20, 0, 40, 20))  # The object covers 3/5 of the view's first tokens.
    assert token_weights(mask, cut).reshape(4, 4)[1].tolist() == pytest.approx([0.6, 0, 0, 0])


def test_two_examples_weigh_the_same() -> None:
    rng = np.random.default_rng(0)
    small, large = random_sources(rng, 3), random_sources(rng, 30)
    joined = join_sources([small, large])
    assert joined.foreground.sum() == pytest.approx(small.foreground.sum() + large.foreground.sum())
    assert joined.tokens.shape == (33, 6)


def disks(columns: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return an image with one red disk in each given column of four, and the mask of all disks."""
    image = np.full((256, 256, 3), 90, np.uint8)
    image += np.random.default_rng(seed).integers(0, 20, (256, 256, 1), np.uint8)
    y, x = np.mgrid[:256, :256]
    mask = np.any([(x - 64 * column - 32) ** 2 + (y - 128) ** 2 < 26**2 for column in columns], axis=0)
    image[mask] = (200, 30, 30)
    return image, mask


def test_objects_like_the_example_are_similar_also_in_another_image() -> None:
    predictor, whole = load_predictor(device="cpu"), (0, 0, 256, 256)
    image, mask = disks([0, 2])
    example = np.where(np.arange(256) < 128, mask, False)
    predictor.set_image(image)
    tokens = predictor.tokens(whole)
    center = tokens.features.mean((0, 1))
    sources = example_sources(tokens, center, example, ~mask)
    for columns, seed in (([0, 2], 0), ([1, 3], 5)):
        image, mask = disks(columns, seed)
        predictor.set_image(image)
        tokens = predictor.tokens(whole)
        found = similarity(tokens, tokens.features.mean((0, 1)), sources)
        inside = token_weights(mask, tokens).reshape(found.shape) == 1
        assert found[inside].min() > 0.8 > 0.2 > found[~inside].mean()


def test_tokens_need_an_image_and_late_fusion() -> None:
    config = CDNetConfig(backbone="resnet34", size=64, channels=8, latent_heads=0)
    predictor = CDNetPredictor(CDNet(config))
    with pytest.raises(ValueError, match="call set_image first"):
        predictor.tokens((0, 0, 32, 32))
    predictor.set_image(np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(ValueError, match="mixes prompts into its first layer"):
        predictor.tokens((0, 0, 32, 32))
