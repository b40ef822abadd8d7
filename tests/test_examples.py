"""Show one, get all: proposals of CDNet for objects like an example."""

from __future__ import annotations

from typing import Sequence

import numpy as np
import pytest
from skimage import data

from cdwidget.examples import ExamplePredictor, Proposal, find_similar, proposal_origin
from cdwidget.examples.affinity import example_sources, similarity, token_weights
from cdwidget.examples.proposals import is_duplicate
from cdwidget.examples.search import MAX_TILES, find_matches, tile_around, tiles
from cdwidget.items import Instance
from cdwidget.masks import Patch, bbox
from cdwidget.model import CDNetPredictor, load_predictor
from cdwidget.predictor import Match, MatchingTokens, Prediction, Template
from cdwidget.prompts import Click
from cdwidget.session import Session
from support.token_predictor import BRIGHT, SQUARE_PX, BrightPredictor, bright_squares

COINS = np.ascontiguousarray(np.repeat(data.coins()[:200, :250, None], 3, 2))  # Eight coins lie inside, three are cut by the border.
LOWER = np.ascontiguousarray(np.repeat(data.coins()[150:, :250, None], 3, 2))
CENTERS = [(48, 48), (100, 57), (154, 51), (44, 125), (102, 126), (152, 128)]  # (x, y)


@pytest.fixture(scope="module")
def predictor() -> CDNetPredictor:
    return load_predictor(device="cpu")


@pytest.fixture(scope="module")
def coins(predictor: CDNetPredictor) -> list[np.ndarray]:
    """The masks of two coins: a predicted one, and a drawn one."""
    predictor.set_image(COINS)
    y, x = np.mgrid[: COINS.shape[0], : COINS.shape[1]]
    return [predictor.predict([Click(*CENTERS[0])]).mask, np.hypot(x - CENTERS[1][0], y - CENTERS[1][1]) < 19]


def hits(proposals: list[Proposal]) -> list[bool]:
    """Return for each center whether a proposal shows that coin."""
    return [any(one.mask[y, x] and 700 < one.mask.sum() < 2500 for one in proposals) for x, y in CENTERS]


def test_one_coin_finds_the_others_and_changes_nothing(predictor: CDNetPredictor, coins: list[np.ndarray]) -> None:
    session = Session(COINS, predictor, instances=[Instance(mask, "coin") for mask in coins])
    state = session.state
    found = find_similar(session, 1)
    assert session.state is state
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert hits(found) == [False, False, True, True, True, True]  # The labeled ones are not proposed again.
    assert not any(is_duplicate(a.patch, b.patch) for a in found for b in found if a is not b)


def test_a_rejection_lowers_what_is_like_it_without_another_prediction(
    predictor: CDNetPredictor, coins: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = ExamplePredictor(predictor)
    with pytest.raises(ValueError, match="no example yet"):
        examples.predict(COINS)
    examples.add(COINS, coins[0])
    first = examples.predict(COINS, coins[:1])
    monkeypatch.setattr(CDNetPredictor, "predict_each", None)
    examples.reject(first[0])
    after = {one.patch: one.score for one in examples.predict(COINS, coins[:1], min_score=0)}
    assert first[0].patch not in after
    assert any(after[one.patch] < one.score for one in first[1:]) and all(after[one.patch] <= one.score for one in first[1:])


def test_the_origin_of_a_coin_is_the_coin_of_the_example(predictor: CDNetPredictor, coins: list[np.ndarray]) -> None:
    itself = Proposal(Patch.of(coins[0]), coins[0].shape, 1.0, np.zeros(1))
    foreground = proposal_origin(predictor, COINS, coins[0], itself).foreground
    predictor.set_image(COINS)
    height, width = coins[0].shape
    center = predictor.tokens((0, 0, width, height)).features.mean((0, 1))
    x0, y0, x1, y1 = box = bbox(coins[0])
    tokens = predictor.tokens(tile_around(box, height, width, max(x1 - x0, y1 - y0)))
    similar = similarity(tokens, center, example_sources(tokens, center, coins[0], ~coins[0]))
    assert foreground.sum() == pytest.approx(np.average(similar.ravel(), weights=token_weights(coins[0], tokens)), rel=1e-4)
    assert not foreground[:, foreground.shape[1] // 3 :].any(), "the example is in the left third"


def test_examples_of_one_image_find_objects_in_another(predictor: CDNetPredictor, coins: list[np.ndarray]) -> None:
    examples = ExamplePredictor(predictor)
    for mask in coins:
        examples.add(COINS, mask)
    found = examples.predict(LOWER)
    assert len(found) >= 4
    assert all(700 < one.mask.sum() < 3500 for one in found)


def test_a_rejection_is_about_its_own_image_and_outlasts_a_new_example() -> None:
    corners = [(8, 8), (40, 40)]
    first, second = bright_squares(corners), bright_squares(corners)
    square = bright_squares(corners[:1])[..., 0] > BRIGHT
    examples = ExamplePredictor(BrightPredictor())
    examples.add(first, square)
    (earlier,) = examples.predict(first, [square])
    proposals = {one.patch.bbox[:2]: one for one in examples.predict(second)}
    examples.reject(earlier)
    assert sorted(one.patch.bbox[:2] for one in examples.predict(second)) == sorted(proposals) == corners
    examples.reject(proposals[40, 40])
    examples.add(second, square)
    assert [one.patch.bbox[:2] for one in examples.predict(second)] == [(8, 8)]


def test_errors_say_what_is_missing(predictor: CDNetPredictor, coins: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="has no predictor"):
        find_similar(Session(COINS, instances=coins), 1)
    with pytest.raises(ValueError, match="needs a mask with pixels"):
        find_similar(Session(COINS, predictor))
    with pytest.raises(ValueError, match="no instance 7"):
        find_similar(Session(COINS, predictor), 7)

    class Other:
        def set_image(self, image: np.ndarray) -> None: ...

        def predict(self, prompts: object, prior: object = None) -> Prediction: ...

    with pytest.raises(TypeError, match="no encoder tokens"):
        ExamplePredictor(Other())


def test_a_mask_of_numbers_is_the_same_example_as_its_bool_mask() -> None:
    image = bright_squares([(8, 8), (40, 40)])
    square = bright_squares([(8, 8)])[..., 0] > BRIGHT
    described = []
    for mask in (square, 255 * square.astype(np.uint8), square.astype(float)):
        examples = ExamplePredictor(BrightPredictor())
        examples.add(image, mask)
        described.append(examples._examples[0])
    assert all((one.shape.mask == 1).all() and one.area == SQUARE_PX**2 for one in described)
    with pytest.raises(ValueError, match=r"shape \(9, 9\), the image needs \(64, 64\)"):
        examples.predict(image, [np.ones((9, 9), bool)])


def test_labeled_objects_do_not_use_up_the_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdwidget.examples.search.MAX_TILE_MATCHES", 1)
    corners = [(8, 8), (40, 8), (8, 40), (40, 40)]
    image = bright_squares(corners)
    labeled = [bright_squares(corners[:1])[..., 0] > BRIGHT]
    for _ in corners[1:]:
        examples = ExamplePredictor(BrightPredictor())
        examples.add(image, labeled[0])
        (found,) = examples.predict(image, labeled)
        labeled.append(found.mask)
    assert sorted(bbox(mask)[:2] for mask in labeled) == sorted(corners)


@pytest.mark.parametrize(("height", "width", "side"), [(480, 640, 30), (1000, 1000, 90), (300, 700, 500), (64, 64, 3)])
def test_tiles_cover_the_image_and_show_every_small_object_whole(height: int, width: int, side: int) -> None:
    boxes = tiles(height, width, side)
    covered = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in boxes:
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
        covered[y0:y1, x0:x1] = True
    assert covered.all() and len(boxes) <= MAX_TILES**2


def test_a_part_of_a_building_is_no_duplicate_of_it() -> None:
    building, window, half = np.zeros((3, 60, 60), bool)
    building[5:55, 5:55] = True
    window[10:20, 10:20] = True
    half[10:20, 10:16] = True
    assert not is_duplicate(Patch.of(building), Patch.of(window))
    assert is_duplicate(Patch.of(window), Patch.of(half))
    assert not is_duplicate(Patch.of(window), Patch.of(np.roll(window, 30, 1)))


class OneMoreTokens(MatchingTokens):
    """Tokens that find one object more with each template."""

    PROBABILITIES = (0.9, 0.3, 0.2)

    def template(self, box: tuple[float, float, float, float]) -> Template:
        return Template([], box[2] - box[0], box[3] - box[1])

    def matches(self, templates: Sequence[Template]) -> list[Match]:
        found = enumerate(self.PROBABILITIES[: len(templates)])
        return [Match((20 * i, 0, 20 * i + 10, 10), probability) for i, probability in found]


def test_sure_matches_become_examples_of_a_second_search() -> None:
    example = Template([], 10, 10)
    assert [one.probability for one in find_matches(OneMoreTokens(np.zeros((1, 1, 1)), (0, 0, 64, 64)), [example])] == [0.9, 0.3]


def test_without_a_sure_match_there_is_no_second_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OneMoreTokens, "PROBABILITIES", (0.4, 0.3))
    assert [one.probability for one in find_matches(OneMoreTokens(np.zeros((1, 1, 1)), (0, 0, 64, 64)), [Template([], 10, 10)])] == [0.4]
