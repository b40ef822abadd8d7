"""Mask files of other programs: channels, pages, soft borders and void, in PNG folders, benchmarks and training sets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import cdwidget
from cdwidget.formats.dataset_folders import read_benchmark_objects, read_dataset
from cdwidget.formats.mask_files import read_mask_values

DISK = np.hypot(*np.mgrid[-15:15, -20:20]) <= 8
HARD = DISK * np.uint8(255)
SOFT = np.clip((9 - np.hypot(*np.mgrid[-15:15, -20:20])) * 127, 0, 255).astype(np.uint8)  # A ramp two pixels wide around the same disk.


def write(folder: Path, stem: str, values: np.ndarray, suffix: str = ".png", **options: object) -> Path:
    """Write an image and its mask, and return the folder."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (values.shape[1], values.shape[0]), (10, 20, 30)).save(folder / f"images/{stem}.png")
    Image.fromarray(values).save(folder / f"masks/{stem}{suffix}", **options)
    return folder


def areas(folder: Path) -> list[list[int]]:
    return [[int(instance.mask.sum()) for instance in item.instances] for item in cdwidget.read("png", folder)]


@pytest.mark.parametrize("position", [0, 2])
def test_a_soft_mask_does_not_make_the_others_label_maps(tmp_path: Path, position: int) -> None:
    for number in range(3):
        write(tmp_path, str(number), SOFT if number == position else HARD)
    expected = [[int((SOFT >= 128).sum())] if number == position else [int(DISK.sum())] for number in range(3)]
    assert areas(tmp_path) == expected
    assert [int(target.load()[1].sum()) for target in read_benchmark_objects(tmp_path)] == [sum(area) for area in expected]
    assert [int(image.load()[1].sum()) for image in read_dataset(tmp_path)] == [sum(area) for area in expected]


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_a_lossy_mask_is_binary(tmp_path: Path, suffix: str) -> None:
    write(tmp_path, "a", HARD, suffix, quality=70)
    ((area,),) = areas(tmp_path)
    assert abs(area - DISK.sum()) <= 4


def test_a_lossy_mask_saved_as_png_is_binary(tmp_path: Path) -> None:
    write(tmp_path / "lossy", "a", HARD, ".jpg", quality=30)
    write(tmp_path, "a", read_mask_values(tmp_path / "lossy/masks/a.jpg"))
    ((area,),) = areas(tmp_path)
    assert abs(area - DISK.sum()) <= 8


def test_a_label_map_among_binary_masks_keeps_its_ids(tmp_path: Path) -> None:
    for stem, values in {"a": HARD, "b": HARD, "c": np.pad(DISK[:, :20] * np.uint8(3), ((0, 0), (0, 20)))}.items():
        write(tmp_path, stem, values)
    with pytest.warns(UserWarning, match=r"c\.png, image c\.png: it is read as a label map with an object for each value"):
        assert areas(tmp_path) == [[DISK.sum()], [DISK.sum()], [DISK[:, :20].sum()]]
    assert [target.name for target in read_benchmark_objects(tmp_path)] == ["a", "b", "c#3"]


def test_label_maps_with_void_borders_stay_label_maps(tmp_path: Path) -> None:
    values = DISK * np.uint8(200)
    values[(SOFT > 0) & ~DISK] = 255
    write(tmp_path, "a", values)
    assert areas(tmp_path) == [[DISK.sum()]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_object_255_of_a_label_map_is_kept(tmp_path: Path, dtype: type) -> None:
    ids = np.zeros(1200, dtype)
    ids[:1020] = np.arange(1020) // 4 + 1
    write(tmp_path, "a", ids.reshape(30, 40))
    (item,) = cdwidget.read("png", tmp_path)
    assert [instance.id for instance in item.instances] == list(range(1, 256))
    assert len(read_benchmark_objects(tmp_path)) == 255 and len(read_dataset(tmp_path)[0].load()[1]) == 255


def test_sixteen_bit_maps_have_no_void(tmp_path: Path) -> None:
    write(tmp_path, "a", DISK * np.uint16(255) + ~DISK * np.uint16(300))
    assert [instance.id for instance in cdwidget.read("png", tmp_path)[0].instances] == [255, 300]


@pytest.mark.parametrize(
    "channels",
    [
        np.dstack([HARD] * 3),
        np.dstack([HARD] * 3 + [np.full_like(HARD, 255)]),
        np.dstack([HARD, np.full_like(HARD, 255)]),
        np.dstack([np.full_like(HARD, 255)] * 3 + [HARD]),  # White everywhere, transparent outside of the object.
        DISK,
    ],
    ids=["rgb", "rgba", "gray and alpha", "transparent background", "one bit"],
)
def test_equal_channels_are_one(tmp_path: Path, channels: np.ndarray) -> None:
    assert areas(write(tmp_path, "a", channels)) == [[DISK.sum()]]


def test_each_page_of_a_tiff_mask_is_an_object(tmp_path: Path) -> None:
    other = Image.fromarray(np.roll(HARD, 5, axis=1))
    write(tmp_path, "a", HARD, ".tif", save_all=True, append_images=[other])
    assert areas(tmp_path) == [[DISK.sum()] * 2]
    with pytest.raises(ValueError, match=r"a\.tif has 2 pages; a mask has one"):
        read_benchmark_objects(tmp_path)


def test_an_image_without_a_mask_has_no_instances(tmp_path: Path) -> None:
    write(tmp_path, "a", HARD)
    Image.new("RGB", (4, 4)).save(tmp_path / "images/b.png")
    assert areas(tmp_path) == [[DISK.sum()], []]
    (tmp_path / "images/a.png").unlink()
    with pytest.warns(UserWarning, match=r"masks.a\.png: .*images holds no image for it; a mask has the stem of its image"):
        assert areas(tmp_path) == [[]]


def test_a_soft_file_of_one_instance(tmp_path: Path) -> None:
    source = cdwidget.read("png", write(tmp_path / "in", "a", HARD))
    cdwidget.write("png", source, tmp_path / "out")
    (file,) = (tmp_path / "out/masks/a").iterdir()
    Image.fromarray(SOFT).save(file)
    assert areas(tmp_path / "out") == [[(SOFT >= 128).sum()]]


def test_a_mask_that_would_be_void_is_reported(tmp_path: Path) -> None:
    for stem, values in {"a": DISK * np.uint8(3), "b": DISK * np.uint8(7), "c": HARD}.items():
        write(tmp_path, stem, values)
    with pytest.warns(UserWarning, match=r"c\.png, image c\.png: it has no value but 255, which is void in the other masks"):
        assert areas(tmp_path) == [[DISK.sum()], [DISK.sum()], []]


def test_bad_mask_files_cost_only_themselves(tmp_path: Path) -> None:
    for stem in "abcd":
        write(tmp_path, stem, HARD)
    (tmp_path / "masks/a.png").write_bytes(b"no picture")
    (tmp_path / "masks/b.png").write_bytes((tmp_path / "masks/b.png").read_bytes()[:-30])
    (tmp_path / "images/c.png").write_bytes((tmp_path / "images/c.png").read_bytes()[:-30])
    Image.new("RGB", (40, 30)).save(tmp_path / "images/d.jpg")
    with pytest.warns(UserWarning, match="4 problems"):
        dataset = cdwidget.read("png", tmp_path)
    assert [len(item.instances) for item in dataset] == [0, 0, 0, 1]
    messages = [f"{Path(problem.file).name}: {problem.message}" for problem in dataset.problems]
    assert "d.png: d.jpg has the same stem and is used instead" in messages
    assert sum("cannot be read as an image" in message for message in messages) == 3


@pytest.mark.parametrize("note", ["{", "[]", '{"label": 3}', '{"id": "x"}', '{"attributes": 1}', '{"score": "high"}', "[" * 100_000])
def test_a_broken_note_costs_one_instance(tmp_path: Path, note: str) -> None:
    source = cdwidget.read("png", write(tmp_path / "in", "a", HARD))
    cdwidget.write("png", [replace(source[0], instances=[source[0].instances[0]] * 2)], tmp_path / "out")
    info = PngInfo()
    info.add_itxt("cdwidget", note)
    Image.fromarray(HARD).save(tmp_path / "out/masks/a/001_.png", pnginfo=info)
    dataset = cdwidget.read("png", tmp_path / "out")
    with pytest.warns(UserWarning, match=r"001_\.png, image a\.png: "):
        assert len(list(dataset[0].instances)) == 1
