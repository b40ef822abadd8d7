"""Outlines of masks as SVG paths."""

import cv2
import numpy as np
import pytest

from cdwidget.widget.images import svg_path
from support.svg_paths import loops


@pytest.mark.parametrize("shape", [(30, 40), (144, 192), (512, 300)])
def test_an_outline_follows_the_mask(shape: tuple[int, int]) -> None:
    height, width = shape
    mask = np.zeros(shape, np.uint8)
    cv2.ellipse(mask, (width // 2, height // 2), (width // 3, height // 4), 20, 0, 360, 255, -1)
    cv2.circle(mask, (width // 2, height // 2), height // 8, 0, -1)
    mask[1:3, 1:3] = 255
    found = loops(svg_path(mask))
    drawn = np.zeros((8 * height, 8 * width), np.uint8)
    cv2.fillPoly(drawn, [np.round(8 * loop - 0.5).astype(np.int32) for loop in found], 255)  # by the even-odd rule
    again = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA) > 127
    assert len(found) == 3 and (again & (mask > 0)).sum() / (again | (mask > 0)).sum() > 0.96
    assert sum(map(len, found)) < 150, "a line is two corners, however long"
    assert svg_path(np.zeros(shape, np.uint8)) == ""


def test_a_speck_has_an_outline() -> None:
    mask = np.zeros((144, 192), np.uint8)
    mask[20, 30] = 255
    assert svg_path(mask) == "M30.25 20.25Z", "round ends of lines make this a dot"
