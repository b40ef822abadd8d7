"""What classes look like: masks of wrong objects and wrong labels stand out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import brick, coffee

import cdwidget
from cdwidget import Catalogue, Instance, Item
from cdwidget.catalogue import OVERALL
from cdwidget.model.quality import load_critic
from cdwidget.scoring import Population, score_item
from cdwidget.scoring.appearance import FEWEST, Appearance
from support.scripted_predictor import Knowing

SIDE = 96
ROWS, COLUMNS = np.ogrid[:SIDE, :SIDE]
DISK = (COLUMNS - 48) ** 2 + (ROWS - 48) ** 2 <= 30**2
SQUARE = (abs(COLUMNS - 48) < 28) & (abs(ROWS - 48) < 28)


def looks(count: int, *middles: float) -> tuple[np.ndarray, list[str], range]:
    """Looks of 40 numbers, those of class i about middles[i], `count` of each, and the numbers of their images."""
    rng = np.random.default_rng(0)
    names = [f"class {i}" for i in range(len(middles)) for _ in range(count)]
    return np.concatenate([rng.normal(middle, 1, (count, 40)) for middle in middles]), names, range(len(names))


def test_classes_are_told_apart_also_where_there_are_fewer_masks_than_features() -> None:
    classes = Appearance.fit(*looks(FEWEST, 0, 1, 3))
    assert classes is not None and classes.labels == ("class 0", "class 1", "class 2")
    others, names, _ = looks(50, 0, 1, 3)
    for look, name in zip(others, names):
        other, odds = classes.other(look, name)
        assert other != name and odds < 0, "it looks like what it is"
        assert classes.other(look, other) == (name, pytest.approx(-odds))


def test_of_one_class_and_of_rare_ones_nothing_is_said() -> None:
    values, names, images = looks(FEWEST, 0, 3, 6)
    assert Appearance.fit(values[:FEWEST], names[:FEWEST], images[:FEWEST]) is None
    assert Appearance.fit(np.zeros(0), [], []) is None
    known = Appearance.fit(values[:-1], names[:-1], images[:-1])
    assert known is not None and known.labels == ("class 0", "class 1")


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Two textures in turn, each in its class; the 5th is called by the other's name, and the last image is missing."""
    stone, cup = brick()[..., None].repeat(3, 2), coffee()
    items = []
    for number in range(2 * 24 + 2):
        top = 4 * number
        picture = np.full((SIDE, SIDE, 3), 90, np.uint8)
        texture, mask, label = (
            (stone[top : top + SIDE, :SIDE], DISK, "stone") if number % 2 else (cup[top : top + SIDE, 200:296], SQUARE, "cup")
        )
        picture[mask] = texture[mask]
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        items.append(Item(tmp_path / f"{number}.png", [Instance(mask, {4: "stone"}.get(number, label))]))
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add(items)
    Path(items[-1].path).unlink()
    return catalogue


def test_a_wrong_label_comes_first_and_the_reason_names_the_right_one(catalogue: Catalogue) -> None:
    report = cdwidget.run(cdwidget.Score(["appearance"], model=None, critic=True), catalogue, progress=False)
    assert [problem.item for problem in report.failed] == [2 * 24 + 2]
    rows = catalogue.query(of="instances", order_by="-appearance", limit=3)
    assert rows[0].item == 5 and catalogue.scores(5)[0].value > 0.5
    assert catalogue.scores(5)[0].reason.startswith("by its looks, 'cup' is ")
    assert catalogue.scores(rows[1].item)[0].value < 0.5


def test_without_a_critic_or_labels_looks_are_not_known(catalogue: Catalogue) -> None:
    assert Population.of(catalogue).appearance is None
    critic = Knowing(DISK)
    known = Population.of(catalogue, critic).appearance
    assert known is not None and known.labels == ("cup", "stone")
    for row in catalogue.query(limit=None):
        catalogue.update(row.id, [Instance(one.mask, "") for one in catalogue.item(row.id).instances])
    assert Population.of(catalogue, critic).appearance is None


def test_of_two_masks_of_one_thing_the_label_tells_which_is_wrong(catalogue: Catalogue) -> None:
    def overall(labels: tuple[str, str]) -> list[float]:
        item = Item(catalogue.item(7).path, [Instance(SQUARE, label) for label in labels])
        scores = score_item(item, None, population, critic=critic)
        return [score.value for score in scores if score.name == OVERALL]

    critic = load_critic()
    population = Population.of(catalogue, critic)
    right, wrong = overall(("cup", "stone"))
    assert wrong > 0.9 and right < wrong - 0.5
    wrong, right = overall(("stone", "cup"))
    assert wrong > 0.9 and right < wrong - 0.5, "whichever comes first"
    first, second = overall(("cup", "cup"))
    assert second > 0.9 and first < second - 0.5, "one is too many, and nothing but their order tells them apart"


def test_images_with_rare_classes_are_looked_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdwidget.scoring.population.LOOKED_AT", 60)
    seen = []

    class Noting(Knowing):
        def look(self, mask: np.ndarray) -> np.ndarray:
            seen.append(int(mask.sum()))
            return super().look(mask)

    Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8)).save(tmp_path / "a.png")
    for number in range(300):
        (tmp_path / f"{number}.png").hardlink_to(tmp_path / "a.png")
    with Catalogue(tmp_path / "labels.db") as catalogue:
        masks = [Instance(DISK, "rare") if number % 15 == 7 else Instance(SQUARE, "common") for number in range(300)]
        catalogue.add([Item(tmp_path / f"{number}.png", [mask]) for number, mask in enumerate(masks)])
        found = Population.of(catalogue, Noting(DISK), progress=False)
    assert found.appearance is not None and found.appearance.labels == ("common", "rare")
    assert len(seen) == 60 and seen.count(int(DISK.sum())) == 20, "of sixty that are spread evenly four would be"
