"""Points as they come from elsewhere: which images, where, and of what.

A CSV file has a column path, x and y, and may have label, object and positive. A JSON file, or a mapping in Python, has for each path a
list of [x, y], [x, y, label], [x, y, label, object] or [x, y, label, object, positive]. x, y: in image pixels, see `cdwidget.prompts`.
path: of the image, whole, or from the catalogue's folder, or only its name where no other image has it. Points of the same `object` (any
text or number) are of one object; one without it is an object of its own. positive: 0 or false for a point that is not in the object.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from math import isfinite
from pathlib import Path
from typing import Any, Iterator, Mapping, NamedTuple, Sequence, Union

from cdwidget.review import Catalogue
from cdwidget.review.places import file_name, place

Points = Union[str, "os.PathLike[str]", Mapping[str, Sequence[Sequence[Any]]]]
FALSE = ("0", "false", "no", "f", "n")
SHOWN = 5  # paths in a message


class Point(NamedTuple):
    """One point; see above."""

    x: float
    y: float
    label: str = ""
    object: str | None = None
    positive: bool = True


def read_points(points: Points) -> dict[str, list[Point]]:
    """Return the points of each path; FileNotFoundError for a missing file, ValueError for what is no points."""
    if isinstance(points, Mapping):
        return {str(path): [_point(*given, of=path) for given in own] for path, own in points.items()}
    source = Path(points).expanduser()
    if source.suffix.lower() == ".json":
        read = json.loads(source.read_text(encoding="utf-8"))
        if not isinstance(read, dict):
            raise ValueError(f'{source} must hold {{"path of an image": [[x, y], ...], ...}}')
        return read_points(read)
    found: dict[str, list[Point]] = {}
    for path, point in _rows(source):
        found.setdefault(path, []).append(point)
    return found


def place_points(points: Points, catalogue: Catalogue) -> dict[int, tuple[Point, ...]]:
    """Return the points of each item by its id; ValueError for a path that is of no item, or of several."""
    home, ids = catalogue.path.parent, {}
    names: dict[str, list[int]] = {}
    for row in catalogue.query(limit=None):
        ids[row.path] = row.id
        names.setdefault(file_name(row.path), []).append(row.id)
    placed: dict[int, tuple[Point, ...]] = {}
    wrong = []
    for path, own in read_points(points).items():
        whole = place(os.path.normpath(path) if "://" not in path else path, home)
        found = [ids[whole]] if whole in ids else names.get(path, [])
        if len(found) == 1:
            placed[found[0]] = placed.get(found[0], ()) + tuple(own)
        else:
            wrong.append(f"{path} ({len(found)} items)" if found else path)
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise ValueError(
            f"there are points of {', '.join(wrong[:SHOWN])}{more}, which are not one item of {catalogue.path} each; "
            "add the images first, write their whole paths, or take the points out"
        )
    return placed


def digest(placed: Mapping[int, tuple[Point, ...]]) -> str:
    """What tells some points from others."""
    return hashlib.sha256(repr(sorted(placed.items())).encode()).hexdigest()[:16] if placed else ""


def _rows(source: Path) -> Iterator[tuple[str, Point]]:
    with source.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if lacking := {"path", "x", "y"} - set(reader.fieldnames or ()):
            raise ValueError(f"{source} has no column {', '.join(sorted(lacking))}; its first line must be path,x,y,label,object,positive")
        for row in reader:
            given = (row.get("label") or "", row.get("object") or None, row.get("positive") or True)
            yield row["path"], _point(row["x"], row["y"], *given, of=f"{source}, line {reader.line_num}")


def _point(x: Any = None, y: Any = None, label: Any = "", object: Any = None, positive: Any = True, *more: Any, of: str) -> Point:
    try:
        point = Point(float(x), float(y), str(label or ""), None if object is None else str(object), str(positive).lower() not in FALSE)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{of}: {x!r}, {y!r} is no point; write x and y as numbers of pixels") from error
    if more or not (isfinite(point.x) and isfinite(point.y)):
        raise ValueError(
            f"{of}: a point is x, y, label, object, positive, with finite numbers; not {[x, y, label, object, positive, *more]}"
        )
    return point
