"""Small masks, and the small image files that they are of."""

from pathlib import Path

import numpy as np
from PIL import Image

from cdwidget.items import Instance, Item

RING = np.ones((5, 6), bool)
RING[2, 3] = False
TWO = np.zeros((5, 6), bool)
TWO[0, :2] = TWO[4, 3:] = True
SQUARE = np.zeros((5, 6), bool)
SQUARE[1:3, 1:4] = True


def item(folder: Path, *instances: Instance, name: str = "a.png", height: int = 5, width: int = 6) -> Item:
    folder.mkdir(parents=True, exist_ok=True)
    ramp = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3) + 1
    Image.fromarray(ramp).save(folder / name)
    return Item(folder / name, instances)


def grey(path: Path, values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, np.uint8)).save(path)
