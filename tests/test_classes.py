"""The classes of an annotator: closed labels, distinct colors, and one step for the class of several objects."""

from __future__ import annotations

import numpy as np
import pytest
from traitlets import TraitError

from cdwidget.items import Instance
from cdwidget.session import Accept, Delete, Relabel, Session
from cdwidget.widget import Annotator
from cdwidget.widget.colors import COLORS, UNLABELED_COLOR, object_color
from support.scripted_predictor import IMAGE, LEFT_HALF, RIGHT_HALF, ScriptedPredictor


def test_closed_labels_refuse_others() -> None:
    widget = Annotator(IMAGE, ScriptedPredictor(LEFT_HALF), labels=["dog", "refrigerator"], closed_labels=True)
    for wrong in (lambda: setattr(widget, "label", "dgo"), lambda: widget.apply(Accept("dgo")), lambda: widget.apply(Relabel("dgo"))):
        with pytest.raises(ValueError, match="did you mean 'dog'"):
            wrong()
    assert widget.label == ""
    widget.label = "dog"
    widget.label = ""


@pytest.mark.parametrize(("labels", "message"), [(["a", "b", "a"], "'a' twice"), (["a", " "], "empty name")])
def test_labels_are_checked(labels: list[str], message: str) -> None:
    with pytest.raises(TraitError, match=message):
        Annotator(IMAGE, ScriptedPredictor(LEFT_HALF), labels=labels)


def test_several_objects_are_relabeled_and_deleted_in_one_step() -> None:
    instances = [Instance(LEFT_HALF, "dog"), Instance(RIGHT_HALF, "cat"), Instance(LEFT_HALF, "")]
    session = Session(IMAGE, instances=instances, selected=2)
    session.apply(Relabel("cow", [1, 3]))
    assert [one.label for one in session.instances] == ["cow", "cat", "cow"]
    session.apply(Delete([1, 2]))
    assert [one.id for one in session.instances] == [3] and session.label == "cat"
    session.undo()
    session.undo()
    assert [one.label for one in session.instances] == ["dog", "cat", ""] and not session.can_undo
    with pytest.raises(ValueError, match="at least one id"):
        session.apply(Delete([]))
    with pytest.raises(ValueError, match="no instance 9"):
        session.apply(Relabel("cow", [1, 9]))


def test_eighty_classes_have_distinct_colors_and_objects_without_a_class_are_gray() -> None:
    rgb = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in COLORS]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_lms = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]])
    to_lab = np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])
    lab = np.cbrt(linear @ to_lms.T) @ to_lab.T
    distances = np.linalg.norm(lab[:80, None] - lab[None, :80], axis=2)
    assert len(COLORS) >= 80 and distances[~np.eye(80, dtype=bool)].min() > 0.07  # 0.02 is a just noticeable difference.
    assert object_color("", 1, ["cup"], COLORS) == UNLABELED_COLOR
    assert object_color("", 2, [], COLORS) == COLORS[1] and object_color("cup", 7, ["cup"], COLORS) == COLORS[0]
    assert object_color("plate", 1, ["cup"], COLORS) == object_color("plate", 9, ["cup"], COLORS)
