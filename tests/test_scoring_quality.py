"""Masks that are spoilt on purpose, the fit of the overall score on them, and the figures of its quality."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdwidget.catalogue.rows import OVERALL
from cdwidget.formats.dataset_folders import Source, held_out
from cdwidget.mask_errors import FAULTS, HIGH, LOW, spoil
from cdwidget.masks import iou
from cdwidget.scoring.network import load, save, shipped
from cdwidget.scoring.registry import SCORES
from cdwidget.train import corruption as spoilt
from cdwidget.train import evaluate_overall as score_quality
from cdwidget.train import fit_overall as scores
from cdwidget.train.corruption import CLEAN, Choice, reserved, spoilt_images, trained_on
from cdwidget.train.evaluate_overall import BY_NUMBER, NO_PREDICTOR, VARIANTS, Judged, auroc, found, measure_scores, summarise, write
from support.scripted_predictor import Knowing, Scripted

SIDE = 64
ROWS, COLUMNS = np.ogrid[:SIDE, :SIDE]
DISK = (COLUMNS - 24) ** 2 + (ROWS - 26) ** 2 <= 14**2
BESIDE = (COLUMNS - 50) ** 2 + (ROWS - 50) ** 2 <= 8**2
IMAGE = (np.where((DISK | BESIDE)[..., None], 200, 70) + np.random.default_rng(0).integers(0, 20, (SIDE, SIDE, 3))).astype(np.uint8)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_spoils_a_mask_as_far_as_is_asked(kind: str) -> None:
    for seed in range(5):
        mask = spoil(kind, IMAGE, DISK, BESIDE[None], np.random.default_rng(seed), (0.6, 0.7))
        assert mask.dtype == bool and mask.shape == DISK.shape
        low, high = {"superpixels": (LOW, HIGH), "merged": (0.5, HIGH), "wrong object": (0, 0.3)}.get(kind, (0.52, 0.74))
        assert low <= iou(mask, DISK) < high
        assert (mask == spoil(kind, IMAGE, DISK, BESIDE[None], np.random.default_rng(seed), (0.6, 0.7))).all()


@pytest.mark.parametrize("kind", ["merged", "wrong object"])
def test_a_fault_that_needs_another_object_says_so(kind: str) -> None:
    with pytest.raises(ValueError, match="no other object"):
        spoil(kind, IMAGE, DISK, np.zeros((0, SIDE, SIDE), bool), np.random.default_rng(0))


def test_an_unknown_fault_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="no fault named 'melted'.*there are: cut, grown"):
        spoil("melted", IMAGE, DISK, BESIDE[None], np.random.default_rng(0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 60 images with two objects each."""
    folder = tmp_path_factory.mktemp("data") / "coins"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(60):
        Image.fromarray(np.roll(IMAGE, number % 7, 1)).save(folder / "images" / f"{number}.png")
        Image.fromarray(np.roll(DISK + 2 * BESIDE, number % 7, 1).astype(np.uint8)).save(folder / "masks" / f"{number}.png")
    return folder


@pytest.mark.parametrize("chosen", [held_out, trained_on, reserved])
def test_every_second_mask_is_spoilt_and_held_out_images_are_kept_apart(folder: Path, chosen: Choice) -> None:
    images = list(spoilt_images([folder], 6, chosen=chosen))
    assert all(held_out(Source(Path(one.name + ".png"))) == (chosen is held_out) for one in images)
    faults = [fault for one in images for fault in one.faults.values()]
    assert [kind == CLEAN for kind, _ in faults] == [True, False] * 3
    assert len({kind for kind, _ in faults if kind != CLEAN}) == 3
    for one in images:
        for index, (kind, value) in one.faults.items():
            assert value == pytest.approx(iou(one.masks[index], one.truth[index]))
            assert (value == 1) == (kind == CLEAN)


def test_the_first_of_equal_masks_of_one_label_stands_for_the_object(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoilt, "FAULTS", {"wrong object": FAULTS["wrong object"]})
    images = list(spoilt_images([folder], 8, chosen=trained_on))
    assert {tuple(sorted(one.swapped)) for one in images} == {(), (0, 1)}, "whichever of the two was made the other's"
    for one in images:
        assert (one.masks[0] == one.masks[1]).all()
        assert [iou(mask, truth) for mask, truth in zip(one.masks, one.truth)] == [1, 0]
        assert one.faults == {0: (CLEAN, 1), 1: ("wrong object", 0)}
    monkeypatch.setattr(spoilt, "CLASSED", (folder.name,))
    assert not any(one.swapped for one in spoilt_images([folder], 8, chosen=trained_on)), "of two labels, each mask is its own"


def test_networks_are_fitted_written_and_read_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoilt, "CLASSED", (folder.name,))
    for name in ("BORDER", "WIDE", "NARROW", "LISTENING"):
        monkeypatch.setattr(scores, name, replace(getattr(scores, name), steps=20))
    judged: list[int] = []
    fit = scores.fit
    monkeypatch.setattr(scores, "fit", lambda *examples: judged.append(len(examples[1])) or fit(*examples))
    truth = np.roll(DISK, 3, 1)
    asked = Scripted(truth, alternatives=(truth,)), Knowing(truth)
    assert "AUROC" in scores.fit_scores([folder], *asked, tmp_path / "weights.npz", judged=40, plain=12)
    fitted = load(tmp_path / "weights.npz")
    assert fitted.keys() == shipped().keys()
    assert {name: network.names for name, network in fitted.items()} == {name: network.names for name, network in shipped().items()}
    scores.fit_scores([folder], *asked, tmp_path / "last.npz", judged=12, plain=0)
    assert judged == [40, 12], "of the reserved images there are too few for 40 masks: they are taken again"
    last = load(tmp_path / "last.npz")
    assert {name for name, network in last.items() if (network.weights[0] != shipped()[name].weights[0]).any()} == {scores.LAST}
    save(fitted, tmp_path / "again.npz")
    inputs = np.random.default_rng(0).normal(size=(3, len(fitted["overall answers"].names)))
    assert (load(tmp_path / "again.npz")["overall answers"](inputs) == fitted["overall answers"](inputs)).all()


def test_quality_is_measured_and_written(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoilt, "CLASSED", (folder.name,))
    judged = measure_scores([folder], Scripted(DISK, alternatives=(DISK,)), Knowing(DISK), 6)
    assert len(judged) == 6
    assert {name for one in judged for name in one.scores} >= {*VARIANTS, *SCORES}
    assert "held-out" in write(judged, tmp_path / "scores.json", model="scripted")
    kept = json.loads((tmp_path / "scores.json").read_text())
    assert kept["masks"] == 6 and kept["model"] == "scripted"
    assert kept["wrong_labels"] == {"masks": 3, "auroc": 1.0}
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 7


def test_the_figures_of_a_perfect_and_of_a_useless_score() -> None:
    ious = [1.0] * 50 + [0.5] * 50
    usual = dict.fromkeys(VARIANTS, 0.5)
    perfect = [
        Judged("a", str(i), 0, CLEAN if true == 1 else "cut", true, 1.5 - true, (1 - true) / 2, 0.6, {**usual, OVERALL: 1 - true})
        for i, true in enumerate(ious)
    ]
    figures = summarise(perfect)
    assert (figures[OVERALL]["auroc"], figures[OVERALL]["spearman"], figures[OVERALL]["found"]) == (1.0, pytest.approx(1.0), 1.0)
    assert (figures[BY_NUMBER]["auroc"], figures[BY_NUMBER]["spearman"]) == (0.0, pytest.approx(-1.0)), "1.5 less the IoU"
    assert figures["chance"] == {"brier": pytest.approx(0.28125), "bias": -0.375}
    assert figures["estimate"] == {"error": pytest.approx(0.25), "bias": pytest.approx(-0.15), "spearman": None}
    assert figures[NO_PREDICTOR]["auroc"] == 0.5
    assert figures[NO_PREDICTOR]["found"] == pytest.approx(score_quality.REVIEWED, abs=0.03)
    assert figures["by_kind"]["cut"]["spoilt"] == 50


def test_auroc_counts_ties_half() -> None:
    assert auroc(np.array([3.0, 2, 1, 0]), np.array([True, False, True, False])) == 0.75
    assert auroc(np.array([1.0, 1, 1]), np.array([True, False, True])) == 0.5
    assert auroc(np.array([1.0]), np.array([True])) is None


def test_what_is_found_is_limited_by_what_is_looked_at() -> None:
    iou_ = np.r_[np.ones(85), np.zeros(15)]
    assert found(1 - iou_, iou_)["found"] == 1
    assert found(iou_, iou_)["found"] == 0
