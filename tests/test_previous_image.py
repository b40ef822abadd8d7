"""The objects of the previous image in the annotator: copied or followed in one step, saved, never without a request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cdwidget import Annotator
from cdwidget.items import Instance, Item
from cdwidget.masks import iou
from cdwidget.predictor import Prediction
from cdwidget.session import Paste, SetTrackIds
from cdwidget.widget import previous
from support.annotator_page import AnnotatorPage
from test_follow import ColorPredictor, ConstantQuality, scene


class TwinPredictor(ColorPredictor):
    def twin(self) -> TwinPredictor:
        return TwinPredictor()

    def predict(self, prompts: Any, prior: np.ndarray | None = None) -> Prediction:
        return super().predict(prompts, np.zeros(self.image.shape[:2], np.float32) if prior is None else prior)


@pytest.fixture(autouse=True)
def _constant_quality(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previous, "_quality_model", ConstantQuality)


def annotator(folder: Path, **options: Any) -> Annotator:
    """Return an annotator of three images; the blue disk is not in the last one."""
    scenes = [scene(red=(30, 30), blue=(60, 66)), scene(red=(33, 30), blue=(60, 63)), scene(red=(36, 30))]
    paths = [folder / f"{number}.png" for number in range(3)]
    for path, (image, _) in zip(paths, scenes):
        if not path.exists():
            cv2.imwrite(str(path), image[..., ::-1])
    masks = scenes[0][1]
    first = Item(paths[0], [Instance(masks["red"], "cup", id=4, track_id=9), Instance(masks["blue"], "plate", id=5)])
    return Annotator([first, *paths[1:]], TwinPredictor(), **options)  # type: ignore[arg-type]


def request(w: Annotator, name: str) -> str:
    """Request an operation as the page does, and return its message."""
    page = AnnotatorPage(w)
    page.request("document")
    reply = page.request(name, key=w.active_image.key)
    if not reply["ok"]:
        raise ValueError(reply["error"])
    assert page.matches_session()
    return str(reply["result"]["message"])


def described(w: Annotator) -> list[tuple[str, int | None]]:
    return [(one.label, one.track_id) for one in w.instances]


def test_going_on_adds_nothing_by_itself(tmp_path: Path) -> None:
    w = annotator(tmp_path)
    w.next()
    assert not w.instances


def test_objects_are_followed_in_one_step_and_saved(tmp_path: Path) -> None:
    w = annotator(tmp_path)
    w.next()
    message = request(w, "follow_previous")
    assert message.startswith("Followed cup 9 (") and "Lost" not in message
    assert described(w) == [("cup", 9), ("plate", 5)]
    assert iou(w.instances[0].mask, scene(red=(33, 30))[1]["red"]) > 0.85 and (w.instances[0].score or 0) >= 0.66
    w.undo()
    assert not w.instances
    w.redo()
    assert described(w) == [("cup", 9), ("plate", 5)]
    w.close()
    again = annotator(tmp_path, index=1)  # After a restart of the kernel.
    assert described(again) == [("cup", 9), ("plate", 5)] and again.can_undo
    again.next()
    assert "Lost: plate 5" in request(again, "follow_previous")
    assert described(again) == [("cup", 9)]


def test_the_masks_of_lost_objects_can_be_copied(tmp_path: Path) -> None:
    w = annotator(tmp_path)
    w.next()
    request(w, "follow_previous")
    w.undo()
    assert request(w, "copy_previous") == "Copied 2 objects of the previous image"
    assert described(w) == [("cup", 9), ("plate", 5)] and w.instances[0].score is None
    w.undo()
    request(w, "follow_previous")
    w.next()
    request(w, "follow_previous")
    assert request(w, "copy_previous") == "Copied 1 object of the previous image"
    assert described(w) == [("cup", 9), ("plate", 5)]
    with pytest.raises(ValueError, match="here already"):
        request(w, "copy_previous")


def test_there_must_be_a_previous_image_with_objects() -> None:
    image, _ = scene(red=(40, 40))
    w = Annotator([image, image], TwinPredictor(), autosave=False)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="first image"):
        request(w, "copy_previous")
    w.next()
    with pytest.raises(ValueError, match="no objects"):
        request(w, "follow_previous")


def test_copies_fit_the_image_and_have_different_numbers(tmp_path: Path) -> None:
    image, masks = scene(red=(40, 40), blue=(70, 70))
    cv2.imwrite(str(tmp_path / "0.png"), image)
    cv2.imwrite(str(tmp_path / "1.png"), cv2.resize(image, (192, 96)))
    objects = [Instance(masks["red"], id=1, track_id=2), Instance(masks["blue"], id=2)]
    w = Annotator([Item(tmp_path / "0.png", objects), tmp_path / "1.png"], TwinPredictor(), autosave=False)  # type: ignore[arg-type]
    w.next()
    request(w, "copy_previous")
    assert [one.track_id for one in w.instances] == [2, 3]
    assert w.instances[0].mask.shape == (96, 192) and w.instances[0].area == 2 * masks["red"].sum()


def test_objects_are_not_copied_again_after_their_number_was_given_to_another_one(tmp_path: Path) -> None:
    image, masks = scene(red=(40, 40), blue=(70, 70))
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    w = Annotator([Item(tmp_path / "0.png", [Instance(masks["red"], id=1)]), tmp_path / "1.png"], TwinPredictor())  # type: ignore[arg-type]
    w.next()
    request(w, "copy_previous")
    assert [one.track_id for one in w.instances] == [1]
    w.previous()
    assert w.instances[0].track_id == 1
    w.apply(Paste.of([Instance(masks["blue"], "plate", track_id=7)]))
    w.apply(SetTrackIds((w.instances[1].id or 0,), (5,)))
    w.next()
    assert request(w, "copy_previous") == "Copied 1 object of the previous image" and [one.track_id for one in w.instances] == [1, 5]
    with pytest.raises(ValueError, match="here already"):
        request(w, "copy_previous")


def test_a_new_object_gets_a_number_that_no_object_of_any_image_has(tmp_path: Path) -> None:
    image, masks = scene(red=(40, 40), blue=(70, 70))
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        cv2.imwrite(str(path), image)
    items = [Item(paths[0], [Instance(masks["red"], track_id=1)]), paths[1], Item(paths[2], [Instance(masks["red"], track_id=2)])]
    w = Annotator(items, TwinPredictor(), index=1, mask=None)  # type: ignore[arg-type]
    w.apply(Paste.of([Instance(masks["blue"])]))
    w.next()
    request(w, "copy_previous")
    assert sorted(one.track_id or 0 for one in w.instances) == [2, 3]


def test_a_predictor_without_a_twin_cannot_follow(tmp_path: Path) -> None:
    w = annotator(tmp_path)
    w.active_image.images._predictor = ColorPredictor()  # type: ignore[assignment]
    w.next()
    with pytest.raises(ValueError, match="ColorPredictor cannot follow"):
        request(w, "follow_previous")
    w.view_only = True
    with pytest.raises(ValueError, match="viewing only"):
        request(w, "copy_previous")
