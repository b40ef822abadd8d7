"""Measure how surely the edges of photos show that masks are turned by 180 degrees.

python benchmarks/stored_pixels.py TRAIN/COCOmini TRAIN/VOC    # folders with images/ and masks/
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import numpy as np

import cdwidget
from cdwidget.formats.coco import MAX_COMPARED_MASKS
from cdwidget.formats.orientation import EdgeContrast


def compare(item: cdwidget.Item) -> tuple[EdgeContrast, EdgeContrast]:
    """Return the contrast at the borders of an item's masks, and at the same borders turned by 180 degrees."""
    right, turned = EdgeContrast(), EdgeContrast()
    pixels = item.read_image()
    for instance in islice(item.instances, MAX_COMPARED_MASKS):
        right.add(pixels, instance.mask)
        turned.add(pixels, np.ascontiguousarray(instance.mask[::-1, ::-1]))
    return right, turned


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--photos", type=int, default=60, help="photos of each folder")
    options = parser.parse_args()
    for folder in options.folders:
        found = [compare(item) for item in islice(cdwidget.read("png", folder), options.photos)]
        found = [(right, turned) for right, turned in found if right.count]
        noticed = sum(right.exceeds(turned) for right, turned in found)
        mistaken = sum(turned.exceeds(right) for right, turned in found)
        print(f"{folder.name}: {len(found)} photos; turned masks noticed: {noticed}, right masks mistaken: {mistaken}")


if __name__ == "__main__":
    main()
