"""Scores without ground truth: every entry of SCORES, and properties that all of them share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from PIL import Image

from cdwidget.catalogue import OVERALL_SCORE, Catalogue
from cdwidget.catalogue.rows import ScoreValue
from cdwidget.formats.coco import Crowd
from cdwidget.items import Instance, Item
from cdwidget.predictor import Predictor
from cdwidget.prompts import Click
from cdwidget.scoring import SCORES, Population, score_item
from cdwidget.scoring.appearance import AppearanceClassifier
from cdwidget.scoring.predictions import simulate_predictions
from cdwidget.scoring.registry import CLASS_SCORES, PREDICTOR_SCORES, QUALITY_SCORES
from support.scripted_predictor import OracleQualityModel, ScriptedPredictor

HEIGHT, WIDTH = 120, 160
ROWS, COLUMNS = np.ogrid[:HEIGHT, :WIDTH]
MODEL_SCORES = {*PREDICTOR_SCORES, *QUALITY_SCORES}
POPULATION_SCORES = {*CLASS_SCORES, "appearance"}


def disk(x: float = 80, y: float = 60, radius: float = 30) -> np.ndarray:
    return (COLUMNS - x) ** 2 + (ROWS - y) ** 2 <= radius**2


TRUE_MASK = disk()
NOISE = np.random.default_rng(3).normal(0, 6, (HEIGHT, WIDTH, 3))
PICTURE = np.clip(np.where(TRUE_MASK[..., None], (190, 120, 60), (60, 90, 130)) + NOISE, 0, 255).astype(np.uint8)
COARSE_MASK = (
    np.kron(cv2.resize(TRUE_MASK.astype(np.uint8), (WIDTH // 8, HEIGHT // 8), interpolation=cv2.INTER_AREA) > 0, np.ones((8, 8))) > 0
)
MASK_WITH_HOLES = TRUE_MASK & ~disk(70, 60, 5) & ~disk(92, 60, 6)
EMBEDDINGS = [OracleQualityModel(TRUE_MASK).embed(disk(radius=radius)) for radius in (*range(25, 37), *range(44, 56))]
COIN_POPULATION = Population(
    {"coin": 40}, {"coin": (0.14, 0.147, 0.155)}, {"coin": (0.95, 1.0, 1.05)}, {"coin": (0.76, 0.785, 0.8)},
    AppearanceClassifier.fit(np.array(EMBEDDINGS), ["coin"] * 12 + ["plate"] * 12, range(24)),
)  # fmt: skip


class Case(NamedTuple):
    """A mask, the other masks of the image, and the masks that the predictor returns, the true mask first.

    By default a good mask: the disk alone, which the predictor returns too.
    """

    mask: np.ndarray = TRUE_MASK
    others: tuple[np.ndarray, ...] = ()
    predicted: tuple[np.ndarray, ...] = (TRUE_MASK,)
    alternatives: tuple[np.ndarray, ...] = (TRUE_MASK, TRUE_MASK)


GOOD_CASE = Case()
WRONG_CASES = {
    "critic": Case(disk(88)),
    "agreement": Case(disk(88)),
    "edit": Case(disk(88)),
    "stability": Case(predicted=(TRUE_MASK, TRUE_MASK, disk(95))),
    "heads": Case(alternatives=(TRUE_MASK, disk(radius=15), disk(radius=45))),
    "border": Case(disk(radius=37)),
    "edges": Case(disk(radius=37)),
    "colour": Case(disk(radius=40)),
    "fragments": Case(TRUE_MASK | disk(20, 20, 8) | disk(140, 100, 6)),
    "holes": Case(MASK_WITH_HOLES),
    "staircase": Case(COARSE_MASK),
    "straight": Case(TRUE_MASK & (COLUMNS < 80)),
    "size": Case(disk(radius=6)),
    "shape": Case((abs(COLUMNS - 80) < 70) & (abs(ROWS - 60) < 10)),
    "appearance": Case(disk(radius=50)),
    "duplicate": Case(others=(TRUE_MASK.copy(),)),
    "overlap": Case(others=(disk(110),)),
}


def score(case: Case, folder: Path, picture: np.ndarray = PICTURE, predict: bool = True, **options: object) -> dict[str, ScoreValue]:
    """Return the scores of the first instance of an image by name."""
    Image.fromarray(picture).save(folder / "a.png")
    item = Item(folder / "a.png", [Instance(mask, "coin") for mask in (case.mask, *case.others)])
    predictor: Predictor | None = ScriptedPredictor(*case.predicted, alternatives=case.alternatives) if predict else None
    quality_model = OracleQualityModel(case.predicted[0]) if predict else None
    given = {"population": COIN_POPULATION, "numbers": [1], "quality_model": quality_model, **options}
    return {one.name: one for one in score_item(item, predictor, **given)}  # type: ignore[arg-type]


def test_every_score_has_a_case() -> None:
    assert WRONG_CASES.keys() == SCORES.keys()


@pytest.mark.parametrize("name", SCORES)
def test_a_score_rises_with_its_own_error_and_locates_it(name: str, tmp_path: Path) -> None:
    good, wrong = (score(case, tmp_path, names=[name])[name] for case in (GOOD_CASE, WRONG_CASES[name]))
    assert good.value < 0.35
    assert wrong.value > good.value + 0.1
    assert len(wrong.reason) > 20 and any(sign.isdigit() for sign in wrong.reason)
    assert wrong.heat is not None and wrong.heat.dtype == np.uint8 and wrong.heat.max() > 100


UNUSUAL_MASKS = {
    "one pixel": (ROWS == 50) & (COLUMNS == 70),
    "one pixel in the corner": (ROWS == HEIGHT - 1) & (COLUMNS == WIDTH - 1),
    "a line": (ROWS == 40) & (COLUMNS > 20) & (COLUMNS < 150),
    "at the border": (ROWS < 30) & (COLUMNS >= WIDTH - 40),
    "the whole image": np.ones((HEIGHT, WIDTH), bool),
    "all but one pixel": ~((ROWS == 50) & (COLUMNS == 70)),
    "dust": np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.02,
}


@pytest.mark.parametrize("predict", [True, False])
@pytest.mark.parametrize("mask", UNUSUAL_MASKS.values(), ids=UNUSUAL_MASKS)
def test_any_mask_has_scores_in_range_with_reasons_and_heat(mask: np.ndarray, predict: bool, tmp_path: Path) -> None:
    found = score(Case(mask, others=(TRUE_MASK,)), tmp_path, predict=predict)
    assert found.keys() == {*SCORES, OVERALL_SCORE} - (set() if predict else MODEL_SCORES)
    shapes = {one.heat.shape for one in found.values() if one.heat is not None}
    assert len(shapes) == 1 and min(*shapes.pop()) >= 1
    for one in found.values():
        assert 0 <= one.value <= 1 and one.reason and one.heat is not None and one.heat.dtype == np.uint8


@pytest.mark.parametrize("predict", [True, False])
def test_scores_do_not_depend_on_the_position_of_the_object(predict: bool, tmp_path: Path) -> None:
    case = Case(disk(72, 55, 26))
    moved = Case(np.roll(case.mask, (8, -12), (0, 1)), (), (np.roll(TRUE_MASK, (8, -12), (0, 1)),), (np.roll(TRUE_MASK, (8, -12), (0, 1)),))
    here = score(Case(case.mask, alternatives=(TRUE_MASK,)), tmp_path, predict=predict)
    there = score(moved, tmp_path, np.roll(PICTURE, (8, -12), (0, 1)), predict)
    assert {name: one.value for name, one in there.items()} == pytest.approx({name: one.value for name, one in here.items()}, abs=0.02)


def test_a_large_image_scores_like_a_small_one(tmp_path: Path) -> None:
    def enlarge(values: np.ndarray) -> np.ndarray:
        return cv2.resize(values.astype(np.uint8), None, fx=10, fy=10, interpolation=cv2.INTER_NEAREST).astype(values.dtype)

    Image.fromarray(enlarge(PICTURE)).save(tmp_path / "large.png")
    (large,) = score_item(Item(tmp_path / "large.png", [Instance(enlarge(disk(88)))]), None, names=["edges"])
    assert large.value == pytest.approx(score(Case(disk(88)), tmp_path, names=["edges"])["edges"].value, abs=0.25)


@pytest.mark.parametrize("predict", [True, False])
def test_the_overall_score_rises_with_the_error(predict: bool, tmp_path: Path) -> None:
    masks = [disk(80 + shift) for shift in (0, 4, 10, 18)]
    values = [score(Case(mask), tmp_path, predict=predict)[OVERALL_SCORE].value for mask in masks]
    assert values == sorted(values)
    assert values[-1] > values[0] + 0.2


def test_the_overall_reason_names_the_score_that_raises_it(tmp_path: Path) -> None:
    found = score(WRONG_CASES["duplicate"], tmp_path, numbers=[2])
    assert found["duplicate"].reason in found[OVERALL_SCORE].reason
    iou, bad = re.match(r"Expected IoU (0\.\d\d) \((\d+) % chance that it is below 0\.85\)\. ", found[OVERALL_SCORE].reason).groups()
    assert found[OVERALL_SCORE].value == pytest.approx(0.5 * int(bad) / 100 + 0.5 * (1 - float(iou)), abs=0.01)
    assert score(GOOD_CASE, tmp_path)[OVERALL_SCORE].value < found[OVERALL_SCORE].value


def test_equal_masks_of_a_label_after_the_first_are_duplicates(tmp_path: Path) -> None:
    first, second = (score(WRONG_CASES["duplicate"], tmp_path, numbers=[number]) for number in (1, 2))
    assert first["duplicate"].value == second["duplicate"].value == 1
    assert second[OVERALL_SCORE].value > 0.8 and first[OVERALL_SCORE].value < second[OVERALL_SCORE].value - 0.5
    assert second[OVERALL_SCORE].reason.endswith("). Nearly the same pixels (IoU 1.00) as instance 1, which comes first")
    assert "comes first" not in first["duplicate"].reason
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    labeled = Item(tmp_path / "a.png", [Instance(TRUE_MASK, "coin"), Instance(TRUE_MASK, "plate")])
    other = {one.name: one for one in score_item(labeled, None, COIN_POPULATION, numbers=[2], quality_model=OracleQualityModel(TRUE_MASK))}
    assert "comes first" not in other["duplicate"].reason, "with two labels, either may be wrong"


def test_a_predictor_runs_at_most_five_times_per_mask(tmp_path: Path) -> None:
    predictor = ScriptedPredictor(disk(40, 30, 12))
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    score_item(Item(tmp_path / "a.png", [Instance(TRUE_MASK)]), predictor)
    assert len(predictor.calls) == 5


def test_scores_without_their_model_or_population_are_left_out(tmp_path: Path) -> None:
    assert score(GOOD_CASE, tmp_path, population=None).keys() == {*SCORES, OVERALL_SCORE} - POPULATION_SCORES
    assert score(GOOD_CASE, tmp_path, predict=False).keys() == {*SCORES, OVERALL_SCORE} - MODEL_SCORES
    rare = Population({"coin": 3}, COIN_POPULATION.sizes, COIN_POPULATION.aspects, COIN_POPULATION.fills)
    assert score(GOOD_CASE, tmp_path, population=rare).keys() == {*SCORES, OVERALL_SCORE} - POPULATION_SCORES
    assert score(GOOD_CASE, tmp_path, names=["edges", OVERALL_SCORE]).keys() == {"edges", OVERALL_SCORE}


def test_empty_masks_rank_first_and_crowds_last(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    instances = [Instance(np.zeros_like(TRUE_MASK)), Crowd(TRUE_MASK), Instance(TRUE_MASK)]
    empty, crowd, *rest = score_item(Item(tmp_path / "a.png", instances), None)
    assert (empty.instance, empty.name, empty.value) == (1, OVERALL_SCORE, 1.0)
    assert (crowd.instance, crowd.name, crowd.value) == (2, OVERALL_SCORE, 0.0)
    assert {one.instance for one in rest} == {3}
    assert next(one for one in rest if one.name == "duplicate").value == 0  # A crowd is not another instance.


def test_unknown_names_and_mismatched_masks_raise(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no score named 'edgse'.*did you mean 'edges'"):
        score(GOOD_CASE, tmp_path, names=["edgse"])
    with pytest.raises(ValueError, match="no instance named '7'.*there are: 1"):
        score(GOOD_CASE, tmp_path, numbers=[7])
    with pytest.raises(ValueError, match="instance 1 is 6x5 pixels and the image 160x120"):
        score(Case(np.ones((5, 6), bool)), tmp_path)


def test_a_population_measures_a_catalogue(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    coins = [Instance(disk(radius=25 + rng.uniform(0, 6)), "coin") for _ in range(20)]
    odd = Instance(disk(radius=4), "coin")
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    with Catalogue(tmp_path / "labels.db") as catalogue:
        catalogue.add([Item(tmp_path / "a.png", [*coins, odd, Instance(TRUE_MASK, "plate"), Crowd(TRUE_MASK, "coin")])])
        population = Population.from_catalogue(catalogue)
        assert population.count == {"coin": 21, "plate": 1}
        assert population.sizes["coin"] == pytest.approx(np.percentile([one.mask.mean() for one in [*coins, odd]], (25, 50, 75)))
        item = catalogue.item(1)
        scores = score_item(item, None, population, names=["size", "shape", OVERALL_SCORE])
        sizes = {one.instance: one.value for one in scores if one.name == "size"}
        assert sizes[21] == 1.0 and max(value for number, value in sizes.items() if number != 21) == 0
        assert catalogue.put_scores(1, scores, item.version)
        kept = {(one.instance, one.name): one for one in catalogue.scores(1)}
        assert {key: one.value for key, one in kept.items()} == {(one.instance, one.name): pytest.approx(one.value) for one in scores}
        assert catalogue.query(of="instances", order_by="-score")[0].score == max(one.value for one in scores if one.name == OVERALL_SCORE)


@pytest.mark.parametrize("other, nested", [(disk(radius=10), True), (disk(20, radius=10), False)])
def test_nested_masks_are_suspicious_if_the_data_set_has_none(other: np.ndarray, nested: bool, tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    Image.fromarray(PICTURE).save(tmp_path / "b.png")
    with Catalogue(tmp_path / "labels.db") as catalogue:
        catalogue.add([Item(tmp_path / "a.png", [Instance(TRUE_MASK)]), Item(tmp_path / "b.png", [Instance(TRUE_MASK), Instance(other)])])
        population = Population.from_catalogue(catalogue)
    assert population.nested == nested
    within = Item(tmp_path / "a.png", [Instance(TRUE_MASK), Instance(disk(radius=20))])
    whole, part = score_item(within, None, population, names=["overlap"])
    assert (whole.value, part.value) == ((0, 0) if nested else (pytest.approx((20 / 30) ** 2, abs=0.02), 1))
    assert nested or ("instance 2" in whole.reason and "usually not nested" in whole.reason)


def test_an_empty_catalogue_has_an_empty_population(tmp_path: Path) -> None:
    with Catalogue(tmp_path / "labels.db") as catalogue:
        assert Population.from_catalogue(catalogue) == Population({}, {}, {}, {})


def test_no_click_is_nudged_out_of_the_image() -> None:
    everything = np.ones((40, 60), bool)
    for edge in (np.s_[0, 20:30], np.s_[-1, 20:30], np.s_[10:20, 0], np.s_[10:20, -1]):
        mask = everything.copy()
        mask[edge] = False  # The second and the third click are then on the edge of the image.
        predictor = ScriptedPredictor(everything)
        simulate_predictions(predictor, mask)
        moved, _ = predictor.calls[-1]
        assert len(moved) == 3 and all(0 <= click.x < 60 and 0 <= click.y < 40 for click in moved if isinstance(click, Click))


def test_old_names_warn(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    with pytest.warns(DeprecationWarning, match="use score_item\\(quality_model=...\\)"):
        scores = score_item(Item(tmp_path / "a.png", [Instance(TRUE_MASK)]), None, names=["critic"], critic=OracleQualityModel(TRUE_MASK))
    assert [one.name for one in scores] == ["critic"]
    with Catalogue(tmp_path / "labels.db") as catalogue, pytest.warns(DeprecationWarning, match="use Population.from_catalogue"):
        assert Population.of(catalogue) == Population({}, {}, {}, {})
