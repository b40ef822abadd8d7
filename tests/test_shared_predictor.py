"""Predictors that several sessions and threads share."""

import threading

import numpy as np
import pytest

from cdwidget.prompts import Click
from cdwidget.session import Session
from support.scripted_predictor import IMAGE, LEFT_HALF, ScriptedPredictor


class ExclusivePredictor:
    """A predictor that records its images, and whether two threads called it at once."""

    def __init__(self):
        self.encoded, self.inside, self.clash = [], threading.Lock(), False

    def _enter_alone(self):
        if not self.inside.acquire(blocking=False):
            self.clash = True
            raise AssertionError("two callers at once")
        threading.Event().wait(0.001)
        self.inside.release()

    def set_image(self, image):
        self._enter_alone()
        self.encoded.append(int(image[0, 0, 0]))
        self.image = image

    def predict(self, prompts, prior=None):
        self._enter_alone()
        return ScriptedPredictor(self.image[:, :, 0] == self.image[0, 0, 0]).predict(prompts, prior)


def image_with_columns(first):
    """Return an image whose predicted mask is its first `first` columns."""
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, :first] = first
    return image


def test_a_shared_predictor_predicts_for_the_right_image():
    predictor = ExclusivePredictor()
    sessions = [Session(image_with_columns(width), predictor) for width in (3, 7)]
    for row in range(2):
        for session, width in zip(sessions, (3, 7)):
            session.apply(Click(0, row))
            assert session.mask.sum() == 20 * width
            session.accept()
    assert predictor.encoded == [3, 7, 3, 7]


def test_an_image_is_encoded_once():
    predictor = ExclusivePredictor()
    session = Session(image_with_columns(3), predictor)
    session.encode()
    session.encode()
    session.apply(Click(0, 0))
    assert predictor.encoded == [3]


def test_an_image_whose_encoding_failed_is_encoded_again():
    predictor = ExclusivePredictor()
    good, bad = Session(image_with_columns(3), predictor), Session(image_with_columns(7), predictor)
    good.encode()
    predictor.inside.acquire()
    with pytest.raises(AssertionError):
        bad.apply(Click(0, 0))
    predictor.inside.release()
    good.apply(Click(0, 0))
    assert good.mask.sum() == 60 and predictor.encoded == [3, 3]


def test_many_threads_share_sessions_and_a_predictor():
    predictor = ExclusivePredictor()
    sessions = [Session(image_with_columns(width), predictor) for width in (3, 7)]
    failures = []

    def work(session, number):
        try:
            session.encode()
            session.peek(Click(number, 0))
            session.apply(Click(number, 0, number % 2 == 0))
            session.instances, session.log()  # noqa: B018
        except BaseException as error:  # Python would lose the exception of a thread.
            failures.append(error)

    threads = [threading.Thread(target=work, args=(session, number)) for number in range(8) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and not predictor.clash
    for session in sessions:
        assert len(session.clicks) == 8
        assert np.array_equal(Session.replay(session.image, ExclusivePredictor(), session.log()).mask, session.mask)


def test_reading_does_not_wait_for_the_predictor():
    started, finish = threading.Event(), threading.Event()

    class Slow(ScriptedPredictor):
        def predict(self, prompts, prior=None):
            started.set()
            assert finish.wait(60)
            return super().predict(prompts, prior)

    session = Session(IMAGE, Slow(LEFT_HALF))
    thread = threading.Thread(target=session.apply, args=(Click(2, 3),))
    thread.start()
    assert started.wait(60)
    assert not session.mask.any() and not session.instances and session.clicks == () and not session.can_undo
    finish.set()
    thread.join()
    assert np.array_equal(session.mask, LEFT_HALF)


@pytest.mark.parametrize("hashable", [True, False])
def test_a_predictor_need_not_be_hashable(hashable):
    predictor = ExclusivePredictor() if hashable else type("Plain", (ExclusivePredictor,), {"__hash__": None})()
    for width in (3, 7):
        session = Session(image_with_columns(width), predictor)
        session.apply(Click(0, 0))
        assert session.mask.sum() == 20 * width


def test_an_equal_image_is_not_encoded_again() -> None:
    class Counting(ScriptedPredictor):
        held: list[np.ndarray] = []

        def set_image(self, image: np.ndarray) -> None:
            self.held.append(image)

    predictor = Counting(LEFT_HALF)
    first, second, other = Session(IMAGE, predictor), Session(IMAGE, predictor), Session(IMAGE[::-1], predictor)
    for session, encoded in ((first, 1), (second, 1), (first, 1), (other, 2), (second, 3)):
        session.encode()
        assert len(predictor.held) == encoded
