"""Whether two images show the same in another light, and how hidden pixels continue the motion around them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cdwidget.examples.appearance import correlate, without_specks
from cdwidget.examples.flow import pixel_grid
from cdwidget.examples.motion import continue_motion

HEIGHT, WIDTH = 80, 96


def texture(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 20, 230, cv2.NORM_MINMAX)


@pytest.mark.parametrize("gain, gamma", [(1, 1), (0.6, 1), (1.1, 0.8), (0.8, 1.4)])
def test_the_same_in_another_light_matches_and_another_texture_does_not(gain: float, gamma: float) -> None:
    first, other = texture(0), texture(1)
    second = (255 * np.clip(gain * first / 255, 0, 1) ** gamma).astype(np.uint8)
    second[:, 60:] = other[:, 60:]
    known = np.zeros((HEIGHT, WIDTH), bool)
    known[:, :50] = True
    match = correlate(first, second, known)
    assert (match[:, :56] > 0.5).all() and (match[:, 64:] > 0.5).mean() < 0.5


def test_nothing_known_compares_the_images_as_they_are() -> None:
    image = texture(0)
    assert (correlate(image, image, np.zeros((HEIGHT, WIDTH), bool)) > 0.99).all()


def test_images_of_opposite_contrast_are_compared_without_an_overflow() -> None:
    dark, bright = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    dark[40:42, 40:42] = 255
    bright[:, : WIDTH // 2] = 0
    with np.errstate(all="raise"):
        match = correlate(dark, bright, np.ones((HEIGHT, WIDTH), bool))
    assert np.abs(match).max() <= 1 + 1e-4


def test_specks_are_left_out() -> None:
    pixels = np.zeros((HEIGHT, WIDTH), bool)
    pixels[10:14, 10:14] = pixels[30:50, 30:50] = True
    kept = without_specks(pixels)
    assert not kept[:20].any() and kept[30:50, 30:50].all()


def moving_sources() -> np.ndarray:
    """Return the sources of a camera that turns, zooms and tilts."""
    homography = np.array([[1.05, -0.1, 4], [0.1, 1.02, -3], [1e-4, -5e-5, 1]])
    return cv2.perspectiveTransform(pixel_grid(HEIGHT, WIDTH), homography)


def test_hidden_pixels_continue_the_motion_around_them() -> None:
    truth, known = moving_sources(), np.ones((HEIGHT, WIDTH), bool)
    known[20:60, 30:70] = False
    found = continue_motion(np.where(known[..., None], truth, 0).astype(np.float32), known, known)
    assert np.abs(found - truth).max() < 0.2


def test_hidden_pixels_of_an_object_do_not_continue_the_motion_of_the_background() -> None:
    truth = moving_sources() + np.float32(30)
    known, moving = np.ones((HEIGHT, WIDTH), bool), np.zeros((HEIGHT, WIDTH), bool)
    known[20:60, 30:50] = False
    moving[20:60, 50:90] = True
    sources = np.where(moving[..., None], truth, pixel_grid(HEIGHT, WIDTH)).astype(np.float32)
    found = continue_motion(sources, known, moving)
    assert np.abs(found - truth)[20:60, 30:50].max() < 0.2 and (found[known] == sources[known]).all()


@pytest.mark.parametrize("count", [0, 29])
def test_too_few_known_pixels_give_no_motion(count: int) -> None:
    known = np.zeros((HEIGHT, WIDTH), bool)
    known.flat[:count] = True
    sources = pixel_grid(HEIGHT, WIDTH)
    assert continue_motion(sources, known, known) is sources
