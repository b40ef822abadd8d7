"""Objects like the selected ones or those of a class: the proposals that a page shows, until they are taken or rejected."""

from __future__ import annotations

from contextlib import suppress
from itertools import count, groupby, islice
from operator import itemgetter
from threading import Lock
from typing import Iterator, Sequence

from cdwidget.examples import ExamplePredictor, Proposal
from cdwidget.examples.proposals import is_duplicate, session_examples
from cdwidget.rle import encode
from cdwidget.session import Paste, Session
from cdwidget.widget.annotator.active_image import ActiveImage, ImageChanged
from cdwidget.widget.annotator.image_list import ImageList
from cdwidget.widget.transport import Operation, Reply

MAX_CLASS_EXAMPLES = 12  # Each costs up to two encodings.
MIN_SENT_SCORE = 0.1  # The page hides proposals below its slider.


class SimilarObjects:
    """Proposals for the image of a session; they are not part of its document.

    A proposal keeps its number when the others are ranked again, so a page may name one while the reply to its rejection is on its way.

    Args:
        session: The session.
        examples: The examples.
        label: The class of the proposals that are taken.
        rejected: Receives the proposals that are rejected.
        numbers: Gives the numbers of new proposals; those of earlier searches are not among them.

    Attributes:
        session: The session.
    """

    def __init__(
        self, session: Session, examples: ExamplePredictor, label: str, rejected: list[Proposal], numbers: Iterator[int]
    ) -> None:  # fmt: skip
        self.session = session
        self._examples, self._label, self._rejected, self._numbers = examples, label, rejected, numbers
        self._proposals: dict[int, Proposal] = {}
        self._lock = Lock()

    def find(self) -> Reply:
        """Return the proposals, the surest first: {proposals: [{number, score, box}]} and the packed pixels of each."""
        with self._lock:
            known = (one.mask for one in self.session.instances)
            found = self._examples.predict(self.session.image, known, MIN_SENT_SCORE)
            old = {id(one.patch): number for number, one in self._proposals.items()}
            numbers = [old[id(one.patch)] if id(one.patch) in old else next(self._numbers) for one in found]
            self._proposals = {**self._proposals, **dict(zip(numbers, found))}
            rows = [{"number": number, "score": one.score, "box": one.patch.bbox} for number, one in zip(numbers, found)]
            return {"proposals": rows}, [one.patch.bits for one in found]

    def reject(self, number: int) -> Reply:
        """Count a proposal as an example of other objects, and return the remaining ones, as `find`."""
        proposal = self._proposal(number)
        self._examples.reject(proposal)
        self._rejected.append(proposal)
        return self.find()

    def taken(self, numbers: Sequence[int]) -> Paste:
        """Return the action that adds proposals as objects with the label of the example and their score.

        Those that have been labeled since the search are left out.

        Raises:
            ValueError: If all of them have been.
        """
        proposals = [self._proposal(number) for number in numbers]
        labeled = [self.session.mask_patch(entry.id) for entry in self.session.state.entries]
        new = [one for one in proposals if not any(is_duplicate(one.patch, other) for other in labeled)]
        if not new:
            raise ValueError("These objects have been labeled since the search, so nothing was added. Search again for others.")
        return Paste(tuple({"label": self._label, "mask": encode(one.mask), "score": round(one.score, 3)} for one in new))

    def _proposal(self, number: int) -> Proposal:
        if number not in self._proposals:
            raise ValueError(f"there is no proposal {number}; search again")
        return self._proposals[number]


class SimilarRequests:
    """Operations on the proposals for the image being shown, which the page may request.

    Args:
        active_image: The image.

    Attributes:
        operations: The function for each name.
    """

    def __init__(self, active_image: ActiveImage) -> None:
        self._active = active_image
        self._similar: SimilarObjects | None = None  # The newest search.
        self._rejected: dict[str, list[Proposal]] = {}  # By class; later searches for it count them, too.
        self._searches = 0
        self._numbers = count()  # Of the proposals of all searches.
        self.operations: dict[str, Operation] = {
            "similar": self.similar,
            "reject_similar": self.reject_similar,
            "take_similar": self.take_similar,
        }

    def similar(self, instances: list[int], label: str | None = None) -> Reply:
        """Return the objects like some instances, as `SimilarObjects.find`; they stay proposals until the page takes them.

        Args:
            instances: Ids of the examples.
            label: A class whose objects in all images are the examples instead, at most MAX_CLASS_EXAMPLES.
        """
        self._searches += 1
        search = self._searches
        with self._active.busy():
            self._active.wait_for_encoder()
            session = self._active.session
            if label is None:
                examples = session_examples(session, instances)
                label = session.state.entry(instances[0]).label if instances else session.label
            else:
                examples = class_examples(self._active.images, label)
            rejected = self._rejected.setdefault(label, [])
            for proposal in rejected:
                examples.reject(proposal)
            similar = SimilarObjects(session, examples, label, rejected, self._numbers)
            if search == self._searches:  # A search may end after a later one.
                self._similar = similar
            return similar.find()

    def reject_similar(self, number: int) -> Reply:
        """Reject a proposal and return the remaining ones, as `SimilarObjects.reject`."""
        return self._shown_similar().reject(number)

    def take_similar(self, numbers: list[int], key: int | None = None) -> Reply:
        """Add proposals to the document in one step: {document} with its changes."""
        return self._active.edit(lambda key: self._active.apply(self._shown_similar().taken(numbers), key), key)

    def _shown_similar(self) -> SimilarObjects:
        if self._similar is None or self._similar.session is not self._active.session:
            raise ImageChanged("The proposals were of another image. Search again.")
        return self._similar


def class_examples(images: ImageList, label: str) -> ExamplePredictor:
    """Return an `ExamplePredictor` whose examples are the objects of a class, those of the open and of near images first.

    Images that cannot be read are left out.

    Raises:
        ValueError: If there is no predictor, or no image has such an object.
        TypeError: If the predictor has no tokens.
    """
    examples, added = session_examples(images.session, []), 0
    for index, masks in groupby(islice(images.masks_of_class(label), MAX_CLASS_EXAMPLES), key=itemgetter(0)):
        with suppress(OSError, ValueError):
            image = images.pixels(index)
            for _, mask in masks:
                examples.add(image, mask)
                added += 1
    if not added:
        raise ValueError(f"No image has an object of the class {label!r}. Draw one first.")
    return examples
