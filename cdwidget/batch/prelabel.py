"""The job that makes masks before anybody looks: of boxes, of coarse masks, of points, or of nothing but the image."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Callable, ClassVar, Iterable, Iterator, Mapping

import numpy as np

from cdwidget.batch.jobs import Model, Worker, fingerprint_of, load
from cdwidget.batch.points import Point, Points, digest, place_points
from cdwidget.batch.proposals import SAME, Search, propose
from cdwidget.clicks import next_click
from cdwidget.items import Instance
from cdwidget.lookup import lookup
from cdwidget.masks import iou
from cdwidget.predictor import Predictor
from cdwidget.prompts import Box, Click
from cdwidget.review import Catalogue, CatalogueItem, Conflict
from cdwidget.review.records import Record, record_instances
from cdwidget.review.writing import Edit


@dataclass(frozen=True)
class Prelabel:
    """The job that makes masks, of status "new" and undone like any change.

    from_: "boxes": each instance's bbox is a Box, and the answer takes the place of its mask. "masks": a few clicks are simulated that
    agree with a coarse mask. "points": clicks, of `points`; without those, in the core of each instance. "proposals": everything that
    looks like an object in the image, each of which becomes a new instance.
    model: as for `Score`. points: the path of a CSV or JSON file, or a mapping, see `cdwidget.batch.points`. label: of new instances that
    have no other. overwrite: also instances that somebody has accepted, rejected or skipped are made anew, and proposals take the place of
    all instances; otherwise only "new" ones are touched, and of proposals and points only those are kept that are not there yet.
    clicks: the most that are simulated on a coarse mask. search: where proposals are looked for, and which are kept.

    >>> cdwidget.run(cdwidget.Prelabel("boxes"), catalogue)
    """

    from_: str = "boxes"
    model: Model = "cdnet"
    points: Points | None = None
    label: str = ""
    overwrite: bool = False
    clicks: int = 3
    search: Search = Search()
    placed: Mapping[int, tuple[Point, ...]] = field(default_factory=dict, compare=False, repr=False)  # by item, see `prepare`

    name: ClassVar[str] = "prelabel"
    lasting: ClassVar[bool] = True

    def setting(self) -> str:
        """What the masks are made of, and the weights."""
        how = {"masks": self.clicks, "points": digest(self.placed), "proposals": self.search}.get(self.from_, "")
        return f"{self.from_} {how} {self.label!r} {self.overwrite} by {fingerprint_of(self.model)}"

    def prepare(self, catalogue: Catalogue) -> Prelabel:
        """Find the items that the points are of."""
        lookup(SOURCES, self.from_, "source of masks")
        if self.model is None:
            raise ValueError("masks are made by a model; give its name, its file or a predictor")
        if self.clicks < 1:
            raise ValueError(f"clicks is {self.clicks}; at least 1 is needed")
        if self.points is None:
            return self
        if self.from_ != "points":
            raise ValueError(f"points are given, and masks are to be made of {self.from_}; write from_='points', or leave them out")
        return replace(self, placed=place_points(self.points, catalogue))

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
    """Ask with each instance's bbox, which no pixel of the object is outside of."""
    for record in work.there:
        x0, y0, x1, y1 = record.bbox
        mask = np.zeros(work.image.shape[:2], bool)
        mask[y0:y1, x0:x1] = predictor.predict([Box(x0, y0, x1, y1)]).mask[y0:y1, x0:x1]
        yield Instance(mask, id=record.number)


def refine_masks(job: Prelabel, predictor: Predictor, work: Work) -> Iterator[Instance]:
    """Ask with the clicks of a user who means the coarse mask, the first of them in its core."""
    for instance in work.instances():
        yield replace(instance, mask=_by_clicks(predictor, instance.mask, job.clicks), alpha=None)


def click_points(job: Prelabel, predictor: Predictor, work: Work) -> Iterator[Instance]:
    """Ask with the points of each object; where none are given, with a click in the core of each instance."""
    if job.points is None:
        for instance in work.instances():
            yield replace(instance, mask=_by_clicks(predictor, instance.mask, 1), alpha=None)
        return
    for label, clicks in _objects(job.placed[work.item.id]):
        yield Instance(_ask(predictor, clicks), label or job.label)


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


def _by_clicks(predictor: Predictor, mask: np.ndarray, most: int) -> np.ndarray:
    """Return what a model makes of simulated clicks on what is wrong with its answer, as if the mask were right."""
    answer, prior = np.zeros_like(mask), None
    clicks: list[Click] = []
    while len(clicks) < most and (click := next_click(mask, answer, clicked=clicks)) is not None:
        clicks.append(click)
        prediction = predictor.predict(clicks, prior)
        answer, prior = prediction.mask, prediction.prob
    return answer


def _ask(predictor: Predictor, clicks: list[Click]) -> np.ndarray:
    """Return the answer to clicks that are given one after the other."""
    prior: Any = None
    for count in range(1, len(clicks) + 1):
        prediction = predictor.predict(clicks[:count], prior)
        prior = prediction.prob
    return prediction.mask


def _objects(points: Iterable[Point]) -> Iterator[tuple[str, list[Click]]]:
    """The label and the clicks of each object, positive ones first."""
    groups: dict[object, list[Point]] = {}
    for place, point in enumerate(points):
        groups.setdefault((place,) if point.object is None else point.object, []).append(point)
    for group in groups.values():
        ordered = sorted(group, key=lambda point: not point.positive)
        yield next((point.label for point in group if point.label), ""), [Click(p.x, p.y, p.positive) for p in ordered]
