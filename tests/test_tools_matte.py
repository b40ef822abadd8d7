import sys

import numpy as np
import pytest

from cdwidget.tools import TOOL_OF_ACTION, Brush, Canvas, Matte
from cdwidget.tools.matte import MAX_CROP_PIXELS

pytestmark = pytest.mark.timeout(900)  # PyMatting compiles itself once in a new environment, for a minute or more.

DARK, BRIGHT = np.array([30.0, 60.0, 90.0]), np.array([220.0, 180.0, 200.0])


def soft_edge(height, width, at, ramp):
    """An image of a dark object on the left that fades to a bright background over `ramp` pixels, and its alpha."""
    alpha = np.clip((at + ramp / 2 - (np.arange(width) + 0.5)) / ramp, 0, 1) * np.ones((height, 1))
    return np.rint(alpha[..., None] * DARK + (1 - alpha[..., None]) * BRIGHT).astype(np.uint8), alpha


def run(image, mask, action):
    """Return the pixels that a tool sets, and their new mask and alpha, all (H, W)."""
    edit = TOOL_OF_ACTION[type(action)].run(Canvas(image, mask, None), action)
    x0, y0, x1, y1 = edit.bbox
    where, after, alpha = np.zeros_like(mask), np.zeros_like(mask), np.zeros(mask.shape, np.uint8)
    where[y0:y1, x0:x1] = edit.where
    after[where] = edit.pixels[edit.where]
    if edit.alpha is not None:
        assert edit.alpha.dtype == np.uint8
        alpha[where] = edit.alpha[edit.where]
    return where, after, alpha


@pytest.fixture(scope="module")
def edge():
    image, alpha = soft_edge(60, 90, 45, 12)
    mask = np.zeros((60, 90), bool)
    mask[:, :40] = True  # Not exactly at the border.
    return image, mask, alpha


@pytest.mark.parametrize("max_pixels", [MAX_CROP_PIXELS, 1500], ids=["full size", "reduced"])
def test_a_band_gets_the_alpha_of_its_colors(edge, max_pixels, monkeypatch):
    monkeypatch.setattr("cdwidget.tools.matte.MAX_CROP_PIXELS", max_pixels)
    image, mask, alpha = edge
    action = Matte(((45, -5), (45, 70)), 13)
    where, after, found = run(image, mask, action)
    assert where[:, 32:58].all() and where.sum() == 60 * 26
    assert np.abs(found / 255 - alpha)[where].max() < 0.1
    assert np.array_equal(after, where & (found > 127))
    assert after[:, 32:44].all() and not after[:, 46:].any()


def test_a_matte_sets_only_its_band_and_is_deterministic(edge):
    image, mask, _ = edge
    action = Matte(((45, 30), (48, 40)), 9.5)
    where, after, alpha = run(image, mask, action)
    assert np.array_equal(where, run(image, mask, Brush(action.points, action.radius))[0])
    assert np.array_equal(alpha, run(image, mask, action)[2])
    assert np.array_equal(after, alpha > 127)


@pytest.mark.parametrize(
    ("points", "radius", "message"),
    [
        (((80, 30),), 3, "There is no object next to the band. Draw it along the border"),
        (((5, 30),), 3, "There is no background"),
        (((45, 30),), 500, "There is no object"),
        ((), 5, "a Matte has 0 points"),
        (((45, 30),), 0.1, "a Matte's radius is 0.1"),
    ],
)
def test_a_band_without_both_sides_is_refused(edge, points, radius, message):
    image, mask, _ = edge
    with pytest.raises(ValueError, match=message):
        run(image, mask, Matte(points, radius))


def test_a_band_outside_the_image_sets_nothing(edge):
    image, mask, _ = edge
    assert not run(image, mask, Matte(((200, 200),), 5))[0].any()


def test_without_pymatting_the_error_names_the_package_to_install(edge, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymatting", None)
    image, mask, _ = edge
    with pytest.raises(ImportError, match=r"pip install 'cdwidget\[matting\]'"):
        run(image, mask, Matte(((45, 30),), 9))


def test_an_image_without_a_solution_is_refused(edge, monkeypatch):
    def fails(image, trimap):
        raise ValueError("Conjugate gradient descent did not converge within 10000 iterations")

    monkeypatch.setattr("cdwidget.tools.matte.load_solver", lambda: fails)
    with pytest.raises(ValueError, match="No matte was found .*did not converge.*narrower"):
        run(edge[0], edge[1], Matte(((45, 30),), 10))
