"""Composites: an object on another background, without the colors of the old one along its border."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Union

import cv2
import numpy as np
from PIL import Image, ImageColor, ImageOps

from cdwidget.images import ImageSource, read_image
from cdwidget.items import Instance
from cdwidget.masks import EMPTY_BBOX, as_mask, bbox, crop, expand_bbox
from cdwidget.tools.matte import CONTEXT_PX, estimate_alpha, load_foreground_solver

Background = Union[ImageSource, "tuple[int, int, int]", None]
BLUR = 0.03  # Standard deviation of a blurred background, as a fraction of the image's longer side.
MIN_WEIGHT = 1e-6  # With less background around it, a pixel lies deep inside the object.
SHADOW_SHIFT = 0.02, 0.03  # To the right and down, as a fraction of the object's longer side.
SHADOW_BLUR = 0.025  # Standard deviation, as a fraction of the object's longer side.


def composite(
    image: ImageSource, mask: Any, background: Background = None, *, border: float = 0.0, shadow: float = 0.0
) -> np.ndarray:  # fmt: skip
    """Cut out an object and put it on another background.

    In pixels that the object covers partly, the color of the object is estimated, so that no halo of the old background remains.

    Args:
        image: The photograph: a path, a PIL image or an array.
        mask: The object: an Instance, a mask (H, W), or alpha, uint8 (H, W), 0 to 255.
        background: A CSS color or (red, green, blue); an image, which is resized and cropped; "blur" for the blurred photograph; None for
            a transparent background.
        border: Half the width of the band along the border in which alpha is estimated, in pixels; 0 to use the mask as it is.
        shadow: Opacity of the object's shadow, 0 to 1.

    Returns:
        uint8 (H, W, 3), RGB; (H, W, 4), RGBA, without a background.

    Raises:
        ValueError: If the mask does not fit the image, or the background is neither a color nor a file.
        ImportError: If PyMatting is not installed and the object has a soft border.

    Example:
        >>> cut_out = composite("photo.jpg", w.instances[0], "white", border=4, shadow=0.4)
        >>> Image.fromarray(cut_out).save("product.png")
    """
    if not 0 <= shadow <= 1:
        raise ValueError(f"shadow is {shadow}; it is an opacity from 0 to 1")
    pixels = read_image(image)
    alpha = _alpha(mask, *pixels.shape[:2])
    if border:
        alpha = soft_alpha(pixels, alpha > 127, border)
    cover = alpha[..., None] / 255.0
    colors = foreground(pixels, alpha)
    shade = shadow * _shadow(alpha)[..., None] * (1 - cover)  # The object lies on its shadow.
    if background is None:
        opacity = cover + shade
        colors = np.where(opacity > 0, colors * cover / np.maximum(opacity, 1e-6), 0)
        return np.rint(np.concatenate([colors, opacity * 255], 2)).astype(np.uint8)
    behind = _background(background, pixels, alpha)
    return np.rint(colors * cover + behind * (1 - cover - shade)).astype(np.uint8)


def soft_alpha(image: np.ndarray, mask: np.ndarray, border: float) -> np.ndarray:
    """Estimate the alpha of an object in a band along the border of its mask.

    Args:
        image: uint8 (H, W, 3), RGB.
        mask: bool (H, W).
        border: Half the width of the band in pixels.

    Returns:
        uint8 (H, W).

    Raises:
        ValueError: If the band covers the whole object or all of its surroundings.
        ImportError: If PyMatting is not installed.
    """
    alpha = mask * np.uint8(255)
    inside, outside = (cv2.distanceTransform(one.view(np.uint8), cv2.DIST_L2, 5) for one in (mask, ~mask))
    band = np.where(mask, inside, outside) <= border
    if mask.all() or not band.any():
        return alpha
    box = expand_bbox(bbox(band), CONTEXT_PX, mask.shape)
    crop(alpha, box)[crop(band, box)] = estimate_alpha(crop(image, box), crop(mask, box), crop(band, box))[crop(band, box)]
    return alpha


def foreground(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the colors of the object, also in pixels that it covers partly, float64 (H, W, 3), 0 to 255.

    Multi-level estimation, Germer et al. 2020, https://arxiv.org/abs/2006.14970.
    """
    colors = image.astype(np.float64)
    soft = bbox((alpha > 0) & (alpha < 255))
    if soft == EMPTY_BBOX:
        return colors
    box = expand_bbox(soft, CONTEXT_PX, alpha.shape)
    solve = load_foreground_solver()
    crop(colors, box)[:] = solve(crop(image, box) / 255.0, crop(alpha, box) / 255.0) * 255
    return colors


def _alpha(mask: Any, height: int, width: int) -> np.ndarray:
    if isinstance(mask, Instance):
        mask = mask.mask if mask.alpha is None else mask.alpha
    values = np.asarray(mask)
    if values.dtype == np.uint8 and values.shape == (height, width) and values.max(initial=0) > 1:
        return values
    return as_mask(mask, height, width) * np.uint8(255)


def _shadow(alpha: np.ndarray) -> np.ndarray:
    """Return the coverage of the object's shadow, float (H, W), 0 to 1."""
    x0, y0, x1, y1 = bbox(alpha > 0)
    side = max(x1 - x0, y1 - y0)
    if not side:
        return np.zeros(alpha.shape)
    right, down = (share * side for share in SHADOW_SHIFT)
    shifted = cv2.warpAffine(alpha / 255.0, np.array([[1, 0, right], [0, 1, down]]), alpha.shape[::-1])
    return cv2.GaussianBlur(shifted, (0, 0), max(SHADOW_BLUR * side, 0.5))


def _background(background: Any, image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the new background, (H, W, 3) or one color, 0 to 255."""
    if isinstance(background, str) and background == "blur":
        sigma = BLUR * max(alpha.shape)
        weight = (alpha == 0)[..., None].astype(float)  # Without the object, whose colors would glow around it.
        blurred, total = (cv2.GaussianBlur(values, (0, 0), sigma) for values in (image * weight, weight))
        return np.where(total[..., None] > MIN_WEIGHT, blurred / np.maximum(total[..., None], MIN_WEIGHT), image)
    if isinstance(background, tuple) and len(background) == 3:
        return np.array(background, float)
    if isinstance(background, str) and not Path(background).expanduser().exists():
        try:
            return np.array(ImageColor.getrgb(background)[:3], float)
        except ValueError:
            allowed = "a color such as 'white' or '#f5f5f5', an image file, or 'blur'"
            raise ValueError(f"the background is {background!r}; allowed are {allowed}") from None
    fitted = ImageOps.fit(Image.fromarray(read_image(background)), alpha.shape[::-1])
    return np.asarray(fitted, float)
