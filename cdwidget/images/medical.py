"""DICOM and NIfTI files, read with pydicom and nibabel, which are optional."""

from __future__ import annotations

import gzip
from typing import Any, BinaryIO, Sequence

import numpy as np

from cdwidget.images.errors import missing_package, unreadable
from cdwidget.images.pages import check_page
from cdwidget.images.raster import Raster
from cdwidget.images.window import Window

DICOM_SIGNATURE, DICOM_SIGNATURE_AT = b"DICM", 128
NIFTI_SIGNATURES, NIFTI_SIGNATURE_AT = (b"n+1\0", b"n+2\0"), (344, 4)  # Of versions 1 and 2.
GZIP_SIGNATURE = b"\x1f\x8b"
HEADER_BYTES = 352
SUPERIOR = 2  # Axis of slices in the order right, anterior, superior.


def is_dicom(header: bytes) -> bool:
    """Return whether a file begins as DICOM does."""
    return header[DICOM_SIGNATURE_AT:].startswith(DICOM_SIGNATURE)


def is_nifti(file: BinaryIO, header: bytes) -> bool:
    """Return whether a file, compressed or not, begins as NIfTI does."""
    if header.startswith(GZIP_SIGNATURE):
        file.seek(0)
        try:
            header = gzip.open(file).read(HEADER_BYTES)
        except OSError:
            return False
    return any(header[at:].startswith(signature) for signature, at in zip(NIFTI_SIGNATURES, NIFTI_SIGNATURE_AT))


def dicom_page_count(file: BinaryIO) -> int:
    """Return the number of frames of a DICOM file."""
    import pydicom

    file.seek(0)
    return int(pydicom.dcmread(file, specific_tags=["NumberOfFrames"], stop_before_pixels=True).get("NumberOfFrames", 1) or 1)


def read_dicom(file: BinaryIO, name: str, page: int) -> Raster:
    """Read one frame of a DICOM file: its rescaled values, with the window that it names."""
    try:
        import pydicom
        from pydicom.pixels import apply_modality_lut, pixel_array
    except ImportError as error:
        raise missing_package(name, "a DICOM file", "dicom") from error
    file.seek(0)
    try:
        data = pydicom.dcmread(file)
        frames = pixel_array(data)  # YCbCr becomes RGB.
        is_color = data.SamplesPerPixel > 1
        if not is_color:
            frames = apply_modality_lut(frames, data)
    except Exception as error:  # pydicom raises errors of many types, for example for a compression that needs another package.
        raise unreadable(name, error) from error
    if frames.ndim == 2 + is_color:
        frames = frames[None]
    check_page(page, len(frames), name)
    return Raster.of(frames[page], name).with_display(_dicom_window(data), data.PhotometricInterpretation == "MONOCHROME1")


def nifti_page_count(file: BinaryIO) -> int:
    """Return the number of axial slices of a NIfTI file, over all its volumes."""
    volume = _open_nifti(file)
    axis, _ = _slice_axis(volume)
    return int(volume.shape[axis] * np.prod(volume.shape[3:], dtype=int))


def read_nifti(file: BinaryIO, name: str, page: int) -> Raster:
    """Read one axial slice of a NIfTI file, with anterior at the top and the patient's left at the left."""
    try:
        import nibabel
    except ImportError as error:
        raise missing_package(name, "a NIfTI file", "nifti") from error
    try:
        volume = _open_nifti(file)
        axis, is_flipped = _slice_axis(volume)
        count = volume.shape[axis]
        check_page(page, nifti_page_count(file), name)
        time, number = divmod(page, count)
        index: list[Any] = [slice(None)] * 3 + list(np.unravel_index(time, volume.shape[3:]) if volume.ndim > 3 else ())
        index[axis] = slice(count - 1 - number, count - number) if is_flipped else slice(number, number + 1)
        values = np.asarray(volume.dataobj[tuple(index)])
        plane = nibabel.apply_orientation(values, nibabel.io_orientation(volume.affine))[:, :, 0]
    except Exception as error:  # nibabel raises errors of many types.
        if isinstance(error, ValueError) and name in str(error):
            raise
        raise unreadable(name, error) from error
    return Raster.of(np.rot90(plane), name)


def _open_nifti(file: BinaryIO) -> Any:
    import nibabel

    file.seek(0)
    content: Any = gzip.open(file) if file.read(len(GZIP_SIGNATURE)) == GZIP_SIGNATURE else file
    file.seek(0)
    header = content.read(HEADER_BYTES)
    content.seek(0)
    kind = nibabel.Nifti2Image if header[NIFTI_SIGNATURE_AT[1] :].startswith(NIFTI_SIGNATURES[1]) else nibabel.Nifti1Image
    volume = kind.from_stream(content)
    return volume if volume.ndim >= 3 else kind(np.asarray(volume.dataobj)[:, :, None], volume.affine)


def _slice_axis(volume: Any) -> tuple[int, bool]:
    """Return the axis of a volume that goes up the body, and whether it goes down instead."""
    import nibabel

    orientation = nibabel.io_orientation(volume.affine)
    axis = int(np.flatnonzero(orientation[:, 0] == SUPERIOR)[0])
    return axis, bool(orientation[axis, 1] < 0)


def _dicom_window(data: Any) -> Window | None:
    try:
        center, width = _first_number(data.get("WindowCenter")), _first_number(data.get("WindowWidth"))
        return Window(center - width / 2, center + width / 2)
    except (TypeError, ValueError, IndexError):
        return None


def _first_number(value: Any) -> float:
    return float(value[0] if isinstance(value, Sequence) and not isinstance(value, str) else value)
