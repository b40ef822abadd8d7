"""Pixels as they are stored, of any depth, and their conversion to 8-bit RGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cdwidget.images.window import Window, apply_window, automatic_window

COLOR_BANDS = 3


@dataclass(frozen=True, eq=False)
class Raster:
    """The pixels of one image as they are stored.

    Args:
        pixels: (H, W, bands), bool, whole numbers or floats.
        alpha: Opacity, uint8 (H, W); None if all pixels are opaque.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None

    @classmethod
    def of(cls, pixels: np.ndarray, name: str) -> Raster:
        """Take an array: (H, W), or (H, W, 1..4) as gray, gray and alpha, RGB or RGBA.

        Args:
            pixels: The array.
            name: Its name in error messages.

        Raises:
            ValueError: If it has another shape, or a dtype that is not a real number.
        """
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4):
            hint = "; move the channels to the end: image.transpose(1, 2, 0)" if pixels.ndim == 3 and pixels.shape[0] in (1, 3, 4) else ""
            raise ValueError(f"{name} has shape {pixels.shape}; allowed are (H, W) and (H, W, 1..4){hint}")
        if pixels.dtype.kind not in "biuf":
            raise ValueError(f"{name} has dtype {pixels.dtype}; allowed are bool, whole numbers and floats")
        if pixels.size == 0:
            raise ValueError(f"{name} has no pixels, its shape is {pixels.shape}; both sides must be at least 1")
        if pixels.shape[2] in (2, 4):
            return cls(pixels[:, :, :-1], _opacity(pixels[:, :, -1]))
        return cls(pixels)

    def window(self, name: str) -> Window:
        """Return the automatic window; `name` is the image's in error messages."""
        try:
            return automatic_window(self.pixels)
        except ValueError as error:
            raise ValueError(f"{name} cannot be shown: {error}; replace NaN and infinite pixels, e.g. with numpy.nan_to_num") from None

    def rgb(self, window: Window | str | None, name: str) -> np.ndarray:
        """Return the image, uint8 (H, W, 3), C-contiguous, a copy.

        Args:
            window: The window; "auto" for the automatic one; None to keep 8-bit pixels and choose it for all others.
            name: The image's name in error messages.
        """
        pixels = self.pixels
        if pixels.dtype.kind == "b":
            pixels = pixels.view(np.uint8) * np.uint8(255)
        elif isinstance(window, Window):
            pixels = apply_window(pixels, window)
        elif pixels.dtype != np.uint8 or window == "auto":
            pixels = apply_window(pixels, self.window(name))
        if self.alpha is not None:
            pixels = _on_white(pixels, self.alpha)
        return np.array(np.broadcast_to(pixels, (*pixels.shape[:2], COLOR_BANDS)), order="C")


def _opacity(alpha: np.ndarray) -> np.ndarray:
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
