"""Wrong arguments of widgets and predictors get an error that names the right ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from traitlets import TraitError

from cdwidget import Annotator, Click, Session, default_predictor
from cdwidget.default_predictor import named_predictor
from support.scripted_predictor import IMAGE, LEFT_HALF, ScriptedPredictor


@pytest.mark.parametrize(
    ("given", "meant"),
    [("classes", "labels"), ("label_names", "labels"), ("lables", "labels"), ("masks", "instances"), ("model", "predictor")],
)
def test_an_unknown_keyword_suggests_the_right_one(given: str, meant: str) -> None:
    with pytest.raises(TypeError, match=f"Annotator has no keyword '{given}' .did you mean '{meant}'") as raised:
        Annotator(IMAGE, **{given: []})
    listed = str(raised.value).split("there are: ")[1].split(", ")
    assert {"image", "labels", "predictor"} <= set(listed) and not {"can_undo", "busy", "tooltip", "traits"} & set(listed)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("cat,dog", "labels is the text 'cat,dog'; give a list: labels=.'cat', 'dog'."),
        ([0, 1], "labels holds 0; names are text: labels=.'0', '1'."),
        ({0: "cat"}, "labels is a dict; give a list of its names"),
        (3, "'labels' trait"),
    ],
)
def test_labels_of_another_type_are_refused(labels: Any, message: str) -> None:
    with pytest.raises(TraitError, match=message):
        Annotator(IMAGE, labels=labels)


def test_labels_are_any_iterable_of_texts() -> None:
    assert Annotator(IMAGE, ScriptedPredictor(LEFT_HALF), labels=np.array(["cat", "dog"])).labels == ["cat", "dog"]


@pytest.mark.parametrize(
    ("predictor", "message"),
    [
        (42, "a predictor needs set_image.. and predict..; got int"),
        ("cdnet-lite", "the predictor is a name; give the model: cdwidget.load_predictor.'cdnet-lite'."),
        (ScriptedPredictor, "the predictor is a class; give an object of it: ScriptedPredictor"),
    ],
)
def test_a_predictor_of_another_type_is_refused(predictor: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Session(IMAGE, predictor)


@pytest.mark.parametrize("returned", [LEFT_HALF, None])
def test_a_predictor_that_returns_no_prediction_is_explained(returned: Any) -> None:
    predictor = ScriptedPredictor(LEFT_HALF)
    predictor.predict = lambda prompts, prior=None: returned  # type: ignore[method-assign]
    with pytest.raises(TypeError, match=r"the predictor returned .*; predict\(\) must return cdwidget.Prediction"):
        Session(IMAGE, predictor).apply(Click(1, 1))


def test_widgets_take_the_name_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str | None] = []

    def load(name: str | None) -> ScriptedPredictor:
        loaded.append(name)
        return ScriptedPredictor(LEFT_HALF, LEFT_HALF)

    monkeypatch.setattr(default_predictor, "_loaders", [load])
    monkeypatch.setattr(default_predictor, "_NAMED_PREDICTORS", {})
    for _ in range(2):
        widget = Annotator(IMAGE, "cdnet-lite")
        widget.apply(Click(1, 1))
        assert (widget.mask == LEFT_HALF).all()
    assert loaded == ["cdnet-lite"] and named_predictor("cdnet-lite").is_loaded
