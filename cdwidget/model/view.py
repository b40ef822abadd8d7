"""Views: rectangles of an image, resized to the square that a network takes, encoded once and cached."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Callable, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cdwidget.masks import Bbox, bbox
from cdwidget.model import pdm
from cdwidget.model.quantization import inference_precision
from cdwidget.prompts import Box, Click, Prompt

CACHED_VIEWS = 4  # Encoded views kept per image; one takes 4 MB.
PDM_CELL_PX = 2  # view px per pixel of PDM; half of it would cost four times as much and gain nothing.
MIN_CROP_PX = 16  # image px
MAX_CROP_FRACTION = 0.6  # Zooming in helps while the longer side of the crop is at most this fraction of the image's.
CROP_STEPS = 8  # Crop borders are rounded to 1/8 of the crop size, so that a slightly larger object reuses the cached view.
QUALITY_CROP_EXPANSION = 2.0  # side of a mask's crop relative to its bounding box
MIN_QUALITY_CROP_PX = 64  # image px
MAX_QUALITY_CROP_FRACTION = 0.7  # fraction of the image side

Encoder = Callable[[Tensor], tuple[Tensor, ...]]


@dataclass(frozen=True, eq=False)
class View:
    """A rectangle of an image as the network sees it.

    Attributes:
        box: The rectangle (x0, y0, x1, y1), half-open, in image pixels.
        pixels: The resized crop, uint8 (S, S, 3).
        image: The same as a tensor, float32 (1, 3, S, S) in [0, 1].
        encoded: Encoder output, one tensor (1, C, h, w) per level.
        mirrored: Encoder output for the mirrored crop; empty if not needed.
    """

    box: Bbox
    pixels: np.ndarray
    image: Tensor
    encoded: tuple[Tensor, ...]
    mirrored: tuple[Tensor, ...] = ()

    def to_image(self, values: np.ndarray, outside: np.ndarray | None) -> np.ndarray:
        """Resize values of the view and paste them into the image.

        Args:
            values: float32 (h, w).
            outside: Values around the view, float32 (H, W); None if the view covers the whole image.

        Returns:
            float32 (H, W).
        """
        x0, y0, x1, y1 = self.box
        inner = cv2.resize(values, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        if outside is None:
            return inner
        full = outside.copy()
        full[y0:y1, x0:x1] = inner
        return full

    @cached_property
    def affinity(self) -> pdm.Affinity:
        """Pixel affinities of the view, for PDM."""
        return pdm.Affinity(F.avg_pool2d(self.image, PDM_CELL_PX)[0])


class LazyMasks(Sequence[np.ndarray]):
    """Masks, bool (H, W), that are resized to the image only when one is read.

    Args:
        probs: Probabilities of the view, float32 (h, w) each.
        view: The view.
        outside: Probabilities around the view, float32 (H, W), or None.
    """

    def __init__(self, probs: list[np.ndarray], view: View, outside: np.ndarray | None):
        self._probs, self._view, self._outside = probs, view, outside

    def __len__(self) -> int:
        return len(self._probs)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self)[index]
        return self._view.to_image(self._probs[index], self._outside) > 0.5


class ViewCache:
    """Encodes views of the current image and caches the most recently used ones.

    Args:
        encode: Maps float32 (1, 3, S, S) in [0, 1] to encoder features.
        size: Side S of a view in pixels.
        device: Device of the encoder.
        mirror: Whether to also encode the mirrored view.
    """

    def __init__(self, encode: Encoder, size: int, device: torch.device, mirror: bool = False):
        self._encode, self._size, self._device, self._mirror = encode, size, device, mirror
        self._image: np.ndarray | None = None
        self._views: OrderedDict[Bbox, View] = OrderedDict()

    @property
    def image(self) -> np.ndarray | None:
        """The current image, uint8 (H, W, 3), or None before the first."""
        return self._image

    @property
    def size(self) -> int:
        """Side S of a view in pixels."""
        return self._size

    def empty_copy(self) -> ViewCache:
        """Return a cache with the same encoder and no image."""
        return ViewCache(self._encode, self._size, self._device, self._mirror)

    def set_image(self, image: np.ndarray) -> None:
        """Replace the image, uint8 (H, W, 3) RGB, and drop the views of the previous one."""
        self._image = image
        self._views.clear()

    def view(self, box: Bbox) -> View:
        """Return the encoded view of a rectangle of the current image, cached if possible."""
        assert self._image is not None
        if box not in self._views:
            self._views[box] = self.encode(self._image, box)
            while len(self._views) > CACHED_VIEWS:
                self._views.popitem(last=False)
        self._views.move_to_end(box)
        return self._views[box]

    def encode(self, image: np.ndarray, box: Bbox) -> View:
        """Encode a rectangle of any image, uint8 (H, W, 3), without caching the view."""
        pixels = resize_crop(image, box, self._size)
        tensor = torch.from_numpy(pixels).to(self._device).permute(2, 0, 1)[None].float().div_(255)
        with inference_precision(self._device.type):
            encoded = self._encode(tensor.contiguous(memory_format=torch.channels_last))
            mirrored = self._encode(tensor.flip(-1)) if self._mirror else ()
        return View(box, pixels, tensor, encoded, mirrored)


def resize_crop(image: np.ndarray, box: Bbox, size: int) -> np.ndarray:
    """Crop a rectangle of an array (H, W, ...) and resize it to (size, size, ...)."""
    x0, y0, x1, y1 = box
    return resize_to_square(image[y0:y1, x0:x1], size)


def resize_to_square(values: np.ndarray, size: int) -> np.ndarray:
    """Resize an array (h, w, ...) to (size, size, ...), by area averaging if it shrinks."""
    shrinks = values.shape[0] * values.shape[1] > size**2
    return cv2.resize(values, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def crop_around_object(size: tuple[int, int], prior: np.ndarray | None, prompts: Sequence[Prompt], expansion: float) -> Bbox:
    """Return the crop around an object and its prompts; the whole image if it is not small.

    Args:
        size: Height and width of the image in pixels.
        prior: Previous probabilities, float32 (H, W), or None.
        prompts: The prompts; boxes and positive clicks belong to the object.
        expansion: Side of the crop relative to the bounding box.

    Returns:
        The crop (x0, y0, x1, y1), half-open, in image pixels.
    """
    height, width = size
    whole = (0, 0, width, height)
    boxes = [(p.x0, p.y0, p.x1, p.y1) for p in prompts if isinstance(p, Box)]
    if prior is not None and (object_box := bbox(prior > 0.5))[2]:
        boxes.append(object_box)
    if not boxes:
        return whole
    boxes += [(p.x, p.y, p.x + 1, p.y + 1) for p in prompts if isinstance(p, Click) and p.positive]
    x0, y0 = min(b[0] for b in boxes), min(b[1] for b in boxes)
    x1, y1 = max(b[2] for b in boxes), max(b[3] for b in boxes)
    w, h = expansion * (x1 - x0), expansion * (y1 - y0)
    w, h = max(w, h / 2, MIN_CROP_PX), max(h, w / 2, MIN_CROP_PX)  # The aspect ratio stays within 1:2, because the view is a square.
    left, right = _round_outward((x0 + x1 - w) / 2, (x0 + x1 + w) / 2, w / CROP_STEPS, width)
    top, bottom = _round_outward((y0 + y1 - h) / 2, (y0 + y1 + h) / 2, h / CROP_STEPS, height)
    is_small = max((right - left) / width, (bottom - top) / height) <= MAX_CROP_FRACTION
    return (left, top, right, bottom) if is_small else whole


def crop_around_mask(mask: np.ndarray, scale: float = 1.0, offset: tuple[float, float] = (0.0, 0.0)) -> Bbox:
    """Return the crop in which a mask is evaluated; the whole image if it is not small.

    Args:
        mask: bool (H, W), not empty.
        scale: Size of the crop relative to the default, for augmentation.
        offset: Shift of the crop to the right and down, as a fraction of its sides, for augmentation.

    Returns:
        The crop (x0, y0, x1, y1), half-open, in image pixels.
    """
    height, width = mask.shape
    x0, y0, x1, y1 = bbox(mask)
    crop_width = min(width, max(MIN_QUALITY_CROP_PX, round(scale * QUALITY_CROP_EXPANSION * max(x1 - x0, (y1 - y0) / 2))))
    crop_height = min(height, max(MIN_QUALITY_CROP_PX, round(scale * QUALITY_CROP_EXPANSION * max(y1 - y0, (x1 - x0) / 2))))
    if max(crop_width / width, crop_height / height) > MAX_QUALITY_CROP_FRACTION:
        return 0, 0, width, height
    left = int(np.clip((x0 + x1 - crop_width) // 2 + round(offset[0] * crop_width), 0, width - crop_width))
    top = int(np.clip((y0 + y1 - crop_height) // 2 + round(offset[1] * crop_height), 0, height - crop_height))
    return left, top, left + crop_width, top + crop_height


def _round_outward(low: float, high: float, step: float, limit: int) -> tuple[int, int]:
    """Widen an interval to multiples of `step`, within 0..limit."""
    return max(0, int(np.floor(low / step) * step)), min(limit, int(np.ceil(np.ceil(high / step) * step)))
