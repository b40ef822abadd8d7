"""The quality model: its estimates for good and bad masks, and its training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from cdwidget.model.quality import CDNetQualityModel, load_quality_model
from cdwidget.model.view import crop_around_mask
from cdwidget.train.quality import QUALITY_RECIPE, QualityDataset, train_quality_model

HEIGHT, WIDTH = 240, 320
ROWS, COLUMNS = np.ogrid[:HEIGHT, :WIDTH]


def disk(x: float = 160, y: float = 120, radius: float = 60) -> np.ndarray:
    return (COLUMNS - x) ** 2 + (ROWS - y) ** 2 <= radius**2


def picture(truth: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 8, (*truth.shape, 3))
    return np.clip(np.where(truth[..., None], (200, 120, 50), (60, 100, 140)) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def model() -> CDNetQualityModel:
    return load_quality_model()


@pytest.mark.parametrize("radius", [60, 15])
def test_a_bad_mask_gets_a_lower_estimate_and_its_errors_are_located(model: CDNetQualityModel, radius: int) -> None:
    truth = disk(radius=radius)
    shifted = disk(160 + 0.6 * radius, radius=radius)
    model.set_image(picture(truth))
    good, bad = model.estimate(truth), model.estimate(shifted)
    assert bad.iou < good.iou - 0.2 and bad.good_probability < good.good_probability - 0.5
    assert bad.false_negatives[truth & ~shifted].mean() > 3 * bad.false_negatives[~truth & ~shifted].mean()
    assert bad.false_positives[shifted & ~truth].mean() > 3 * bad.false_positives[shifted & truth].mean()
    assert not bad.false_negatives[shifted].any() and not bad.false_positives[~shifted].any()
    assert model.estimate(shifted).iou == bad.iou, "estimates are deterministic"


@pytest.mark.parametrize("mask", [disk(2, 2, 1), disk(radius=400), disk(radius=0), (ROWS == 7) & (COLUMNS >= 0)])
def test_any_mask_can_be_evaluated_among_any_others(model: CDNetQualityModel, mask: np.ndarray) -> None:
    model.set_image(picture(disk()))
    estimate = model.estimate(mask, [disk(), mask, ~mask])
    assert 0 <= estimate.iou <= 1 and 0 <= estimate.good_probability <= 1
    for errors in (estimate.false_negatives, estimate.false_positives):
        assert errors.shape == mask.shape and errors.dtype == np.float32 and 0 <= errors.min() <= errors.max() <= 1


def test_similar_regions_have_close_embeddings(model: CDNetQualityModel) -> None:
    truth = disk()
    model.set_image(picture(truth))
    part, other_part, outside, pixel = (
        model.embed(one) for one in (truth & (COLUMNS < 150), truth & (COLUMNS > 170), ~truth, disk(radius=0))
    )
    assert part.shape == (256,) and part.dtype == np.float32 and np.isfinite(pixel).all()
    assert np.linalg.norm(part - other_part) < 0.7 * np.linalg.norm(part - outside)


def test_a_small_mask_is_evaluated_in_a_crop_around_it() -> None:
    x0, y0, x1, y1 = crop_around_mask(disk(300, 20, 15))
    assert 0 <= x0 < 285 and x1 == WIDTH and y0 == 0 and 35 < y1 < HEIGHT
    assert crop_around_mask(disk(radius=100)) == (0, 0, WIDTH, HEIGHT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set of eight images, each with a large coin and a small one."""
    folder = tmp_path / "coins"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(8):
        labels = disk(140 + 5 * number) + 2 * disk(290, 40, 20)
        Image.fromarray(picture(labels > 0)).save(folder / "images" / f"{number}.png")
        Image.fromarray(labels.astype(np.uint8)).save(folder / "masks" / f"{number}.png")
    return folder


def test_a_sample_has_each_mask_in_the_crop_used_for_estimates(folder: Path) -> None:
    dataset = QualityDataset(replace(QUALITY_RECIPE, masks=6, clean=3), [folder])
    for number in range(6):
        sample, again = dataset.draw(2, number), dataset.draw(2, number)
        assert (sample.iou == again.iou).all() and (sample.maps == again.maps).all(), "samples depend only on step and number"
        assert (sample.iou[:3] == 1).all() and (sample.iou[3:] < 1).all()
        for (x0, y0, x1, y1), maps, truth, known in zip(sample.views, sample.maps, sample.truth, sample.iou):
            mask = maps[2] > 0
            assert mask.any() and (known == 1) == (mask == truth).all()
            inner = (x0 > 0, x1 < WIDTH, y0 > 0, y1 < HEIGHT)
            sides = (mask[:, 0], mask[:, -1], mask[0], mask[-1])
            assert not any(side.any() for side, within in zip(sides, inner) if within), (
                "the crop is chosen around the mask, not around the object"
            )


def test_a_set_of_tiny_objects_is_refused(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / "specks" / name).mkdir(parents=True)
    for number in range(8):
        Image.fromarray(picture(disk())).save(tmp_path / "specks/images" / f"{number}.png")
        Image.fromarray(disk(radius=2).astype(np.uint8)).save(tmp_path / "specks/masks" / f"{number}.png")
    with pytest.raises(ValueError, match="none of 1000 images has an object that fills 0.3% to 95% of it"):
        QualityDataset(QUALITY_RECIPE, [tmp_path / "specks"]).draw(0, 0)


def test_a_quality_model_is_trained_written_and_loaded(folder: Path, tmp_path: Path) -> None:
    recipe = replace(QUALITY_RECIPE, steps=2, images=1, masks=3, clean=1)
    for name in ("first", "second"):
        assert name in train_quality_model([folder], tmp_path / f"{name}.safetensors", recipe)
    first, second = (load_file(tmp_path / f"{name}.safetensors") for name in ("first", "second"))
    assert first.keys() == second.keys() and all((first[name] == second[name]).all() for name in first), "training is deterministic"
    assert len((tmp_path / "first.jsonl").read_text().splitlines()) == 2
    again = load_quality_model(tmp_path / "first.safetensors")
    again.set_image(picture(disk()))
    assert again.estimate(disk()).iou != 0.5
