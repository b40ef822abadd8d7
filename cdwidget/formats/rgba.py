"""RGBA cut-outs: `images/`, and `cutouts/<image>/001_<label>.png` with an object each.

A cut-out has the size of its image.

The alpha channel is the instance's alpha matte, or 255 inside the mask. Label and id are stored in a text chunk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import numpy as np
from PIL import Image

from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.image_files import read_pixels, unique_stems
from cdwidget.formats.instances import alpha_of, soft_alpha
from cdwidget.formats.png import Draw, read_layers, write_layers
from cdwidget.images import read_image
from cdwidget.items import Instance, Item

FOLDER = "cutouts"
MIN_MASK_ALPHA = 128  # Pixels with at least this alpha are in the mask.


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a folder of cut-outs.

    Args:
        path: The folder.
        images: The folder of the images; by default `images/` in it.
        problems: Receives the entries that cannot be read.

    Returns:
        One item per image; its masks are decoded on access.

    Raises:
        FileNotFoundError: If there is no such folder, or an image is missing.
        ValueError: If a cut-out is broken.
    """
    if not (path / FOLDER).is_dir():
        raise FileNotFoundError(f"there is no folder {path / FOLDER}; a folder of cut-outs holds images/ and {FOLDER}/<image>/*.png")
    return Dataset(read_layers(path / FOLDER, images or path / "images", _decode, problems))


def matches(path: Path) -> bool:
    """Return whether a folder holds cut-outs."""
    return (path / FOLDER).is_dir()


def write(items: Sequence[Item], path: Path) -> Path:
    """Write a folder of cut-outs with copies of the images.

    Transparent pixels become black, so that the background is not stored.

    Args:
        items: The images with their instances.
        path: The folder.

    Returns:
        The folder.

    Raises:
        ValueError: If a mask does not fit its image.
    """
    write_layers(items, unique_stems(items, path / "images"), path, FOLDER, _cutter)
    return path


def _cutter(image: Path) -> Draw:
    """Return a function that cuts an instance out of an image."""
    pixels = read_image(image)

    def cut(instance: Instance) -> Image.Image:
        alpha = alpha_of(instance)
        return Image.fromarray(np.dstack([np.where(alpha[:, :, None] > 0, pixels, np.uint8(0)), alpha]))

    return cut


def _decode(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    pixels = read_pixels(path)
    if pixels.ndim != 3 or pixels.shape[2] != 4:
        raise ValueError(f"{path} has shape {pixels.shape}; a cut-out is an RGBA file, (H, W, 4)")
    alpha = pixels[:, :, 3]
    return alpha >= MIN_MASK_ALPHA, soft_alpha(alpha)
