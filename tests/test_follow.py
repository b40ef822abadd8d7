"""Following objects through images: identity, certainty, lost objects, and images that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import cdwidget
from cdwidget.examples.flow import Flow
from cdwidget.examples.follow import MIN_CERTAINTY, FollowedFrame, Follower, follow
from cdwidget.items import Instance
from cdwidget.masks import Bbox, iou
from cdwidget.predictor import Prediction, QualityEstimate, Tokens
from cdwidget.prompts import Prompt

SIDE = 96


class ColorPredictor:
    """Has the mean color of each 4x4 block as its token, and predicts the prior."""

    def set_image(self, image: np.ndarray) -> None:
        self.image = image

    def tokens(self, box: Bbox) -> Tokens:
        height, width = self.image.shape[:2]
        features = cv2.resize(self.image, (width // 4, height // 4), interpolation=cv2.INTER_AREA).astype(np.float32) - 128
        return Tokens(features, box)

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        assert prior is not None
        return Prediction(prior > 0.5, prior)


class ColorQuality:
    """Estimates one IoU for red and blue masks of the first image, another one for those of later images, and 0 for other masks."""

    def __init__(self, later: float = 0.9) -> None:
        self.iou, self.later, self.images = 0.9, later, 0

    def set_image(self, image: np.ndarray) -> None:
        self.image = image.astype(int)
        self.images += 1
        self.iou = 0.9 if self.images == 1 else self.later

    def estimate(self, mask: np.ndarray, others: Sequence[np.ndarray] = ()) -> QualityEstimate:
        found = self.iou if abs(self.image[mask] @ np.array([1, 0, -1])).mean() > 50 else 0.0
        return QualityEstimate(found, found, np.zeros(mask.shape, np.float32), np.zeros(mask.shape, np.float32))

    def embed(self, mask: np.ndarray) -> np.ndarray:
        raise NotImplementedError


def scene(**centers: tuple[int, int] | None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return a textured image with a red and a blue disk at the given centers, and their masks."""
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8), (0, 0), 2)
    image = (image // 4 + np.array([60, 90, 60])).astype(np.uint8)
    y, x = np.mgrid[:SIDE, :SIDE]
    masks = {}
    for name, center in centers.items():
        if center is not None:
            masks[name] = (x - center[0]) ** 2 + (y - center[1]) ** 2 < 14**2
            shade = cv2.GaussianBlur(np.roll(rng.integers(0, 255, (SIDE, SIDE)), center, (1, 0)).astype(np.float32), (0, 0), 2)
            color = np.array([230, 30, 40] if name == "red" else [30, 40, 230])
            image[masks[name]] = (color + (shade[masks[name]][:, None] - 128)).clip(0, 255)
    return image, masks


def follow_scenes(frames: Sequence[np.ndarray], instances: Sequence[Instance], quality: float = 0.9) -> list[FollowedFrame]:
    return list(follow(list(frames), instances, ColorPredictor(), quality=ColorQuality(quality)))


def test_moving_objects_keep_their_identity() -> None:
    scenes = [scene(red=(30 + 3 * t, 30), blue=(60, 66 - 2 * t)) for t in range(6)]
    given = [
        Instance(scenes[0][1]["red"], "cup", id=4, track_id=17, attributes={"full": True}),
        Instance(scenes[0][1]["blue"], "plate", id=9),
    ]
    frames = follow_scenes([image for image, _ in scenes], given)
    assert len(frames) == 6 and not any(frame.lost or frame.problem for frame in frames)
    for frame, (_, masks) in zip(frames, scenes):
        assert [(one.id, one.label, one.track_id) for one in frame.instances] == [(4, "cup", 17), (9, "plate", 9)]
        assert frame.instances[0].attributes == {"full": True}
        assert [iou(one.mask, masks[name]) > 0.85 for one, name in zip(frame.instances, ("red", "blue"))] == [True, True]
    assert frames[0].instances[0].score is None
    assert all(0.9 < (one.score or 0) <= 1 for frame in frames[1:] for one in frame.instances)


def test_an_object_that_disappears_is_lost_with_its_last_mask_and_the_others_go_on() -> None:
    scenes = [scene(red=(30, 30), blue=(60, 66)), scene(red=(32, 30), blue=(60, 64)), scene(blue=(60, 62)), scene(blue=(60, 60))]
    frames = follow_scenes([image for image, _ in scenes], [Instance(scenes[0][1]["red"], id=1), Instance(scenes[0][1]["blue"], id=2)])
    assert [[one.id for one in frame.lost] for frame in frames] == [[], [], [1], [1]]
    assert [[one.id for one in frame.instances] for frame in frames] == [[1, 2], [1, 2], [2], [2]]
    lost, last = frames[2].lost[0], frames[1].instances[0]
    assert (lost.mask == last.mask).all() and lost.score is not None and lost.score < MIN_CERTAINTY


def test_without_a_threshold_an_object_is_lost_when_nothing_of_it_is_visible() -> None:
    (image, masks), (empty, _) = scene(red=(40, 40), blue=(60, 66)), scene(blue=(60, 66))
    frames = list(follow([image, empty], [Instance(masks["red"])], ColorPredictor(), quality=ColorQuality(), min_certainty=0))
    assert [one.score for one in frames[1].lost] == [0] and not frames[1].instances


def test_a_hidden_object_is_lost_and_found_again_when_it_reappears() -> None:
    centers = [None, (66, 40), (52, 40), (40, 40), (25, 40), (14, 40), None]
    scenes = [scene(red=(40, 40), blue=center) for center in centers]
    frames = follow_scenes([image for image, _ in scenes], [Instance(scenes[0][1]["red"], id=3)])
    assert [len(frame.lost) for frame in frames] == [0, 0, 0, 1, 0, 0, 0]
    for frame, (_, masks) in list(zip(frames, scenes))[4:]:
        visible = masks["red"] & ~masks["blue"] if "blue" in masks else masks["red"]
        assert iou(frame.instances[0].mask, visible) > 0.85 and frame.instances[0].id == 3


def test_a_correction_in_front_of_an_occluder_keeps_the_hidden_part_for_later() -> None:
    (first, masks), (covered, after) = scene(red=(40, 40)), scene(red=(40, 40), blue=(56, 40))
    follower = Follower(ColorPredictor(), ColorQuality())
    follower.start(first, [Instance(masks["red"], id=1)])
    follower.advance(covered)
    follower.start(covered, [Instance(masks["red"] & ~after["blue"], id=1)])
    assert iou(follower.advance(first.copy()).instances[0].mask, masks["red"]) > 0.9


def test_masks_of_large_images_keep_their_resolution() -> None:
    scenes = [scene(red=(40 + step, 40 - step)) for step in (0, 2, 4)]
    images = [cv2.resize(image, None, fx=11, fy=7, interpolation=cv2.INTER_CUBIC) for image, _ in scenes]
    first, _, last = (
        cv2.resize(masks["red"].astype(np.float32), None, fx=11, fy=7, interpolation=cv2.INTER_CUBIC) > 0.5 for _, masks in scenes
    )
    found = follow_scenes(images, [Instance(first)])[-1].instances[0].mask
    edge = cv2.morphologyEx(last.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((9, 9), np.uint8)) > 0
    assert iou(found, last) > 0.95 and not (found ^ last)[~edge].any()


def test_errors_do_not_add_up_from_image_to_image() -> None:
    scenes = [scene(red=(40 + round(6 * np.sin(t)), 40 + round(6 * np.cos(t)))) for t in range(16)]
    frames = follow_scenes([image for image, _ in scenes], [Instance(scenes[0][1]["red"])])
    assert iou(frames[-1].instances[0].mask, scenes[-1][1]["red"]) > 0.9


@pytest.mark.parametrize("confirmed", [False, True])
def test_hidden_parts_come_back_also_if_the_user_confirms_what_is_visible(confirmed: bool) -> None:
    (first, masks), (covered, after) = scene(red=(40, 40)), scene(red=(40, 40), blue=(56, 40))
    follower = Follower(ColorPredictor(), ColorQuality())
    follower.start(first, [Instance(masks["red"], id=1)])
    found = follower.advance(covered).instances[0]
    assert iou(masks["red"], masks["red"] & ~after["blue"]) < 0.8 and iou(found.mask, masks["red"] & ~after["blue"]) > 0.9
    follower.start(covered, [replace(found, label="cup", confirmed=confirmed)])
    again = follower.advance(first.copy()).instances[0]
    assert iou(again.mask, masks["red"]) > 0.9 and (again.label, again.confirmed) == ("cup", False)


def test_a_change_of_light_hides_nothing() -> None:
    image, masks = scene(red=(40, 40), blue=(60, 66))
    darker = (255 * (0.7 * image / 255) ** 1.3).astype(np.uint8)
    frame = follow_scenes([image, darker], [Instance(masks["red"])])[1]
    assert iou(frame.instances[0].mask, masks["red"]) > 0.97 and (frame.instances[0].score or 0) > 0.97


class RedQuality(ColorQuality):
    """Estimates the IoU with the red pixels."""

    def estimate(self, mask: np.ndarray, others: Sequence[np.ndarray] = ()) -> QualityEstimate:
        found = float(iou(mask, self.image[..., 0] > self.image[..., 2] + 60))
        return QualityEstimate(found, found, np.zeros(mask.shape, np.float32), np.zeros(mask.shape, np.float32))


class AreaQuality(ColorQuality):
    """Prefers the smaller mask."""

    def estimate(self, mask: np.ndarray, others: Sequence[np.ndarray] = ()) -> QualityEstimate:
        return QualityEstimate(0.5, 1 - float(mask.mean()), np.zeros(mask.shape, np.float32), np.zeros(mask.shape, np.float32))


class BlindPredictor(ColorPredictor):
    """Predicts empty masks."""

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        return super().predict(prompts, np.zeros(self.image.shape[:2], np.float32))


@pytest.mark.parametrize(
    "predictor, quality, is_found",
    [(ColorPredictor(), RedQuality(), True), (BlindPredictor(), RedQuality(), True), (BlindPredictor(), AreaQuality(), False)],
)
def test_a_part_that_comes_into_the_image_is_predicted_if_the_quality_model_finds_it_better(
    predictor: ColorPredictor, quality: ColorQuality, is_found: bool
) -> None:
    scenes = [scene(red=(2 + 3 * step, 40)) for step in range(4)]
    frames = list(follow([image for image, _ in scenes], [Instance(scenes[0][1]["red"])], predictor, quality=quality))
    assert scenes[3][1]["red"].sum() > 1.4 * scenes[0][1]["red"].sum() and hasattr(predictor, "image")
    assert (iou(frames[3].instances[0].mask, scenes[3][1]["red"]) > 0.9) == is_found


def test_images_are_encoded_only_where_a_part_may_have_come_into_them() -> None:
    predictor = ColorPredictor()
    scenes = [scene(red=(30 + 2 * step, 40), blue=(52 - step, 40)) for step in range(3)]
    frames = list(follow([image for image, _ in scenes], [Instance(scenes[0][1]["red"])], predictor, quality=ColorQuality()))
    assert not hasattr(predictor, "image") and not frames[2].lost


def test_an_unreadable_image_is_reported_and_passed_over(tmp_path: Path) -> None:
    scenes = [scene(red=(30 + 2 * t, 30)) for t in range(3)]
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, (image, _) in zip(paths, scenes):
        cv2.imwrite(str(path), image[..., ::-1])
    paths[1].write_bytes(b"no image")
    frames = list(follow(tmp_path, [Instance(scenes[0][1]["red"], id=3)], ColorPredictor(), quality=ColorQuality()))
    assert "1.png" in frames[1].problem and not frames[1].instances and not frames[1].lost
    assert [one.id for one in frames[2].instances] == [3] and iou(frames[2].instances[0].mask, scenes[2][1]["red"]) > 0.85


def test_an_image_of_another_size_loses_all_objects() -> None:
    image, masks = scene(red=(40, 40))
    larger = cv2.resize(image, (2 * SIDE, SIDE))
    frame = follow_scenes([image, larger], [Instance(masks["red"], id=1)])[1]
    assert not frame.instances and frame.lost[0].mask.shape == (SIDE, 2 * SIDE) and frame.lost[0].score == 0
    assert frame.lost[0].area == 2 * masks["red"].sum()


def test_corrected_objects_are_followed_on() -> None:
    (first, masks), (second, _), (third, moved) = scene(red=(30, 30)), scene(red=(32, 30)), scene(red=(34, 30))
    follower = Follower(ColorPredictor(), ColorQuality())
    follower.start(first, [Instance(np.roll(masks["red"], 20, 0), id=1)])
    follower.advance(second)
    follower.start(second, [Instance(np.roll(masks["red"], 2, 1), id=1)])
    assert iou(follower.advance(third).instances[0].mask, moved["red"]) > 0.85


def test_an_object_that_was_corrected_elsewhere_is_not_hidden_where_it_was_expected() -> None:
    (image, masks), *jumps = (scene(red=center) for center in [(20, 20), (70, 20), (20, 70), (70, 70)])
    follower = Follower(ColorPredictor(), ColorQuality())
    follower.start(image, [Instance(masks["red"], id=1)])
    for image, masks in jumps:
        assert follower.advance(image).lost
        follower.start(image, [Instance(masks["red"], id=1)])
    image, masks = scene(red=(72, 70))
    found = follower.advance(image).instances[0]
    assert (found.score or 0) > 0.9 and iou(found.mask, masks["red"]) > 0.85


def test_an_object_of_which_nothing_is_found_in_a_new_part_is_lost() -> None:
    image, _ = scene()
    mask = np.zeros((SIDE, SIDE), bool)
    mask[40:52, :1] = True
    frames = list(follow([image, np.roll(image, 4, 1)], [Instance(mask, id=1)], BlindPredictor(), quality=AreaQuality()))
    assert not frames[1].instances and [one.score for one in frames[1].lost] == [0] and (frames[1].lost[0].mask == mask).all()


def test_what_cannot_be_followed_is_an_error() -> None:
    image, masks = scene(red=(40, 40))
    with pytest.raises(ValueError, match="must agree"):
        follow_scenes([image], [Instance(masks["red"][:50])])
    with pytest.raises(ValueError, match="empty"):
        next(follow([], [], ColorPredictor(), quality=ColorQuality()))
    with pytest.raises(ValueError, match="no tokens"):
        next(follow([image], [], object(), quality=ColorQuality()))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="start"):
        Follower(ColorPredictor(), ColorQuality()).advance(image)


def test_flow_is_not_trusted_where_something_appears() -> None:
    before, _ = scene(red=(30, 50))
    after, masks = scene(red=(30, 50), blue=(70, 50))
    flow = Flow.between(before, after)
    assert flow.is_consistent[masks["red"]].mean() > 0.9
    assert flow.is_consistent[masks["blue"]].mean() < 0.5


def test_follow_is_a_public_name() -> None:
    assert cdwidget.follow is follow
