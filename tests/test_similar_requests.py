"""The requests of a page for objects like the selected ones: proposals, rejections, and one undo step for all that are taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cdwidget.examples import ExamplePredictor
from cdwidget.items import Instance
from cdwidget.masks import Patch
from cdwidget.prompts import Click
from cdwidget.session import Session
from cdwidget.widget import Annotator
from cdwidget.widget.annotator.active_image import ImageChanged
from cdwidget.widget.annotator.operations import annotator_operations
from support.token_predictor import BrightPredictor, bright_squares

SQUARES = [(8, 8), (40, 8), (8, 40), (40, 40)]  # upper left corners
IMAGE = bright_squares(SQUARES)


def square(i: int) -> np.ndarray:
    mask = np.zeros(IMAGE.shape[:2], bool)
    left, top = SQUARES[i]
    mask[top : top + 16, left : left + 16] = True
    return mask


@pytest.fixture
def annotator() -> Annotator:
    session = Session(IMAGE, BrightPredictor(), instances=[Instance(square(0), "cup"), Instance(square(1), "plate")])
    return Annotator(session, labels=["cup", "plate"])


def operations_of(annotator: Annotator) -> dict[str, Any]:
    return annotator_operations(annotator.active_image, annotator, annotator._previous, lambda event: ([], 0), lambda index: False)


@pytest.fixture
def operations(annotator: Annotator) -> dict[str, Any]:
    return operations_of(annotator)


def test_taking_all_is_one_undo_step_with_the_label_of_the_example(annotator: Annotator, operations: dict[str, Any]) -> None:
    session = annotator.session
    before = session.state
    reply, buffers = operations["similar"]([1])
    masks = [Patch(tuple(row["box"]), bits).bbox for row, bits in zip(reply["proposals"], buffers)]
    assert sorted(masks) == [(8, 40, 24, 56), (40, 40, 56, 56)]  # The plate is labeled already.
    assert session.state is before  # Nothing is taken by itself.
    document, _ = operations["take_similar"]([row["number"] for row in reply["proposals"]])
    assert [one["label"] for one in document["document"]["instances"] if one["id"] > 3] == ["cup", "cup"]
    assert sorted(one.bbox for one in session.instances[2:]) == sorted(masks)
    assert session.selected == before.selected
    operations["undo"]()
    assert [one.id for one in session.instances] == [1, 2]
    operations["redo"]()
    assert [one.bbox for one in Session.replay(IMAGE, BrightPredictor(), session.log()).instances] == [
        one.bbox for one in session.instances
    ]


def test_rejected_and_taken_proposals_are_gone(annotator: Annotator, operations: dict[str, Any]) -> None:
    first, _ = operations["similar"]([1])
    rejected = first["proposals"][0]
    after, _ = operations["reject_similar"](rejected["number"])
    assert rejected["box"] not in [row["box"] for row in after["proposals"]] and len(after["proposals"]) == len(first["proposals"]) - 1
    found, _ = operations["similar"]([1])
    operations["take_similar"]([found["proposals"][0]["number"]])
    again, _ = operations["similar"]([1])
    assert len(again["proposals"]) == len(found["proposals"]) - 1


def test_proposals_of_another_image_cannot_be_taken() -> None:
    annotator = Annotator([IMAGE, IMAGE[::-1].copy()], predictor=BrightPredictor())
    operations = operations_of(annotator)
    annotator.session.apply(Click(10, 10))
    found, _ = operations["similar"]([1])
    operations["go"](1)
    with pytest.raises(ImageChanged, match="another image"):
        operations["take_similar"]([found["proposals"][0]["number"]])


def test_the_objects_of_a_class_in_all_images_are_examples() -> None:
    image, other = bright_squares(SQUARES[:2]), bright_squares(SQUARES[2:])
    sessions = [Session(image, BrightPredictor()), Session(other, BrightPredictor(), instances=[Instance(square(2), "cup")])]
    operations = operations_of(Annotator(sessions, labels=["cup", "plate"]))
    found, _ = operations["similar"]([], "cup")
    assert sorted(tuple(row["box"][:2]) for row in found["proposals"]) == SQUARES[:2]
    operations["take_similar"]([row["number"] for row in found["proposals"]])
    assert [one.label for one in sessions[0].instances] == ["cup", "cup"]
    with pytest.raises(ValueError, match="No image has an object of the class 'plate'"):
        operations["similar"]([], "plate")


def test_a_rejection_counts_in_later_searches_for_the_class(
    annotator: Annotator, operations: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = operations["similar"]([1])
    operations["reject_similar"](found["proposals"][0]["number"])
    rejected = []
    monkeypatch.setattr(ExamplePredictor, "reject", lambda self, proposal: rejected.append(proposal.patch.bbox))
    operations["similar"]([2])  # The plate.
    assert rejected == []
    operations["similar"]([], "cup")
    assert rejected == [tuple(found["proposals"][0]["box"])]


def test_a_number_means_one_proposal_for_good(annotator: Annotator, operations: dict[str, Any]) -> None:
    first, _ = operations["similar"]([1])
    rejected, other = first["proposals"]
    after, _ = operations["reject_similar"](rejected["number"])
    assert after["proposals"] == [other]
    operations["take_similar"]([other["number"]])  # As from a page that has not received the reply to the rejection.
    assert annotator.instances[-1].bbox == tuple(other["box"])
    operations["similar"]([2])
    with pytest.raises(ValueError, match="search again"):  # The number of an earlier search, perhaps in another view.
        operations["take_similar"]([rejected["number"]])


def test_objects_that_were_labeled_since_the_search_are_not_added_again(annotator: Annotator, operations: dict[str, Any]) -> None:
    found, _ = operations["similar"]([1])
    numbers = [row["number"] for row in found["proposals"]]
    operations["take_similar"](numbers[:1])
    operations["take_similar"](numbers)
    assert len(annotator.instances) == 4
    with pytest.raises(ValueError, match="have been labeled since"):
        operations["take_similar"](numbers)


def test_errors_name_the_way_out(annotator: Annotator, operations: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no instance 9"):
        operations["similar"]([9])
    operations["similar"]([1])
    with pytest.raises(ValueError, match="search again"):
        operations["take_similar"]([99])
    annotator.view_only = True
    with pytest.raises(ValueError, match="for viewing only"):
        operations["take_similar"]([0])
