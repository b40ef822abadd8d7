import sys

import numpy as np
import pytest

from cdwidget.tools import TOOLS, Brush, Canvas, Matte
from cdwidget.tools.matte import LARGEST_CROP

DARK, BRIGHT = np.array([30.0, 60.0, 90.0]), np.array([220.0, 180.0, 200.0])


def soft_edge(height, width, at, ramp):
    """An image that goes from a dark object on the left to a bright background over `ramp` pixels, and its alpha."""
    alpha = np.clip((at + ramp / 2 - (np.arange(width) + 0.5)) / ramp, 0, 1) * np.ones((height, 1))
    return np.rint(alpha[..., None] * DARK + (1 - alpha[..., None]) * BRIGHT).astype(np.uint8), alpha


def run(image, mask, action):
    return TOOLS[type(action)](Canvas(image, mask, None), action)


@pytest.fixture(scope="module")
def edge():
    image, alpha = soft_edge(60, 90, 45, 12)
    mask = np.zeros((60, 90), bool)
    mask[:, :40] = True  # not quite where the border is
    return image, mask, alpha


@pytest.mark.parametrize("largest", [LARGEST_CROP, 1500], ids=["as it is", "reduced"])
def test_a_smeared_band_gets_the_alpha_of_its_colours(edge, largest, monkeypatch):
    monkeypatch.setattr("cdwidget.tools.matte.LARGEST_CROP", largest)
    image, mask, alpha = edge
    action = Matte(((45, -5), (45, 70)), 13)
    painted = run(image, mask, action)
    drawn = run(image, mask, Brush(action.points, action.radius))
    assert painted.bbox == (32, 0, 58, 60)
    assert painted.where.all() and drawn.where.sum() == painted.where.sum()
    assert painted.alpha.dtype == np.uint8 and painted.alpha.shape == painted.where.shape
    found = painted.alpha / 255
    assert np.abs(found - alpha[:, 32:58]).max() < 0.1
    assert np.array_equal(painted.pixels, painted.alpha > 127)
    assert np.array_equal(painted.pixels[:, [0, 11, 14, 25]], [[True, True, False, False]] * 60)


def test_only_the_band_is_decided_and_again_the_same(edge):
    image, mask, _ = edge
    action = Matte(((45, 30), (48, 40)), 9.5)
    painted, again = run(image, mask, action), run(image, mask, action)
    drawn = run(image, mask, Brush(action.points, action.radius))
    x0, y0, x1, y1 = painted.bbox
    where = np.zeros_like(mask)
    where[y0:y1, x0:x1] = painted.where
    expected = np.zeros_like(mask)
    expected[drawn.bbox[1] : drawn.bbox[3], drawn.bbox[0] : drawn.bbox[2]] = drawn.where
    assert np.array_equal(where, expected)
    assert np.array_equal(painted.alpha, again.alpha)


@pytest.mark.parametrize(
    ("points", "radius", "said"),
    [
        (((80, 30),), 3, "no object shows beside the band; smear it along the border"),
        (((5, 30),), 3, "no background shows"),
        (((45, 30),), 500, "no object shows"),
        ((), 5, "a Matte has 0 points"),
        (((45, 30),), 0.1, "a Matte's radius is 0.1"),
    ],
)
def test_a_band_without_both_sides_is_refused(edge, points, radius, said):
    image, mask, _ = edge
    with pytest.raises(ValueError, match=said):
        run(image, mask, Matte(points, radius))


def test_a_band_outside_the_image_decides_nothing(edge):
    image, mask, _ = edge
    assert not run(image, mask, Matte(((200, 200),), 5)).where.any()


def test_without_pymatting_the_error_says_what_to_install(edge, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymatting", None)
    image, mask, _ = edge
    with pytest.raises(ImportError, match=r"pip install 'cdwidget\[matting\]'"):
        run(image, mask, Matte(((45, 30),), 9))
