"""Images of more than 8 bits are read through a window, and then look like their 8-bit twins."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import coins

from cdwidget.click_simulation import next_click
from cdwidget.images import Window, read_image
from cdwidget.images.window import automatic_window
from cdwidget.masks import iou
from cdwidget.model import load_predictor
from cdwidget.session import Session

RAMP = np.linspace(0, 1, 5000).reshape(50, 100)  # From black to white.


def noisy(gray: np.ndarray, levels: int) -> np.ndarray:
    """Return 8-bit pixels in steps of `levels`, with noise below one step."""
    return gray.astype(np.uint16) * levels + np.random.default_rng(0).integers(0, levels, gray.shape, dtype=np.uint16)


@pytest.mark.parametrize("white", [1, 255, 1023, 4095, 16383, 65535])
@pytest.mark.parametrize("fraction", [0.85, 1])
def test_an_image_that_fills_a_usual_depth_keeps_its_black_and_white(white, fraction):
    assert automatic_window(RAMP * white * fraction) == Window(0, white)
    if white > 1:
        assert automatic_window((RAMP * white * fraction).astype(np.uint16)) == Window(0, white)


@pytest.mark.parametrize(
    ("pixels", "low", "high"),
    [
        (RAMP * 0.1, 0, 0.1),
        (RAMP * 600, 0, 600),
        (RAMP * 600 + 100, 100, 700),
        (RAMP * 4000 - 1000, -1000, 3000),
        (RAMP * 1e6, 0, 1e6),
        ((RAMP * 4000 - 1000).astype(np.int16), -1000, 3000),
        ((RAMP * 1e6).astype(np.int64), 0, 1e6),
    ],
)
def test_another_image_is_shown_from_its_darkest_to_its_brightest_values(pixels, low, high):
    window = automatic_window(pixels)
    assert window.low == pytest.approx(low, abs=0.002 * (high - low)) and window.high == pytest.approx(high, abs=0.002 * (high - low))


def test_single_outliers_and_values_that_are_not_finite_do_not_move_the_window():
    pixels = RAMP * 0.1
    pixels[0, :4] = [1e9, -1e9, np.nan, np.inf]
    assert automatic_window(pixels).high == pytest.approx(0.1, rel=0.01)
    shown = read_image(pixels)[0, :4, 0].tolist()
    assert shown == [255, 0, 0, 255]


def test_one_bright_pixel_on_black_is_seen():
    pixels = np.zeros((200, 200), np.uint16)
    pixels[7, 9] = 300
    assert read_image(pixels)[7, 9, 0] == 255 and read_image(pixels).mean() < 0.01


@pytest.mark.parametrize(("value", "level"), [(0, 0), (300, 75), (4095, 255), (70000, 128), (-5, 0), (0.25, 64)])
def test_an_image_of_one_value_can_be_read(value, level):
    assert np.unique(read_image(np.full((4, 4), value))).tolist() == [level]


@pytest.mark.parametrize("levels", [4, 16, 64, 256])
def test_a_deep_image_that_fills_its_depth_equals_its_8_bit_twin(levels):
    assert np.array_equal(
        read_image(noisy(np.arange(256, dtype=np.uint8).reshape(16, 16), levels))[:, :, 0], np.arange(256).reshape(16, 16)
    )


@pytest.mark.parametrize(
    ("window", "levels"),
    [((0, 200), [0, 128, 254, 255]), ((100, 200), [0, 0, 253, 255]), ((0, 200, 2.0), [0, 181, 255, 255]), (None, [0, 100, 199, 200])],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_a_window_may_be_given_for_every_dtype(dtype, window, levels):
    pixels = np.array([[0, 100, 199, 200]]).astype(dtype)
    assert read_image(pixels, window)[0, :, 0].tolist() == levels
    if window:
        assert np.array_equal(read_image(pixels, window), read_image(pixels, Window(*window)))


def test_8_bit_pixels_keep_their_contrast_unless_a_window_is_asked_for():
    dark = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert np.array_equal(read_image(dark)[:, :, 0], dark)
    assert read_image(dark, window="auto").max() == 255


def test_opacity_has_the_depth_of_its_dtype_and_no_window():
    gray_alpha = np.zeros((4, 4, 2), np.uint16)
    gray_alpha[:, :, 1] = 65535
    gray_alpha[0, 0, 1] = 32768
    assert read_image(gray_alpha, window=(0, 10))[:2, 0, 0].tolist() == [127, 0]


@pytest.mark.parametrize("window", [(3,), (1, 2, 3, 4), "bright", "12", 7, (5, 5), (6, 5), (0, np.nan), (0, 1, 0), ("a", "b")])
def test_other_windows_are_refused(window):
    with pytest.raises(ValueError, match="window|gamma"):
        read_image(RAMP, window=window)


def test_a_12_bit_photo_in_a_16_bit_file_is_segmented_as_its_8_bit_twin(tmp_path: Path):
    photo = coins()[80:220, 20:160]
    Image.fromarray(noisy(photo, 9) + np.uint16(300)).save(tmp_path / "deep.tif")  # 300 to 2600, as of an underexposed 12-bit camera.
    predictor = load_predictor("cdnet-tiny")
    shallow, deep = Session(photo, predictor), Session(tmp_path / "deep.tif", predictor)
    masks = []
    for _ in range(4):
        click = next_click(photo > 107, shallow.mask)
        assert click is not None
        shallow.apply(click)
        masks.append(shallow.mask)
    for click, mask in zip(shallow.prompts, masks):
        deep.apply(click)
        assert iou(deep.mask, mask) >= 0.98
