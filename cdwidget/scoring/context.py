"""What a score looks at: one instance of an image. What more than one score needs is computed once, when the first asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Mapping, Sequence

import cv2
import numpy as np

from cdwidget.formats.coco import Crowd
from cdwidget.items import Instance
from cdwidget.masks import Bbox, bbox
from cdwidget.predictor import Critic, Judgement, Predictor
from cdwidget.scoring.population import Population
from cdwidget.scoring.predictions import Answers, ask

LONGER_SIDE = 1024  # of the image that is looked at; a larger one is reduced
CROP_SIDE = 224  # of the crop that colours, edges and heat maps are made on
MARGIN = 0.25  # of the bbox's sides, round it in the crop


@dataclass(frozen=True, eq=False)
class Finding:
    """What one score found. value: in [0, 1], higher = look sooner. reason: in words, with numbers.

    heat: float32 in [0, 1], (h, w) over the bbox, as in `Subject.inner`: where it is. measures: the numbers that the overall score is
    made of.
    """

    value: float
    reason: str
    heat: np.ndarray
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Meeting:
    """Another instance that shares pixels with a subject. shared: how many; area: of the other one."""

    number: int
    shared: int
    area: int


class Scene:
    """An image with its instances, reduced to at most LONGER_SIDE pixels; crowds are left out, they are no objects.

    image: uint8 (H, W, 3). numbers: of all instances, crowds too. masks, labels: by the instance's number. predictor, critic: have been
    given the image; None when there is none. population: what its classes are like, where that is known.
    """

    def __init__(
        self, image: np.ndarray, instances: Sequence[Instance], predictor: Predictor | None = None, population: Population | None = None,
        critic: Critic | None = None,
    ) -> None:  # fmt: skip
        """Give the image to predictor and critic; ValueError when a mask is not of its size.

        An instance without an id has its place as number.
        """
        height, width = image.shape[:2]
        self.predictor, self.population, self.critic = predictor, population, critic
        self.shrink = min(1.0, LONGER_SIDE / max(height, width))
        size = max(1, round(width * self.shrink)), max(1, round(height * self.shrink))
        self.image = image if self.shrink == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        self.masks: dict[int, np.ndarray] = {}
        self.labels: dict[int, str] = {}
        self.numbers: list[int] = []
        for place, instance in enumerate(instances, 1):
            number = place if instance.id is None else instance.id
            self.numbers.append(number)
            if instance.mask.shape != (height, width):
                got = "x".join(map(str, instance.mask.shape[::-1]))
                raise ValueError(
                    f"the mask of instance {number} is {got} pixels and the image {width}x{height}; "
                    "put back the image that the masks were made on, or take the item out"
                )
            if isinstance(instance, Crowd):
                continue
            self.masks[number] = instance.mask if self.shrink == 1 else _reduced(instance.mask, size)
            self.labels[number] = instance.label
        self.boxes = {number: bbox(mask) for number, mask in self.masks.items()}
        if predictor is not None and self.masks:
            predictor.set_image(self.image)
        if critic is not None and self.masks:
            critic.set_image(self.image)

    @cached_property
    def covered(self) -> np.ndarray:
        """Pixels that belong to any instance, bool (H, W)."""
        return np.logical_or.reduce(list(self.masks.values()))


class Subject:
    """One instance of a scene that has at least one pixel."""

    def __init__(self, scene: Scene, number: int) -> None:
        self.scene, self.number = scene, number
        self.mask, self.label, self.box = scene.masks[number], scene.labels[number], scene.boxes[number]
        self.area = int(np.count_nonzero(self.mask))

    @cached_property
    def frame(self) -> Bbox:
        """The bbox with a margin, within the image."""
        x0, y0, x1, y1 = self.box
        across, down = max(4, round(MARGIN * (x1 - x0))), max(4, round(MARGIN * (y1 - y0)))
        height, width = self.mask.shape
        return max(0, x0 - across), max(0, y0 - down), min(width, x1 + across), min(height, y1 + down)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the crop: the frame, reduced to at most CROP_SIDE pixels."""
        x0, y0, x1, y1 = self.frame
        shrink = min(1.0, CROP_SIDE / max(x1 - x0, y1 - y0))
        return max(1, round((y1 - y0) * shrink)), max(1, round((x1 - x0) * shrink))

    @cached_property
    def inner(self) -> tuple[slice, slice]:
        """The bbox in the crop."""
        left, top, right, bottom = self.frame
        x0, y0, x1, y1 = self.box
        down, across = self.shape[0] / (bottom - top), self.shape[1] / (right - left)
        row, column = min(self.shape[0] - 1, int((y0 - top) * down)), min(self.shape[1] - 1, int((x0 - left) * across))
        return np.s_[row : max(row + 1, round((y1 - top) * down)), column : max(column + 1, round((x1 - left) * across))]

    def cropped(self, values: np.ndarray) -> np.ndarray:
        """Return the crop of an image (H, W, 3), or of a mask or map (H, W): float32, means where the crop is reduced."""
        x0, y0, x1, y1 = self.frame
        part = values[y0:y1, x0:x1].astype(np.float32)
        return part if part.shape[:2] == self.shape else cv2.resize(part, self.shape[::-1], interpolation=cv2.INTER_AREA)

    def heat(self, values: np.ndarray) -> np.ndarray:
        """Return the part of a map of the crop that lies over the bbox, in [0, 1]."""
        return np.clip(values[self.inner], 0, 1).astype(np.float32)

    @cached_property
    def boxed(self) -> np.ndarray:
        """The mask in its bbox, at the resolution of the scene, bool."""
        x0, y0, x1, y1 = self.box
        return self.mask[y0:y1, x0:x1]

    def scaled(self, boxed: np.ndarray) -> np.ndarray:
        """Return a bool map over the bbox, at the resolution of the scene, as a heat map; what is small stays visible."""
        size = self.nothing.shape[::-1]
        if boxed.shape[::-1] == size:
            return boxed.astype(np.float32)
        return np.clip(3 * cv2.resize(boxed.astype(np.float32), size, interpolation=cv2.INTER_AREA), 0, 1)

    @cached_property
    def lab(self) -> np.ndarray:
        """The crop in CIE Lab, uint8 (h, w, 3)."""
        return cv2.cvtColor(self.cropped(self.scene.image).round().astype(np.uint8), cv2.COLOR_RGB2LAB)

    @cached_property
    def gradient(self) -> np.ndarray:
        """Grey levels a pixel of the crop, of the channel that changes most, float32 (h, w)."""
        smooth = cv2.GaussianBlur(self.cropped(self.scene.image), (0, 0), 1)
        return np.hypot(cv2.Scharr(smooth, cv2.CV_32F, 1, 0), cv2.Scharr(smooth, cv2.CV_32F, 0, 1)).max(axis=2) / 32

    def at_image_border(self, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Say which pixels of the crop lie at the image's own border."""
        (left, top, right, bottom), (height, width) = self.frame, self.mask.shape
        at_sides = ((columns <= 1) & (left == 0)) | ((columns >= self.shape[1] - 2) & (right == width))
        at_ends = ((rows <= 1) & (top == 0)) | ((rows >= self.shape[0] - 2) & (bottom == height))
        return at_sides | at_ends

    @property
    def nothing(self) -> np.ndarray:
        """A heat map of nothing."""
        return np.zeros_like(self.inside[self.inner], np.float32)

    @cached_property
    def inside(self) -> np.ndarray:
        """The mask in the crop, bool (h, w), never empty."""
        share = self.cropped(self.mask)
        return share >= min(0.5, float(share.max()))

    @cached_property
    def depth(self) -> np.ndarray:
        """Signed distance to the mask's border in pixels of the crop: 0.5 and more in the mask, -0.5 and less out of it."""
        inside = self.inside.astype(np.uint8)
        within = cv2.distanceTransform(np.pad(inside, 1, mode="edge"), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        beyond = cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        far = float(sum(self.shape))  # of a mask that fills the crop, or the image, there is no border
        return np.where(self.inside, np.minimum(within, far) - 0.5, 0.5 - np.minimum(beyond, far)).astype(np.float32)

    @cached_property
    def border(self) -> np.ndarray:
        """The mask's outermost pixels in the crop, but for those at the image's own border, bool (h, w)."""
        return self.inside & (self.depth < 1)

    @cached_property
    def answers(self) -> Answers | None:
        """What the predictor says; None without one."""
        return None if self.scene.predictor is None else ask(self.scene.predictor, self.mask)

    @cached_property
    def judgement(self) -> Judgement | None:
        """What the critic says, who is shown the other instances too; None without one."""
        others = [mask for number, mask in self.scene.masks.items() if number != self.number]
        return None if self.scene.critic is None else self.scene.critic.judge(self.mask, others)

    @cached_property
    def meetings(self) -> list[Meeting]:
        """The instances that share pixels with this one."""
        found = []
        for number, box in self.scene.boxes.items():
            x0, y0 = max(box[0], self.box[0]), max(box[1], self.box[1])
            x1, y1 = min(box[2], self.box[2]), min(box[3], self.box[3])
            if number == self.number or x0 >= x1 or y0 >= y1:
                continue
            other = self.scene.masks[number]
            if shared := int(np.count_nonzero(other[y0:y1, x0:x1] & self.mask[y0:y1, x0:x1])):
                found.append(Meeting(number, shared, int(np.count_nonzero(other))))
        return found


def where(heat: np.ndarray) -> str:
    """Say where in the bbox the most of a heat map lies: "at the top left", "in the middle"."""
    if not heat.any():
        return "nowhere in particular"
    rows, columns = heat.sum(1), heat.sum(0)
    down = float((rows * (np.arange(len(rows)) + 0.5)).sum() / rows.sum() / len(rows))
    across = float((columns * (np.arange(len(columns)) + 0.5)).sum() / columns.sum() / len(columns))
    vertical = "top" if down < 0.4 else "bottom" if down > 0.6 else ""
    horizontal = "left" if across < 0.4 else "right" if across > 0.6 else ""
    return f"at the {' '.join(filter(None, (vertical, horizontal)))}" if vertical or horizontal else "spread all over it"


def _reduced(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return share >= min(0.5, max(1e-6, float(share.max())))  # a few pixels do not vanish
