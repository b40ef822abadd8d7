"""The matte: how much of each pixel along a soft border, of hair or fur, belongs to the object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import cv2
import numpy as np

from cdwidget.tools.brush import SMALLEST, cover
from cdwidget.tools.canvas import Canvas, Painted, around, check_points, check_radius, crop, nothing

MARGIN = 8  # pixels round the band that show what is object and what is not
LARGEST_CROP = 2**19  # pixels; a larger one is reduced: the equations take 400 bytes a pixel, and seconds


@dataclass(frozen=True)
class Matte:
    """The pixels within `radius` of the line through `points`, smeared along the border, get the alpha that explains their colours.

    Those that are in the object by more than half are in its mask.
    """

    points: tuple[tuple[float, float], ...]
    radius: float


def solve_matte(canvas: Canvas, action: Matte) -> Painted:
    """Decide the pixels of the band by closed-form matting (Levin et al. 2008, http://doi.org/10.1109/TPAMI.2007.1177).

    Raises ValueError when no object, or no background, shows beside the band, or no matte is found; ImportError without PyMatting.
    """
    points = check_points(action, 1)
    radius = check_radius(action, "radius", SMALLEST)
    covered, drawn = cover(points, radius, canvas.mask.shape)
    if not drawn.any():
        return nothing()
    box = around(covered, MARGIN, canvas.mask.shape)
    left, top, right, bottom = (abs(inner - outer) for inner, outer in zip(covered, box))
    band = np.pad(drawn, ((top, bottom), (left, right)))
    image, trimap = crop(canvas.image, box), np.where(band, 128, crop(canvas.mask, box) * 255).astype(np.uint8)
    scale = min(1.0, sqrt(LARGEST_CROP / band.size))
    if scale < 1:
        size = max(1, round(band.shape[1] * scale)), max(1, round(band.shape[0] * scale))
        image, trimap = (cv2.resize(whole, size, interpolation=cv2.INTER_AREA) for whole in (image, trimap))
    for kind, value in (("object", 255), ("background", 0)):
        if not (trimap == value).any():
            raise ValueError(f"no {kind} shows beside the band; smear it along the border so that both sides of it stay uncovered")
    solver = load_solver()
    try:
        solved = solver(image / 255.0, np.select([trimap == 0, trimap == 255], [0.0, 1.0], 0.5))
    except ValueError as error:  # its equations do not converge on every picture
        raise ValueError(f"no matte was found for this band ({error}); smear a narrower one, or paint the border with the brush") from error
    if scale < 1:
        solved = cv2.resize(solved, band.shape[::-1], interpolation=cv2.INTER_LINEAR)
    alpha = np.rint(solved * 255).astype(np.uint8)
    return Painted(box, band, alpha > 127, alpha)


def load_solver() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return PyMatting's closed form; ImportError says how to install it.

    Importing it takes a second, and at its very first import a minute, because it compiles itself, once: a widget calls this in a
    thread as soon as somebody takes up the tool.
    """
    try:
        from pymatting import estimate_alpha_cf
    except ImportError as error:
        raise ImportError("the matte needs PyMatting, which is not installed; run: pip install 'cdwidget[matting]'") from error
    solver: Callable[[np.ndarray, np.ndarray], np.ndarray] = estimate_alpha_cf
    return solver
