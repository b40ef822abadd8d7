"""The objects of the previous image in the annotator: copied or followed in one step, saved, never without a request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cdwidget import Annotator
from cdwidget.examples.follow import MIN_CERTAINTY, Follower
from cdwidget.items import Instance, Item
from cdwidget.masks import iou
from cdwidget.predictor import Prediction
from cdwidget.session import Accept, Delete, Paste, SetTrackIds
from cdwidget.tools import Brush
from cdwidget.widget.annotator import image_list, previous
from support.annotator_page import AnnotatorPage
from test_follow import ColorPredictor, ColorQuality, scene


class TwinPredictor(ColorPredictor):
    def twin(self) -> TwinPredictor:
        return TwinPredictor()

    def predict(self, prompts: Any, prior: np.ndarray | None = None) -> Prediction:
        return super().predict(prompts, np.zeros(self.image.shape[:2], np.float32) if prior is None else prior)


@pytest.fixture(autouse=True)
def _constant_quality(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previous, "load_quality_model", ColorQuality)


def annotator(folder: Path, count: int = 3, **options: Any) -> Annotator:
    """Return an annotator of a sequence; the blue disk is only in the first two images."""
    scenes = [scene(red=(30, 30), blue=(60, 66)), scene(red=(33, 30), blue=(60, 63)), scene(red=(36, 30)), scene(red=(38, 30))][:count]
    paths = [folder / f"{number}.png" for number in range(count)]
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
    assert iou(w.instances[0].mask, scene(red=(33, 30))[1]["red"]) > 0.85 and (w.instances[0].score or 0) > 0.9
    w.undo()
    assert not w.instances
    w.redo()
    assert described(w) == [("cup", 9), ("plate", 5)]
    w.close()
    again = annotator(tmp_path, index=1)  # After a restart of the kernel.
    assert described(again) == [("cup", 9), ("plate", 5)] and again.can_undo
    again.next()
    assert "Lost: plate 5" in request(again, "follow_previous")
    assert described(again) == [("cup", 9), ("plate", 5)]
    lost, before = again.instances[1], w.instances[1]
    assert (lost.mask == before.mask).all() and (lost.score or 0) < MIN_CERTAINTY


def confirmed(w: Annotator) -> dict[int | None, bool]:
    return {one.track_id: one.confirmed for one in w.instances}


def saved(w: Annotator) -> list[list[int | None]]:
    """Return the track_ids of the objects that `items` has for each image."""
    return [[one.track_id for one in item.instances] for item in w.items]


def test_going_on_follows_and_confirms_nothing_by_itself(tmp_path: Path) -> None:
    w = annotator(tmp_path, following=True)
    w.next()
    assert confirmed(w) == {9: False, 5: False} and saved(w) == [[9, 5], []]
    w.next()
    assert confirmed(w) == {9: False, 5: False} and saved(w) == [[9, 5], [], []]
    with pytest.warns(UserWarning, match="4 followed objects are not confirmed"):
        w.save(tmp_path / "labels.json")
    w.close()
    again = annotator(tmp_path, following=True, index=2)  # After a restart of the kernel.
    assert confirmed(again) == {9: False, 5: False} and saved(again) == [[9, 5], [], []]
    page = AnnotatorPage(again)
    page.request("document")
    assert [mark["done"] for mark in page.request("marks", start=2, stop=3)["result"]["images"]] == [False]


def test_an_edit_confirms_one_object_and_submitting_all_but_lost_ones(tmp_path: Path) -> None:
    w = annotator(tmp_path, following=True)
    w.next()
    w.select(next(one.id for one in w.instances if one.track_id == 5))
    w.apply(Brush(((60, 63),), 3, False))
    assert confirmed(w) == {9: False, 5: True} and saved(w)[1] == [5]
    w.undo()
    assert confirmed(w) == {9: False, 5: False}
    w.redo()
    page = AnnotatorPage(w)
    page.request("document")
    reply = page.request("submit", key=w.active_image.key)["result"]
    assert saved(w)[1] == [5, 9] or saved(w)[1] == [9, 5]
    assert reply["follows"] and w.index == 2 and not w.instances
    page.request("document")
    message = page.request("follow_previous", key=w.active_image.key)["result"]["message"]
    assert "Followed cup 9" in message and "Lost: plate 5" in message
    page.request("submit", key=w.active_image.key)
    assert confirmed(w) == {9: True, 5: False} and saved(w)[2] == [9]


def test_a_lost_object_is_not_followed_on_until_it_is_corrected(tmp_path: Path) -> None:
    w = annotator(tmp_path, count=4, following=True)
    for _ in range(3):
        w.next()
    assert w.index == 3 and confirmed(w) == {9: False}
    w.previous()
    w.select(next(one.id for one in w.instances if one.track_id == 5))
    w.apply(Accept())
    w.next()
    request(w, "follow_previous")
    assert confirmed(w) == {9: False, 5: False}


def test_objects_are_not_followed_again_after_undo_nor_into_an_image_with_objects(tmp_path: Path) -> None:
    w = annotator(tmp_path, following=True)
    w.next()
    w.undo()
    w.previous()
    w.next()
    assert not w.instances
    w.redo()
    w.apply(Delete(w.instances[0].id))
    w.previous()
    w.next()
    assert confirmed(w) == {5: False}
    w.following = False
    w.next()
    assert not w.instances


@pytest.mark.parametrize("confirmed", [False, True])
def test_an_object_is_compared_with_the_image_where_its_mask_was_edited_last(confirmed: bool) -> None:
    scenes = [scene(red=(30 + 2 * step, 30))[0] for step in range(3)]
    follower = Follower(ColorPredictor(), ColorQuality())
    follower.start(scenes[0], [Instance(scene(red=(30, 30))[1]["red"], id=1)])
    (found,) = follower.advance(scenes[1]).instances
    follower.start(scenes[1], [replace(found, confirmed=confirmed)])
    assert follower._tracks[0].image is scenes[0]
    edited = found.mask.copy()
    edited[:25] = False
    follower.start(scenes[1], [replace(found, mask=edited, confirmed=confirmed)])
    assert follower._tracks[0].image is scenes[1]


def test_the_masks_of_objects_can_be_copied(tmp_path: Path) -> None:
    w = annotator(tmp_path)
    w.next()
    request(w, "follow_previous")
    w.undo()
    assert request(w, "copy_previous") == "Copied 2 objects of the previous image"
    assert described(w) == [("cup", 9), ("plate", 5)] and w.instances[0].score is None
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


def test_going_on_past_a_broken_image_follows_nothing_and_reports_it(tmp_path: Path) -> None:
    w = annotator(tmp_path, following=True)
    (tmp_path / "1.png").write_bytes(b"no image")
    page = AnnotatorPage(w)
    page.request("document")
    reply = page.request("go", step=1)
    assert reply["ok"] and w.index == 2 and not reply["result"]["follows"] and "1.png" in reply["result"]["passed"][0]
    w.previous()
    w.next()
    assert w.index == 2 and not w.instances


def test_nothing_is_followed_into_an_image_that_is_being_edited_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_list.ImageList, "is_in_use", True)
    w = annotator(tmp_path, following=True)
    w.next()
    assert w.index == 1 and not w.instances


def test_a_widget_for_viewing_only_changes_no_image(tmp_path: Path) -> None:
    w = annotator(tmp_path)
    before = w.session
    w.next()
    w.view_only = True
    with pytest.raises(ValueError, match="viewing only"):
        request(w, "copy_previous")
    assert not before.can_undo


def test_exports_name_the_objects_that_are_left_out(tmp_path: Path) -> None:
    w = annotator(tmp_path, following=True)
    w.next()
    for export in (w.to_coco, w.to_frame, lambda: w.save(tmp_path / "labels.json")):
        with pytest.warns(UserWarning, match="2 followed objects are not confirmed and left out") as found:
            export()
        assert found[0].filename == __file__
    assert len(w.active_image.images.shown_item().instances) == 0


def test_a_closed_image_with_unconfirmed_objects_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_list, "MAX_OPEN_SESSIONS", 2)
    w = annotator(tmp_path, count=4, following=True)
    for _ in range(3):
        w.next()
    assert [w.active_image.images.is_labeled(index) for index in range(4)] == [True, False, False, False]


def test_undo_after_copying_undoes_the_change_that_the_user_sees(tmp_path: Path) -> None:
    w = annotator(tmp_path)
    before = w.instances[0].mask
    w.select(w.instances[0].id)
    w.apply(Brush(((50, 50),), 3))
    edited = w.instances[0].mask
    w.next()
    request(w, "copy_previous")
    w.previous()
    page = AnnotatorPage(w)
    page.request("document")
    page.request("undo")
    assert (w.instances[0].mask == before).all() and page.matches_session()
    page.request("redo")
    assert (w.instances[0].mask == edited).all() and w.instances[1].track_id == 5 and page.matches_session()
