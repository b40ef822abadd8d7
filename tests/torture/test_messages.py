"""Attacks on widgets: random messages and traits of the page are answered, and an error changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from traitlets import TraitError

from cdwidget import EmbeddingMap, Gallery
from cdwidget.catalogue.similarity import put_embedding
from cdwidget.items import Instance
from cdwidget.session.actions import action_to_json
from cdwidget.widget import Annotator
from support.annotator_page import AnnotatorPage
from support.attack_budget import seeds
from support.attack_counts import count
from support.damage import ODD_VALUES, with_odd_value
from support.gallery_page import GalleryPage, catalogue_of, scored
from support.scripted_predictor import IMAGE, LEFT_HALF, RIGHT_HALF, RandomPredictor, any_action, snapshot
from support.widget_page import WidgetPage

MESSAGE_ATTACKS, TRAIT_ATTACKS = 200, 300


def request(page: WidgetPage, valid: dict[str, Any], random: Random) -> dict[str, Any]:
    """Send a request, often with an odd value, and return the reply; any reply has a result or a written error."""
    kind = f"messages to {type(page.widget).__name__}"
    message = with_odd_value(valid, random) if random.random() < 0.7 else valid
    message = {str(name): value for name, value in message.items()} if isinstance(message, dict) else {"op": message}
    message.pop("id", None)
    reply = page.exchange(message.pop("op", ""), **message)[0]
    assert reply["ok"] or reply["error"], message
    count(kind, "answered" if reply["ok"] else "refused with an error")
    return reply


def test_random_messages_to_an_annotator_are_answered() -> None:
    random = Random(0)
    objects = [Instance(LEFT_HALF, "cat"), Instance(RIGHT_HALF, "dog")]
    page = AnnotatorPage(Annotator(IMAGE, RandomPredictor(), instances=objects, labels=["cat", "dog"]))
    assert page.request("document")["ok"]
    session = page.widget.session
    answered: list[bool] = []
    for _ in seeds(MESSAGE_ATTACKS):
        action = action_to_json(any_action(random, session))
        key = page.trait("_image")["key"]
        valid = random.choice(
            [
                *[{"op": "apply", "action": action, "key": key}] * 6,
                {"op": "peek", "action": action},
                {"op": "undo", "key": key},
                {"op": "redo", "key": key},
                {"op": "document"},
                {"op": "image"},
                {"op": "sources"},
                {"op": "tile", "box": [0, 0, 9, 9], "width": 9, "height": 9},
                {"op": "superpixels", "count": 12},
                {"op": "scissors", "points": [[1.0, 1.0], [8.0, 9.0]], "window": 20.0},
                {"op": "go", "step": 1},
                {"op": "goto", "index": 0},
            ]
        )
        before = snapshot(session)
        answered.append(request(page, valid, random)["ok"])
        if not answered[-1]:
            assert snapshot(session) == before, valid
        assert page.matches_session(), valid
    assert any(answered) and answered.count(False) > MESSAGE_ATTACKS / 10


def test_random_messages_to_a_gallery_are_answered(tmp_path: Path) -> None:
    random = Random(0)
    catalogue = scored(catalogue_of(tmp_path, 4))
    page = GalleryPage(Gallery(catalogue, RandomPredictor()))
    page.wait_for_list()
    masks = [instance.mask for item in catalogue.items() for instance in item.instances]
    answered: list[bool] = []
    for _ in seeds(MESSAGE_ATTACKS):
        page.wait_for_list()
        valid = random.choice(
            [
                {"op": "page", "key": page.key, "start": 0, "stop": 4},
                {"op": "thumbs", "ids": [1, 2], "size": 64},
                {"op": "heat", "id": 1},
                {"op": "status", "ids": [1, 2], "status": random.choice(["accepted", "rejected", "new"])},
                {"op": "undo"},
                {"op": "refresh"},
                {"op": "edit", "id": 1},
                {"op": "skip", "overwrite": False},
                {"op": "step", "by": 1},
                {"op": "close"},
            ]
        )
        before = statuses(catalogue)
        answered.append(request(page, valid, random)["ok"])
        if not answered[-1]:
            assert statuses(catalogue) == before, valid
    assert any(answered) and answered.count(False) > MESSAGE_ATTACKS / 10
    kept = [instance.mask for item in catalogue.items() for instance in item.instances]
    assert len(kept) == len(masks) and all(map(np.array_equal, kept, masks))


def map_of(folder: Path) -> EmbeddingMap:
    catalogue = catalogue_of(folder, 4)
    for number in range(1, 5):
        put_embedding(catalogue, number, np.random.default_rng(number).normal(size=6), "test")
    return EmbeddingMap(catalogue)


def test_random_messages_to_an_embedding_map_are_answered(tmp_path: Path) -> None:
    random = Random(0)
    page = WidgetPage(map_of(tmp_path))
    answered: list[bool] = []
    for _ in seeds(MESSAGE_ATTACKS):
        valid = random.choice(
            [
                {"op": "points", "key": 1},
                *[{"op": "colors", "by": by} for by in ("label", "status", "score")],
                {"op": "thumb", "item": 1, "size": 64},
                {"op": "refresh"},
            ]
        )
        answered.append(request(page, valid, random)["ok"])
        assert page.request("points", key=2)["result"] == {"key": 2, "missing": 0}
    assert any(answered) and answered.count(False) > MESSAGE_ATTACKS / 10
    assert set(statuses(page.widget.catalogue).values()) == {"new"}


def test_random_traits_of_an_embedding_map_keep_it_usable(tmp_path: Path) -> None:
    page = WidgetPage(map_of(tmp_path))

    def check() -> None:
        assert page.request("points", key=2)["result"]["missing"] == 0

    attack_traits(page, check)


def statuses(catalogue: Any) -> dict[int, str]:
    return {row.id: row.status for row in catalogue.query(of="instances", limit=None)}


def attack_traits(page: WidgetPage, check: Callable[[], object]) -> None:
    """Set odd values of all traits as the page does; private and read-only traits stay as they are."""
    random = Random(0)
    widget = page.widget
    traits = sorted(set(widget.keys) - {"layout"})
    settable = {name for name in traits if not (name.startswith("_") or widget.traits()[name].read_only)}
    own = sorted(set(traits) - settable)
    check()
    for _ in seeds(TRAIT_ATTACKS):
        name = random.choice(traits)
        before = widget.get_state(own)
        try:
            widget.set_state({name: random.choice(ODD_VALUES)})
            count(f"traits of {type(widget).__name__}", "set or ignored")
        except (TraitError, ValueError):
            assert name in settable
            count(f"traits of {type(widget).__name__}", "refused with an error")
        if name not in settable:
            assert widget.get_state(own) == before
        check()


def test_random_traits_of_an_annotator_keep_it_usable() -> None:
    page = AnnotatorPage(Annotator(IMAGE, RandomPredictor(), instances=[Instance(LEFT_HALF, "cat")]))
    before = snapshot(page.widget.session)[1:]

    def check() -> None:
        assert page.request("document")["ok"]
        assert [instance.label for instance in page.widget.instances] == ["cat"]

    attack_traits(page, check)
    assert snapshot(page.widget.session)[2:] == before[1:]


def test_random_traits_of_a_gallery_keep_it_usable(tmp_path: Path) -> None:
    page = GalleryPage(Gallery(catalogue_of(tmp_path, 2), RandomPredictor()))

    def check() -> None:
        page.wait_for_list()
        assert page.request("page", key=page.key, start=0, stop=4)["ok"]

    attack_traits(page, check)
