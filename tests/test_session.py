import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scripted import Erratic, Scripted

from cdwidget.items import Instance
from cdwidget.prompts import Box, Click, Stroke
from cdwidget.session import Accept, Delete, Relabel, Select, Session, action_from_json, action_to_json

HEIGHT, WIDTH = 14, 18
IMAGE = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
NOTHING = np.zeros((HEIGHT, WIDTH), bool)
LEFT = NOTHING.copy()
LEFT[:, :6] = True
RIGHT = NOTHING.copy()
RIGHT[:, 12:] = True

masks = hnp.arrays(bool, (HEIGHT, WIDTH), fill=st.booleans())
xs, ys = st.floats(0, WIDTH, exclude_max=True), st.floats(0, HEIGHT, exclude_max=True)
clicks = st.builds(Click, xs, ys, st.booleans())
ids = st.none() | st.integers(1, 5)
labels = st.sampled_from(["", "cat", "dog"])
prompts = st.one_of(
    clicks,
    st.builds(Stroke, st.lists(st.tuples(xs, ys), min_size=1, max_size=3).map(tuple), st.booleans(), st.floats(0.5, 4)),
    st.builds(Box, st.integers(0, 8), st.integers(0, 6), st.integers(9, WIDTH), st.integers(7, HEIGHT)),
)
edits = st.one_of(st.builds(Accept, st.none() | labels), st.builds(Select, ids), st.builds(Delete, ids), st.builds(Relabel, labels, ids))


def snapshot(session):
    """All that a user can see of a session, as plain values."""
    instances = [(instance.id, instance.label, instance.mask.tobytes()) for instance in session.instances]
    return session.state, session.mask.tobytes(), instances


def do(session, steps):
    """Apply what can be applied, with the steps' way to merge, and return what the session looked like after each recorded step."""
    seen = [snapshot(session)]
    for action, progressive in steps:
        session.progressive = progressive
        try:
            change = session.apply(action)
        except ValueError:  # an id there is not
            assert snapshot(session) == seen[-1]
            continue
        if change.nothing:
            assert snapshot(session) == seen[-1]
        else:
            seen.append(snapshot(session))
    return seen


steps = st.lists(st.tuples(prompts | edits, st.booleans()), max_size=12)
starts = st.fixed_dictionaries(
    {"mask": st.none() | masks, "instances": st.lists(st.builds(Instance, masks, labels), max_size=2)},
)


# ---- properties --------------------------------------------------------------------------------------------------


@given(masks, st.lists(clicks.map(lambda click: replace(click, positive=False)), min_size=1, max_size=3), st.booleans())
def test_negative_clicks_on_an_empty_mask_leave_it_empty(answer, negatives, progressive):
    session = Session(IMAGE, Scripted(answer), progressive=progressive)
    for click in negatives:
        assert session.apply(click).bbox == (0, 0, 0, 0)
        assert not session.mask.any()
    assert session.clicks == tuple(negatives)


@given(masks, masks, clicks)
def test_an_agreeing_click_changes_nothing_and_is_kept(mask, answer, click):
    session = Session(IMAGE, Scripted(answer), mask=mask)
    agreeing = replace(click, positive=bool(mask[click.pixel]))
    change = session.apply(agreeing)
    assert session.mask.tobytes() == mask.tobytes()
    assert change.bbox == (0, 0, 0, 0) and not change.nothing
    assert session.prompts == (agreeing,)
    session.undo()
    assert session.prompts == ()


@given(masks, masks, prompts)
def test_outside_the_bbox_all_pixels_are_identical_and_inside_the_patches_tell(mask, answer, prompt):
    session = Session(IMAGE, Scripted(answer), mask=mask)
    change = session.apply(prompt)
    x0, y0, x1, y1 = change.bbox
    inside = NOTHING.copy()
    inside[y0:y1, x0:x1] = True
    assert np.array_equal(session.mask[~inside], mask[~inside])
    assert np.array_equal(change.before.pixels(), mask[y0:y1, x0:x1])
    assert np.array_equal(change.after.pixels(), session.mask[y0:y1, x0:x1])


@given(masks, masks, clicks)
def test_without_progressive_merge_the_answer_is_the_mask(mask, answer, click):
    session = Session(IMAGE, Scripted(answer), mask=mask, progressive=False)
    session.apply(replace(click, positive=True))
    assert np.array_equal(session.mask, answer)


@settings(max_examples=60)
@given(starts, steps)
def test_everything_can_be_undone_and_redone(start, steps):
    session = Session(IMAGE, Erratic(), **start)
    seen = do(session, steps)
    for expected in reversed(seen[:-1]):
        assert session.can_undo and session.undo()
        assert snapshot(session) == expected
    assert not session.can_undo and session.undo() is None
    for expected in seen[1:]:
        assert session.can_redo and session.redo()
        assert snapshot(session) == expected
    assert not session.can_redo and session.redo() is None


@settings(max_examples=60)
@given(starts, steps, st.integers(0, 3))
def test_replay_is_identical_at_every_prefix(start, steps, undone):
    session = Session(IMAGE, Erratic(), **start)
    seen = do(session, steps)
    for _ in range(min(undone, len(seen) - 1)):
        session.undo()
        seen.pop()
    log = json.loads(json.dumps(session.log()))
    assert len(log["actions"]) == len(seen) - 1
    for length, expected in enumerate(seen):
        again = Session.replay(IMAGE, Erratic(), {**log, "actions": log["actions"][:length]})
        assert snapshot(again) == expected
        assert again.progressive == session.progressive
    assert again.log() == log


@given(starts, steps, prompts | edits)
def test_peek_tells_what_apply_would_do_and_does_nothing(start, steps, action):
    session = Session(IMAGE, Erratic(), **start)
    seen = do(session, steps)
    try:
        change = session.peek(action)
    except ValueError:
        change = None
    assert snapshot(session) == seen[-1]
    if change is not None:
        assert session.apply(action) == change


@given(st.one_of(prompts, edits))
def test_actions_survive_json(action):
    assert action_from_json(json.loads(json.dumps(action_to_json(action)))) == action


# ---- instances ---------------------------------------------------------------------------------------------------


def test_the_headless_path(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "photo.png")
    session = Session(tmp_path / "photo.png", Scripted(LEFT | RIGHT))
    change = session.apply(Click(2, 3, True))
    assert np.array_equal(session.mask, LEFT), "the component that holds the click, not the other one"
    assert change.bbox == (0, 0, 6, HEIGHT)
    assert (session.height, session.width) == (HEIGHT, WIDTH)
    assert np.array_equal(session.image, IMAGE)


def test_a_click_far_away_adds_the_component_there():
    session = Session(IMAGE, Scripted(LEFT | RIGHT))
    session.apply(Click(2, 3))
    session.apply(Click(15, 3))
    assert np.array_equal(session.mask, LEFT | RIGHT)


def test_the_predictor_gets_all_prompts_of_the_instance_and_its_mask():
    predictor = Scripted(LEFT)
    session = Session(IMAGE, predictor)
    session.apply(Click(2, 3))
    session.apply(Click(3, 3))  # agrees: kept, the predictor is not asked
    session.apply(Click(15, 3))
    session.accept()
    session.apply(Click(16, 3))
    (first, no_prior), (second, prior), (third, still_none) = predictor.asked
    assert first == (Click(2, 3),) and no_prior is None
    assert second == (Click(2, 3), Click(3, 3), Click(15, 3)) and np.array_equal(prior, LEFT)
    assert third == (Click(16, 3),) and still_none is None


def test_several_instances():
    session = Session(IMAGE, Scripted(LEFT | RIGHT))
    assert session.selected == 1 and session.instances == []
    session.apply(Click(2, 3))
    session.relabel("cat")
    assert [(instance.id, instance.label) for instance in session.instances] == [(1, "cat")], "the one being edited counts"
    session.accept()
    assert session.selected == 2 and session.label == "cat" and session.prompts == () and not session.mask.any()
    session.apply(Click(15, 3))
    session.accept("dog")
    assert [(instance.id, instance.label) for instance in session.instances] == [(1, "cat"), (2, "dog")]
    assert np.array_equal(session.instances[0].mask, LEFT) and np.array_equal(session.instances[1].mask, RIGHT)
    assert session.patch(2).bbox == (12, 0, WIDTH, HEIGHT)

    session.select(1)
    assert np.array_equal(session.mask, LEFT) and session.clicks == (Click(2, 3),)
    assert [entry.id for entry in session.state.entries] == [1, 2], "the new one had no pixels"
    session.delete(2)
    assert session.selected == 1 and [instance.id for instance in session.instances] == [1]
    session.delete()
    assert session.instances == [] and session.selected == 4 and session.label == "cat"
    for _ in range(2):
        session.undo()
    assert [instance.id for instance in session.instances] == [1, 2]


def test_an_instance_taken_up_again_is_edited_and_finished_again():
    session = Session(IMAGE, Scripted(NOTHING), instances=[Instance(LEFT, "cat"), Instance(RIGHT)])
    session.select(1)
    session.apply(Stroke(((0, 0), (5, 13)), False, radius=40))
    assert not session.mask.any()
    session.select(2)
    assert [entry.id for entry in session.state.entries] == [2], "nothing is left of the first"
    session.undo()
    session.undo()
    assert np.array_equal(session.mask, LEFT) and session.selected == 1


def test_what_does_nothing_is_no_step():
    session = Session(IMAGE, instances=[Instance(LEFT, "cat")])
    for action in (Accept(), Select(), Select(2), Delete(), Relabel(""), Relabel("cat", 1)):
        assert session.apply(action).nothing
    assert not session.can_undo and session.log()["actions"] == []


def test_a_new_instance_with_prompts_but_no_pixels_is_begun_afresh():
    session = Session(IMAGE, Scripted(LEFT))
    session.apply(Click(3, 3, False))
    session.accept()
    assert session.prompts == () and session.instances == []
    session.undo()
    assert session.clicks == (Click(3, 3, False),)


def test_instances_may_overlap():
    session = Session(IMAGE, Scripted(LEFT), instances=[Instance(LEFT)])
    session.apply(Click(2, 2))
    session.apply(Click(3, 2, False))
    session.accept()
    assert np.array_equal(session.instances[0].mask, LEFT)


def test_given_instances_are_numbered_and_empty_ones_left_out():
    session = Session(
        IMAGE,
        mask=RIGHT.astype(np.uint8) * 255,
        instances=[Instance(LEFT, "a"), Instance(RIGHT, "b", np.int64(7)), Instance(NOTHING, "c"), Instance(LEFT, "d")],
    )
    assert [(entry.id, entry.label) for entry in session.state.entries] == [(7, "b"), (8, "a"), (9, "d"), (10, "")]
    assert session.selected == 10 and np.array_equal(session.mask, RIGHT)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"mask": np.zeros((HEIGHT, WIDTH + 1))}, r"shape \(14, 19\), the image needs \(14, 18\)"),
        ({"instances": [Instance(NOTHING.T)]}, "shape"),
        ({"instances": [Instance(LEFT, id=2), Instance(LEFT, id=2)]}, "two instances have one id"),
        ({"instances": [Instance(LEFT, id=0)]}, "whole numbers from 1"),
        ({"instances": [Instance(LEFT, label=None)]}, "label must be text"),
    ],
)
def test_masks_and_instances_that_do_not_fit_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        Session(IMAGE, **arguments)


# ---- reading and failing -----------------------------------------------------------------------------------------


def test_a_mask_that_was_read_stays_what_it_was_and_cannot_be_written():
    session = Session(IMAGE, Scripted(LEFT))
    before = session.mask
    session.apply(Click(2, 3))
    assert not before.any()
    for array in (session.mask, session.image):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 0
    session.instances[0].mask[:] = False
    assert session.mask.any(), "the masks of instances are copies"


def test_the_image_and_the_first_mask_are_copies():
    image, mask = IMAGE.copy(), LEFT.copy()
    session = Session(image, mask=mask)
    image[:], mask[:] = 0, False
    assert np.array_equal(session.image, IMAGE) and np.array_equal(session.mask, LEFT)


class Failing(Scripted):
    def predict(self, prompts, prior=None):
        raise RuntimeError("out of memory")


class Scribbling(Scripted):
    def predict(self, prompts, prior=None):
        prior[:] = True
        return super().predict(prompts, prior)


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (Click(WIDTH, 3), ValueError),
        (Click(float("nan"), 3), ValueError),
        (Click("3", 3), ValueError),
        (Click(3, 3, "yes"), ValueError),
        (Stroke(()), ValueError),
        (Box(4, 4, 2, 2), ValueError),
        (Select(9), ValueError),
        (Delete(9), ValueError),
        (Relabel("x", 9), ValueError),
        (Relabel(None), ValueError),
        (Accept(3), ValueError),
        (Select("1"), ValueError),
        ("click", TypeError),
        (None, TypeError),
        (Click(15, 3), RuntimeError),
    ],
)
def test_an_action_that_fails_changes_nothing(action, error):
    session = Session(IMAGE, Failing(LEFT), mask=LEFT)
    session.relabel("cat")
    session.relabel("dog")
    session.undo()
    before = snapshot(session), session.log()
    for attempt in (session.apply, session.peek):
        with pytest.raises(error):
            attempt(action)
        assert (snapshot(session), session.log()) == before
        assert session.can_undo and session.can_redo


@pytest.mark.parametrize("answer", [LEFT[:, :5], LEFT.astype(np.uint8), LEFT.T])
def test_an_answer_that_does_not_fit_is_refused(answer):
    session = Session(IMAGE, Scripted(answer))
    with pytest.raises(ValueError, match="the predictor answered"):
        session.apply(Click(2, 2))
    assert session.prompts == ()


def test_without_a_predictor_only_prompts_are_refused():
    session = Session(IMAGE, mask=LEFT)
    session.encode()
    session.accept("cat")
    with pytest.raises(ValueError, match=r"no predictor.*load_predictor\(\)"):
        session.apply(Click(2, 3))
    assert len(session.instances) == 1


def test_a_predictor_that_writes_to_its_prior_does_no_harm():
    session = Session(IMAGE, Scribbling(LEFT | RIGHT), mask=LEFT)
    session.apply(Click(15, 3))
    session.undo()
    assert np.array_equal(session.mask, LEFT)


def test_numbers_of_any_kind_become_plain_ones():
    session = Session(IMAGE, Scripted(LEFT))
    session.apply(Click(np.int64(2), np.float32(3.5), np.bool_(True)))
    session.apply(Stroke(np.array([[1, 2], [15, 4]]), False, np.float64(1)))
    assert session.prompts == (Click(2.0, 3.5, True), Stroke(((1.0, 2.0), (15.0, 4.0)), False, 1.0))
    json.dumps(session.log())


# ---- the history -------------------------------------------------------------------------------------------------


def test_a_new_action_forgets_what_was_undone():
    session = Session(IMAGE)
    session.relabel("cat")
    session.relabel("dog")
    session.undo()
    session.relabel("cow")
    assert not session.can_redo and session.redo() is None
    session.undo()
    assert session.label == "cat"


def test_the_history_is_bounded_but_the_log_is_not():
    session = Session(IMAGE, history_limit=5000)
    for number in range(50):
        session.relabel(str(number))
    assert len(session.log()["actions"]) == 50
    undone = 0
    while session.undo():
        undone += 1
    assert 1 <= undone <= 5
    assert session.label == str(49 - undone)
    assert len(session.log()["actions"]) == 50 - undone


def test_the_newest_step_can_always_be_undone():
    session = Session(IMAGE, history_limit=0)
    for label in "abc":
        session.relabel(label)
    session.undo()
    assert session.label == "b" and not session.can_undo and session.can_redo
    session.redo()
    assert session.label == "c"


def test_what_was_undone_and_forgotten_takes_no_room():
    session = Session(IMAGE, history_limit=10_000)
    session.relabel("first")
    for number in range(50):
        session.relabel(str(number))
        session.undo()
    session.undo()
    assert session.label == "" and not session.can_undo


def test_undo_returns_the_change_that_it_takes_back():
    session = Session(IMAGE, Scripted(LEFT))
    change = session.apply(Click(2, 3))
    assert session.undo() is change
    assert session.redo() is change


# ---- the log -----------------------------------------------------------------------------------------------------


def test_the_log_is_readable_json():
    session = Session(IMAGE, Scripted(LEFT), instances=[Instance(RIGHT, "cat")])
    session.apply(Click(2, 3))
    session.accept("dog")
    assert json.loads(json.dumps(session.log())) == {
        "version": 1,
        "width": WIDTH,
        "height": HEIGHT,
        "progressive": True,
        "mask": None,
        "instances": [{"id": 1, "label": "cat", "mask": {"size": [HEIGHT, WIDTH], "counts": [12 * HEIGHT, 6 * HEIGHT]}}],
        "actions": [
            {"type": "click", "x": 2.0, "y": 3.0, "positive": True, "progressive": True},
            {"type": "accept", "label": "dog"},
        ],
    }


def test_a_replayed_session_can_be_undone():
    session = Session(IMAGE, Scripted(LEFT))
    session.apply(Click(2, 3))
    session.accept()
    again = Session.replay(IMAGE, Scripted(LEFT), session.log(), history_limit=0)
    again.undo()
    assert np.array_equal(again.mask, LEFT) and not again.can_undo


def good_log():
    session = Session(IMAGE, Scripted(LEFT), mask=LEFT, instances=[Instance(RIGHT)])
    session.apply(Click(2, 3))
    return session.log()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"version": 2}, "no log of version 1"),
        ({"width": 0}, "whole numbers from 1"),
        ({"height": HEIGHT + 1}, "shape"),
        ({"mask": {"size": [1, 1], "counts": [3]}}, "run lengths"),
        ({"mask": 3}, "run lengths"),
        ({"instances": [{"id": 1, "mask": None}]}, "run lengths"),
        ({"instances": 3}, "not valid"),
        ({"progressive": "yes"}, "progressive must be true or false"),
        ({"actions": [{"type": "clik"}]}, "did you mean 'click'"),
        ({"actions": [{"type": "click", "x": 1}]}, "missing 1 required positional argument: 'y'"),
        ({"actions": [{"type": "click", "x": 1, "y": 1, "z": 1}]}, r"click has no field \['z'\]; its fields are x, y, positive"),
        ({"actions": [{"type": "click", "x": True, "y": 1}]}, "x must be a number, not True"),
        ({"actions": [{"type": "click", "x": 10**400, "y": 1}]}, "too large"),
        ({"actions": [{"type": "stroke", "points": [1, 2]}]}, r"list of \[x, y\] pairs"),
        ({"actions": ["click"]}, "not valid"),
        ({"actions": [{"type": "click", "x": 99, "y": 1}]}, "action 0 of the log, Click.* cannot be done: .*outside the image"),
        ({"actions": [{"type": "select", "instance": 5}]}, "action 0 of the log.*no instance 5; there are: 1, 2"),
    ],
)
def test_a_damaged_log_is_refused(damage, said):
    with pytest.raises(ValueError, match=said):
        Session.replay(IMAGE, Scripted(LEFT), {**good_log(), **damage})


@pytest.mark.parametrize("missing", ["version", "width", "height", "mask", "instances", "actions", "progressive"])
def test_a_log_with_a_part_missing_is_refused(missing):
    log = good_log()
    del log[missing]
    with pytest.raises(ValueError, match=missing):
        Session.replay(IMAGE, Scripted(LEFT), log)


def test_a_log_of_another_image_is_refused():
    with pytest.raises(ValueError, match="made on an image of 18x14 pixels, this one has 14x18"):
        Session.replay(IMAGE.transpose(1, 0, 2), Scripted(LEFT), good_log())
    with pytest.raises(ValueError, match="no log"):
        Session.replay(IMAGE, Scripted(LEFT), [])


# ---- threads and shared predictors -------------------------------------------------------------------------------


class Busy:
    """Knows which image it holds, and whether two callers were in it at once."""

    def __init__(self):
        self.encoded, self.inside, self.clash = [], threading.Lock(), False

    def _alone(self):
        if not self.inside.acquire(blocking=False):
            self.clash = True
            raise AssertionError("two callers at once")
        threading.Event().wait(0.001)
        self.inside.release()

    def set_image(self, image):
        self._alone()
        self.encoded.append(int(image[0, 0, 0]))
        self.image = image

    def predict(self, prompts, prior=None):
        self._alone()
        return Scripted(self.image[:, :, 0] == self.image[0, 0, 0]).predict(prompts, prior)


def gradient(first):
    """An image that `Busy` answers with its first `first` columns."""
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, :first] = first
    return image


def test_a_shared_predictor_always_answers_for_the_right_image():
    predictor = Busy()
    sessions = [Session(gradient(width), predictor) for width in (3, 7)]
    for _ in range(2):
        for session, width in zip(sessions, (3, 7)):
            session.apply(Click(0, 0))
            assert session.mask.sum() == 20 * width
            session.accept()
    assert predictor.encoded == [3, 7, 3, 7]


def test_encoding_is_done_once():
    predictor = Busy()
    session = Session(gradient(3), predictor)
    session.encode()
    session.encode()
    session.apply(Click(0, 0))
    assert predictor.encoded == [3]


def test_an_image_whose_encoding_failed_is_encoded_again():
    predictor = Busy()
    good, bad = Session(gradient(3), predictor), Session(gradient(7), predictor)
    good.encode()
    predictor.inside.acquire()
    with pytest.raises(AssertionError):
        bad.apply(Click(0, 0))
    predictor.inside.release()
    good.apply(Click(0, 0))
    assert good.mask.sum() == 60 and predictor.encoded == [3, 3]


def test_many_threads_share_sessions_and_a_predictor():
    predictor = Busy()
    sessions = [Session(gradient(width), predictor) for width in (3, 7)]
    failures = []

    def work(session, number):
        try:
            session.encode()
            session.peek(Click(number, 0))
            session.apply(Click(number, 0, number % 2 == 0))
            session.instances, session.log()  # noqa: B018
        except BaseException as error:  # a thread's own exception would be lost
            failures.append(error)

    threads = [threading.Thread(target=work, args=(session, number)) for number in range(8) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and not predictor.clash
    for session in sessions:
        assert len(session.clicks) == 8
        assert np.array_equal(Session.replay(session.image, Busy(), session.log()).mask, session.mask)


def test_reading_does_not_wait_for_the_predictor():
    started, finish = threading.Event(), threading.Event()

    class Slow(Scripted):
        def predict(self, prompts, prior=None):
            started.set()
            assert finish.wait(60)
            return super().predict(prompts, prior)

    session = Session(IMAGE, Slow(LEFT))
    thread = threading.Thread(target=session.apply, args=(Click(2, 3),))
    thread.start()
    assert started.wait(60)
    assert not session.mask.any() and session.instances == [] and session.clicks == () and not session.can_undo
    finish.set()
    thread.join()
    assert np.array_equal(session.mask, LEFT)


@pytest.mark.parametrize("hashable", [True, False])
def test_a_predictor_need_not_be_hashable(hashable):
    predictor = Busy() if hashable else type("Plain", (Busy,), {"__hash__": None})()
    for width in (3, 7):
        session = Session(gradient(width), predictor)
        session.apply(Click(0, 0))
        assert session.mask.sum() == 20 * width
