"""Intensity windows: the range of values that is shown from black to white."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from math import ceil, isfinite, sqrt
from typing import Sequence, Union

import numpy as np

LOW_PERCENTILE, HIGH_PERCENTILE = 0.1, 99.9
FULL_RANGES = {1: 0.5, 255: 0.5, 1023: 0.8, 4095: 0.8, 16383: 0.8, 65535: 0.5}  # White of a usual depth: fraction of it that images fill.
MAX_SAMPLED_PIXELS = 1_000_000  # More pixels do not change the percentiles visibly.
LEVELS = 256  # Gray levels of the result.


@dataclass(frozen=True)
class Window:
    """The range of values that is shown from black to white.

    Args:
        low: Value shown black, and everything below it.
        high: Value shown white, and everything above it.
        gamma: Above 1 brightens the middle tones, below 1 darkens them.

    Raises:
        ValueError: If the numbers are not finite, or `low` is not below `high`, or gamma is not positive.

    Example:
        >>> read_image("scan.tif", window=Window(200, 1800, gamma=1.5))
    """

    low: float
    high: float
    gamma: float = 1.0

    def __post_init__(self) -> None:
        if not all(isfinite(value) for value in astuple(self)):
            raise ValueError(f"a window has finite numbers, not {astuple(self)}")
        if not self.low < self.high:
            raise ValueError(f"the window {self.low:g} to {self.high:g} is empty; give (low, high) with low < high")
        if self.gamma <= 0:
            raise ValueError(f"gamma is {self.gamma:g}; give a number above 0, such as 1 for a linear window")


WindowLike = Union[None, str, Sequence[float], Window]


def to_window(value: WindowLike) -> Window | str | None:
    """Return a window, "auto" or None; raise ValueError for anything else."""
    if value is None or isinstance(value, Window) or value == "auto":
        return value
    try:
        low, high, *gamma = (float(number) for number in value)
        if isinstance(value, str) or len(gamma) > 1:
            raise ValueError
    except (TypeError, ValueError):
        raise ValueError(f"the window is {value!r}; allowed are None, 'auto', (low, high) and (low, high, gamma)") from None
    return Window(low, high, *gamma)


def automatic_window(pixels: np.ndarray, empty: np.ndarray | None = None) -> Window:
    """Choose a window for pixels of unknown depth.

    It is 0 to the white of a usual depth, such as 4095 for 12 bits, if the image nearly reaches it. Otherwise it leaves out the darkest
    and the brightest 0.1 % of the values.

    Args:
        pixels: Whole numbers or floats, (H, W) or (H, W, bands). Values that are not finite are left out.
        empty: Pixels that are left out, bool (H, W); None for none.

    Raises:
        ValueError: If no value is finite.
    """
    step = max(1, ceil(sqrt(pixels.shape[0] * pixels.shape[1] / MAX_SAMPLED_PIXELS)))
    values = _finite(pixels[::step, ::step], None if empty is None else empty[::step, ::step])
    if not values.size:
        values = _finite(pixels, empty)
    if not values.size:
        raise ValueError("no pixel has a finite value")
    low, high = (float(value) for value in np.percentile(values, [LOW_PERCENTILE, HIGH_PERCENTILE]))
    if low >= 0:
        for white, fraction in FULL_RANGES.items():
            if fraction * white <= high <= white:
                return Window(0, white)
    if not low < high:  # Nearly all pixels have one value; the others are what there is to see.
        values = _finite(pixels, empty)
        low, high = float(values.min()), float(values.max())
    if not low < high:  # All pixels have one value.
        low, high = (low, 0.0) if low < 0 else (0.0, next((white for white in FULL_RANGES if high <= white), 2 * high))
    return Window(low, high)


def apply_window(pixels: np.ndarray, window: Window) -> np.ndarray:
    """Return pixels as uint8 of the same shape, 0 at the low end of a window and 255 at its high end.

    NaN becomes 0.
    """
    if pixels.dtype.kind in "iu" and pixels.dtype.itemsize <= 2:
        limits = np.iinfo(pixels.dtype)
        table = _levels(np.arange(limits.min, limits.max + 1, dtype=np.float32), window)
        return table[pixels if limits.min == 0 else pixels.astype(np.int32) - limits.min]
    precision = np.float32 if pixels.dtype.kind == "f" and pixels.dtype.itemsize <= 4 else np.float64
    return _levels(pixels.astype(precision), window)


def _levels(values: np.ndarray, window: Window) -> np.ndarray:
    """Return the gray levels of values, which are overwritten."""
    with np.errstate(over="ignore", invalid="ignore"):
        values -= window.low
        values /= window.high - window.low
        np.clip(values, 0, 1, out=values)
        if window.gamma != 1:
            values **= 1 / window.gamma
        values *= LEVELS
    np.nan_to_num(values, copy=False)
    return np.minimum(values, LEVELS - 1, out=values).astype(np.uint8)


def _finite(pixels: np.ndarray, empty: np.ndarray | None) -> np.ndarray:
    values = pixels.ravel() if empty is None else pixels[~empty].ravel()
    return values[np.isfinite(values)] if pixels.dtype.kind == "f" else values
