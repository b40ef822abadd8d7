"""Accepted instances of a catalogue as examples, for the job that proposes objects like them."""

from __future__ import annotations

from typing import NamedTuple, Sequence, cast

from cdwidget import rle
from cdwidget.catalogue import Catalogue, InstanceRow
from cdwidget.examples import ExamplePredictor
from cdwidget.images.remote import load_image
from cdwidget.predictor import Predictor

MAX_EXAMPLES = 20  # More cost time, and hardly change the proposals.


class StoredExample(NamedTuple):
    """An accepted instance: the path of its image, and its mask as compressed run lengths of (height, width) pixels."""

    path: str
    counts: str
    size: tuple[int, int]


def collect_examples(catalogue: Catalogue, label: str) -> tuple[StoredExample, ...]:
    """Return accepted instances with a label, at most MAX_EXAMPLES, the largest first.

    Raises:
        ValueError: If there is none.
    """
    rows = catalogue.query("accepted", label, "-area", where=[("area", ">", 0)], limit=MAX_EXAMPLES, of="instances")
    if not rows:
        raise ValueError(f"{catalogue.path} has no accepted instance with the label {label!r} as an example; accept one first")
    found = []
    for row in cast(list[InstanceRow], rows):
        item = catalogue.item(row.item)
        counts = [record.counts for record in item.records if record.number == row.number]  # Empty if it was deleted since.
        found += [StoredExample(str(item.path), each, item.size) for each in counts if item.size]
    return tuple(found)


def load_examples(predictor: Predictor, stored: Sequence[StoredExample]) -> ExamplePredictor:
    """Return a predictor with the examples, whose images are read and encoded.

    Examples without a readable image are left out.

    Raises:
        ValueError: If none can be read.
    """
    examples, problems = ExamplePredictor(predictor), []
    for one in stored:
        try:
            examples.add(load_image(one.path), rle.decode(one.counts, *one.size))
        except (OSError, ValueError) as error:
            problems.append(f"{one.path}: {error}")
    if len(problems) == len(stored):
        raise ValueError(f"no example can be read ({'; '.join(problems[:1])}); restore its image, or accept another instance")
    return examples
