"""Thumbnails of instances with some context, and their masks.

A large JPEG file is decoded at reduced size, once for all of its instances.
"""

from __future__ import annotations

import json
from collections import OrderedDict, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Iterator, Sequence

import cv2
import numpy as np
from PIL import Image

from cdwidget.catalogue.rows import OVERALL_SCORE, InstanceRow, ItemRow, png_to_heat
from cdwidget.catalogue.storage import Database
from cdwidget.catalogue.windows import read_windows
from cdwidget.images import Window, read_image
from cdwidget.images.reading import read_page
from cdwidget.images.remote import open_page
from cdwidget.masks import EMPTY_BBOX, Bbox
from cdwidget.rle import decode_box

CONTEXT_FRACTION = 0.2  # Context on each side, as a fraction of the bbox's longer side.
MIN_SHOWN_PX = 48  # image pixels per side shown at least, so that tiny instances appear tiny
JPEG_QUALITY = 82
IMAGE_CACHE_BYTES = 128 * 2**20  # The newest image is kept even if it alone is larger.
MIN_REDUCED_PX = 64  # pixels per side that a reduced image keeps
JPEG_SIGNATURE = b"\xff\xd8\xff"
REDUCTIONS = (8, 4, 2, 1)  # the factors by which libjpeg can reduce an image while decoding


@dataclass(frozen=True)
class ThumbnailFrame:
    """The part of an image that a thumbnail shows.

    Attributes:
        box: (x0, y0, x1, y1) in image pixels.
        width: Width of the thumbnail in pixels.
        height: Height of the thumbnail in pixels.
        inner: The instance's bbox in thumbnail pixels.
    """

    box: Bbox
    width: int
    height: int
    inner: Bbox

    @classmethod
    def of(cls, row: InstanceRow, size: int) -> ThumbnailFrame:
        """Return a square around the bbox inside the image; all of it for an empty mask.

        Args:
            row: The instance.
            size: Maximum of width and height of the thumbnail in pixels.
        """
        x0, y0, x1, y1 = row.bbox if row.bbox != EMPTY_BBOX else (0, 0, row.width, row.height)
        side = max(round(max(x1 - x0, y1 - y0) * (1 + 2 * CONTEXT_FRACTION)), MIN_SHOWN_PX)
        left, right = _centered_interval(x0, x1, side, row.width)
        top, bottom = _centered_interval(y0, y1, side, row.height)
        factor = min(1.0, size / max(right - left, bottom - top))
        width, height = max(1, round((right - left) * factor)), max(1, round((bottom - top) * factor))
        scale_x, scale_y = width / (right - left), height / (bottom - top)
        inner = (
            int((x0 - left) * scale_x),
            int((y0 - top) * scale_y),
            min(width, int(np.ceil((x1 - left) * scale_x))),
            min(height, int(np.ceil((y1 - top) * scale_y))),
        )
        return cls((left, top, right, bottom), width, height, inner)


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """The picture of an instance.

    Attributes:
        id: The instance's id in the catalogue.
        width: Width in pixels.
        height: Height in pixels.
        picture: A JPEG file without the mask.
        mask: Share of each pixel that belongs to the instance, uint8 (height, width), 255 for all of it.
        error: The reason for a missing picture; "" if there is a picture.
    """

    id: int
    width: int = 0
    height: int = 0
    picture: bytes = b""
    mask: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    error: str = ""


@dataclass(frozen=True)
class HeatMap:
    """The heat map of a score in the frame of the instance's thumbnail.

    Attributes:
        name: Name of the score.
        width: Width in pixels.
        height: Height in pixels.
        picture: A gray PNG file.
    """

    name: str
    width: int
    height: int
    picture: bytes


class Thumbnails:
    """Renders thumbnails of a catalogue's instances. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._images = ImageCache()

    def render(self, rows: Sequence[InstanceRow], size: int) -> list[Thumbnail]:
        """Return the thumbnails of rows, at most `size` pixels per side."""
        sql = "SELECT instance, counts FROM masks WHERE instance IN (SELECT value FROM json_each(?))"
        counts = dict(self._database.rows(sql, (json.dumps([row.id for row in rows]),)))
        windows = read_windows(self._database, [row.item for row in rows])
        rows_of_image: dict[str, list[InstanceRow]] = defaultdict(list)
        for row in rows:
            rows_of_image[row.path].append(row)
        found: dict[int, Thumbnail] = {}
        for path, own in rows_of_image.items():
            try:
                frames = [ThumbnailFrame.of(row, size) for row in own]
                factor = min((f.box[2] - f.box[0]) / f.width for f in frames)
                image = self._images.read(path, own[0], factor, windows.get(own[0].item))
            except Exception as error:  # A remote store may raise its own error types.
                if len(own) > 1:  # One row with damaged numbers must not cost the others.
                    found.update((row.id, self.render([row], size)[0]) for row in own)
                else:
                    found[own[0].id] = Thumbnail(own[0].id, error=str(error) or type(error).__name__)
                continue
            for row, frame in zip(own, frames):
                found[row.id] = _thumbnail(row, frame, image, counts.get(row.id, ""))
        return [found[row.id] for row in rows]

    def render_images(self, rows: Sequence[ItemRow], size: int) -> list[Thumbnail]:
        """Return pictures of whole images, at most `size` pixels per side, with the ids of their items."""
        windows = read_windows(self._database, [row.id for row in rows])
        return [_image_thumbnail(row, size, windows.get(row.id)) for row in rows]

    def heat_map(self, row: InstanceRow, name: str | None, size: int) -> HeatMap | None:
        """Return the heat map of a score in the frame of the row's thumbnail.

        Args:
            row: The instance.
            name: Name of the score; None for the highest one that has a heat map.
            size: The size of the thumbnail in pixels.

        Returns:
            The heat map; None if there is none.
        """
        sql = "SELECT name, heat FROM scores WHERE instance = ? AND heat IS NOT NULL AND name = ifnull(?, name)"
        found = self._database.rows(sql + f" ORDER BY name = '{OVERALL_SCORE}', value DESC LIMIT 1", (row.id, name))
        if not found:
            return None
        name, heat = found[0][0], png_to_heat(found[0][1])
        frame = ThumbnailFrame.of(row, size)
        x0, y0, x1, y1 = frame.inner
        picture = np.zeros((frame.height, frame.width), np.uint8)
        picture[y0:y1, x0:x1] = cv2.resize(heat, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        return HeatMap(name, frame.width, frame.height, _png(picture))


class ImageCache:
    """The last images, decoded no larger than a thumbnail needs. Thread-safe."""

    def __init__(self) -> None:
        self._cached: OrderedDict[tuple[str, Window | None, int], np.ndarray] = OrderedDict()
        self._lock = Lock()
        self._reading = [Lock() for _ in range(16)]  # Threads that need the same image wait for the one that decodes it.

    def __len__(self) -> int:
        return len(self._cached)

    def read(self, path: str, row: InstanceRow, factor: float, window: Window | None = None) -> np.ndarray:
        """Return an image through a window, reduced by at most `factor`, uint8 (H, W, 3) RGB.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is not an image, or its size differs from the size of the row's mask.
        """
        wanted = next(scale for scale in REDUCTIONS if scale <= max(factor, 1))
        with self._reading[hash(path) % len(self._reading)]:
            with self._lock:
                for scale in REDUCTIONS:
                    if scale <= wanted and (path, window, scale) in self._cached:
                        self._cached.move_to_end((path, window, scale))
                        return self._cached[path, window, scale]
            pixels, scale = _decode(path, wanted, window)
            if pixels.shape[:2] != (-(-row.height // scale), -(-row.width // scale)):
                height, width = (scale * side for side in pixels.shape[:2])
                about = "about " if scale > 1 else ""
                raise ValueError(f"it is {about}{width}x{height} pixels, and its masks are {row.width}x{row.height}; was it replaced?")
            with self._lock:
                self._cached[path, window, scale] = pixels
                while len(self._cached) > 1 and sum(image.nbytes for image in self._cached.values()) > IMAGE_CACHE_BYTES:
                    self._cached.popitem(last=False)
        return pixels


def _decode(path: str, scale: int, window: Window | None) -> tuple[np.ndarray, int]:
    """Return an image and its reduction; decoding a reduced JPEG is much faster."""
    with _opened(path) as (file, page):
        return _decode_open(file, page, path, scale, window)


@contextmanager
def _opened(path: str) -> Iterator[tuple[Any, int]]:
    """Open the file of an image as `open_page` does; the error for a missing one includes advice."""
    try:
        with open_page(path) as opened:
            yield opened
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; if the images were moved, call catalogue.relocate(old, new)") from error


def _decode_open(file: Any, page: int, path: str, scale: int, window: Window | None) -> tuple[np.ndarray, int]:
    if file.read(len(JPEG_SIGNATURE)) == JPEG_SIGNATURE:
        file.seek(0)
        image = _open_jpeg(file, path)
        width, height = image.size
        if min(width, height) >= MIN_REDUCED_PX * scale:
            image.draft(None, (width // scale, height // scale))
            return read_image(image, window), round(width / image.size[0])
    return read_page(file, page, path, window), 1


def _open_jpeg(file: Any, path: str) -> Image.Image:
    try:
        return Image.open(file)
    except Exception as error:  # Pillow raises errors of many types.
        raise ValueError(f"{path} cannot be read as an image ({type(error).__name__}: {error})") from error


def _thumbnail(row: InstanceRow, frame: ThumbnailFrame, image: np.ndarray, counts: str) -> Thumbnail:
    try:
        x0, y0, x1, y1 = frame.box
        scale_x, scale_y = image.shape[1] / row.width, image.shape[0] / row.height  # 1 unless the image was reduced
        left, top = int(x0 * scale_x), int(y0 * scale_y)
        part = image[top : max(top + 1, round(y1 * scale_y)), left : max(left + 1, round(x1 * scale_x))]
        small = _resized(part, frame)
        picture = _jpeg(small)
        mask = decode_box(counts, row.height, row.width, frame.box).view(np.uint8) * np.uint8(255)
        return Thumbnail(row.id, frame.width, frame.height, picture, _resized(mask, frame))
    except Exception as error:  # Another program may have written anything into the row.
        return Thumbnail(row.id, error=str(error) or type(error).__name__)


def _image_thumbnail(row: ItemRow, size: int, window: Window | None) -> Thumbnail:
    try:
        image = _read_small(row.path, size, window)
        factor = min(1.0, size / max(image.shape[:2]))
        height, width = (max(1, round(side * factor)) for side in image.shape[:2])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return Thumbnail(row.id, width, height, _jpeg(small), np.zeros((height, width), np.uint8))
    except Exception as error:  # A remote store may raise its own error types.
        return Thumbnail(row.id, error=str(error) or type(error).__name__)


def _read_small(path: str, size: int, window: Window | None) -> np.ndarray:
    """Return an image through a window, uint8 (H, W, 3) RGB, whose longer side has at least `size` pixels if the file has."""
    with _opened(path) as (file, page):
        if file.read(len(JPEG_SIGNATURE)) != JPEG_SIGNATURE:
            return read_page(file, page, path, window)
        file.seek(0)
        image = _open_jpeg(file, path)
        image.draft(None, (size, size))
        return read_image(image, window)


def _resized(pixels: np.ndarray, frame: ThumbnailFrame) -> np.ndarray:
    """Resize pixels to the thumbnail.

    Down to half the size, linear interpolation is good enough and six times as fast as averaging.
    """
    is_slight = pixels.shape[1] <= 2 * frame.width and pixels.shape[0] <= 2 * frame.height
    return cv2.resize(pixels, (frame.width, frame.height), interpolation=cv2.INTER_LINEAR if is_slight else cv2.INTER_AREA)


def _jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _png(gray: np.ndarray) -> bytes:
    return cv2.imencode(".png", gray, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def _centered_interval(low: int, high: int, length: int, limit: int) -> tuple[int, int]:
    """Return the interval of a length around another one, moved into [0, limit]."""
    length = min(length, limit)
    start = min(max((low + high - length) // 2, 0), limit - length)
    return start, start + length
