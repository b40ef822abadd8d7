"""Image files of many bits and bands are read with the values that tifffile and OpenCV have written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from tifffile import imwrite

from cdwidget.images import read_image
from cdwidget.limits import Limits

HEIGHT, WIDTH = 12, 20
LEVELS = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH)
BANDS = np.dstack([LEVELS, LEVELS[::-1], LEVELS[:, ::-1], 255 - LEVELS, LEVELS // 2, LEVELS // 3])  # uint8 (H, W, 6)


def deep(pixels: np.ndarray) -> np.ndarray:
    """Return 8-bit pixels in 16 bits."""
    return pixels.astype(np.uint16) * 257


def tiff(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    imwrite(path, pixels, **options)
    return path


def test_a_16_bit_color_png_keeps_its_low_bits(tmp_path: Path) -> None:
    pixels = deep(BANDS[:, :, :3]) // 16  # 0 to 4095: Pillow alone would read 0 to 15.
    cv2.imwrite(str(tmp_path / "a.png"), pixels[:, :, ::-1])
    assert np.array_equal(read_image(tmp_path / "a.png"), BANDS[:, :, :3])
    assert np.array_equal(read_image((tmp_path / "a.png").read_bytes()), BANDS[:, :, :3])
    with open(tmp_path / "a.png", "rb") as file:
        assert np.array_equal(read_image(file, window=(0, 4095)), BANDS[:, :, :3])


def test_the_opacity_and_the_orientation_of_a_16_bit_png(tmp_path: Path) -> None:
    opaque = np.full((HEIGHT, WIDTH), 255, np.uint8)
    opaque[0] = 0
    cv2.imwrite(str(tmp_path / "a.png"), deep(np.dstack([BANDS[:, :, 2::-1], opaque])))
    shown = read_image(tmp_path / "a.png")
    assert (shown[0] == 255).all() and np.array_equal(shown[1:], BANDS[1:, :, :3])

    exif = Image.Exif()
    exif[0x0112] = 6
    content = (tmp_path / "a.png").read_bytes()
    Image.new("L", (1, 1)).save(tmp_path / "exif.png", exif=exif)
    other = (tmp_path / "exif.png").read_bytes()
    start = other.index(b"eXIf") - 4
    chunk = other[start : start + 12 + int.from_bytes(other[start : start + 4], "big")]
    end = content.index(b"IEND") - 4
    assert np.array_equal(read_image(content[:end] + chunk + content[end:]), np.rot90(shown, -1))


def test_a_16_bit_png_that_ends_early_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.random.default_rng(0).integers(0, 65535, (80, 80, 3), dtype=np.uint16))
    with pytest.raises(ValueError, match="the file's content cannot be read as an image"):
        read_image((tmp_path / "a.png").read_bytes()[:4000])


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_color_tiffs_of_any_depth(tmp_path: Path, dtype: Any, compression: str | None, planar: str) -> None:
    pixels = BANDS[:, :, :3].astype(dtype)
    stored = pixels.transpose(2, 0, 1) if planar == "separate" else pixels
    path = tiff(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar, compression=compression)
    assert np.array_equal(read_image(path), BANDS[:, :, :3])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("count", [3, 4, 5, 6])
def test_the_bands_to_show_can_be_chosen(tmp_path: Path, dtype: Any, count: int) -> None:
    kind: dict[str, Any] = {"photometric": "rgb", "extrasamples": ["unspecified"]} if count == 4 else {"photometric": "minisblack"}
    pixels = BANDS[:, :, :count].astype(dtype)
    path = tiff(tmp_path / "a.tif", pixels, planarconfig="contig", **kind)
    assert np.array_equal(read_image(path), BANDS[:, :, :3])
    chosen = [count - 1, 0, 1]
    assert np.array_equal(read_image(path, bands=chosen, window=(0, 255)), BANDS[:, :, chosen])
    assert np.array_equal(read_image(path, bands=1), BANDS[:, :, [1, 1, 1]])
    assert np.array_equal(read_image(pixels, bands=chosen, window=(0, 255)), BANDS[:, :, chosen])
    with pytest.raises(ValueError, match=f"whole numbers from 0 to {count - 1}"):
        read_image(path, bands=(0, 1, count))


def test_two_bands_without_alpha_show_the_first(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", deep(BANDS[:, :, :2]), photometric="minisblack", planarconfig="contig")
    assert np.array_equal(read_image(path), np.dstack([LEVELS] * 3))


def test_the_alpha_band_of_a_16_bit_tiff_is_opacity(tmp_path: Path) -> None:
    pixels = deep(BANDS[:, :, :4])
    pixels[:, :, 3] = 0
    path = tiff(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    assert (read_image(path) == 255).all()


def test_white_is_zero_where_a_tiff_says_so(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", deep(LEVELS), photometric="miniswhite")
    assert np.array_equal(read_image(path)[:, :, 0], 255 - LEVELS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_16_bit_tiff(tmp_path: Path, orientation: int) -> None:
    pixels = BANDS[:, :, :3]
    Image.fromarray(pixels).save(tmp_path / "shallow.tif", tiffinfo={0x0112: orientation})
    path = tiff(tmp_path / "deep.tif", deep(pixels), photometric="rgb", extratags=[(0x0112, "H", 1, orientation, True)])
    assert np.array_equal(read_image(path), read_image(tmp_path / "shallow.tif"))


def test_pixels_without_data_are_black_and_do_not_move_the_window(tmp_path: Path) -> None:
    heights = 300 + LEVELS.astype(np.float32)
    heights[3:5] = -9999
    path = tiff(tmp_path / "a.tif", heights, extratags=[(42113, "s", 0, "-9999", True)])
    shown = read_image(path)[:, :, 0]
    assert (shown[3:5] == 0).all() and shown[-1, -1] == 255 and shown[6, 0] == 128


def test_an_lzw_file_of_16_bit_color_needs_no_other_package(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.tif"), deep(BANDS[:, :, 2::-1]), [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    assert np.array_equal(read_image(tmp_path / "a.tif"), BANDS[:, :, :3])


def test_a_missing_codec_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tifffile import TiffPage

    path = tiff(tmp_path / "a.tif", deep(BANDS), photometric="minisblack", planarconfig="contig")

    def lacks_codec(page: TiffPage) -> np.ndarray:
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(TiffPage, "asarray", lacks_codec)
    with pytest.raises(ValueError, match=r"a.tif' is a TIFF file of 6 bands.*pip install 'cdwidget\[tiff\]'"):
        read_image(path)


def test_the_size_of_a_deep_image_is_limited_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdwidget.images.tiff.DEFAULT_LIMITS", Limits(max_pixels=HEIGHT * WIDTH - 1))
    with pytest.raises(ValueError, match=f"a.tif' has {HEIGHT * WIDTH} pixels; at most {HEIGHT * WIDTH - 1} are read"):
        read_image(tiff(tmp_path / "a.tif", deep(BANDS[:, :, :3])))


def test_a_heic_image_without_its_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 40)
    with pytest.raises(ValueError, match=r"pip install 'cdwidget\[heic\]'"):
        read_image(tmp_path / "a.heic")


@pytest.mark.parametrize("name", ["a.jfif", "a.avif", "without_suffix"])
def test_the_content_decides_the_kind_and_not_the_suffix(tmp_path: Path, name: str) -> None:
    kind = "AVIF" if name == "a.avif" else "JPEG"
    Image.new("RGB", (WIDTH, HEIGHT), (200, 100, 50)).save(tmp_path / name, kind)
    assert np.abs(read_image(tmp_path / name).astype(int) - [200, 100, 50]).max() <= 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("bands", [1, 3, 4])
def test_a_tensor_has_its_bands_first(dtype: Any, bands: int) -> None:
    pixels = np.dstack([LEVELS, LEVELS[::-1], LEVELS[:, ::-1], np.full_like(LEVELS, 255)])[:, :, :bands].astype(dtype)
    pixels = pixels / dtype(255) if dtype == np.float32 else pixels * dtype(257 if dtype == np.uint16 else 1)
    assert np.array_equal(read_image(pixels.transpose(2, 0, 1)), read_image(pixels))
