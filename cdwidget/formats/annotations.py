"""Annotations of a file that are decoded when they are accessed, and the fields that `write` returns to the file.

A reader turns each annotation into a `FileAnnotation`: its label and values, and a function that decodes its mask. Fields that cdwidget
does not use are kept in `Instance.extra` under the name of the format, next to a digest of the mask. While the mask is the one that was
read, the same format writes its shape back as it was, so that unedited polygons keep their points.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from cdwidget.formats.dataset import Problems, naming
from cdwidget.formats.image_files import image_size
from cdwidget.formats.instances import LazyInstances, mask_digest, soft_alpha
from cdwidget.formats.orientation import read_header, size_of_annotations
from cdwidget.items import Instance, Item
from cdwidget.limits import DEFAULT_LIMITS, Limits
from cdwidget.polygons import fill

DIGEST = "mask_digest"  # Key of the digest among the kept fields.
WHOLE_NUMBER = re.compile(r"\s*(-?\d{1,18})(?:\.0*)?\s*")
MIN_MASK_ALPHA = 128  # Pixels with at least this alpha are in the mask.
Ring = list[tuple[float, float]]  # The points (x, y) of one closed polygon.
Decode = Callable[[int, int], np.ndarray]  # Given height and width, returns a mask, bool (H, W), or an alpha matte, uint8 (H, W).

# ---- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileAnnotation:
    """One annotation of a file.

    Attributes:
        name: Its id or position in the file, for messages.
        decode: Decodes its mask; a value that can be pickled.
        label: Its class.
        id: Its id; None if it has none that an instance can have.
        attributes: The user's own values.
        score: Confidence, 0 to 1.
        track_id: Number of the object in a sequence.
        kept: Fields to write back, with the shape.
        extra: Fields of other formats.
    """

    name: str
    decode: Decode
    label: str = ""
    id: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    score: float | None = None
    track_id: int | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FileAnnotationLoader:
    """Decodes the records of one image: the `load` of `LazyInstances`.

    Attributes:
        format: Name of the format, the key of the kept fields.
        file: The annotation file, for messages.
        image: The image file.
        records: The annotations.
        size: (height, width) of the image; None to read it from the image file.
        limits: The sizes to accept.
    """

    format: str
    file: Path
    image: str | Path
    records: Sequence[FileAnnotation]
    size: tuple[int, int] | None = None
    limits: Limits = DEFAULT_LIMITS

    def __call__(self, indices: Iterable[int]) -> Iterator[Instance]:
        """Yield the instances at these indices; raise ReadError for a broken annotation."""
        for index in indices:
            yield self.decode(index)

    def decode(self, index: int) -> Instance:
        """Return one instance; raise ReadError if its annotation is broken."""
        record = self.records[index]
        with naming(self.file, Path(self.image).name, record.name):
            height, width = self.size or image_size(Path(self.image))
            self.limits.check("max_pixels", height * width, f"the image {Path(self.image).name}")
            values = record.decode(height, width)
        alpha = None
        if values.dtype == np.uint8:
            values, alpha = values >= MIN_MASK_ALPHA, soft_alpha(values)
        extra = dict(record.extra)
        if record.kept:
            extra[self.format] = {**record.kept, DIGEST: mask_digest(values)}
        return Instance(values, record.label, record.id, alpha, record.attributes, record.score, record.track_id, extra)


def item_of(
    format: str,
    file: Path,
    image: str | Path,
    records: Sequence[FileAnnotation],
    size: tuple[int, int] | None,
    problems: Problems,
    kept: Mapping[str, Any] | None = None,
) -> Item:
    """Return an item whose instances are decoded on access.

    Args:
        format: Name of the format.
        file: The annotation file.
        image: The image file.
        records: The annotations of the image.
        size: (height, width) of the image; None to read it from the image file.
        problems: Receives annotations that turn out to be broken.
        kept: Fields of the image to write back.
    """
    if size is not None:
        size = size_of_annotations(size, read_header(image), partial(problems.note, file=file, image=Path(image).name))
    loader = FileAnnotationLoader(format, file, image, records, size, problems.limits)
    return Item(image, LazyInstances(len(records), loader, problems), {format: dict(kept)} if kept else {})


def whole(value: Any, name: str, least: int = 0) -> int:
    """Return a whole number, also from text; raise ValueError for anything else."""
    text = WHOLE_NUMBER.fullmatch(value) if isinstance(value, str) else None
    number = int(text[1]) if text else value
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise ValueError(f"its {name} is {value!r}; allowed are whole numbers from {least}")
    return number


def size_of(height: Any, width: Any) -> tuple[int, int]:
    """Return (height, width) in pixels from a file's values; raise ValueError for anything but whole numbers from 1."""
    return whole(height, "height", 1), whole(width, "width", 1)


def score_of(value: Any) -> float | None:
    """Return a confidence from 0 to 1, or None for any other value."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= 1 else None


def instance_id(value: Any, taken: set[int]) -> int | None:
    """Return an annotation's id if an instance can have it: a positive whole number that is not taken; else None."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1 or value in taken:
        return None
    taken.add(value)
    return value


# ---- shapes ----------------------------------------------------------------------------------------------------------


def ring_of(points: Any, limits: Limits, least: int = 3) -> Ring:
    """Return the points of a polygon.

    Args:
        points: A sequence of [x, y] in pixels.
        limits: The sizes to accept.
        least: The least number of points.

    Raises:
        ValueError: If it is anything else.
    """
    try:
        ring = [(float(x), float(y)) for x, y in points]
    except (TypeError, ValueError) as error:
        raise ValueError(f"its polygon is not a list of points [x, y] ({error})") from error
    limits.check("max_points", len(ring), "its polygon")
    if len(ring) < least:
        raise ValueError(f"its polygon has {len(ring)} points; it needs at least {least}")
    if not all(math.isfinite(x) and math.isfinite(y) for x, y in ring):
        raise ValueError("its polygon has a coordinate that is not finite")
    return ring


def box_ring(x0: float, y0: float, x1: float, y1: float) -> Ring:
    """Return the corners of a box."""
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def ellipse_ring(x: float, y: float, radius_x: float, radius_y: float, degrees: float = 0, points: int = 128) -> Ring:
    """Return points of an ellipse around (x, y), turned clockwise on the screen."""
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    along, across = radius_x * np.cos(angles), radius_y * np.sin(angles)
    return list(zip((x + cosine * along - sine * across).tolist(), (y + sine * along + cosine * across).tolist()))


def turned_ring(ring: Ring, degrees: float, center: tuple[float, float]) -> Ring:
    """Return the points of a polygon turned clockwise on the screen around a point."""
    if not degrees:
        return ring
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    offsets = [(x - center[0], y - center[1]) for x, y in ring]
    return [(center[0] + cosine * x - sine * y, center[1] + sine * x + cosine * y) for x, y in offsets]


def parts_decoder(parts: Sequence[Sequence[Ring]]) -> Decode:
    """Return the decoder of parts, each an outline followed by its holes."""
    return partial(_decode_parts, parts)


def _decode_parts(parts: Sequence[Sequence[Ring]], height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    for rings in parts:
        mask |= fill(rings, height, width)
    if not mask.any():
        xs, ys = zip(*(point for rings in parts for ring in rings for point in ring))
        place = f"its points lie from {min(xs):g},{min(ys):g} to {max(xs):g},{max(ys):g}"
        raise ValueError(f"it has no pixel in the image of {width}x{height} pixels; {place}")
    return mask


# ---- writing ---------------------------------------------------------------------------------------------------------


def kept_fields(instance: Instance, format: str, shape: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields that a format kept for an instance.

    Args:
        instance: The instance with its final mask.
        format: Name of the format.
        shape: The fields that describe the mask.

    Returns:
        The other fields, and the fields of the shape; the latter are empty if the mask is no longer the one that was read.
    """
    fields = dict(instance.extra.get(format, {}))
    is_untouched = fields.pop(DIGEST, None) == mask_digest(instance.mask)
    kept = {key: fields.pop(key) for key in shape if key in fields}
    return fields, kept if is_untouched else {}


def kept_image(item: Item, format: str) -> dict[str, Any]:
    """Return the fields that a format kept for an image."""
    return dict(item.extra.get(format, {}))
