"""Pixels as they are stored, of any depth, and their conversion to 8-bit RGB."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import Sequence

import numpy as np

from cdwidget.images.window import Window, apply_window, automatic_window

COLOR_BANDS = 3
BAND_COUNTS = (1, 2, 3, 4)  # Gray, gray and alpha, RGB, RGBA.


@dataclass(frozen=True, eq=False)
class Raster:
    """The pixels of one image as they are stored.

    Args:
        pixels: (H, W, bands), bool, whole numbers or floats.
        alpha: Opacity, uint8 (H, W); None if all pixels are opaque.
        nodata: Value of pixels without a measurement; None if all pixels have one.
        own_window: The window that the file names; None if it names none.
        is_inverted: Whether high values are dark.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    nodata: float | None = None
    own_window: Window | None = None
    is_inverted: bool = False

    @classmethod
    def of(cls, pixels: np.ndarray, name: str, any_bands: bool = False) -> Raster:
        """Take an array: (H, W), or (H, W, 1..4) as gray, gray and alpha, RGB or RGBA; or (1, H, W), (3, H, W), (4, H, W).

        Args:
            pixels: The array.
            name: Its name in error messages.
            any_bands: Whether the last axis is bands, of any number, and none of them is alpha.

        Raises:
            ValueError: If it has another shape, or a dtype that is not a real number.
        """
        shape = pixels.shape
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        elif pixels.ndim == 3 and not any_bands and shape[2] not in BAND_COUNTS and shape[0] in (1, 3, 4):  # As PyTorch has it.
            pixels = np.moveaxis(pixels, 0, -1)
        if pixels.ndim != 3 or not (any_bands or pixels.shape[2] in BAND_COUNTS):
            hint = "; for more bands, give bands=(0, 1, 2), and for several images a list" if pixels.ndim in (3, 4) else ""
            raise ValueError(f"{name} has shape {shape}; allowed are (H, W), (H, W, 1..4) and (1, H, W), (3, H, W) or (4, H, W){hint}")
        if pixels.dtype.kind not in "biuf":
            raise ValueError(f"{name} has dtype {pixels.dtype}; allowed are bool, whole numbers and floats")
        if pixels.size == 0:
            raise ValueError(f"{name} has no pixels, its shape is {shape}; both sides must be at least 1")
        if pixels.shape[2] in (2, 4) and not any_bands:
            return cls(pixels[:, :, :-1], opacity(pixels[:, :, -1]))
        return cls(pixels)

    def with_display(self, window: Window | None, is_inverted: bool) -> Raster:
        """Return the same pixels with the window and the direction that their file names."""
        return replace(self, own_window=window, is_inverted=is_inverted)

    def rgb(self, window: Window | str | None, bands: int | Sequence[int] | None, name: str) -> np.ndarray:
        """Return the image, uint8 (H, W, 3), C-contiguous, a copy.

        Args:
            window: The window; "auto" for the automatic one; None for the file's own, to keep 8-bit pixels, or else the automatic one.
            bands: One band for gray, or three for red, green and blue, counted from 0. None for the first three, or the first of two.
            name: The image's name in error messages.

        Raises:
            ValueError: If there is no such band, or no pixel has a finite value.
        """
        pixels, empty = self._bands(bands, name)
        chosen = self._window(window, pixels, empty, name)
        if pixels.dtype.kind == "b":
            pixels = pixels.view(np.uint8) * np.uint8(255)
        elif chosen is not None:
            pixels = apply_window(pixels, chosen)
        if self.is_inverted:
            pixels = 255 - pixels
        if empty is not None:
            pixels = np.where(empty[:, :, None], np.uint8(0), pixels)
        if self.alpha is not None:
            pixels = _on_white(pixels, self.alpha)
        return np.array(np.broadcast_to(pixels, (*pixels.shape[:2], COLOR_BANDS)), order="C")

    def window(self, window: Window | str | None, bands: int | Sequence[int] | None, name: str) -> Window | None:
        """Return the window through which `rgb` shows the image; None if it shows 8-bit pixels as they are."""
        return self._window(window, *self._bands(bands, name), name)

    @property
    def is_deep(self) -> bool:
        """Whether the pixels have more than 8 bits, so that only a window shows them."""
        return self.pixels.dtype.kind != "b" and self.pixels.dtype != np.uint8

    def value_range(self) -> tuple[float, float]:
        """Return the lowest and the highest finite value; (0, 1) if there is none."""
        values = self.pixels[np.isfinite(self.pixels)] if self.pixels.dtype.kind == "f" else self.pixels
        return (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)

    def reduced(self, max_pixels: int) -> Raster:
        """Return every second, third, ... pixel of every second, third, ... row, at most `max_pixels` of them."""
        step = ceil(sqrt(max(1.0, self.pixels.shape[0] * self.pixels.shape[1] / max_pixels)))
        alpha = None if self.alpha is None else self.alpha[::step, ::step]
        return replace(self, pixels=np.ascontiguousarray(self.pixels[::step, ::step]), alpha=alpha)

    def _window(self, window: Window | str | None, pixels: np.ndarray, empty: np.ndarray | None, name: str) -> Window | None:
        given = self.own_window if window is None else window
        if isinstance(given, Window) or (given is None and not self.is_deep) or pixels.dtype.kind == "b":
            return given if isinstance(given, Window) else None
        try:
            return automatic_window(pixels, empty)
        except ValueError as error:
            raise ValueError(f"{name} cannot be shown: {error}; replace NaN and infinite pixels, e.g. with numpy.nan_to_num") from None

    def _bands(self, bands: int | Sequence[int] | None, name: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the pixels of the bands to show, (H, W, 1) or (H, W, 3), and which have no measurement, bool (H, W); None for none."""
        pixels = self._chosen_bands(bands, name)
        return pixels, None if self.nodata is None else (pixels == self.nodata).all(axis=2)

    def _chosen_bands(self, bands: int | Sequence[int] | None, name: str) -> np.ndarray:
        count = self.pixels.shape[2]
        if bands is None:
            return self.pixels[:, :, : COLOR_BANDS if count >= COLOR_BANDS else 1]
        chosen = [bands] if isinstance(bands, int) else list(bands)
        if len(chosen) not in (1, COLOR_BANDS) or not all(isinstance(band, int) and 0 <= band < count for band in chosen):
            raise ValueError(f"bands is {bands!r}; {name} has {count}, so give one or three whole numbers from 0 to {count - 1}")
        return self.pixels[:, :, chosen]


def is_stack(array: np.ndarray) -> bool:
    """Return whether an array is several images: (N, H, W), (N, H, W, bands) or (N, bands, H, W)."""
    if array.ndim == 4:
        return True
    return array.ndim == 3 and array.shape[2] not in BAND_COUNTS and array.shape[0] not in (1, 3, 4)


def opacity(alpha: np.ndarray) -> np.ndarray:
    """Return an alpha band of any dtype as uint8; its white is the white of the dtype, or 1 of floats."""
    if alpha.dtype.kind == "b":
        return alpha.view(np.uint8) * np.uint8(255)
    if alpha.dtype == np.uint8:
        return alpha
    return apply_window(alpha, Window(0, 1 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max))


def _on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    if (alpha == 255).all():
        return pixels
    weight = alpha.astype(np.uint16)[:, :, None]
    return ((pixels * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)  # At most 65152, so 16 bits suffice.
