"""Changes of labels over a whole catalogue, classes with numbers, and data sets for PyTorch."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner

from cdwidget import Catalogue, Instance, Item
from cdwidget.catalogue import ScoreValue
from cdwidget.cli.app import app

HUGE = 2**63


def square(x: int, y: int, side: int = 8) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[y : y + side, x : x + side] = True
    return mask


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Three images, each with a cat and a dog, and scores for all of the first one."""
    for number in range(3):
        Image.fromarray(np.full((30, 40, 3), 60 * number, np.uint8)).save(tmp_path / f"{number}.png")
    found = Catalogue(tmp_path / "labels.db", user="ana")
    found.add([Item(tmp_path / f"{n}.png", [Instance(square(3, 4), "cat"), Instance(square(20, 10), "dog")]) for n in range(3)])
    found.set_classes({"cat": 3, "dog": 7, "bird": 9})
    found.put_scores(1, [ScoreValue(1, "overall", 0.5), ScoreValue(2, "overall", 0.25)])
    return found


def labels(catalogue: Catalogue) -> list[str]:
    return [row.label for row in catalogue.query(of="instances", limit=None)]


def test_a_class_is_renamed(catalogue: Catalogue) -> None:
    assert catalogue.rename_label("cat", "lion") == 3
    assert labels(catalogue) == ["lion", "dog"] * 3 and catalogue.classes() == {"lion": 3, "dog": 7, "bird": 9}
    assert [score.value for score in catalogue.scores(1)] == [0.5, 0.25], "the masks are the same, and so is the class"
    assert catalogue.history(2)[-1].action == "rename label" and catalogue.history(2)[-1].user == "ana"
    assert catalogue.rename_label("bird", "owl") == 0 and catalogue.classes() == {"lion": 3, "dog": 7, "owl": 9}
    assert catalogue.undo_labels() == 0 and catalogue.undo_labels() == 3 and catalogue.undo_labels() == 0
    assert labels(catalogue) == ["cat", "dog"] * 3 and catalogue.classes() == {"cat": 3, "dog": 7, "bird": 9}


def test_classes_are_merged(catalogue: Catalogue) -> None:
    assert catalogue.merge_labels(["cat", "dog"], "animal") == 6
    assert labels(catalogue) == ["animal"] * 6 and catalogue.classes() == {"animal": 3, "bird": 9}
    assert catalogue.undo_labels() == 6 and catalogue.merge_labels("cat", "dog") == 3 and catalogue.classes() == {"dog": 7, "bird": 9}


def test_a_class_is_deleted(catalogue: Catalogue) -> None:
    assert catalogue.delete_label("cat") == 3
    assert labels(catalogue) == ["", "dog"] * 3 and catalogue.classes() == {"dog": 7, "bird": 9}
    assert [score.instance for score in catalogue.scores(1)] == [2], "the score described the old label"
    assert catalogue.undo_labels() == 3 and labels(catalogue) == ["cat", "dog"] * 3


def test_chosen_instances_get_a_label(catalogue: Catalogue) -> None:
    assert catalogue.set_label([1, 4, 4], "bird") == 2 and labels(catalogue) == ["bird", "dog", "cat", "bird", "cat", "dog"]
    row = catalogue.query()[0]
    assert (row.score, row.version) == (0.25, 1)
    assert catalogue.undo(1) and labels(catalogue)[0] == "cat", "one image is undone as any change"
    assert catalogue.undo_labels() == 1 and labels(catalogue) == ["cat", "dog"] * 3
    for ids in ([1, 99], HUGE):
        with pytest.raises(ValueError):
            catalogue.set_label(ids, "bird")


def test_undo_keeps_later_changes(catalogue: Catalogue) -> None:
    catalogue.rename_label("cat", "lion")
    catalogue.update(1, [Instance(square(3, 4), "tiger", 1)])
    assert catalogue.undo_labels() == 2 and labels(catalogue) == ["tiger", "cat", "dog", "cat", "dog"]


def test_undo_keeps_classes_that_were_set_later(catalogue: Catalogue) -> None:
    catalogue.rename_label("cat", "lion")
    catalogue.set_classes({"lion": 3, "dog": 8, "bird": 9, "fox": 12})
    assert catalogue.undo_labels() == 3 and catalogue.classes() == {"cat": 3, "dog": 8, "bird": 9, "fox": 12}
    catalogue.merge_labels(["cat", "dog"], "animal")
    catalogue.set_classes({"animal": 3, "fox": 8})
    assert catalogue.undo_labels() == 6 and catalogue.classes() == {"cat": 3, "fox": 8, "dog": 9}, "the fox has the dog's number now"
    catalogue.set_label([1], "bird")
    catalogue.set_classes(["bird", "cat"])
    assert catalogue.undo_labels() == 1 and catalogue.classes() == {"bird": 0, "cat": 1}


def test_wrong_labels_are_explained(catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match=r"did you mean 'cat'\?"):
        catalogue.rename_label("cta", "lion")
    with pytest.raises(ValueError, match=r"there is a class 'dog' already; merge_labels\(\['cat'\], 'dog'\)"):
        catalogue.rename_label("cat", "dog")
    for classes in (["a", "a"], {"a": 1, "b": 1}, {"a": -1}, "abc"):
        with pytest.raises(ValueError):
            catalogue.set_classes(classes)
    assert labels(catalogue) == ["cat", "dog"] * 3 and catalogue.classes() == {"cat": 3, "dog": 7, "bird": 9}


def test_numbers_of_classes_are_exported(catalogue: Catalogue, tmp_path: Path) -> None:
    def coco(path: Path) -> dict[str, int]:
        return {one["name"]: one["id"] for one in json.loads(path.read_text())["categories"]}

    assert coco(catalogue.export("coco", tmp_path / "own.json")) == {"cat": 3, "dog": 7, "bird": 9}
    (tmp_path / "names.txt").write_text("dog\nunused\ncat\n")
    arguments = ["export", str(catalogue.path), "yolo", str(tmp_path / "out"), "--classes", str(tmp_path / "names.txt")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    names = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())["names"]
    assert dict(names if isinstance(names, dict) else enumerate(names)) == {0: "dog", 1: "unused", 2: "cat"}
    parts = catalogue.subset().split(val=0.34, bits=None)
    for path in parts.export("coco", tmp_path / "parts").values():
        assert coco(path) == {"cat": 3, "dog": 7, "bird": 9}
    with pytest.raises(ValueError, match="npz does not number its classes"):
        catalogue.export("npz", tmp_path / "out.npz", classes=["cat"])


def test_samples_for_torchvision(catalogue: Catalogue) -> None:
    catalogue.set_status([2], "rejected")
    catalogue.set_status([4], "rejected", of="instances")
    data = catalogue.to_torch(where=[("id", "!=", 2)])
    assert data.classes == {"cat": 1, "dog": 2, "bird": 3} and data.ids.tolist() == [1, 3]
    image, target = data[1]
    assert image.shape == (3, 30, 40) and image.dtype == torch.float32 and float(image.max()) == pytest.approx(120 / 255)
    assert target["boxes"].tolist() == [[3, 4, 11, 12], [20, 10, 28, 18]] and target["boxes"].dtype == torch.float32
    assert target["labels"].tolist() == [1, 2] and target["labels"].dtype == torch.int64 and target["image_id"] == 3
    assert target["masks"].dtype == torch.uint8 and (target["masks"][0].numpy() == square(3, 4)).all()
    assert target["area"].tolist() == [64, 64] and target["iscrowd"].tolist() == [0, 0]
    assert len(catalogue.to_torch([2])[0][1]["labels"]) == 0 and len(catalogue.to_torch([2], rejected=True)[0][1]["labels"]) == 2
    assert catalogue.to_torch([1], classes=["dog"])[0][1]["labels"].tolist() == [1], "other labels are left out"


def test_a_loader_with_workers_gives_batches(catalogue: Catalogue) -> None:
    data = catalogue.to_torch(transforms=lambda image, target: (image.flip(-1), target))
    loader = torch.utils.data.DataLoader(data, batch_size=2, num_workers=1, collate_fn=data.collate)
    images, targets = next(iter(loader))
    assert len(images) == len(targets) == 2 and images[0].shape == (3, 30, 40) and targets[1]["image_id"] == 2
