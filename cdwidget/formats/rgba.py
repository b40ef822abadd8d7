"""RGBA cut-outs: `images/` with a copy of each image, and `cutouts/<image>/001_<label>.png`: the object alone, as large as its image.

The alpha channel is the instance's soft alpha where it has one, and else 255 in its mask. Label and id stand in the file as texts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import numpy as np
from PIL import Image

from cdwidget.formats.io import alpha_of, read_pixels, soft, unique_stems
from cdwidget.formats.png import Draw, read_layers, write_layers
from cdwidget.items import Instance, Item, read_image

FOLDER = "cutouts"


def read(path: Path, images: Path | None = None) -> list[Item]:
    """Read a folder of cut-outs: the mask is where alpha is 128 or more; images: by default `images/` in it."""
    if not (path / FOLDER).is_dir():
        raise FileNotFoundError(f"there is no folder {path / FOLDER}; a folder of cut-outs holds images/ and {FOLDER}/<image>/*.png")
    return read_layers(path / FOLDER, images or path / "images", _decode)


def write(items: Sequence[Item], path: Path) -> Path:
    """Write `images/` and `cutouts/` into a folder; return it. Pixels that are wholly transparent are black: nothing hides there."""
    write_layers(items, unique_stems(items, path / "images"), path, FOLDER, _cutter)
    return path


def _cutter(image: Path) -> Draw:
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
    return alpha >= 128, soft(alpha)
