"""The appearance classifier: masks of wrong objects and wrong labels stand out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import brick, coffee

import cdwidget
from cdwidget import Catalogue, Instance, Item
from cdwidget.catalogue import OVERALL_SCORE
from cdwidget.model.quality import load_quality_model
from cdwidget.scoring import Population, score_item
from cdwidget.scoring.appearance import MIN_CLASS_INSTANCES, AppearanceClassifier
from support.scripted_predictor import OracleQualityModel

SIDE = 96
ROWS, COLUMNS = np.ogrid[:SIDE, :SIDE]
COUNT = 2 * (MIN_CLASS_INSTANCES + 2) + 2  # Images; each of them is encoded, which takes most of the time.
DISK = (COLUMNS - 48) ** 2 + (ROWS - 48) ** 2 <= 30**2
SQUARE = (abs(COLUMNS - 48) < 28) & (abs(ROWS - 48) < 28)


def embeddings(count: int, *centers: float) -> tuple[np.ndarray, list[str], range]:
    """Return `count` embeddings of 40 numbers around centers[i] for each class i, their labels, and the indices of their images."""
    rng = np.random.default_rng(0)
    names = [f"class {i}" for i in range(len(centers)) for _ in range(count)]
    return np.concatenate([rng.normal(center, 1, (count, 40)) for center in centers]), names, range(len(names))


def test_classes_are_separated_with_fewer_masks_than_features() -> None:
    classes = AppearanceClassifier.fit(*embeddings(MIN_CLASS_INSTANCES, 0, 1, 3))
    assert classes is not None and classes.labels == ("class 0", "class 1", "class 2")
    others, names, _ = embeddings(50, 0, 1, 3)
    for embedding, name in zip(others, names):
        other, odds = classes.best_other_class(embedding, name)
        assert other != name and odds < 0, "the embedding belongs to its own class"
        assert classes.best_other_class(embedding, other) == (name, pytest.approx(-odds))


def test_rare_classes_are_left_out_and_one_class_gives_no_classifier() -> None:
    values, names, images = embeddings(MIN_CLASS_INSTANCES, 0, 3, 6)
    assert AppearanceClassifier.fit(values[:MIN_CLASS_INSTANCES], names[:MIN_CLASS_INSTANCES], images[:MIN_CLASS_INSTANCES]) is None
    assert AppearanceClassifier.fit(np.zeros(0), [], []) is None
    known = AppearanceClassifier.fit(values[:-1], names[:-1], images[:-1])
    assert known is not None and known.labels == ("class 0", "class 1")


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Two textures in turn, each with its class; the 5th has the other class's label, and the last image is missing."""
    stone, cup = brick()[..., None].repeat(3, 2), coffee()
    items = []
    for number in range(COUNT):
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


def test_a_wrong_label_ranks_first_and_the_reason_names_the_right_one(catalogue: Catalogue) -> None:
    report = cdwidget.run(cdwidget.Score(["appearance"], model=None, quality=True), catalogue, progress=False)
    assert [problem.item for problem in report.failed] == [COUNT]
    rows = catalogue.query(of="instances", order_by="-appearance", limit=3)
    assert rows[0].item == 5 and catalogue.scores(5)[0].value > 0.5
    assert catalogue.scores(5)[0].reason.startswith("Looks like 'cup' rather than 'stone' (")
    assert catalogue.scores(rows[1].item)[0].value < 0.5


def test_without_quality_model_or_labels_there_is_no_classifier(catalogue: Catalogue) -> None:
    assert Population.from_catalogue(catalogue).appearance is None
    quality_model = OracleQualityModel(DISK)
    known = Population.from_catalogue(catalogue, quality_model).appearance
    assert known is not None and known.labels == ("cup", "stone")
    for row in catalogue.query(limit=None):
        catalogue.update(row.id, [Instance(one.mask, "") for one in catalogue.item(row.id).instances])
    assert Population.from_catalogue(catalogue, quality_model).appearance is None


def test_the_label_decides_which_of_two_equal_masks_is_wrong(catalogue: Catalogue) -> None:
    def overall(labels: tuple[str, str]) -> list[float]:
        item = Item(catalogue.item(7).path, [Instance(SQUARE, label) for label in labels])
        scores = score_item(item, None, population, quality_model=quality_model)
        return [score.value for score in scores if score.name == OVERALL_SCORE]

    quality_model = load_quality_model()
    population = Population.from_catalogue(catalogue, quality_model)
    right, wrong = overall(("cup", "stone"))
    assert wrong > 0.9 and right < wrong - 0.5
    wrong, right = overall(("stone", "cup"))
    assert wrong > 0.9 and right < wrong - 0.5, "independent of the order"
    first, second = overall(("cup", "cup"))
    assert second > 0.9 and first < second - 0.5, "one is surplus, and only the order distinguishes them"


def test_images_with_rare_classes_are_embedded_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdwidget.scoring.population.APPEARANCE_IMAGES", 60)
    embedded = []

    class RecordingModel(OracleQualityModel):
        def embed(self, mask: np.ndarray) -> np.ndarray:
            embedded.append(int(mask.sum()))
            return super().embed(mask)

    Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8)).save(tmp_path / "a.png")
    for number in range(300):
        (tmp_path / f"{number}.png").hardlink_to(tmp_path / "a.png")
    with Catalogue(tmp_path / "labels.db") as catalogue:
        masks = [Instance(DISK, "rare") if number % 15 == 7 else Instance(SQUARE, "common") for number in range(300)]
        catalogue.add([Item(tmp_path / f"{number}.png", [mask]) for number, mask in enumerate(masks)])
        found = Population.from_catalogue(catalogue, RecordingModel(DISK), progress=False)
    assert found.appearance is not None and found.appearance.labels == ("common", "rare")
    assert len(embedded) == 60 and embedded.count(int(DISK.sum())) == 20, "an even sample of sixty would hold four"
