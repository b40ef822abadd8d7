"""Small masks, and functions that write small images for them."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cdwidget.items import Instance, Item

RING_MASK = np.ones((5, 6), bool)
RING_MASK[2, 3] = False
TWO_PARTS_MASK = np.zeros((5, 6), bool)
TWO_PARTS_MASK[0, :2] = TWO_PARTS_MASK[4, 3:] = True
SQUARE = np.zeros((5, 6), bool)
SQUARE[1:3, 1:4] = True


def item(folder: Path, *instances: Instance, name: str = "a.png", height: int = 5, width: int = 6) -> Item:
    """Write an image and return it as an item with these instances."""
    folder.mkdir(parents=True, exist_ok=True)
    ramp = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3) + 1
    Image.fromarray(ramp).save(folder / name)
    return Item(folder / name, instances)


def write_gray(path: Path, values: object) -> None:
    """Write values of 0 to 255 as a gray PNG file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, np.uint8)).save(path)


def scene(seed: int, height: int = 60, width: int = 80) -> np.ndarray:
    """Return a random image of soft color spots, uint8 (height, width, 3), different for each seed."""
    noise = np.random.default_rng(seed).uniform(0, 255, (5, 6, 3)).astype(np.float32)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
