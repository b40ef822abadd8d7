"""Synthetic mask errors, the fit of the overall score on them, and its evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdwidget.catalogue.rows import OVERALL_SCORE
from cdwidget.formats.dataset_folders import DatasetImage, is_held_out
from cdwidget.mask_errors import MASK_ERRORS, MAX_FLIP_IOU, MIN_FLIP_IOU, corrupt_mask
from cdwidget.masks import iou
from cdwidget.scoring.network import load_networks, save_networks, shipped_networks
from cdwidget.scoring.registry import SCORES
from cdwidget.train import corruption, fit_overall
from cdwidget.train.corruption import CLEAN_KIND, ImageFilter, corrupted_images, is_reserved, is_trained_on
from cdwidget.train.evaluate_overall import (
    BY_NUMBER,
    NO_PREDICTOR,
    REVIEWED_SHARE,
    VARIANTS,
    ScoredMask,
    auroc,
    found,
    measure_scores,
    summarize,
    write,
)
from support.scripted_predictor import OracleQualityModel, ScriptedPredictor

SIDE = 64
ROWS, COLUMNS = np.ogrid[:SIDE, :SIDE]
DISK = (COLUMNS - 24) ** 2 + (ROWS - 26) ** 2 <= 14**2
SMALL_DISK = (COLUMNS - 50) ** 2 + (ROWS - 50) ** 2 <= 8**2
IMAGE = (np.where((DISK | SMALL_DISK)[..., None], 200, 70) + np.random.default_rng(0).integers(0, 20, (SIDE, SIDE, 3))).astype(np.uint8)


@pytest.mark.parametrize("kind", MASK_ERRORS)
def test_an_error_reaches_the_requested_iou(kind: str) -> None:
    for seed in range(5):
        mask = corrupt_mask(kind, IMAGE, DISK, SMALL_DISK[None], np.random.default_rng(seed), (0.6, 0.7))
        assert mask.dtype == bool and mask.shape == DISK.shape
        low, high = {"superpixels": (MIN_FLIP_IOU, MAX_FLIP_IOU), "merged": (0.5, MAX_FLIP_IOU), "wrong object": (0, 0.3)}.get(
            kind, (0.52, 0.74)
        )
        assert low <= iou(mask, DISK) < high
        assert (mask == corrupt_mask(kind, IMAGE, DISK, SMALL_DISK[None], np.random.default_rng(seed), (0.6, 0.7))).all()


@pytest.mark.parametrize("kind", ["merged", "wrong object"])
def test_an_error_that_needs_another_object_raises_without_one(kind: str) -> None:
    with pytest.raises(ValueError, match="no other object"):
        corrupt_mask(kind, IMAGE, DISK, np.zeros((0, SIDE, SIDE), bool), np.random.default_rng(0))


def test_an_unknown_kind_of_error_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no mask error named 'melted'.*there are: cut, grown"):
        corrupt_mask("melted", IMAGE, DISK, SMALL_DISK[None], np.random.default_rng(0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 60 images with two objects each."""
    folder = tmp_path_factory.mktemp("data") / "coins"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(60):
        Image.fromarray(np.roll(IMAGE, number % 7, 1)).save(folder / "images" / f"{number}.png")
        Image.fromarray(np.roll(DISK + 2 * SMALL_DISK, number % 7, 1).astype(np.uint8)).save(folder / "masks" / f"{number}.png")
    return folder


@pytest.mark.parametrize("selects", [is_held_out, is_trained_on, is_reserved])
def test_every_second_mask_is_corrupted_and_held_out_images_are_separate(folder: Path, selects: ImageFilter) -> None:
    images = list(corrupted_images([folder], 6, selects=selects))
    assert all(is_held_out(DatasetImage(Path(image.name + ".png"))) == (selects is is_held_out) for image in images)
    errors = [error for image in images for error in image.errors.values()]
    assert [kind == CLEAN_KIND for kind, _ in errors] == [True, False] * 3
    assert len({kind for kind, _ in errors if kind != CLEAN_KIND}) == 3
    for image in images:
        for index, (kind, value) in image.errors.items():
            assert value == pytest.approx(iou(image.masks[index], image.truth[index]))
            assert (value == 1) == (kind == CLEAN_KIND)


def test_the_first_of_equal_masks_of_one_label_is_matched_with_the_object(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corruption, "MASK_ERRORS", {"wrong object": MASK_ERRORS["wrong object"]})
    images = list(corrupted_images([folder], 8, selects=is_trained_on))
    assert {tuple(sorted(image.swapped)) for image in images} == {(), (0, 1)}, "either of the two masks may be the wrong one"
    for image in images:
        assert (image.masks[0] == image.masks[1]).all()
        assert [iou(mask, truth) for mask, truth in zip(image.masks, image.truth)] == [1, 0]
        assert image.errors == {0: (CLEAN_KIND, 1), 1: ("wrong object", 0)}
    monkeypatch.setattr(corruption, "CLASS_MAP_SETS", (folder.name,))
    assert not any(image.swapped for image in corrupted_images([folder], 8, selects=is_trained_on)), "the two masks have different labels"


def test_networks_are_fitted_written_and_loaded(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corruption, "CLASS_MAP_SETS", (folder.name,))
    for name in ("BORDER_RECIPE", "IMAGE_RECIPE", "PREDICTOR_RECIPE", "LAST_RECIPE"):
        monkeypatch.setattr(fit_overall, name, replace(getattr(fit_overall, name), steps=20))
    counts: list[int] = []
    fit = fit_overall.fit
    monkeypatch.setattr(fit_overall, "fit", lambda *examples: counts.append(len(examples[1])) or fit(*examples))
    truth = np.roll(DISK, 3, 1)
    models = ScriptedPredictor(truth, alternatives=(truth,)), OracleQualityModel(truth)
    assert "AUROC" in fit_overall.fit_scores([folder], *models, tmp_path / "weights.npz", count=40, plain_count=12)
    fitted = load_networks(tmp_path / "weights.npz")
    assert fitted.keys() == shipped_networks().keys()
    assert {name: network.names for name, network in fitted.items()} == {
        name: network.names for name, network in shipped_networks().items()
    }
    fit_overall.fit_scores([folder], *models, tmp_path / "last.npz", count=12, plain_count=0)
    assert counts == [40, 12], "there are too few reserved images for 40 masks, so they are used again"
    last = load_networks(tmp_path / "last.npz")
    changed = {name for name, network in last.items() if (network.weights[0] != shipped_networks()[name].weights[0]).any()}
    assert changed == {fit_overall.LAST_NETWORK}
    save_networks(fitted, tmp_path / "again.npz")
    inputs = np.random.default_rng(0).normal(size=(3, len(fitted["overall answers"].names)))
    assert (load_networks(tmp_path / "again.npz")["overall answers"](inputs) == fitted["overall answers"](inputs)).all()


def test_figures_are_computed_and_written(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corruption, "CLASS_MAP_SETS", (folder.name,))
    masks = measure_scores([folder], ScriptedPredictor(DISK, alternatives=(DISK,)), OracleQualityModel(DISK), 6)
    assert len(masks) == 6
    assert {name for mask in masks for name in mask.scores} >= {*VARIANTS, *SCORES}
    assert "held-out" in write(masks, tmp_path / "scores.json", model="scripted")
    figures = json.loads((tmp_path / "scores.json").read_text())
    assert figures["masks"] == 6 and figures["model"] == "scripted"
    assert figures["wrong_labels"] == {"masks": 3, "auroc": 1.0}
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 7


def test_figures_of_a_perfect_and_of_a_constant_score() -> None:
    ious = [1.0] * 50 + [0.5] * 50
    constant = dict.fromkeys(VARIANTS, 0.5)
    masks = [
        ScoredMask(
            "a", str(i), 0, CLEAN_KIND if true == 1 else "cut", true, 1.5 - true, (1 - true) / 2, 0.6, {**constant, OVERALL_SCORE: 1 - true}
        )
        for i, true in enumerate(ious)
    ]
    figures = summarize(masks)
    overall = figures[OVERALL_SCORE]
    assert (overall["auroc"], overall["spearman"], overall["found"]) == (1.0, pytest.approx(1.0), 1.0)
    assert (figures[BY_NUMBER]["auroc"], figures[BY_NUMBER]["spearman"]) == (0.0, pytest.approx(-1.0)), "the source IoU is 1.5 less the IoU"
    assert figures["chance"] == {"brier": pytest.approx(0.28125), "bias": -0.375}
    assert figures["estimate"] == {"error": pytest.approx(0.25), "bias": pytest.approx(-0.15), "spearman": None}
    assert figures[NO_PREDICTOR]["auroc"] == 0.5
    assert figures[NO_PREDICTOR]["found"] == pytest.approx(REVIEWED_SHARE, abs=0.03)
    assert figures["by_kind"]["cut"]["spoilt"] == 50


def test_auroc_counts_ties_half() -> None:
    assert auroc(np.array([3.0, 2, 1, 0]), np.array([True, False, True, False])) == 0.75
    assert auroc(np.array([1.0, 1, 1]), np.array([True, False, True])) == 0.5
    assert auroc(np.array([1.0]), np.array([True])) is None


def test_only_reviewed_masks_can_be_found() -> None:
    ious = np.r_[np.ones(85), np.zeros(15)]
    assert found(1 - ious, ious)["found"] == 1
    assert found(ious, ious)["found"] == 0
