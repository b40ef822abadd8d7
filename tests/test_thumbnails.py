"""Thumbnails: pixels, masks and heat maps in one frame, reduced decoding, cache, and errors."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cdwidget import Catalogue, Instance, Item
from cdwidget.catalogue import ScoreValue, thumbnails
from cdwidget.catalogue.thumbnails import CONTEXT_FRACTION, Thumbnail, ThumbnailFrame

RED, BLUE = (200, 30, 30), (30, 30, 200)


def box(height: int, width: int, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def shown(thumbnail: Thumbnail) -> tuple[np.ndarray, np.ndarray]:
    assert thumbnail.error == ""
    picture, mask = np.asarray(Image.open(io.BytesIO(thumbnail.picture))), thumbnail.mask
    assert picture.shape == (thumbnail.height, thumbnail.width, 3) and mask.shape == (thumbnail.height, thumbnail.width)
    return picture, mask


def catalogue_of(folder: Path, name: str, *masks: np.ndarray, **options: Any) -> Catalogue:
    """Return a catalogue of one image: blue, and red inside the masks."""
    pixels = np.full((*masks[0].shape, 3), BLUE, np.uint8)
    for mask in masks:
        pixels[mask] = RED
    Image.fromarray(pixels).save(folder / name, **options)
    catalogue = Catalogue(folder / "labels.db")
    catalogue.add([Item(folder / name, [Instance(mask, "a") for mask in masks])])
    return catalogue


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
@pytest.mark.parametrize(
    "corners", [(300, 200, 700, 500), (0, 0, 40, 20), (1100, 700, 1200, 800), (0, 390, 1200, 410), (592, 392, 608, 408)]
)
def test_the_mask_lies_on_its_object(tmp_path: Path, name: str, corners: Any) -> None:
    catalogue = catalogue_of(tmp_path, name, box(800, 1200, *corners), quality=95)
    (thumbnail,) = catalogue.thumbnails([1], 160)
    picture, mask = shown(thumbnail)
    assert max(mask.shape) <= 160 and mask.any()
    red = picture[:, :, 0].astype(int) - picture[:, :, 2]
    assert (red[mask == 255] > 0).mean() > 0.95 and (red[mask == 0] < 0).mean() > 0.95
    (row,) = catalogue.rows([1], of="instances")
    x0, y0, x1, y1 = ThumbnailFrame.of(row, 160).inner  # type: ignore[arg-type]
    outside = mask.copy()
    outside[y0:y1, x0:x1] = 0
    assert mask[y0:y1, x0:x1].any() and not outside.any()


def test_context_around_an_object(tmp_path: Path) -> None:
    catalogue = catalogue_of(tmp_path, "a.png", box(800, 1200, 300, 200, 700, 300))
    _, mask = shown(catalogue.thumbnails([1], 560)[0])
    assert mask.shape == (round(400 * (1 + 2 * CONTEXT_FRACTION)),) * 2, "a square around it"
    assert (mask > 0).sum() == 400 * 100
    assert max(shown(catalogue.thumbnails([1], 2000)[0])[1].shape) == 560, "never larger than the image has pixels"


def test_a_large_jpeg_is_decoded_reduced_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    masks = [box(2400, 3200, x, 100, x + 900, 2000) for x in (100, 1200, 2200)]
    catalogue = catalogue_of(tmp_path, "a.jpg", *masks)
    decoded: list[tuple[int, ...]] = []
    read = thumbnails.read_image
    monkeypatch.setattr(thumbnails, "read_image", lambda image, window: decoded.append(image.size) or read(image, window))
    for ids in ([1, 2, 3], [2], [3, 1]):
        for thumbnail in catalogue.thumbnails(ids, 160):
            shown(thumbnail)
    assert decoded == [(400, 300)]
    shown(catalogue.thumbnails([1], 500)[0])
    assert decoded[1:] == [(800, 600)], "larger, if a larger thumbnail needs it"
    shown(catalogue.thumbnails([1], 160)[0])
    assert len(decoded) == 2


def test_the_image_cache_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "IMAGE_CACHE_BYTES", 3 * 800 * 600 * 3)
    catalogue = Catalogue(tmp_path / "labels.db")
    for number in range(6):
        Image.fromarray(np.full((600, 800, 3), BLUE, np.uint8)).save(tmp_path / f"{number}.png")
    catalogue.add([Item(tmp_path / f"{number}.png", [Instance(box(600, 800, 100, 100, 300, 300))]) for number in range(6)])
    images = thumbnails.ImageCache()
    for row in catalogue.query(of="instances"):
        images.read(row.path, row, 1.0)  # type: ignore[arg-type]
    assert len(images) == 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    stored = np.full((900, 1200, 3), BLUE, np.uint8)
    stored[100:300, 100:500] = RED
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.jpg", exif=exif, quality=95)
    upright = Item(tmp_path / "a.jpg").read_image()
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([Item(tmp_path / "a.jpg", [Instance(upright[:, :, 0] > 128)])])
    picture, mask = shown(catalogue.thumbnails([1], 120)[0])
    red = picture[:, :, 0].astype(int) - picture[:, :, 2]
    assert (red[mask == 255] > 0).all() and (red[mask == 0] < 0).mean() > 0.95


def test_unreadable_images_have_an_error(tmp_path: Path) -> None:
    names = ["gone.png", "broken.jpg", "other.png", "other.jpg", "good.png", "<b>'\"🐈.png"]
    for name in names:
        Image.fromarray(np.full((100, 200, 3), BLUE, np.uint8)).save(tmp_path / name)
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([Item(tmp_path / name, [Instance(box(100, 200, 20, 20, 60, 60))]) for name in names])
    (tmp_path / "gone.png").unlink()
    (tmp_path / "broken.jpg").write_bytes((tmp_path / "broken.jpg").read_bytes()[:300])
    for name in ("other.png", "other.jpg"):
        Image.fromarray(np.full((300, 300, 3), BLUE, np.uint8)).save(tmp_path / name)
    gone, broken, other, jpeg, *good = catalogue.thumbnails(range(1, 7))
    assert "there is no file" in gone.error and "relocate" in gone.error
    assert "cannot be read as an image" in broken.error
    assert "300x300 pixels, and its masks are 200x100" in other.error and "300x300 pixels" in jpeg.error
    for thumbnail in good:
        shown(thumbnail)
    assert catalogue.thumbnails([99]) == []


def test_an_empty_mask_shows_the_image(tmp_path: Path) -> None:
    catalogue = catalogue_of(tmp_path, "a.png", box(100, 200, 20, 20, 60, 60), np.zeros((100, 200), bool))
    _, mask = shown(catalogue.thumbnails([2], 160)[0])
    assert mask.shape == (80, 160) and not mask.any()


def test_a_heat_map_lies_on_its_instance(tmp_path: Path) -> None:
    catalogue = catalogue_of(tmp_path, "a.png", box(400, 400, 100, 100, 300, 300), box(400, 400, 0, 0, 9, 9))
    heat = np.zeros((10, 10), np.uint8)
    heat[:, 5:] = 250
    scores = [ScoreValue(1, "overall", 0.9, heat=heat.T.copy()), ScoreValue(1, "edges", 0.5, heat=heat), ScoreValue(1, "size", 0.7)]
    catalogue.put_scores(1, scores)
    found = catalogue.heat(1, size=140)
    assert found and found.name == "edges", "the highest score with a heat map, preferred to the overall one"
    map_, (_, mask) = np.asarray(Image.open(io.BytesIO(found.picture))), shown(catalogue.thumbnails([1], 140)[0])
    assert map_.shape == mask.shape == (140, 140)
    right = np.zeros((140, 140), bool)
    right[20:120, 72:120] = True
    assert (map_[right] > 200).mean() > 0.9 and map_[~mask.astype(bool)].max() == 0 and map_[20:120, 20:60].max() == 0
    named = catalogue.heat(1, "overall")
    assert named and named.name == "overall"
    assert catalogue.heat(1, "size") is None and catalogue.heat(2) is None and catalogue.heat(99) is None
