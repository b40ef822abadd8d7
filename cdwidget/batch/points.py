"""Point prompts from a file: which image, where, and for which object.

A CSV file has the columns path, x and y, and optionally label, object and positive. A JSON file, or a mapping in Python, maps each path to
a list of [x, y], [x, y, label], [x, y, label, object] or [x, y, label, object, positive].

x, y: in image pixels, see `cdwidget.prompts`. path: the image's full path, its path relative to the catalogue's folder, or only its name
if no other image has it. Points with the same `object` (any text or number) belong to one object; a point without it is an object of its
own. positive: 0 or false for a background point.
"""

from __future__ import annotations

import csv
import hashlib
import os
from math import isfinite
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, NamedTuple, Sequence, Union

from cdwidget.catalogue import Catalogue
from cdwidget.catalogue.images import file_name, resolve_path
from cdwidget.formats.io import read_json
from cdwidget.prompts import Click

Points = Union[str, "os.PathLike[str]", Mapping[str, Sequence[Sequence[Any]]]]
NEGATIVE_WORDS = ("0", "false", "no", "f", "n")
MAX_LISTED_PATHS = 5  # paths in a message


class Point(NamedTuple):
    """One point; see the module's docstring."""

    x: float
    y: float
    label: str = ""
    object: str | None = None
    positive: bool = True


def read_points(points: Points) -> dict[str, list[Point]]:
    """Return the points of each path.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If its content is not a list of points.
    """
    if isinstance(points, Mapping):
        return _of_mapping(points)
    source = Path(points).expanduser()
    if source.suffix.lower() == ".json":
        content = read_json(source)
        if not isinstance(content, dict):
            raise ValueError(f'{source} must hold {{"image path": [[x, y], ...], ...}}')
        return _of_mapping(content, f"{source}, ")
    found: dict[str, list[Point]] = {}
    try:
        for path, point in _rows(source):
            found.setdefault(path, []).append(point)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{source} is not a CSV file in UTF-8: {error}") from error
    return found


def assign_points(points: Points, catalogue: Catalogue) -> dict[int, tuple[Point, ...]]:
    """Return the points of each item by its id; raise ValueError for a path that matches no item, or several."""
    home, ids = catalogue.path.parent, {}
    names: dict[str, list[int]] = {}
    for row in catalogue.query(limit=None):
        ids[row.path] = row.id
        names.setdefault(file_name(row.path), []).append(row.id)
    assigned: dict[int, tuple[Point, ...]] = {}
    unmatched = []
    for path, rows in read_points(points).items():
        whole = resolve_path(os.path.normpath(path) if "://" not in path else path, home)
        found = [ids[whole]] if whole in ids else names.get(path, [])
        if len(found) == 1:
            assigned[found[0]] = assigned.get(found[0], ()) + tuple(rows)
        else:
            unmatched.append(f"{path} ({len(found)} items)" if found else path)
    if unmatched:
        more = f" and {len(unmatched) - MAX_LISTED_PATHS} more" if len(unmatched) > MAX_LISTED_PATHS else ""
        raise ValueError(
            f"points of {', '.join(unmatched[:MAX_LISTED_PATHS])}{more} match no single item of {catalogue.path}; "
            "add the images first, or write their full paths"
        )
    return assigned


def digest(assigned: Mapping[int, tuple[Any, ...]]) -> str:
    """Return a fingerprint of points or other inputs by a number; "" for none."""
    return hashlib.sha256(repr(sorted(assigned.items())).encode()).hexdigest()[:16] if assigned else ""


def group_by_object(points: Iterable[Point]) -> Iterator[tuple[str, list[Click]]]:
    """Yield the label and the clicks of each object, positive clicks first."""
    groups: dict[object, list[Point]] = {}
    for index, point in enumerate(points):
        groups.setdefault((index,) if point.object is None else point.object, []).append(point)
    for group in groups.values():
        ordered = sorted(group, key=lambda point: not point.positive)
        yield next((point.label for point in group if point.label), ""), [Click(p.x, p.y, p.positive) for p in ordered]


def _of_mapping(points: Mapping[str, Sequence[Sequence[Any]]], file: str = "") -> dict[str, list[Point]]:
    for path, rows in points.items():
        if not (_is_list(rows) and all(map(_is_list, rows))):
            raise ValueError(f"{file}{path}: its points must be a list of [x, y], not {rows!r:.80}")
    return {str(path): [_point(*values, of=f"{file}{path}") for values in rows] for path, rows in points.items()}


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))


def _rows(source: Path) -> Iterator[tuple[str, Point]]:
    with source.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if missing := {"path", "x", "y"} - set(reader.fieldnames or ()):
            raise ValueError(f"{source} has no column {', '.join(sorted(missing))}; its first line must be path,x,y,label,object,positive")
        for row in reader:
            optional = (row.get("label") or "", row.get("object") or None, row.get("positive") or True)
            yield row["path"], _point(row["x"], row["y"], *optional, of=f"{source}, line {reader.line_num}")


def _point(x: Any = None, y: Any = None, label: Any = "", object: Any = None, positive: Any = True, *more: Any, of: str) -> Point:
    try:
        point = Point(
            float(x), float(y), str(label or ""), None if object is None else str(object), str(positive).lower() not in NEGATIVE_WORDS
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{of}: {x!r}, {y!r} is not a point; write x and y as numbers, in pixels") from error
    if more or not (isfinite(point.x) and isfinite(point.y)):
        raise ValueError(
            f"{of}: a point is x, y, label, object, positive, with finite numbers; not {[x, y, label, object, positive, *more]}"
        )
    return point
