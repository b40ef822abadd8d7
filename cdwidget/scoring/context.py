"""The input of every score: one mask of an image, with shared crops and distances."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Mapping, Sequence

import cv2
import numpy as np

from cdwidget.formats.coco import Crowd
from cdwidget.items import Instance
from cdwidget.masks import Bbox, bbox, expand_bbox
from cdwidget.predictor import Predictor, QualityEstimate, QualityModel
from cdwidget.scoring.population import Population
from cdwidget.scoring.predictions import SimulatedPredictions, simulate_predictions

MAX_IMAGE_SIDE = 1024  # px; larger images are downscaled before scoring.
MAX_CROP_SIDE = 224  # px of the crop on which colors, edges and heat maps are computed.
CROP_MARGIN = 0.25  # Margin around the bbox in the crop, as a fraction of the bbox's sides.
MIN_CROP_MARGIN_PX = 4
BOUNDARY_BAND_PX = 2  # Width of the band that counts as the image's edge.


@dataclass(frozen=True, eq=False)
class ScoreResult:
    """The result of one score for one mask.

    Attributes:
        value: Score in [0, 1]; higher means more suspicious.
        reason: The finding as one sentence with numbers, for users.
        heat: Heat map that locates the problem, float32 (h, w) in [0, 1], over `MaskContext.bbox_in_crop`.
        measures: Inputs of the overall score by name. The names are stored in the fitted weights.
    """

    value: float
    reason: str
    heat: np.ndarray
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class InstanceOverlap:
    """Another instance of the image that shares pixels with the scored mask.

    Attributes:
        number: Number of the other instance.
        shared: Shared area in pixels.
        area: Area of the other instance in pixels.
    """

    number: int
    shared: int
    area: int


class ImageContext:
    """An image and its instances, downscaled to at most `MAX_IMAGE_SIDE` pixels.

    Crowds are not objects and have no mask.

    Attributes:
        image: The downscaled image, uint8 (H, W, 3) RGB.
        scale: Factor from the original image to `image`, at most 1.
        numbers: Numbers of all instances, including crowds.
        masks: Mask by instance number, bool (H, W).
        labels: Label by instance number.
        boxes: Bbox by instance number.
        predictor: The predictor, prepared for `image`; None for none.
        quality_model: The quality model, prepared for `image`; None for none.
        population: Statistics of the data set's classes; None if unknown.
    """

    def __init__(
        self, image: np.ndarray, instances: Sequence[Instance], predictor: Predictor | None = None, population: Population | None = None,
        quality_model: QualityModel | None = None,
    ) -> None:  # fmt: skip
        """Downscale the image and the masks, and give the image to the models.

        Args:
            image: The image, uint8 (H, W, 3) RGB.
            instances: Its instances. An instance without an id gets its position from 1 as number.
            predictor: The segmentation model for scores that need one.
            population: Statistics of the data set's classes.
            quality_model: The quality model for scores that need one.

        Raises:
            ValueError: If a mask does not have the size of the image.
        """
        height, width = image.shape[:2]
        self.predictor, self.population, self.quality_model = predictor, population, quality_model
        self.scale = min(1.0, MAX_IMAGE_SIDE / max(height, width))
        size = max(1, round(width * self.scale)), max(1, round(height * self.scale))
        self.image = image if self.scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        self.masks: dict[int, np.ndarray] = {}
        self.labels: dict[int, str] = {}
        self.numbers: list[int] = []
        for position, instance in enumerate(instances, 1):
            number = position if instance.id is None else instance.id
            self.numbers.append(number)
            if instance.mask.shape != (height, width):
                mask_size = "x".join(map(str, instance.mask.shape[::-1]))
                raise ValueError(
                    f"the mask of instance {number} is {mask_size} pixels and the image {width}x{height}; "
                    "restore the image that was annotated, or remove the item"
                )
            if isinstance(instance, Crowd):
                continue
            self.masks[number] = instance.mask if self.scale == 1 else _downscaled(instance.mask, size)
            self.labels[number] = instance.label
        self.boxes = {number: bbox(mask) for number, mask in self.masks.items()}
        if predictor is not None and self.masks:
            predictor.set_image(self.image)
        if quality_model is not None and self.masks:
            quality_model.set_image(self.image)

    @cached_property
    def covered(self) -> np.ndarray:
        """The union of all masks, bool (H, W)."""
        return np.logical_or.reduce(list(self.masks.values()))


class MaskContext:
    """One non-empty mask of an `ImageContext`, with values that several scores share.

    The crop is the bbox with a margin, downscaled to at most `MAX_CROP_SIDE` pixels; (h, w) is its shape below.

    Attributes:
        image_context: The image with all its instances.
        number: Number of the scored instance.
        mask: Its mask, bool (H, W).
        label: Its label; "" for none.
        box: Its bbox.
        area: Its area in pixels.
    """

    def __init__(self, image_context: ImageContext, number: int) -> None:
        self.image_context, self.number = image_context, number
        self.mask, self.label, self.box = image_context.masks[number], image_context.labels[number], image_context.boxes[number]
        self.area = int(np.count_nonzero(self.mask))

    # ---- geometry of the crop ----------------------------------------------------------------------------------------

    @cached_property
    def crop_box(self) -> Bbox:
        """The bbox with a margin, clipped to the image."""
        x0, y0, x1, y1 = self.box
        margin_x = max(MIN_CROP_MARGIN_PX, round(CROP_MARGIN * (x1 - x0)))
        margin_y = max(MIN_CROP_MARGIN_PX, round(CROP_MARGIN * (y1 - y0)))
        return expand_bbox(self.box, (margin_x, margin_y), self.mask.shape)

    @cached_property
    def crop_shape(self) -> tuple[int, int]:
        """The shape (rows, columns) of the crop."""
        x0, y0, x1, y1 = self.crop_box
        scale = min(1.0, MAX_CROP_SIDE / max(x1 - x0, y1 - y0))
        return max(1, round((y1 - y0) * scale)), max(1, round((x1 - x0) * scale))

    @cached_property
    def bbox_in_crop(self) -> tuple[slice, slice]:
        """The rows and columns of the crop that hold the bbox; heat maps cover them."""
        left, top, right, bottom = self.crop_box
        x0, y0, x1, y1 = self.box
        rows, columns = self.crop_shape
        scale_y, scale_x = rows / (bottom - top), columns / (right - left)
        row, column = min(rows - 1, int((y0 - top) * scale_y)), min(columns - 1, int((x0 - left) * scale_x))
        return np.s_[row : max(row + 1, round((y1 - top) * scale_y)), column : max(column + 1, round((x1 - left) * scale_x))]

    def crop(self, values: np.ndarray) -> np.ndarray:
        """Return the crop of an image (H, W, 3) or map (H, W), area-averaged, float32."""
        x0, y0, x1, y1 = self.crop_box
        part = values[y0:y1, x0:x1].astype(np.float32)
        return part if part.shape[:2] == self.crop_shape else cv2.resize(part, self.crop_shape[::-1], interpolation=cv2.INTER_AREA)

    def touches_image_edge(self, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return which pixels of the crop, at `columns` and `rows`, are on the image's edge."""
        (left, top, right, bottom), (height, width) = self.crop_box, self.mask.shape
        last_row, last_column = (side - BOUNDARY_BAND_PX for side in self.crop_shape)
        at_sides = ((columns < BOUNDARY_BAND_PX) & (left == 0)) | ((columns >= last_column) & (right == width))
        at_ends = ((rows < BOUNDARY_BAND_PX) & (top == 0)) | ((rows >= last_row) & (bottom == height))
        return at_sides | at_ends

    # ---- heat maps ---------------------------------------------------------------------------------------------------

    @property
    def empty_heat_map(self) -> np.ndarray:
        """A heat map of zeros, float32."""
        return np.zeros_like(self.crop_mask[self.bbox_in_crop], np.float32)

    def heat_map(self, values: np.ndarray) -> np.ndarray:
        """Return the part of a map of the crop, (h, w), that covers the bbox, float32 in [0, 1]."""
        return np.clip(values[self.bbox_in_crop], 0, 1).astype(np.float32)

    def bbox_heat_map(self, values: np.ndarray) -> np.ndarray:
        """Return a bool map shaped like `bbox_mask` as a heat map; small spots stay visible."""
        size = self.empty_heat_map.shape[::-1]
        if values.shape[::-1] == size:
            return values.astype(np.float32)
        return np.clip(3 * cv2.resize(values.astype(np.float32), size, interpolation=cv2.INTER_AREA), 0, 1)

    # ---- the mask ----------------------------------------------------------------------------------------------------

    @cached_property
    def bbox_mask(self) -> np.ndarray:
        """The mask inside its bbox at the resolution of the image, bool."""
        x0, y0, x1, y1 = self.box
        return self.mask[y0:y1, x0:x1]

    @cached_property
    def crop_mask(self) -> np.ndarray:
        """The mask in the crop, bool (h, w), never empty."""
        share = self.crop(self.mask)
        return share >= min(0.5, float(share.max()))

    @cached_property
    def signed_distance(self) -> np.ndarray:
        """Signed distance to the mask's boundary in pixels of the crop, float32 (h, w).

        It is at least 0.5 inside the mask and at most -0.5 outside.
        """
        inside = self.crop_mask.astype(np.uint8)
        to_outside = cv2.distanceTransform(np.pad(inside, 1, mode="edge"), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        to_inside = cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        limit = float(sum(self.crop_shape))  # A mask that fills the crop has no boundary in it.
        return np.where(self.crop_mask, np.minimum(to_outside, limit) - 0.5, 0.5 - np.minimum(to_inside, limit)).astype(np.float32)

    @cached_property
    def crop_boundary(self) -> np.ndarray:
        """The outermost pixels of the mask that are not on the image's edge, bool (h, w)."""
        return self.crop_mask & (self.signed_distance < 1)

    # ---- the image ---------------------------------------------------------------------------------------------------

    @cached_property
    def crop_lab(self) -> np.ndarray:
        """The crop in CIE Lab, uint8 (h, w, 3)."""
        return cv2.cvtColor(self.crop(self.image_context.image).round().astype(np.uint8), cv2.COLOR_RGB2LAB)

    @cached_property
    def crop_gradient(self) -> np.ndarray:
        """The largest gradient of the channels, in levels per pixel, float32 (h, w)."""
        smooth = cv2.GaussianBlur(self.crop(self.image_context.image), (0, 0), 1)
        return np.hypot(cv2.Scharr(smooth, cv2.CV_32F, 1, 0), cv2.Scharr(smooth, cv2.CV_32F, 0, 1)).max(axis=2) / 32

    # ---- models and other instances ----------------------------------------------------------------------------------

    @cached_property
    def predictions(self) -> SimulatedPredictions | None:
        """The predictor's masks for simulated clicks; None without a predictor."""
        return None if self.image_context.predictor is None else simulate_predictions(self.image_context.predictor, self.mask)

    @cached_property
    def quality_estimate(self) -> QualityEstimate | None:
        """The quality model's estimate, given the other instances; None without a quality model."""
        others = [mask for number, mask in self.image_context.masks.items() if number != self.number]
        return None if self.image_context.quality_model is None else self.image_context.quality_model.estimate(self.mask, others)

    @cached_property
    def overlaps(self) -> list[InstanceOverlap]:
        """The instances that share pixels with this one."""
        found = []
        for number, box in self.image_context.boxes.items():
            x0, y0 = max(box[0], self.box[0]), max(box[1], self.box[1])
            x1, y1 = min(box[2], self.box[2]), min(box[3], self.box[3])
            if number == self.number or x0 >= x1 or y0 >= y1:
                continue
            other = self.image_context.masks[number]
            if shared := int(np.count_nonzero(other[y0:y1, x0:x1] & self.mask[y0:y1, x0:x1])):
                found.append(InstanceOverlap(number, shared, int(np.count_nonzero(other))))
        return found


def describe_location(heat: np.ndarray) -> str:
    """Describe the location of a heat map's maximum, as the end of a sentence.

    For example ", mostly at the top left" or ", all over"; "" if the map is 0.
    """
    if not heat.any():
        return ""
    rows, columns = heat.sum(1), heat.sum(0)
    center_y = float((rows * (np.arange(len(rows)) + 0.5)).sum() / rows.sum() / len(rows))
    center_x = float((columns * (np.arange(len(columns)) + 0.5)).sum() / columns.sum() / len(columns))
    vertical = "top" if center_y < 0.4 else "bottom" if center_y > 0.6 else ""
    horizontal = "left" if center_x < 0.4 else "right" if center_x > 0.6 else ""
    return f", mostly at the {' '.join(filter(None, (vertical, horizontal)))}" if vertical or horizontal else ", all over"


def percent(fraction: float, digits: int = 0) -> str:
    """Return a fraction as a percentage with `digits` decimals, such as "29 %"."""
    return f"{100 * fraction:.{digits}f} %"


def _downscaled(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return share >= min(0.5, max(1e-6, float(share.max())))  # Masks of a few pixels must not vanish.
