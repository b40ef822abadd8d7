"""The job that predicts masks from boxes, coarse masks or points, or proposes objects from the image alone or from examples."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Callable, ClassVar, Iterable, Iterator, Mapping, Sequence

import numpy as np

from cdwidget.batch.examples import StoredExample, collect_examples, load_examples
from cdwidget.batch.jobs import Model, Worker, fingerprint_of, load
from cdwidget.batch.points import Point, Points, assign_points, digest, group_by_object
from cdwidget.batch.proposals import DUPLICATE_IOU, Search, propose, threshold_stability
from cdwidget.catalogue import Catalogue, CatalogueItem, Conflict
from cdwidget.catalogue.records import Record, encode_instances
from cdwidget.catalogue.writer import Edit
from cdwidget.click_simulation import next_click
from cdwidget.examples import ExamplePredictor
from cdwidget.items import Instance
from cdwidget.masks import Bbox, bbox, iou
from cdwidget.predictor import Prediction, Predictor
from cdwidget.prompts import Box, Click, Prompt
from cdwidget.registry import lookup

SAME_OBJECT_IOU = 0.6  # IoU with a coarse mask from which a prediction shows the same object


@dataclass(frozen=True)
class Prelabel:
    """Predict masks for the items of a catalogue.

    The masks get the status "new" and can be undone like any change. Their `score` is a confidence in [0, 1]: for boxes and coarse masks
    the IoU with them, for points the stability of the mask, for proposals their quality.

    Args:
        from_: "boxes" predicts from each instance's bounding box and replaces its mask. "masks" clicks in the core of each coarse mask.
            "points" clicks at `points`, or without them in the core of each instance. "proposals" adds an instance for every object found.
            "example" adds an instance for every object like the accepted instances with `label`, which may be in other images.
        model: As for `Score`.
        points: Path of a CSV or JSON file, or a mapping, see `cdwidget.batch.points`.
        label: Label of new instances that have none; with "example", also of the examples.
        overwrite: Also replace accepted, rejected and skipped instances; proposals then replace all instances. By default only "new"
            instances are replaced, and points and proposals add only objects that are not labeled yet, as "example" always does.
        search: Grid and limits of the proposals.

    Example:
        >>> cdwidget.run(cdwidget.Prelabel("boxes"), catalogue)
    """

    from_: str = "boxes"
    model: Model = "cdnet"
    points: Points | None = None
    label: str = ""
    overwrite: bool = False
    search: Search = Search()
    item_points: Mapping[int, tuple[Point, ...]] = field(
        default_factory=dict, compare=False, repr=False
    )  # points by item id, set by `prepare`
    examples: tuple[StoredExample, ...] = field(default=(), compare=False, repr=False)  # set by `prepare`

    name: ClassVar[str] = "prelabel"
    lasting: ClassVar[bool] = True

    def setting(self) -> str:
        """Return the source of the masks and fingerprints of points and weights."""
        inputs = {"points": digest(self.item_points), "proposals": self.search, "example": digest(dict(enumerate(self.examples)))}
        input_digest = inputs.get(self.from_, "")
        return f"{self.from_} {input_digest} {self.label!r} {self.overwrite} by {fingerprint_of(self.model)}"

    def prepare(self, catalogue: Catalogue) -> Prelabel:
        """Assign the points to items."""
        lookup(PROMPT_SOURCES, self.from_, "source")
        if self.model is None:
            raise ValueError("Prelabel needs a model: give a name, a weights file or a predictor")
        if self.from_ == "example":
            if self.overwrite:
                raise ValueError("overwrite= does not go with from_='example', which only adds objects; leave it out")
            return replace(self, examples=collect_examples(catalogue, self.label))
        if self.points is None:
            return self
        if self.from_ != "points":
            raise ValueError(f"points= goes with from_='points', not with from_={self.from_!r}")
        return replace(self, item_points=assign_points(self.points, catalogue))

    def survey(self, catalogue: Catalogue, progress: bool | None) -> Prelabel:
        """Return the job: it needs no statistics."""
        return self

    def start(self) -> Worker:
        """Load the model."""
        predictor, predict = load(self.model), lookup(PROMPT_SOURCES, self.from_, "source")
        assert predictor is not None  # Checked by `prepare`.
        examples = load_examples(predictor, self.examples) if self.from_ == "example" else None

        def prelabel(item: CatalogueItem) -> Edit | None:
            replaceable = [one for one in item.records if one.area and not one.crowd and (self.overwrite or one.status == "new")]
            if not (self.from_ in ADDING_SOURCES or (self.item_points.get(item.id) if self.points is not None else replaceable)):
                return None
            image = item.read_image()
            height, width = image.shape[:2]
            if item.size is not None and item.size != (height, width):
                raise ValueError(f"{item.path} is {width}x{height} pixels, but its masks are {item.size[1]}x{item.size[0]}")
            predictor.set_image(image)
            found = [one for one in predict(self, predictor, PrelabelInput(item, image, replaceable, examples)) if one.mask.any()]
            return Edit(self.name, self._records(item, found), {"from": self.from_}, size=(height, width), version=item.version)

        return prelabel

    def keep(self, catalogue: Catalogue, item: CatalogueItem, result: Edit) -> bool:
        """Save the masks unless the item was changed during the job."""
        try:
            catalogue.write(item.id, result)
        except Conflict:
            return False
        return True

    def _records(self, item: CatalogueItem, found: list[Instance]) -> dict[int, Record | None]:
        """Return the new records of an item by number: refined ones keep theirs, new ones are painted above the others."""
        old = {record.number: record for record in item.records}
        after: dict[int, Record | None] = {}
        if self.from_ == "proposals" and self.overwrite:
            after, old = dict.fromkeys(old), {}
        elif self.from_ in ADDING_SOURCES or self.points is not None:
            others = [one.mask for one in item.instances]
            found = [one for one in found if not any(iou(one.mask, other) >= DUPLICATE_IOU for other in others)]
        number = max((record.number for record in item.records), default=0)
        position = max((record.position for record in old.values()), default=-1)
        for record, one in zip(encode_instances([replace(one, id=None) for one in found]).records, found):
            if one.id is not None:
                before = old[one.id]
                after[one.id] = record._replace(
                    number=one.id, position=before.position, label=before.label, crowd=before.crowd,
                    track_id=before.track_id, attributes=before.attributes, extra=before.extra,
                )  # fmt: skip
            else:
                number, position = number + 1, position + 1
                after[number] = record._replace(number=number, position=position)
        return after


@dataclass(frozen=True)
class PrelabelInput:
    """An item to predict masks for: its image, uint8 (H, W, 3), already set in the predictor, and the instances to replace."""

    item: CatalogueItem
    image: np.ndarray
    replaceable: list[Record]
    examples: ExamplePredictor | None = None  # only with the source "example"

    def instances(self) -> Iterator[Instance]:
        """Decode the replaceable instances, one by one."""
        height, width = self.image.shape[:2]
        return (record.instance(height, width) for record in self.replaceable)


def refine_boxes(job: Prelabel, predictor: Predictor, source: PrelabelInput) -> Iterator[Instance]:
    """Predict from each box alone, with a click at its center, and with the filled box as prior.

    The candidate whose bounding box has the highest IoU with the given box is used, clipped to the box.
    """
    for record in source.replaceable:
        x0, y0, x1, y1 = record.bbox
        prior = np.zeros(source.image.shape[:2], bool)
        prior[y0:y1, x0:x1] = True
        box, middle = Box(x0, y0, x1, y1), Click((x0 + x1) / 2, (y0 + y1) / 2)
        candidates = [*_candidates(predictor, [box]), *_candidates(predictor, [box, middle]), *_candidates(predictor, [box, middle], prior)]
        best = max(candidates, key=lambda mask: _box_iou(bbox(mask), record.bbox))
        score = _box_iou(bbox(best), record.bbox)
        yield Instance(best & prior, id=record.number, score=score)


def refine_masks(job: Prelabel, predictor: Predictor, source: PrelabelInput) -> Iterator[Instance]:
    """Predict from a click in the core of a coarse mask, with the mask as prior, and take the candidate with the highest IoU to it.

    The coarse mask stays if no candidate shows the same object.
    """
    for instance in source.instances():
        coarse = instance.mask
        click = next_click(coarse, np.zeros_like(coarse))
        assert click is not None  # Replaceable instances are not empty.
        best = max(_candidates(predictor, [click], coarse), key=lambda mask: iou(mask, coarse))
        if iou(best, coarse) >= SAME_OBJECT_IOU:
            yield replace(instance, mask=best, alpha=None, score=iou(best, coarse))


def click_points(job: Prelabel, predictor: Predictor, source: PrelabelInput) -> Iterator[Instance]:
    """Predict from the points of each object, or without points from a click in the core of each instance."""
    if job.points is None:
        for instance in source.instances():
            click = next_click(instance.mask, np.zeros_like(instance.mask))
            assert click is not None  # Replaceable instances are not empty.
            prediction = predictor.predict([click])
            yield replace(instance, mask=prediction.mask, alpha=None, score=threshold_stability(prediction))
        return
    for label, clicks in group_by_object(job.item_points[source.item.id]):
        prediction = _predict_clicks(predictor, clicks)
        yield Instance(prediction.mask, label or job.label, score=threshold_stability(prediction))


def find_proposals(job: Prelabel, predictor: Predictor, source: PrelabelInput) -> Iterator[Instance]:
    """Propose objects, large ones first, so that objects inside them are painted above."""
    for mask, quality in propose(predictor, source.image, job.search):
        yield Instance(mask, job.label, score=quality)


def find_alike(job: Prelabel, predictor: Predictor, source: PrelabelInput) -> Iterator[Instance]:
    """Propose the objects like the examples, the surest first."""
    assert source.examples is not None  # `Prelabel.start` has loaded them.
    for one in source.examples.predict(source.image, (labeled.mask for labeled in source.item.instances)):
        yield Instance(one.mask, job.label, score=one.score)


ADDING_SOURCES = ("proposals", "example")  # They need nothing in the item, and leave its instances.
PROMPT_SOURCES: dict[str, Callable[[Prelabel, Predictor, PrelabelInput], Iterable[Instance]]] = {
    "boxes": refine_boxes,
    "masks": refine_masks,
    "points": click_points,
    "proposals": find_proposals,
    "example": find_alike,
}


def _candidates(predictor: Predictor, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> list[np.ndarray]:
    """Return the predicted mask and its alternatives."""
    prediction = predictor.predict(prompts, prior)
    return [prediction.mask, *prediction.alternatives]


def _predict_clicks(predictor: Predictor, clicks: Sequence[Click]) -> Prediction:
    """Return the prediction after the clicks are given one after the other."""
    prior: np.ndarray | None = None
    for count in range(1, len(clicks) + 1):
        prediction = predictor.predict(clicks[:count], prior)
        prior = prediction.prob
    return prediction


def _box_iou(a: Bbox, b: Bbox) -> float:
    """Return the IoU of two boxes."""
    wide, high = (max(0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    shared = wide * high
    return shared / max(1, sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (a, b)) - shared)
