"""Matte: estimate the alpha along a soft border, such as hair or fur."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import cv2
import numpy as np

from cdwidget.masks import crop, expand_bbox
from cdwidget.tools.brush import MIN_RADIUS_PX, cover
from cdwidget.tools.canvas import NO_EDIT, Canvas, PixelEdit, Tool, ToolAction, check_points, check_radius

CONTEXT_PX = 8  # Margin around the band that shows certain object and background.
MAX_CROP_PIXELS = 2**19  # A larger crop is reduced: the equations need 400 bytes per pixel and several seconds.


@dataclass(frozen=True)
class Matte(ToolAction):
    """Estimate alpha in a band along the border from the colors on both sides.

    Pixels with alpha above one half are in the mask.

    Args:
        points: The line in the middle of the band, (x, y) in image pixels.
        radius: Half the width of the band, in image pixels, 0.5 to 1024.
    """

    points: tuple[tuple[float, float], ...]
    radius: float


def solve_matte(canvas: Canvas, action: Matte) -> PixelEdit:
    """Set the pixels of the band by closed-form matting.

    Levin et al. 2008, https://doi.org/10.1109/TPAMI.2007.1177.

    Raises:
        ValueError: If there is no object or no background next to the band, or the equations have no solution.
        ImportError: If PyMatting is not installed.
    """
    points = check_points(action, 1)
    radius = check_radius(action, "radius", MIN_RADIUS_PX)
    covered, drawn = cover(points, radius, canvas.mask.shape)
    if not drawn.any():
        return NO_EDIT
    box = expand_bbox(covered, CONTEXT_PX, canvas.mask.shape)
    left, top, right, bottom = (abs(inner - outer) for inner, outer in zip(covered, box))
    band = np.pad(drawn, ((top, bottom), (left, right)))
    alpha = estimate_alpha(crop(canvas.image, box), crop(canvas.mask, box), band)
    return PixelEdit(box, band, alpha > 127, alpha)


def estimate_alpha(image: np.ndarray, mask: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Estimate alpha in a band from the colors on both sides of it.

    Args:
        image: uint8 (H, W, 3), RGB.
        mask: bool (H, W).
        band: The pixels whose alpha is unknown, bool (H, W).

    Returns:
        uint8 (H, W).

    Raises:
        ValueError: If there is no object or no background next to the band, or the equations have no solution.
        ImportError: If PyMatting is not installed.
    """
    trimap = np.where(band, 128, mask * 255).astype(np.uint8)
    scale = min(1.0, sqrt(MAX_CROP_PIXELS / band.size))
    if scale < 1:
        size = max(1, round(band.shape[1] * scale)), max(1, round(band.shape[0] * scale))
        image, trimap = (cv2.resize(whole, size, interpolation=cv2.INTER_AREA) for whole in (image, trimap))
    for kind, value in (("object", 255), ("background", 0)):
        if not (trimap == value).any():
            raise ValueError(f"There is no {kind} next to the band. Draw it along the border so that both sides stay uncovered.")
    solver = load_solver()
    try:
        solved = solver(image / 255.0, np.select([trimap == 0, trimap == 255], [0.0, 1.0], 0.5))
    except ValueError as error:  # The equations do not converge on every image.
        raise ValueError(
            f"No matte was found for this band ({error}). Draw a narrower band, or paint the border with the brush."
        ) from error
    if scale < 1:
        solved = cv2.resize(solved, band.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.rint(solved * 255).astype(np.uint8)


def load_solver() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Import PyMatting and return its closed-form solver.

    The import takes a second; the first one on a machine takes a minute, because PyMatting compiles itself. So a widget calls this in
    a thread when the tool is selected.

    Raises:
        ImportError: If PyMatting is not installed.
    """
    solver: Callable[[np.ndarray, np.ndarray], np.ndarray] = _pymatting().estimate_alpha_cf
    return solver


def load_foreground_solver() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Import PyMatting and return its estimation of foreground colors.

    Raises:
        ImportError: If PyMatting is not installed.
    """
    solver: Callable[[np.ndarray, np.ndarray], np.ndarray] = _pymatting().estimate_foreground_ml
    return solver


def _pymatting() -> Any:
    try:
        import pymatting
    except ImportError as error:
        raise ImportError("the matte needs PyMatting, which is not installed; run: pip install 'cdwidget[matting]'") from error
    return pymatting


MATTE = Tool("matte", "Matte", Matte, solve_matte, source="matte", key="M")
