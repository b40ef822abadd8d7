"""Many ways to give several images, and clear errors for the others."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image

from cdwidget.catalogue import Catalogue
from cdwidget.images import list_images, read_image
from cdwidget.items import Item

PIXELS = 2 * np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / ".cdwidget").mkdir(parents=True)
    (folder / ".cdwidget" / "4.png").write_bytes(b"")
    for name in ["10.png", "2.PNG", "1.png"]:
        Image.fromarray(PIXELS).save(folder / name, "PNG")
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    "given",
    [
        lambda folder: folder,
        lambda folder: f"{folder}/",
        lambda folder: f"{folder}/*",
        lambda folder: folder / "*.[pP][nN][gG]",
        lambda folder: f"{folder}/**/*",
        lambda folder: [folder],
        lambda folder: (path for path in folder.glob("*.*") if path.stem.isdigit()),
        lambda folder: {str(folder / name) for name in ["10.png", "1.png", "2.PNG"]},
        lambda folder: np.array([str(folder / name) for name in ["1.png", "2.PNG", "10.png"]]),
        lambda folder: pandas.Series([folder / name for name in ["1.png", "2.PNG", "10.png"]]),
        lambda folder: pandas.DataFrame({"path": [str(folder / name) for name in ["1.png", "2.PNG", "10.png"]]})["path"],
        lambda folder: [
            {"image": str(folder / "1.png")},
            {"path": folder / "2.PNG"},
            {"image": {"bytes": None, "path": folder / "10.png"}},
        ],
        lambda folder: iter([str(folder / name) for name in ["1.png", "2.PNG", "10.png"]]),
    ],
    ids=[
        "folder",
        "slash",
        "glob",
        "glob path",
        "deep glob",
        "in a list",
        "Path.glob",
        "set",
        "array",
        "series",
        "column",
        "rows",
        "iterator",
    ],
)
def test_image_files_in_natural_order(folder: Path, given: Callable[[Path], Any]) -> None:
    assert [Path(image).name for image in list_images(given(folder))] == ["1.png", "2.PNG", "10.png"]


def test_subfolders_count_and_a_list_keeps_its_order(folder: Path) -> None:
    (folder / "more").mkdir()
    Image.fromarray(PIXELS).save(folder / "more" / "3.png")
    assert [os.path.relpath(image, folder) for image in list_images(str(folder))] == ["1.png", "2.PNG", "10.png", "more/3.png"]
    assert list_images([folder / "10.png", "1.png", folder / "more"]) == [folder / "10.png", "1.png", folder / "more" / "3.png"]
    assert list_images("https://example.org/a?b=[1]") == ["https://example.org/a?b=[1]"]


def test_a_name_with_the_signs_of_a_pattern_is_a_file_first(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a[1].png")
    assert list_images(tmp_path / "a[1].png") == [tmp_path / "a[1].png"]


def test_a_pattern_finds_the_images_of_a_folder_with_brackets(tmp_path: Path) -> None:
    folder = tmp_path / "photos [2024]"
    folder.mkdir()
    for name in ["a.png", "b[1].png"]:
        Image.fromarray(PIXELS).save(folder / name)
    assert list_images(f"{folder}/*.png") == [f"{folder}/a.png", f"{folder}/b[1].png"]
    assert list_images(folder / "b[1].*") == [folder / "b[1].png"]


def encoded() -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "image",
    [
        PIXELS,
        PIXELS.astype(float) / 255,
        PIXELS.transpose(2, 0, 1),
        Image.fromarray(PIXELS),
        encoded(),
        io.BytesIO(encoded()),
        {"img": PIXELS},
    ],
    ids=["array", "float", "tensor", "PIL", "bytes", "file", "row"],
)
def test_single_images_in_memory(image: Any) -> None:
    for given in (image, [image], iter([image])):
        (only,) = list_images(given)
        assert np.array_equal(read_image(only), PIXELS)


@pytest.mark.parametrize("shape", [(6, 5, 7), (6, 5, 7, 3), (6, 3, 5, 7), (3, 5, 7, 1)])
def test_a_stack_is_a_list_of_images(shape: tuple[int, ...]) -> None:
    stack = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    images = list_images(stack)
    assert len(images) == shape[0]
    assert all(np.array_equal(read_image(image), read_image(page)) for image, page in zip(images, stack))


def test_an_array_of_bands_is_one_image() -> None:
    array = np.random.default_rng(0).integers(0, 255, (6, 5, 8), dtype=np.uint8)
    assert list_images(array, any_bands=True) == [array]
    assert len(list_images(array[None], any_bands=True)) == 1 and len(list_images(array)) == 6


def test_a_data_set_of_hugging_face_is_decoded_when_it_is_read() -> None:
    decoded: list[int] = []

    class Rows(SimpleNamespace):
        def __len__(self) -> int:
            return 1000

        def __getitem__(self, index: int) -> dict[str, Any]:
            decoded.append(index)
            return {"label": 3, "image": Image.fromarray(PIXELS + np.uint8(index))}

    images = list_images(Rows(column_names=["label", "image"]))
    assert len(images) == 1000 and not decoded
    assert np.array_equal(read_image(images[7]), PIXELS + 7) and decoded == [7]


def test_items_stand_for_one_image_each() -> None:
    item = Item("a.png")
    assert list_images(item, (Item,)) == [item] and list_images([item, "b.png"], (Item,)) == [item, "b.png"]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (None, TypeError, "None is no image; an image is a path"),
        (["a.png", None], TypeError, "None is no image"),
        ([["a.png"]], TypeError, r"\['a.png'\] is no image"),
        (7, TypeError, "7 is no image"),
        ({"label": 3}, TypeError, "the row has the fields 'label' and no image"),
        (pandas.DataFrame({"file": ["a.png"]}), TypeError, r"a table is no list of images; give the column.*table\['file'\]"),
        ("nowhere/*.jpg", FileNotFoundError, r"there are no images in 'nowhere/\*.jpg' \(looked in"),
    ],
)
def test_other_values_are_refused(given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        list_images(given)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(FileNotFoundError, match="there are no images in .*; allowed are .avif, .bmp"):
        list_images(tmp_path)


def test_a_catalogue_takes_a_folder_and_never_the_letters_of_its_name(folder: Path) -> None:
    catalogue = Catalogue(folder.parent / "a.db")
    assert catalogue.add(str(folder)).items == 3
    assert [Path(item.path).name for item in catalogue.items()] == ["1.png", "2.PNG", "10.png"]
    assert catalogue.add(folder / "1*.png").known == 2
    with pytest.raises(TypeError, match="give the column"):
        catalogue.add(pandas.DataFrame({"path": []}))
