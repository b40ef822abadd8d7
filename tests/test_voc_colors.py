"""VOC folders of CVAT, Datumaro and labelme2voc: classes by color, lists of classes, and images that are missing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cdwidget
from support.image_files import item, write_gray

CAT, DOG = (48, 112, 32), (176, 112, 32)  # Colors of classes.
LEFT = np.zeros((5, 6), bool)
LEFT[1:3, 0:2] = True
RIGHT = np.roll(LEFT, 3, axis=1)
LABEL_MAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:48,112,32::\ndog:176,112,32::\n"


def write_colors(file: Path, *parts: tuple[np.ndarray, tuple[int, int, int]], mode: str = "RGB") -> None:
    pixels = np.zeros((5, 6, 3), np.uint8)
    for mask, color in parts:
        pixels[mask] = color
    file.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.quantize(8) if mode == "P" else image.convert(mode)).save(file)


def voc(folder: Path, label_map: str | None = LABEL_MAP, mode: str = "RGB", name: str = "a") -> Path:
    item((folder / "JPEGImages" / name).parent, name=f"{Path(name).name}.png")
    write_colors(folder / f"SegmentationClass/{name}.png", (LEFT, CAT), (RIGHT, DOG), mode=mode)
    if label_map is not None:
        (folder / "labelmap.txt").write_text(label_map)
    return folder


def found(folder: Path) -> dict[str, list[int | None]]:
    """Return the ids by label, after checking that cats are on the left and dogs on the right."""
    ids: dict[str, list[int | None]] = {}
    for instance in cdwidget.read("voc", folder)[0].instances:
        assert np.array_equal(instance.mask, {"cat": LEFT, "dog": RIGHT}[instance.label])
        ids.setdefault(instance.label, []).append(instance.id)
    return ids


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
@pytest.mark.parametrize(
    "label_map",
    [
        LABEL_MAP,
        "cat:48,112,32::\nbackground:0,0,0::\ndog:176,112,32::\n",
        "cat:48,112,32::\ndog:176,112,32::\n",
    ],
    ids=["background first", "background second", "no background"],
)
def test_classes_have_the_colors_of_the_label_map(tmp_path: Path, mode: str, label_map: str) -> None:
    assert found(voc(tmp_path, label_map, mode)) == {"cat": [None], "dog": [None]}


def test_objects_in_colors(tmp_path: Path) -> None:
    voc(tmp_path)
    write_colors(tmp_path / "SegmentationObject/a.png", (LEFT, (128, 0, 0)), (RIGHT, (0, 128, 0)))
    assert found(tmp_path) == {"cat": [1], "dog": [2]}
    write_colors(tmp_path / "SegmentationObject/a.png", (LEFT, (128, 0, 0)), (RIGHT, (1, 2, 3)))
    assert sorted(found(tmp_path)) == ["cat", "dog"]


def test_a_color_of_no_class_is_reported(tmp_path: Path) -> None:
    voc(tmp_path, LABEL_MAP.replace("48", "47"))
    item(tmp_path / "JPEGImages", name="b.png")
    write_colors(tmp_path / "SegmentationClass/b.png", (RIGHT, DOG))
    with pytest.warns(UserWarning, match=r"a\.png has 1 colors that labelmap\.txt lacks, such as \(48, 112, 32\); add them to it"):
        dataset = cdwidget.read("voc", tmp_path)
    assert [Path(each.path).name for each in dataset] == ["b.png"]


def test_void_is_no_object(tmp_path: Path) -> None:
    voc(tmp_path)
    write_colors(tmp_path / "SegmentationClass/a.png", (LEFT, CAT), (RIGHT, (224, 224, 192)))
    assert found(tmp_path) == {"cat": [None]}


def test_an_index_with_another_palette_counts_by_its_index(tmp_path: Path) -> None:
    voc(tmp_path)
    write_gray(tmp_path / "SegmentationClass/a.png", LEFT * 1 + RIGHT * 2)
    image = Image.open(tmp_path / "SegmentationClass/a.png").convert("L")
    image.putpalette([0, 0, 0, 9, 9, 9, 8, 8, 8])
    image.save(tmp_path / "SegmentationClass/a.png")
    assert found(tmp_path) == {"cat": [None], "dog": [None]}


@pytest.mark.parametrize("folders", [("SegmentationClass", "SegmentationObject"), ("SegmentationClassPNG", "SegmentationObjectPNG")])
def test_class_names_of_labelme2voc(tmp_path: Path, folders: tuple[str, str]) -> None:
    item(tmp_path / "JPEGImages", name="a.jpg")
    (tmp_path / "class_names.txt").write_text("__ignore__\n_background_\ncat\ndog\n")
    (tmp_path / "SegmentationClass").mkdir()
    np.save(tmp_path / "SegmentationClass/a.npy", LEFT * 1)
    for folder, left, right in zip(folders, (1, 7), (2, 4)):
        write_gray(tmp_path / folder / "a.png", LEFT * left + RIGHT * right)
    assert found(tmp_path) == {"cat": [7], "dog": [4]}
    assert cdwidget.read("voc", tmp_path).classes == {"cat": 1, "dog": 2}


def test_images_in_subfolders_and_missing_images(tmp_path: Path) -> None:
    voc(tmp_path, name="b/a")
    assert found(tmp_path) == {"cat": [None], "dog": [None]}
    (tmp_path / "JPEGImages/b/a.png").unlink()
    with pytest.warns(UserWarning, match="JPEGImages holds no image for it; add the image, or name the folder: images="):
        (only,) = cdwidget.read("voc", tmp_path)
    assert Path(only.path) == tmp_path / "JPEGImages/b/a.jpg" and len(only.instances) == 2


def test_object_255_of_a_full_map_is_kept(tmp_path: Path) -> None:
    numbers = np.zeros(30 * 40, np.uint8)
    numbers[:1020] = np.arange(1020) // 4 + 1
    item(tmp_path / "JPEGImages", height=30, width=40)
    write_gray(tmp_path / "SegmentationObject/a.png", numbers.reshape(30, 40))
    write_gray(tmp_path / "SegmentationClass/a.png", numbers.reshape(30, 40) > 0)
    instances = list(cdwidget.read("voc", tmp_path)[0].instances)
    assert [each.id for each in instances] == list(range(1, 256)) and {each.label for each in instances} == {"aeroplane"}
