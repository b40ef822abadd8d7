"""Pages of stacks, frames of DICOM and slices of NIfTI files are images of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from tifffile import imwrite

from cdwidget.catalogue import Catalogue
from cdwidget.formats import read, write
from cdwidget.images import list_images, read_image
from cdwidget.items import Instance, Item

STACK = np.random.default_rng(0).integers(0, 255, (5, 12, 20), dtype=np.uint8)
STACK[:, 0, 0], STACK[:, 0, 1] = 0, 255


def gray(page: np.ndarray) -> np.ndarray:
    return np.dstack([page] * 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zlib"}, {"imagej": True}, {"ome": True, "metadata": {"axes": "ZYX"}}, {"bigtiff": True}],
    ids=["pages", "compressed", "imagej", "ome", "bigtiff"],
)
def test_a_tiff_stack_is_a_list_of_its_pages(tmp_path: Path, dtype: Any, options: dict[str, Any]) -> None:
    imwrite(tmp_path / "stack.tif", STACK.astype(dtype), photometric="minisblack", **options)
    pages = list_images(str(tmp_path / "stack.tif"))
    assert [Path(page).name for page in pages] == ["stack.tif", *(f"stack.tif#{number}" for number in range(1, 5))]
    assert all(np.array_equal(read_image(page), gray(values)) for page, values in zip(pages, STACK))
    with pytest.raises(ValueError, match="stack.tif' has 5 pages, numbered from 0; there is no page 5"):
        read_image(tmp_path / "stack.tif#5")


def test_color_pages_written_by_pillow(tmp_path: Path) -> None:
    pages = [Image.fromarray(gray(page)) for page in STACK]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    images = list_images(tmp_path)
    assert len(images) == 5 and all(np.array_equal(read_image(image), gray(page)) for image, page in zip(images, STACK))


def test_a_thumbnail_in_a_tiff_is_no_page(tmp_path: Path) -> None:
    with open(tmp_path / "a.tif", "wb") as file:
        imwrite(file, STACK[0], photometric="minisblack", metadata=None)
    imwrite(tmp_path / "a.tif", STACK[1, ::2, ::2], photometric="minisblack", append=True, metadata=None)
    assert list_images(tmp_path / "a.tif") == [tmp_path / "a.tif"] and np.array_equal(read_image(tmp_path / "a.tif"), gray(STACK[0]))


@pytest.mark.parametrize("color", [False, True])
def test_a_stack_of_numpy(tmp_path: Path, color: bool) -> None:
    np.save(tmp_path / "a.npy", np.stack([gray(page) for page in STACK]) if color else STACK)
    images = list_images(tmp_path / "a.npy")
    assert len(images) == 5 and all(np.array_equal(read_image(image), gray(page)) for image, page in zip(images, STACK))
    np.save(tmp_path / "one.npy", gray(STACK[0]))
    assert list_images(tmp_path / "one.npy") == [tmp_path / "one.npy"]
    assert np.array_equal(read_image((tmp_path / "one.npy").read_bytes()), gray(STACK[0]))


@pytest.mark.parametrize(
    ("shape", "images"), [((40, 50, 8), 1), ((50, 40, 10), 1), ((40, 50, 11), 40), ((8, 40, 50), 8), ((160, 160, 33), 160)]
)
def test_an_array_of_many_bands_is_one_image_and_other_arrays_are_stacks(tmp_path: Path, shape: tuple[int, int, int], images: int) -> None:
    values = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    np.save(tmp_path / "a.npy", values)
    assert len(list_images(tmp_path / "a.npy")) == images
    found = read_image(tmp_path / "a.npy")
    assert np.array_equal(found, values[:, :, :3] if images == 1 else gray(values[0]))
    if images == 1:
        assert np.array_equal(read_image(tmp_path / "a.npy", bands=(7, 0, 4)), values[:, :, [7, 0, 4]])


def test_a_file_whose_name_looks_like_a_page(tmp_path: Path) -> None:
    Image.fromarray(STACK[0]).save(tmp_path / "a.png#1", "PNG")
    assert np.array_equal(read_image(tmp_path / "a.png#1"), gray(STACK[0]))
    with pytest.raises(FileNotFoundError, match="b.png#1"):
        read_image(tmp_path / "b.png#1")


def test_labels_of_pages_are_kept_apart(tmp_path: Path) -> None:
    imwrite(tmp_path / "stack.tif", STACK, photometric="minisblack")
    mask = np.zeros((12, 20), bool)
    mask[2:5, 3:9] = True
    pages = list_images(tmp_path / "stack.tif")
    write("coco", [Item(page, [Instance(np.roll(mask, number, 1), "cell")]) for number, page in enumerate(pages)], tmp_path / "a.json")
    found = read("coco", tmp_path / "a.json")
    assert [Path(item.path).name for item in found] == [Path(page).name for page in pages]
    for number, item in enumerate(found):
        assert np.array_equal(item.instances[0].mask, np.roll(mask, number, 1)) and np.array_equal(item.read_image(), gray(STACK[number]))


def test_a_format_that_copies_images_says_that_it_holds_no_pages(tmp_path: Path) -> None:
    imwrite(tmp_path / "stack.tif", STACK, photometric="minisblack")
    with pytest.raises(ValueError, match="stack.tif#2 is one page of a file.*write COCO"):
        write("yolo", [Item(tmp_path / "stack.tif#2", [Instance(np.ones((12, 20), bool), "cell")])], tmp_path / "out")


def test_a_catalogue_of_pages_has_thumbnails_and_no_problems(tmp_path: Path) -> None:
    imwrite(tmp_path / "stack.tif", STACK.astype(np.uint16) * 16, photometric="minisblack")
    catalogue = Catalogue(tmp_path / "a.cdw")
    mask = np.ones((12, 20), bool)
    catalogue.add(Item(page, [Instance(mask, "cell")]) for page in list_images(tmp_path / "stack.tif"))
    assert [np.array_equal(item.read_image(), gray(page)) for item, page in zip(catalogue.items(), STACK)] == [True] * 5
    assert catalogue.check(decode=True) == []
    assert [thumbnail.error for thumbnail in catalogue.thumbnails(range(1, 6), 64)] == [""] * 5


def dicom(path: Path, frames: np.ndarray, **fields: Any) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.Rows, data.Columns = frames.shape[-2:]
    data.NumberOfFrames = frames.shape[0]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    for name, value in fields.items():
        setattr(data, name, value)
    data.PixelData = frames.astype("<u2").tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


def test_dicom_frames_are_rescaled_and_shown_in_their_own_window(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", STACK * 4, RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=[40, 0], WindowWidth=[400, 1])
    images = list_images(path)
    assert len(images) == 5
    for image, page in zip(images, STACK):
        values = (page * 4).astype(np.uint16) * 2.0 - 1024
        expected = np.clip((values - -160) / 400 * 256, 0, 255).astype(np.uint8)
        assert np.array_equal(read_image(image), gray(expected))
        assert np.array_equal(read_image(image, window=(-1024, 1024)), read_image(values, window=(-1024, 1024)))


def test_high_values_of_monochrome1_are_dark(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", STACK[:1].astype(np.uint16) * 257, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(read_image(path), 255 - gray(STACK[0]))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("axes", ["RAS", "LPS", "SAR", "ASL"])
def test_nifti_slices_are_axial_with_anterior_at_the_top(tmp_path: Path, suffix: str, axes: str) -> None:
    volume = STACK.transpose(2, 1, 0).astype(np.int16)  # Right, anterior, superior.
    image = nibabel.Nifti1Image(volume, np.eye(4))
    turned = image.as_reoriented(
        nibabel.orientations.ornt_transform(nibabel.io_orientation(np.eye(4)), nibabel.orientations.axcodes2ornt(axes))
    )
    nibabel.save(turned, tmp_path / f"a{suffix}")
    slices = list_images(tmp_path / f"a{suffix}")
    assert len(slices) == 5
    for path, page in zip(slices, STACK):
        assert np.array_equal(read_image(path), gray(page[::-1]))


def test_the_volumes_of_a_nifti_series_follow_each_other(tmp_path: Path) -> None:
    series = np.stack([STACK.transpose(2, 1, 0), 255 - STACK.transpose(2, 1, 0)], axis=3)
    nibabel.save(nibabel.Nifti1Image(series, np.eye(4)), tmp_path / "a.nii")
    slices = list_images(tmp_path)
    assert len(slices) == 10 and np.array_equal(read_image(slices[7]), gray(255 - STACK[2, ::-1]))


@pytest.mark.parametrize(("name", "package"), [("dicom", "pydicom"), ("nifti", "nibabel")])
def test_a_missing_package_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str) -> None:
    path = tmp_path / "a"
    if name == "dicom":
        dicom(path, STACK)
    else:
        nibabel.Nifti1Image(STACK, np.eye(4)).to_filename(tmp_path / "a.nii")
        path = tmp_path / "a.nii"
    for module in [module for module in sys.modules if module.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf"pip install 'cdwidget\[{name}\]'"):
        read_image(path)
    assert list_images(path) == [path]


@pytest.mark.parametrize("name", ["a.dcm", "a.nii", "a.npy"])
def test_damaged_stacks_are_refused(tmp_path: Path, name: str) -> None:
    if name == "a.dcm":
        dicom(tmp_path / name, STACK)
    elif name == "a.nii":
        nibabel.save(nibabel.Nifti1Image(STACK, np.eye(4)), tmp_path / name)
    else:
        np.save(tmp_path / name, STACK)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=f"{name}' cannot be read as an image"):
        read_image(list_images(tmp_path / name)[-1])
