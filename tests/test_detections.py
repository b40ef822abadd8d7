"""Outputs of other models become instances."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cdwidget import Annotator, Instance, Session, as_instances
from support.scripted_predictor import IMAGE, LEFT_HALF, RIGHT_HALF, ScriptedPredictor

HEIGHT, WIDTH = LEFT_HALF.shape
MASKS = np.stack([LEFT_HALF, RIGHT_HALF])
LABEL_MAP = LEFT_HALF * 3 + RIGHT_HALF * 7
SQUARE = np.array([[1, 1], [4, 1], [4, 4], [1, 4]], np.float32)


def ultralytics(*outlines: np.ndarray) -> Any:
    """Return the members of `ultralytics.engine.results.Results` that describe masks."""
    boxes = type("Boxes", (), {"cls": torch.tensor([16.0]), "conf": torch.tensor([0.75]), "__len__": lambda self: 1})()
    return SimpleNamespace(
        masks=SimpleNamespace(xy=list(outlines)) if outlines else None,
        boxes=boxes,
        names={16: "dog"},
        orig_shape=(HEIGHT, WIDTH),
        path="a.jpg",
    )


TORCHVISION = {
    "masks": torch.from_numpy(MASKS[:, None] * np.float32(0.9)).requires_grad_(),
    "labels": torch.tensor([1, 2]),
    "scores": torch.tensor([0.9, 0.25]),
    "boxes": torch.zeros(2, 4),
}


@pytest.mark.parametrize(
    "found",
    [MASKS, MASKS * 255, MASKS.astype(np.float32), torch.from_numpy(MASKS)[:, None], list(MASKS), (mask for mask in MASKS), LABEL_MAP],
)
def test_masks_and_label_maps_become_instances(found: Any) -> None:
    instances = as_instances(found)
    assert [(one.label, one.score) for one in instances] == [("", None)] * 2
    assert all((one.mask == mask).all() and one.mask.dtype == bool for one, mask in zip(instances, MASKS))


def test_a_label_map_has_names() -> None:
    assert [one.label for one in as_instances(LABEL_MAP, {3: "cat", 7: "dog"})] == ["cat", "dog"]
    with pytest.raises(ValueError, match="class 3 has no name; there are 2 names"):
        as_instances(LABEL_MAP, ["", "cat"])
    assert [one.label for one in as_instances(LEFT_HALF * 2 - 1, ["", "cat"])] == ["cat"], "-1 is no object, and no index from the end"


def test_torchvision_results_become_instances() -> None:
    assert [one.label for one in as_instances(TORCHVISION)] == ["1", "2"]
    (cat,) = as_instances(TORCHVISION, ["background", "cat", "dog"], min_score=0.5)
    assert cat.label == "cat" and cat.score == pytest.approx(0.9) and (cat.mask == LEFT_HALF).all()


def test_segments_of_transformers_become_instances() -> None:
    segments = [{"id": 0, "label_id": 17, "score": 0.5, "was_fused": False}, {"id": 4, "label_id": 3}]
    found = {"segmentation": torch.from_numpy(np.where(LEFT_HALF, 0, np.where(RIGHT_HALF, 4, -1))), "segments_info": segments}
    cat, car = as_instances(found, {17: "cat", 3: "car"})
    assert (cat.label, cat.score, car.label, car.score) == ("cat", 0.5, "car", None)
    assert (cat.mask == LEFT_HALF).all() and (car.mask == RIGHT_HALF).all()


@pytest.mark.parametrize("found", [ultralytics(SQUARE), [ultralytics(SQUARE)]])
def test_ultralytics_results_become_instances(found: Any) -> None:
    (dog,) = as_instances(found)
    assert (dog.label, dog.score, dog.bbox, dog.area) == ("dog", 0.75, (1, 1, 4, 4), 9)
    assert as_instances(found, min_score=0.8) == []


@pytest.mark.parametrize(
    "found",
    [
        [{"score": 0.5, "label": "cat", "mask": Image.fromarray(LEFT_HALF)}],
        [{"segmentation": LEFT_HALF, "predicted_iou": 0.5, "area": 4}],
    ],
)
def test_dicts_of_transformers_and_segment_anything_become_instances(found: Any) -> None:
    (one,) = as_instances(found)
    assert (one.mask == LEFT_HALF).all() and one.score == 0.5 and one.label in ("cat", "")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (3, "an array of masks .N, H, W., a label map .H, W., or the result of a detector for one image, not int"),
        ("cat", "not str"),
        ([LEFT_HALF, "cat"], "this list holds str"),
        ([ultralytics(SQUARE), ultralytics(SQUARE)], "give the result of one: results.0."),
        (np.zeros((2, 3, 4, 5)), "the masks have shape .2, 3, 4, 5."),
        (np.full((2, 3, 4), 7.0), "must lie in .0, 1."),
        (ultralytics(), "has boxes but no masks"),
        ({"masks": MASKS, "labels": [1]}, "there are 2 masks and 1 labels"),
    ],
)
def test_other_values_are_refused(found: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        as_instances(found)


@pytest.mark.parametrize("given", [MASKS, (Instance(mask) for mask in MASKS), LABEL_MAP, TORCHVISION])
def test_sessions_and_annotators_take_what_models_return(given: Any) -> None:
    widget = Annotator(IMAGE, ScriptedPredictor(LEFT_HALF), instances=given)
    assert [one.area for one in widget.instances] == [LEFT_HALF.sum(), RIGHT_HALF.sum()]


def test_a_label_map_is_no_mask() -> None:
    with pytest.raises(ValueError, match="2 different values besides 0, as a label map has.*instances="):
        Session(IMAGE, mask=LABEL_MAP)
    assert (Session(IMAGE, mask=LEFT_HALF * 255).mask == LEFT_HALF).all()
