"""Examples of sessions: instances, reading, errors. test_session_properties.py tests arbitrary actions."""

import json

import numpy as np
import pytest
from PIL import Image

from cdwidget.items import Instance
from cdwidget.prompts import Box, Click, Stroke
from cdwidget.session import Accept, Delete, Relabel, Select, Session
from cdwidget.tools import Brush
from support.scripted_predictor import EMPTY_MASK, HEIGHT, IMAGE, LEFT_HALF, RIGHT_HALF, WIDTH, ScriptedPredictor, snapshot

# ---- instances ---------------------------------------------------------------------------------------------------


def test_a_session_without_a_widget(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "photo.png")
    session = Session(tmp_path / "photo.png", ScriptedPredictor(LEFT_HALF | RIGHT_HALF))
    change = session.apply(Click(2, 3, True))
    assert np.array_equal(session.mask, LEFT_HALF), "the component that holds the click, not the other one"
    assert change.bbox == (0, 0, 6, HEIGHT)
    assert (session.height, session.width) == (HEIGHT, WIDTH)
    assert np.array_equal(session.image, IMAGE)


def test_a_click_far_away_adds_the_component_there():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF | RIGHT_HALF))
    session.apply(Click(2, 3))
    session.apply(Click(15, 3))
    assert np.array_equal(session.mask, LEFT_HALF | RIGHT_HALF)


def test_the_predictor_gets_all_prompts_of_the_instance_and_its_mask():
    predictor = ScriptedPredictor(LEFT_HALF)
    session = Session(IMAGE, predictor)
    session.apply(Click(2, 3))
    session.apply(Click(3, 3))  # Agrees, so the predictor is not called.
    session.apply(Click(15, 3))
    session.accept()
    session.apply(Click(16, 3))
    (first, no_prior), (second, prior), (third, still_none) = predictor.calls
    assert first == (Click(2, 3),) and no_prior is None
    assert second == (Click(2, 3), Click(3, 3), Click(15, 3)) and np.array_equal(prior, LEFT_HALF)
    assert third == (Click(16, 3),) and still_none is None


def test_several_instances():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF | RIGHT_HALF))
    assert session.selected == 1 and not session.instances
    session.apply(Click(2, 3))
    session.relabel("cat")
    assert [(instance.id, instance.label) for instance in session.instances] == [(1, "cat")], "the one being edited counts"
    session.accept()
    assert session.selected == 2 and session.label == "cat" and session.prompts == () and not session.mask.any()
    session.apply(Click(15, 3))
    session.accept("dog")
    assert [(instance.id, instance.label) for instance in session.instances] == [(1, "cat"), (2, "dog")]
    assert np.array_equal(session.instances[0].mask, LEFT_HALF) and np.array_equal(session.instances[1].mask, RIGHT_HALF)
    assert session.mask_patch(2).bbox == (12, 0, WIDTH, HEIGHT)
    assert session.has_pixels(2) and not session.has_pixels()
    with pytest.raises(ValueError, match="no instance 9"):
        session.has_pixels(9)

    session.select(1)
    assert np.array_equal(session.mask, LEFT_HALF) and session.clicks == (Click(2, 3),)
    assert [entry.id for entry in session.state.entries] == [1, 2], "the new one had no pixels"
    session.delete(2)
    assert session.selected == 1 and [instance.id for instance in session.instances] == [1]
    session.delete()
    assert not session.instances and session.selected == 4 and session.label == "cat"
    for _ in range(2):
        session.undo()
    assert [instance.id for instance in session.instances] == [1, 2]


def test_an_instance_selected_again_is_edited_and_finished_again():
    session = Session(IMAGE, ScriptedPredictor(EMPTY_MASK), instances=[Instance(LEFT_HALF, "cat"), Instance(RIGHT_HALF)])
    session.select(1)
    session.apply(Stroke(((0, 0), (5, 13)), False, radius=40))
    assert not session.mask.any()
    session.select(2)
    assert [entry.id for entry in session.state.entries] == [2], "nothing is left of the first"
    session.undo()
    session.undo()
    assert np.array_equal(session.mask, LEFT_HALF) and session.selected == 1


def test_an_action_without_effect_is_not_a_step():
    session = Session(IMAGE, instances=[Instance(LEFT_HALF, "cat")])
    for action in (Accept(), Select(), Select(2), Delete(), Relabel(""), Relabel("cat", 1)):
        assert session.apply(action).is_empty
    assert not session.can_undo and session.log()["actions"] == []


def test_accepting_an_instance_with_prompts_but_no_pixels_starts_a_new_one():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF))
    session.apply(Click(3, 3, False))
    session.accept()
    assert session.prompts == () and not session.instances
    session.undo()
    assert session.clicks == (Click(3, 3, False),)


def test_instances_may_overlap():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF), instances=[Instance(LEFT_HALF)])
    session.apply(Click(2, 2))
    session.apply(Click(3, 2, False))
    session.accept()
    assert np.array_equal(session.instances[0].mask, LEFT_HALF)


def test_given_instances_are_numbered_and_empty_ones_left_out():
    session = Session(
        IMAGE,
        mask=RIGHT_HALF.astype(np.uint8) * 255,
        instances=[Instance(LEFT_HALF, "a"), Instance(RIGHT_HALF, "b", np.int64(7)), Instance(EMPTY_MASK, "c"), Instance(LEFT_HALF, "d")],
    )
    assert [(entry.id, entry.label) for entry in session.state.entries] == [(8, "a"), (7, "b"), (9, "d"), (10, "")]
    assert session.selected == 10 and np.array_equal(session.mask, RIGHT_HALF)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mask": np.zeros((HEIGHT, WIDTH + 1))}, r"shape \(14, 19\), the image needs \(14, 18\)"),
        ({"instances": [Instance(EMPTY_MASK.T)]}, "shape"),
        ({"instances": [Instance(LEFT_HALF, id=2), Instance(LEFT_HALF, id=2)]}, "two instances have one id"),
        ({"instances": [Instance(LEFT_HALF, id=0)]}, "whole numbers from 1"),
        ({"instances": [Instance(LEFT_HALF, label=None)]}, "label must be text"),
    ],
)
def test_masks_and_instances_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Session(IMAGE, **arguments)


# ---- reading and errors ------------------------------------------------------------------------------------------


def test_masks_are_read_only_and_do_not_change():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF))
    before = session.mask
    session.apply(Click(2, 3))
    assert not before.any()
    for array in (session.mask, session.image):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 0
    session.instances[0].mask[:] = False
    assert session.mask.any(), "the masks of instances are copies"


def test_the_image_and_the_first_mask_are_copies():
    image, mask = IMAGE.copy(), LEFT_HALF.copy()
    session = Session(image, mask=mask)
    image[:], mask[:] = 0, False
    assert np.array_equal(session.image, IMAGE) and np.array_equal(session.mask, LEFT_HALF)


class Failing(ScriptedPredictor):
    def predict(self, prompts, prior=None):
        raise RuntimeError("out of memory")


class Scribbling(ScriptedPredictor):
    def predict(self, prompts, prior=None):
        prior[:] = True
        return super().predict(prompts, prior)


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (Click(WIDTH, 3), ValueError),
        (Click(float("nan"), 3), ValueError),
        (Stroke(()), ValueError),
        (Box(4, 4, 2, 2), ValueError),
        (Select(9), ValueError),
        (Delete(9), ValueError),
        (Relabel("x", 9), ValueError),
        ("click", TypeError),
        (None, TypeError),
        (Click(15, 3), RuntimeError),
    ],
)
def test_an_action_that_fails_changes_nothing(action, error):
    session = Session(IMAGE, Failing(LEFT_HALF), mask=LEFT_HALF)
    session.relabel("cat")
    session.relabel("dog")
    session.undo()
    before = snapshot(session), session.log()
    for attempt in (session.apply, session.peek):
        with pytest.raises(error):
            attempt(action)
        assert (snapshot(session), session.log()) == before
        assert session.can_undo and session.can_redo


@pytest.mark.parametrize("predicted", [LEFT_HALF[:, :5], LEFT_HALF.astype(np.uint8), LEFT_HALF.T])
def test_a_prediction_that_does_not_fit_is_refused(predicted):
    session = Session(IMAGE, ScriptedPredictor(predicted))
    with pytest.raises(ValueError, match="the predictor returned"):
        session.apply(Click(2, 2))
    assert session.prompts == ()


def test_without_a_predictor_only_prompts_are_refused():
    session = Session(IMAGE, mask=LEFT_HALF)
    session.encode()
    session.accept("cat")
    with pytest.raises(ValueError, match=r"no predictor.*load_predictor\(\)"):
        session.apply(Click(2, 3))
    assert len(session.instances) == 1


def test_a_predictor_that_writes_to_its_prior_does_no_harm():
    session = Session(IMAGE, Scribbling(LEFT_HALF | RIGHT_HALF), mask=LEFT_HALF)
    session.apply(Click(15, 3))
    session.undo()
    assert np.array_equal(session.mask, LEFT_HALF)


def test_numpy_values_become_plain_values():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF))
    session.apply(Click(np.int64(2), np.float32(3.5), np.bool_(True)))
    session.apply(Stroke(np.array([[1, 2], [15, 4]]), False, np.float64(1)))
    assert session.prompts == (Click(2.0, 3.5, True), Stroke(((1.0, 2.0), (15.0, 4.0)), False, 1.0))
    json.dumps(session.log())


def test_superpixels_are_computed_once_and_read_only():
    session = Session(IMAGE)
    labels = session.superpixels(16)
    assert np.shares_memory(labels, session.superpixels(16)) and not np.shares_memory(labels, session.superpixels(20))
    with pytest.raises(ValueError, match="read-only"):
        labels[0, 0] = 1


def test_a_stroke_across_a_large_image_is_a_small_change():
    session = Session(np.zeros((3000, 4000, 3), np.uint8), mask=np.ones((3000, 4000), bool))
    change = session.apply(Brush(((500, 500), (2500, 600)), 20, False))
    assert change.bbox == (480, 480, 2520, 620) and not session.mask[550, 1500] and session.mask[600, 500]
    assert change.nbytes < 100_000
    session.undo()
    assert session.mask.all()
