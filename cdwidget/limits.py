"""Limits on data from files and messages, checked before memory is allocated.

A small file can ask for any amount of memory. Readers, journals and drawn shapes compare the sizes in it with one `Limits` value first.
Every default lies far above the data of the field; raise one by `cdwidget.read(..., limits=cdwidget.Limits(max_pixels=...))`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

MIN_LIMIT = 1
MAX_LINE_POINTS = 100_000  # Of one line drawn by hand; a pointer gives 1000 a second at most.


@dataclass(frozen=True)
class Limits:
    """The largest sizes that readers accept.

    Args:
        max_pixels: Pixels of an image or a mask, as many as Pillow decodes.
        max_points: Points of the polygons of one mask.
        max_edge_length: Total length of their edges, max(|dx|, |dy|) of each inside the image, in pixels.
        max_file_bytes: Bytes that the compressed parts of one file may hold together after decompression.

    Raises:
        ValueError: If a limit is not a whole number from 1.

    Example:
        >>> cdwidget.read("coco", "annotations.json", limits=Limits(max_points=10_000_000))
    """

    max_pixels: int = 178_956_970
    max_points: int = 1_000_000
    max_edge_length: int = 20_000_000
    max_file_bytes: int = 4 * 2**30

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < MIN_LIMIT:
                raise ValueError(f"{field.name} is a whole number from {MIN_LIMIT}, not {value!r}")

    def check(self, name: str, value: int, subject: str) -> None:
        """Raise an error if a value exceeds a limit.

        Args:
            name: A field of `Limits`.
            value: The size that a file or message asks for, in the unit of the field.
            subject: The thing of this size, with its file if it comes from one: "'a.json': the mask of annotation 7".

        Raises:
            ValueError: If the value is larger; the message names subject, value, limit and the argument that raises it.
        """
        limit = getattr(self, name)
        if value > limit:
            raise ValueError(
                f"{subject} has {value:,} {UNITS[name]}; the limit is {limit:,}. "
                f"If you trust its source, give limits=cdwidget.Limits({name}={value})"
            )


UNITS = {
    "max_pixels": "pixels",
    "max_points": "points",
    "max_edge_length": "pixels of edges",
    "max_file_bytes": "bytes after decompression",
}
DEFAULT_LIMITS = Limits()


def check_line(name: str, points: int) -> None:
    """Raise ValueError if a line drawn by hand has too many points.

    Args:
        name: The kind of line, such as "Stroke".
        points: Number of its points.
    """
    if points > MAX_LINE_POINTS:
        raise ValueError(f"a {name} has {points} points; at most {MAX_LINE_POINTS} are allowed, so draw it in several parts")
