"""Thumbnails: an instance with a bit of what is round it, and its mask apart; large images are decoded reduced, and not once a tile."""

from __future__ import annotations

import json
import os
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from threading import Lock
from typing import Sequence

import cv2
import numpy as np
from PIL import Image

from cdwidget.catalogue.images import fetch, is_url
from cdwidget.catalogue.rows import OVERALL, InstanceRow, png_to_heat
from cdwidget.catalogue.storage import Database
from cdwidget.items import read_image
from cdwidget.masks import NOWHERE, Bbox
from cdwidget.rle import decode_box

CONTEXT = 0.2  # what is shown round an object, as a share of its larger side
SMALLEST = 48  # image pixels that are shown at least, so that a speck is seen to be one
QUALITY = 82
KEPT = 128 * 2**20  # bytes of decoded images; the newest one is kept however large
SMALLEST_REDUCED = 64  # pixels a side that are left of a reduced image


@dataclass(frozen=True)
class Frame:
    """What a thumbnail shows. box: in image pixels; width, height: of the thumbnail; inner: the instance's bbox in thumbnail pixels."""

    box: Bbox
    width: int
    height: int
    inner: Bbox

    @classmethod
    def of(cls, row: InstanceRow, size: int) -> Frame:
        """A square round the bbox, as far as the image reaches, shrunk to at most `size` pixels a side; all of it for an empty mask."""
        x0, y0, x1, y1 = row.bbox if row.bbox != NOWHERE else (0, 0, row.width, row.height)
        side = max(round(max(x1 - x0, y1 - y0) * (1 + 2 * CONTEXT)), SMALLEST)
        left, right = _span(x0, x1, side, row.width)
        top, bottom = _span(y0, y1, side, row.height)
        factor = min(1.0, size / max(right - left, bottom - top))
        width, height = max(1, round((right - left) * factor)), max(1, round((bottom - top) * factor))
        across, down = width / (right - left), height / (bottom - top)
        inner = (
            int((x0 - left) * across),
            int((y0 - top) * down),
            min(width, int(np.ceil((x1 - left) * across))),
            min(height, int(np.ceil((y1 - top) * down))),
        )
        return cls((left, top, right, bottom), width, height, inner)


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """An instance's picture, a JPEG without its mask; error: why there is none, or "".

    mask: how much of each pixel belongs to it, uint8 (height, width), 255 for all of it.
    """

    id: int
    width: int = 0
    height: int = 0
    picture: bytes = b""
    mask: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    error: str = ""


@dataclass(frozen=True)
class Heat:
    """Where a score is from: a grey PNG in the frame of the instance's thumbnail."""

    name: str
    width: int
    height: int
    picture: bytes


class Thumbnails:
    """Makes thumbnails of a catalogue's instances; may be called from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._images = Images()

    def of(self, rows: Sequence[InstanceRow], size: int) -> list[Thumbnail]:
        """Return the thumbnails of these rows, at most `size` pixels a side; each image is decoded once."""
        sql = "SELECT instance, counts FROM masks WHERE instance IN (SELECT value FROM json_each(?))"
        counts = dict(self._database.rows(sql, (json.dumps([row.id for row in rows]),)))
        of_image: dict[str, list[InstanceRow]] = defaultdict(list)
        for row in rows:
            of_image[row.path].append(row)
        found: dict[int, Thumbnail] = {}
        for path, own in of_image.items():
            frames = [Frame.of(row, size) for row in own]
            try:
                image = self._images.read(path, own[0], min((f.box[2] - f.box[0]) / f.width for f in frames))
            except Exception as error:  # a store may fail in its own way
                found.update((row.id, Thumbnail(row.id, error=str(error))) for row in own)
                continue
            for row, frame in zip(own, frames):
                found[row.id] = _thumbnail(row, frame, image, counts.get(row.id, ""))
        return [found[row.id] for row in rows]

    def heat(self, row: InstanceRow, name: str | None, size: int) -> Heat | None:
        """Return the heat map of a score, by default of the highest one that has any, in the frame of the row's thumbnail."""
        sql = "SELECT name, heat FROM scores WHERE instance = ? AND heat IS NOT NULL AND name = ifnull(?, name)"
        found = self._database.rows(sql + f" ORDER BY name = '{OVERALL}', value DESC LIMIT 1", (row.id, name))
        if not found:
            return None
        name, heat = found[0][0], png_to_heat(found[0][1])
        frame = Frame.of(row, size)
        x0, y0, x1, y1 = frame.inner
        picture = np.zeros((frame.height, frame.width), np.uint8)
        picture[y0:y1, x0:x1] = cv2.resize(heat, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        return Heat(name, frame.width, frame.height, _png(picture))


class Images:
    """Images decoded no larger than a thumbnail needs; the last ones are kept."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], np.ndarray] = OrderedDict()
        self._lock = Lock()
        self._reading = [Lock() for _ in range(16)]  # whoever needs the same image waits for the one who reads it

    def read(self, path: str, row: InstanceRow, factor: float) -> np.ndarray:
        """Return an image that is at most `factor` times smaller than the file, uint8 (H, W, 3); raises what `read_image` does.

        ValueError too when the file is not of the size that the row's masks have.
        """
        wanted = next(scale for scale in (8, 4, 2, 1) if scale <= max(factor, 1))
        with self._reading[hash(path) % len(self._reading)]:
            with self._lock:
                for scale in (8, 4, 2, 1):
                    if scale <= wanted and (path, scale) in self._kept:
                        self._kept.move_to_end((path, scale))
                        return self._kept[path, scale]
            pixels, scale = _decode(path, wanted)
            if pixels.shape[:2] != (-(-row.height // scale), -(-row.width // scale)):
                height, width = (scale * side for side in pixels.shape[:2])
                about = "about " if scale > 1 else ""
                raise ValueError(f"it is {about}{width}x{height} pixels, and its masks are {row.width}x{row.height}; was it replaced?")
            with self._lock:
                self._kept[path, scale] = pixels
                while len(self._kept) > 1 and sum(one.nbytes for one in self._kept.values()) > KEPT:
                    self._kept.popitem(last=False)
        return pixels


def _decode(path: str, scale: int) -> tuple[np.ndarray, int]:
    """Return an image and how much smaller than its file it is: a JPEG is decoded at 1 / `scale` of its size, which takes a fraction."""
    if not is_url(path) and not os.path.isfile(path):
        raise FileNotFoundError(f"there is no file {path}; where the images were moved, say so: catalogue.relocate(old, new)")
    with fetch(path) if is_url(path) else open(path, "rb") as file:
        try:
            image = Image.open(file)
        except Exception as error:  # Pillow raises what it pleases
            raise ValueError(f"{path} cannot be read as an image ({type(error).__name__}: {error})") from error
        width, height = image.size
        if image.format != "JPEG" or min(width, height) < SMALLEST_REDUCED * scale:
            return read_image(image), 1
        image.draft(None, (width // scale, height // scale))
        return read_image(image), round(width / image.size[0])


def _thumbnail(row: InstanceRow, frame: Frame, image: np.ndarray, counts: str) -> Thumbnail:
    try:
        x0, y0, x1, y1 = frame.box
        across, down = image.shape[1] / row.width, image.shape[0] / row.height  # 1 for an image that was not reduced
        left, top = int(x0 * across), int(y0 * down)
        part = image[top : max(top + 1, round(y1 * down)), left : max(left + 1, round(x1 * across))]
        small = _shrunk(part, frame)
        picture = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
        mask = decode_box(counts, row.height, row.width, frame.box).view(np.uint8) * np.uint8(255)
        shown = _shrunk(mask, frame)
        return Thumbnail(row.id, frame.width, frame.height, picture, shown)
    except ValueError as error:
        return Thumbnail(row.id, error=str(error))


def _shrunk(pixels: np.ndarray, frame: Frame) -> np.ndarray:
    """Pixels at a thumbnail's size; as far as half the size, two neighbours stand for all of them, which takes a sixth of the time."""
    few = pixels.shape[1] <= 2 * frame.width and pixels.shape[0] <= 2 * frame.height
    return cv2.resize(pixels, (frame.width, frame.height), interpolation=cv2.INTER_LINEAR if few else cv2.INTER_AREA)


def _png(grey: np.ndarray) -> bytes:
    return cv2.imencode(".png", grey, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def _span(low: int, high: int, side: int, limit: int) -> tuple[int, int]:
    """The interval of `side` pixels round another one, moved and cut so that it lies in 0..limit."""
    side = min(side, limit)
    start = min(max((low + high - side) // 2, 0), limit - side)
    return start, start + side
