"""Reading benchmark folders."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdwidget.formats.dataset_folders import read_benchmark_objects


def write(folder: Path, stem: str, mask: np.ndarray, size: tuple[int, int] | None = None, **save: object) -> None:
    for name in ("images", "masks"):
        (folder / name).mkdir(exist_ok=True)
    height, width = size or mask.shape[:2]
    Image.new("RGB", (width, height), (10, 20, 30)).save(folder / "images" / f"{stem}.jpg", **save)
    Image.fromarray(mask).save(folder / "masks" / f"{stem}.png")


def gray(*rows: list[int]) -> np.ndarray:
    return np.array(rows, dtype=np.uint8)


def test_binary_masks_with_and_without_ignored_pixels(tmp_path: Path) -> None:
    write(tmp_path, "b", gray([0, 128, 255], [0, 0, 255]))
    write(tmp_path, "a", gray([0, 255, 255]))
    first, second = read_benchmark_objects(tmp_path)
    assert [first.name, second.name] == ["a", "b"]
    image, gt, ignore = second.load()
    assert image.shape == (2, 3, 3) and image.dtype == np.uint8
    assert gt.tolist() == [[False, False, True], [False, False, True]] and ignore.tolist() == [[False, True, False], [False, False, False]]
    assert not first.load()[2].any()


def test_label_maps_have_one_object_per_id(tmp_path: Path) -> None:
    write(tmp_path, "a", gray([0, 1, 1, 7, 255]))
    write(tmp_path, "b", gray([0, 255, 255]))  # Void only: neither an object nor foreground.
    one, seven = read_benchmark_objects(tmp_path)
    assert [one.name, seven.name] == ["a#1", "a#7"]
    _, gt, ignore = seven.load()
    assert gt.tolist() == [[False, False, False, True, False]]
    assert ignore.tolist() == [[False, False, False, False, True]]


def test_sixteen_bit_and_palette_masks(tmp_path: Path) -> None:
    write(tmp_path, "a", np.array([[0, 300, 300]], np.uint16))
    write(tmp_path, "b", gray([0, 3, 3]))
    palette = Image.fromarray(gray([0, 3, 3])).convert("P")
    palette.putpalette([0, 0, 0, 9, 9, 9, 8, 8, 8, 200, 0, 0])
    palette.putdata([0, 3, 3])
    palette.save(tmp_path / "masks" / "b.png")
    assert [target.name for target in read_benchmark_objects(tmp_path)] == ["a#300", "b#3"]


def test_limit_counts_images(tmp_path: Path) -> None:
    write(tmp_path, "a", gray([0, 1, 2]))
    write(tmp_path, "b", gray([0, 1, 2]))
    assert [target.name for target in read_benchmark_objects(tmp_path, limit=1)] == ["a#1", "a#2"]


def test_a_rotated_photograph_fits_its_upright_mask(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # Rotated by 90 degrees.
    write(tmp_path, "a", np.full((4, 2), 255, np.uint8), size=(2, 4), exif=exif)
    (target,) = read_benchmark_objects(tmp_path)
    assert target.load()[0].shape == (4, 2, 3)


@pytest.mark.parametrize(
    ("mask", "size", "message"),
    [
        (gray([0, 255]), (2, 2), r"a\.png is 2x1 pixels and its image is 2x2"),
        (gray([0, 128]), None, r"a\.png has no foreground; mark the object with 255"),
        (np.eye(3, dtype=np.uint8)[None], None, r"a\.png has 3 channels that differ; a mask has one"),
    ],
)
def test_unusable_masks_are_named(tmp_path: Path, mask: np.ndarray, size: tuple[int, int] | None, message: str) -> None:
    write(tmp_path, "a", mask, size)
    with pytest.raises(ValueError, match=message):
        read_benchmark_objects(tmp_path)


def test_a_corrupt_mask_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a", gray([0, 255]))
    (tmp_path / "masks" / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.png cannot be read as an image"):
        read_benchmark_objects(tmp_path)


def test_files_without_a_partner_are_named(tmp_path: Path) -> None:
    write(tmp_path, "a", gray([0, 255]))
    write(tmp_path, "b", gray([0, 255]))
    (tmp_path / "masks" / "b.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"no mask for b\.jpg; every file"):
        read_benchmark_objects(tmp_path)
    (tmp_path / "images" / "a.jpg").unlink()
    (tmp_path / "images" / "b.jpg").rename(tmp_path / "images" / "c.jpg")
    with pytest.raises(FileNotFoundError, match=r"no mask for c\.jpg"):
        read_benchmark_objects(tmp_path)


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="a benchmark folder holds images/ and masks/"):
        read_benchmark_objects(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    with pytest.raises(FileNotFoundError, match="is empty; it needs files ending in"):
        read_benchmark_objects(tmp_path)


def test_two_images_with_the_same_stem(tmp_path: Path) -> None:
    write(tmp_path, "a", gray([0, 255]))
    Image.new("RGB", (2, 1)).save(tmp_path / "images" / "a.png")
    with pytest.raises(ValueError, match=r"holds both a\.jpg and a\.png"):
        read_benchmark_objects(tmp_path)
