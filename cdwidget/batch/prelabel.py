"""The job that makes masks before anybody looks: of boxes, of coarse masks, of points, or of nothing but the image."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any, Callable, ClassVar, Iterable, Iterator, Mapping, NamedTuple, Sequence, Union

import numpy as np

from cdwidget.batch.jobs import Model, Worker, fingerprint_of, load
from cdwidget.batch.proposals import SAME, Search, propose
from cdwidget.catalogue import Catalogue, CatalogueItem, Conflict
from cdwidget.catalogue.images import file_name, place
from cdwidget.catalogue.records import Record, record_instances
from cdwidget.catalogue.writer import Edit
from cdwidget.click_simulation import next_click
from cdwidget.items import Instance
from cdwidget.masks import Bbox, bbox, iou
from cdwidget.predictor import Predictor
from cdwidget.prompts import Box, Click, Prompt
from cdwidget.registry import lookup

ALIKE = 0.6  # IoU with a coarse mask of what may be the same object


@dataclass(frozen=True)
class Prelabel:
    """The job that makes masks, of status "new" and undone like any change.

    from_: "boxes": each instance's bbox is a Box, and the answer takes the place of its mask. "masks": a click is simulated in the core of
    a coarse mask. "points": clicks, of `points`; without those, in the core of each instance. "proposals": everything that looks like an
    object in the image, each of which becomes a new instance.
    model: as for `Score`. points: the path of a CSV or JSON file, or a mapping, see `cdwidget.batch.prelabel`. label: of new instances that
    have no other. overwrite: also instances that somebody has accepted, rejected or skipped are made anew, and proposals take the place of
    all instances; otherwise only "new" ones are touched, and of proposals and points only those are kept that are not there yet.
    search: where proposals are looked for, and which are kept.

    >>> cdwidget.run(cdwidget.Prelabel("boxes"), catalogue)
    """

    from_: str = "boxes"
    model: Model = "cdnet"
    points: Points | None = None
    label: str = ""
    overwrite: bool = False
    search: Search = Search()
    placed: Mapping[int, tuple[Point, ...]] = field(default_factory=dict, compare=False, repr=False)  # by item, see `prepare`

    name: ClassVar[str] = "prelabel"
    lasting: ClassVar[bool] = True

    def setting(self) -> str:
        """What the masks are made of, and the weights."""
        how = {"points": digest(self.placed), "proposals": self.search}.get(self.from_, "")
        return f"{self.from_} {how} {self.label!r} {self.overwrite} by {fingerprint_of(self.model)}"

    def prepare(self, catalogue: Catalogue) -> Prelabel:
        """Find the items that the points are of."""
        lookup(SOURCES, self.from_, "source of masks")
        if self.model is None:
            raise ValueError("masks are made by a model; give its name, its file or a predictor")
        if self.points is None:
            return self
        if self.from_ != "points":
            raise ValueError(f"points are given, and masks are to be made of {self.from_}; write from_='points', or leave them out")
        return replace(self, placed=place_points(self.points, catalogue))

    def survey(self, catalogue: Catalogue, progress: bool | None) -> Prelabel:
        """Nothing else needs to be known."""
        return self

    def start(self) -> Worker:
        """Load the model."""
        predictor, make = load(self.model), lookup(SOURCES, self.from_, "source of masks")
        assert predictor is not None  # `prepare` says so

        def prelabel(item: CatalogueItem) -> Edit | None:
            there = [one for one in item.records if one.area and not one.crowd and (self.overwrite or one.status == "new")]
            if not (self.from_ == "proposals" or (self.placed.get(item.id) if self.points is not None else there)):
                return None
            image = item.read_image()
            height, width = image.shape[:2]
            if item.size is not None and item.size != (height, width):
                raise ValueError(f"{item.path} is {width}x{height} pixels, and its masks are {item.size[1]}x{item.size[0]}")
            predictor.set_image(image)
            found = [one for one in make(self, predictor, Work(item, image, there)) if one.mask.any()]
            return Edit(self.name, self._records(item, found), {"from": self.from_}, size=(height, width), version=item.version)

        return prelabel

    def keep(self, catalogue: Catalogue, item: CatalogueItem, result: Edit) -> bool:
        """Write the masks, if nobody has changed the item meanwhile."""
        try:
            catalogue.write(item.id, result)
        except Conflict:
            return False
        return True

    def _records(self, item: CatalogueItem, found: list[Instance]) -> dict[int, Record | None]:
        """What becomes of the records of an item: refined ones by their numbers, new ones in painting order above the others."""
        old = {record.number: record for record in item.records}
        after: dict[int, Record | None] = {}
        if self.from_ == "proposals" and self.overwrite:
            after, old = dict.fromkeys(old), {}
        elif self.from_ == "proposals" or self.points is not None:
            others = [one.mask for one in item.instances]
            found = [one for one in found if not any(iou(one.mask, other) >= SAME for other in others)]
        number = max((record.number for record in item.records), default=0)
        position = max((record.position for record in old.values()), default=-1)
        for record, one in zip(record_instances([replace(one, id=None) for one in found]).records, found):
            if one.id is not None:
                before = old[one.id]
                after[one.id] = replace(record, number=one.id, position=before.position, label=before.label, crowd=before.crowd)
            else:
                number, position = number + 1, position + 1
                after[number] = replace(record, number=number, position=position)
        return after


@dataclass(frozen=True)
class Work:
    """An item that masks are made for. image: uint8 (H, W, 3), which the predictor has. there: the instances that may be touched."""

    item: CatalogueItem
    image: np.ndarray
    there: list[Record]

    def instances(self) -> Iterator[Instance]:
        """Decode them, one by one."""
        height, width = self.image.shape[:2]
        return (record.instance(height, width) for record in self.there)


def refine_boxes(job: Prelabel, predictor: Predictor, work: Work) -> Iterator[Instance]:
    """Ask with each instance's bbox, alone, with a click in its middle, and with all of it as the mask before.

    Of all the model's readings the one whose own bbox is most like the one given is taken, without what lies outside.
    """
    for record in work.there:
        x0, y0, x1, y1 = record.bbox
        prior = np.zeros(work.image.shape[:2], bool)
        prior[y0:y1, x0:x1] = True
        box, middle = Box(x0, y0, x1, y1), Click((x0 + x1) / 2, (y0 + y1) / 2)
        readings = [*_ask(predictor, [box]), *_ask(predictor, [box, middle]), *_ask(predictor, [box, middle], prior)]
        yield Instance(max(readings, key=lambda mask: _likeness(bbox(mask), record.bbox)) & prior, id=record.number)


def refine_masks(job: Prelabel, predictor: Predictor, work: Work) -> Iterator[Instance]:
    """Ask with a click in the core of a coarse mask, with that as the mask before; take the reading that is most like it.

    Where none is, the model means another object, and the coarse mask stays.
    """
    for instance in work.instances():
        coarse = instance.mask
        click = next_click(coarse, np.zeros_like(coarse))
        assert click is not None  # `there` has no empty ones
        best = max(_ask(predictor, [click], coarse), key=lambda mask: iou(mask, coarse))
        if iou(best, coarse) >= ALIKE:
            yield replace(instance, mask=best, alpha=None)


def click_points(job: Prelabel, predictor: Predictor, work: Work) -> Iterator[Instance]:
    """Ask with the points of each object; where none are given, with a click in the core of each instance."""
    if job.points is None:
        for instance in work.instances():
            click = next_click(instance.mask, np.zeros_like(instance.mask))
            assert click is not None  # `there` has no empty ones
            yield replace(instance, mask=predictor.predict([click]).mask, alpha=None)
        return
    for label, clicks in _objects(job.placed[work.item.id]):
        yield Instance(_by_clicks(predictor, clicks), label or job.label)


def find_proposals(job: Prelabel, predictor: Predictor, work: Work) -> Iterator[Instance]:
    """Look for objects; large ones come first, so that what lies in them is painted above."""
    for mask in propose(predictor, work.image, job.search):
        yield Instance(mask, job.label)


SOURCES: dict[str, Callable[[Prelabel, Predictor, Work], Iterable[Instance]]] = {
    "boxes": refine_boxes,
    "masks": refine_masks,
    "points": click_points,
    "proposals": find_proposals,
}


def _ask(predictor: Predictor, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> list[np.ndarray]:
    """Return all readings of prompts."""
    prediction = predictor.predict(prompts, prior)
    return [prediction.mask, *prediction.alternatives]


def _by_clicks(predictor: Predictor, clicks: Sequence[Click]) -> np.ndarray:
    """Return the answer to clicks that are given one after the other."""
    prior: np.ndarray | None = None
    for count in range(1, len(clicks) + 1):
        prediction = predictor.predict(clicks[:count], prior)
        prior = prediction.prob
    return prediction.mask


def _likeness(a: Bbox, b: Bbox) -> float:
    """The IoU of two boxes."""
    wide, high = (max(0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    shared = wide * high
    return shared / max(1, sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (a, b)) - shared)


def _objects(points: Iterable[Point]) -> Iterator[tuple[str, list[Click]]]:
    """The label and the clicks of each object, positive ones first."""
    groups: dict[object, list[Point]] = {}
    for index, point in enumerate(points):
        groups.setdefault((index,) if point.object is None else point.object, []).append(point)
    for group in groups.values():
        ordered = sorted(group, key=lambda point: not point.positive)
        yield next((point.label for point in group if point.label), ""), [Click(p.x, p.y, p.positive) for p in ordered]


# MERGED from batch.points: Points as they come from elsewhere: which images, where, and of what.  A CSV file has a column path, x and y, and may have label, object and positive. A JSON file, or a mapping in Python, has for each path a list of [x, y], [x, y, label], [x, y, label, object] or [x, y, label, object, positive]. x, y: in image pixels, see `cdwidget.prompts`. path: of the image, whole, or from the catalogue's folder, or only its name where no other image has it. Points of the same `object` (any text or number) are of one object; one without it is an object of its own. positive: 0 or false for a point that is not in the object.


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
