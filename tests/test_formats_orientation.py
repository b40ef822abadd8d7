"""Annotations of photos with an EXIF orientation, counted in upright pixels or in pixels as stored."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

import cdwidget
from cdwidget.formats.image_files import image_size
from cdwidget.formats.orientation import read_header, turn_upright
from cdwidget.images.orientation import EXIF_ORIENTATION

SQUARE = [5, 5, 15, 5, 15, 15, 5, 15]
STORED = np.zeros((30, 40, 3), np.uint8)
STORED[5:15, 5:15] = 255


def photo(path: Path, orientation: int) -> Path:
    """Write a photo, 40x30 pixels as stored, with a white square in the upper left corner of the stored pixels."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    Image.fromarray(STORED).save(path, exif=exif.tobytes(), quality=95)
    return path


def save(folder: Path, *names: str, width: int = 40, height: int = 30) -> Path:
    images = [{"id": n, "file_name": name, "width": width, "height": height} for n, name in enumerate(names)]
    annotations = [{"id": n + 1, "image_id": n, "category_id": 1, "segmentation": [SQUARE]} for n in range(len(names))]
    path = folder / "annotations.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cat"}]}))
    return path


def brightness(item: cdwidget.Item) -> float:
    """Return the mean of the pixels under the only mask."""
    return float(item.read_image()[item.instances[0].mask].mean())


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_turn_as_their_image_does(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = photo(tmp_path / f"a{suffix}", orientation)
    header = read_header(path)
    assert header is not None and header.orientation == orientation
    assert header.shown_size == cdwidget.read_image(path).shape[:2]
    mask = np.arange(12).reshape(3, 4) % 5 == 0
    image = Image.fromarray(mask)
    image.getexif()[EXIF_ORIENTATION] = orientation
    assert np.array_equal(turn_upright(mask, orientation), np.asarray(ImageOps.exif_transpose(image)))


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_the_size_shows_that_annotations_count_stored_pixels(tmp_path: Path, orientation: int) -> None:
    photo(tmp_path / "a.png", orientation)
    (item,) = dataset = cdwidget.read("coco", save(tmp_path, "a.png"))
    assert item.instances[0].mask.shape == (40, 30) and brightness(item) == 255
    catalogue = cdwidget.Catalogue(tmp_path / "labels.db")
    catalogue.import_("coco", tmp_path / "annotations.json")
    assert brightness(catalogue.item(1)) == 255
    (again,) = cdwidget.read("coco", cdwidget.write("coco", dataset, tmp_path / "out.json"))
    assert brightness(again) == 255, "written in upright pixels"


def test_annotations_in_upright_pixels_stay(tmp_path: Path) -> None:
    photo(tmp_path / "a.png", 6)
    (item,) = cdwidget.read("coco", save(tmp_path, "a.png", width=30, height=40))
    assert item.instances[0].mask.shape == (40, 30) and item.instances[0].mask[5:15, 5:15].all()


def test_photos_turned_by_180_degrees_follow_the_others_or_the_argument(tmp_path: Path) -> None:
    photo(tmp_path / "a.png", 3)
    photo(tmp_path / "b.png", 6)
    path = save(tmp_path, "a.png")
    assert brightness(cdwidget.read("coco", path)[0]) == 255, "the square is in the stored pixels"
    assert brightness(cdwidget.read("coco", path, stored_pixels=False)[0]) == 0
    path = save(tmp_path, "a.png", "b.png")
    assert [brightness(item) for item in cdwidget.read("coco", path)] == [255, 255]
    assert brightness(cdwidget.read("coco", path, stored_pixels=False)[0]) == 0


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_the_edges_show_how_masks_count_pixels_if_the_size_does_not(tmp_path: Path, orientation: int) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (30, 40, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation

    def mask_of(stored: np.ndarray) -> np.ndarray:
        Image.fromarray(stored).save(tmp_path / "a.png", exif=exif.tobytes())
        return cdwidget.read("coco", save(tmp_path, "a.png"))[0].instances[0].mask

    as_shown = np.zeros((30, 40), bool)
    as_shown[5:15, 5:15] = True
    as_stored = turn_upright(as_shown, orientation)
    assert np.array_equal(mask_of(np.maximum(noise, STORED)), as_stored)
    upright = np.ascontiguousarray(
        turn_upright(STORED[:, :, 0], orientation)
    )  # Turned back, since these orientations are their own inverse.
    assert np.array_equal(mask_of(np.maximum(noise, upright[:, :, None])), as_shown)
    assert np.array_equal(mask_of(noise), as_shown), "an image without edges at either place is taken as shown"
    square = np.zeros((30, 40, 3), np.uint8)
    square[::2] = 255
    assert np.array_equal(mask_of(square), as_shown)


def test_a_file_that_says_that_its_masks_are_of_the_shown_image_is_not_examined(tmp_path: Path) -> None:
    """A page without a kernel writes such files."""
    photo(tmp_path / "a.png", 3)
    path = save(tmp_path, "a.png")
    content = json.loads(path.read_text())
    for info, expected in (({"exif_orientation": "applied"}, 0), ({}, 255), (None, 255)):
        path.write_text(json.dumps({**content, "info": info}))
        assert brightness(cdwidget.read("coco", path)[0]) == expected
    path.write_text(json.dumps({**content, "info": {"exif_orientation": "applied"}}))
    assert brightness(cdwidget.read("coco", path, stored_pixels=True)[0]) == 255


def test_an_image_that_cannot_be_read_does_not_cost_the_others(tmp_path: Path) -> None:
    photo(tmp_path / "a.png", 3)
    photo(tmp_path / "b.png", 3)
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    assert len(cdwidget.read("coco", save(tmp_path, "a.png", "b.png"))) == 2


@pytest.mark.parametrize("content", [b"", b"Exif", b"II*\0" + b"\xff" * 50, b"\xff\xd8\xff\xe1\0\x10Exif\0\0MM"])
def test_a_damaged_file_has_no_header(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    assert read_header(tmp_path / "a.jpg") is None
    assert read_header(tmp_path / "nothing.jpg") is None


def test_a_truncated_png_is_named(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 90).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:1500])
    with pytest.raises(ValueError, match=r"a\.png cannot be read as an image \(OSError: image file is truncated\)"):
        image_size(tmp_path / "a.png")


@pytest.mark.parametrize("info", [{}, {"info": {"year": 2020}}])
def test_a_written_file_says_how_its_masks_count_the_pixels_of_turned_images(tmp_path: Path, info: dict[str, Any]) -> None:
    """Nothing in the pixels of an even image shows how it is turned."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 3
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "a.png", exif=exif.tobytes())
    path = save(tmp_path, "a.png")
    path.write_text(json.dumps({**json.loads(path.read_text()), **info}))
    dataset = cdwidget.read("coco", path, stored_pixels=True)
    mask = dataset[0].instances[0].mask
    assert np.array_equal(cdwidget.read("coco", cdwidget.write("coco", dataset, tmp_path / "b.json"))[0].instances[0].mask, mask)
    assert json.loads((tmp_path / "b.json").read_text())["info"] == {**info.get("info", {}), "exif_orientation": "applied"}


@pytest.mark.parametrize("by_catalogue", [False, True])
def test_a_file_with_its_own_info_says_so_when_a_turned_photo_is_added(tmp_path: Path, by_catalogue: bool) -> None:
    """Masks of the added photo count its pixels as shown, and without a word in the file they would be turned on reading."""
    photo(tmp_path / "a.png", 1)
    photo(tmp_path / "b.png", 3)
    path = save(tmp_path, "a.png")
    path.write_text(json.dumps({**json.loads(path.read_text()), "info": {"year": 2020}}))
    mask = np.zeros((30, 40), bool)
    mask[5:15, 5:15] = True  # Where the photo has the square as stored.
    added = cdwidget.Item(tmp_path / "b.png", [cdwidget.Instance(mask, "cat")])
    if by_catalogue:
        catalogue = cdwidget.Catalogue(tmp_path / "labels.db")
        catalogue.import_("coco", path)
        catalogue.add([added])
        catalogue.export("coco", tmp_path / "out.json")
    else:
        dataset = cdwidget.read("coco", path)
        dataset.append(added)
        cdwidget.write("coco", dataset, tmp_path / "out.json")
    assert np.array_equal(cdwidget.read("coco", tmp_path / "out.json")[1].instances[0].mask, mask)
    assert json.loads((tmp_path / "out.json").read_text())["info"] == {"year": 2020, "exif_orientation": "applied"}
