"""The map of a catalogue's images as its page sees it: points, colours, cards, and the selection that a gallery follows."""

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import cdwidget
from cdwidget import Catalogue, EmbeddingMap, Gallery, Instance
from cdwidget.catalogue import Score
from cdwidget.catalogue.similarity import project, put_embedding, read_embeddings
from cdwidget.model.predictor import CDNetPredictor
from cdwidget.widget.embedding_map import COLOURINGS, NONE, SHORTCUTS, Legend
from support.image_files import RING, SQUARE, TWO, item

JS = Path(__file__).parents[1] / "js" / "src" / "map"


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Six images; the first five have embeddings. Most of the first is a ring, the third has nothing."""
    found = Catalogue(tmp_path / "labels.db", who="ana")
    objects = [
        [("ring", RING), ("box", SQUARE)],
        [("box", SQUARE)],
        [],
        [("ring", RING)],
        [("box", SQUARE), ("box", TWO)],
        [("ring", RING)],
    ]
    found.add([item(tmp_path, *(Instance(mask, label) for label, mask in own), name=f"{n}.png") for n, own in enumerate(objects, 1)])
    for number in range(1, 6):
        put_embedding(found, number, np.random.default_rng(number).normal(size=6), "test")
    return found


class Page:
    """A browser without one: it asks, and keeps what comes."""

    def __init__(self, widget: EmbeddingMap) -> None:
        self.widget = widget
        self.told: list[tuple[dict[str, Any], list[bytes]]] = []
        widget.send = lambda content, buffers=None: self.told.append((content, buffers or []))  # type: ignore[method-assign]

    def ask(self, op: str, **fields: Any) -> tuple[dict[str, Any], list[bytes]]:
        """Ask, also what is answered from a thread of its own."""
        self.widget._channel._answer({"id": "1", "op": op, **fields})
        content, buffers = self.told[-1]
        assert content["ok"], content
        json.dumps(content)
        return content["result"], buffers


def test_points(catalogue: Catalogue) -> None:
    result, (ids, places) = Page(EmbeddingMap(catalogue)).ask("points", key=4)
    assert result == {"key": 4, "missing": 1}
    assert np.frombuffer(ids, "<i4").tolist() == [1, 2, 3, 4, 5]
    xy = np.frombuffer(places, "<f4").reshape(2, 5).T
    assert (xy == project(read_embeddings(catalogue)[1])).all()


def test_colours_by_label(catalogue: Catalogue) -> None:
    result, (numbers,) = Page(EmbeddingMap(catalogue)).ask("colors", by="label")
    assert [(one["name"], one["count"]) for one in result["classes"]] == [("box", 2), ("ring", 2)]
    assert list(numbers) == [1, 0, NONE, 1, 0] and result["none"] == 1, "the label that covers most"
    assert [one["color"] for one in result["classes"]] == ["#3b82f6", "#f97316"], "as the gallery colours the labels in their order"


def test_colours_by_status_and_score(catalogue: Catalogue) -> None:
    page = Page(EmbeddingMap(catalogue))
    catalogue.set_status([2, 4], "accepted")
    catalogue.put_scores(1, [Score(1, "overall", 0.0), Score(2, "overall", 0.5)])
    catalogue.put_scores(4, [Score(1, "overall", 1.0)])
    result, (numbers,) = page.ask("colors", by="status")
    assert {one["name"]: one["count"] for one in result["classes"]} == {"new": 3, "accepted": 2, "rejected": 0, "skipped": 0}
    assert list(numbers) == [0, 1, 0, 1, 0]
    result, (numbers,) = page.ask("colors", by="score")
    assert (result["classes"], result["low"], result["high"]) == ([], 0, 1)
    assert list(numbers) == [127, NONE, NONE, 254, NONE]


def test_many_labels_share_the_last_colour(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([item(tmp_path, Instance(SQUARE, f"label {n % 13:02}"), name=f"{n}.png") for n in range(30)])
    for number in range(1, 31):
        put_embedding(catalogue, number, np.random.default_rng(number).normal(size=4), "test")
    result, (numbers,) = Page(EmbeddingMap(catalogue)).ask("colors", by="label")
    classes = result["classes"]
    assert len(classes) == 10 and classes[-1]["name"] == "4 others" and sum(one["count"] for one in classes) == 30
    assert len({one["color"] for one in classes}) == 10, "no two look the same"
    assert max(numbers) == 9


def test_a_card(catalogue: Catalogue) -> None:
    page = Page(EmbeddingMap(catalogue))
    catalogue.put_scores(5, [Score(1, "overall", 0.25)])
    about, (file,) = page.ask("thumb", item=5, size=4)
    assert about == {"item": 5, "name": "5.png", "labels": "box × 2", "status": "new", "score": 0.25, "error": ""}
    assert cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR).shape == (3, 4, 3)
    (catalogue.path.parent / "2.png").unlink()
    about, files = page.ask("thumb", item=2, size=4)
    assert "there is no file" in about["error"] and about["name"] == "2.png" and not files
    about, files = page.ask("thumb", item=99, size=4)
    assert about["error"] == "It is no longer in the catalogue." and not files


def test_the_gallery_follows(catalogue: Catalogue) -> None:
    gallery = Gallery(catalogue)
    widget = EmbeddingMap(catalogue, gallery, selected=[2])
    assert gallery.only == [2] and len(gallery.ids) == 1
    widget.set_state({"selected": [1, 5]})  # as the page does
    assert gallery.only == [1, 5] and len(gallery.ids) == 4
    widget.select(np.array([4]))
    assert widget.selected == [4] and gallery.only == [4]
    widget.select([])
    assert gallery.only == [] and len(gallery.ids) == 7


def test_another_projection_and_refresh_are_other_points(catalogue: Catalogue) -> None:
    widget = EmbeddingMap(catalogue)
    page = Page(widget)
    first = widget._map["key"]
    widget.projection = "tsne"
    assert widget._map["key"] == first + 1
    page.ask("points", key=1)
    put_embedding(catalogue, 6, np.ones(6), "test")
    assert len(page.ask("points", key=2)[1][0]) == 5 * 4, "until it is asked to look again"
    page.ask("refresh")
    assert widget._map["key"] == first + 2
    result, (ids, _) = page.ask("points", key=3)
    assert result["missing"] == 0 and len(ids) == 6 * 4


def test_no_embeddings(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([item(tmp_path)])
    page = Page(EmbeddingMap(catalogue))
    assert page.ask("points", key=1) == ({"key": 1, "missing": 1}, [b"", b""])
    for by in COLOURINGS:
        assert page.ask("colors", by=by)[1] == [b""]


def test_embeddings_of_two_models_are_an_error_in_words(catalogue: Catalogue) -> None:
    put_embedding(catalogue, 6, np.ones(9), "other")
    page = Page(EmbeddingMap(catalogue))
    page.widget._channel._answer({"id": "1", "op": "points", "key": 1})
    assert "several models (other, test)" in page.told[-1][0]["error"]


def test_what_is_not_allowed(catalogue: Catalogue) -> None:
    with pytest.raises(TypeError, match="EmbeddingMap has no keyword colour_by; there are: .*color_by"):
        EmbeddingMap(catalogue, colour_by="label")
    with pytest.raises(TypeError, match="a map shows a cdwidget.Catalogue, not str"):
        EmbeddingMap("labels.db")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no command named 'zoom'"):
        EmbeddingMap(catalogue, shortcuts={"zoom": ["Z"]})


def test_a_picture_stays_in_the_notebook(catalogue: Catalogue) -> None:
    bundle = EmbeddingMap(catalogue)._repr_mimebundle_()
    assert bundle is not None
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(bundle[0]["image/png"]), np.uint8), cv2.IMREAD_COLOR)
    assert (picture != 255).any(2).sum() > 5 * 12
    slow = EmbeddingMap(catalogue, projection="tsne")._repr_mimebundle_()
    assert slow is not None and "image/png" not in slow[0], "a cell must not wait for it"


def test_the_page_has_a_command_for_each_key() -> None:
    table = (JS / "commands.ts").read_text()
    assert all(f"\n  {name}: {{" in table for name in SHORTCUTS)
    assert "STEPS = 255" in (JS / "points.ts").read_text()
    for stop in ((37, 99, 190), (214, 60, 50)):
        assert str(list(stop)) in (JS / "points.ts").read_text() and stop in Legend(np.zeros(0, np.uint8)).scale()


# ---- the embedding itself --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def predictor() -> CDNetPredictor:
    return cdwidget.load_predictor(device="cpu")


def test_embed(predictor: CDNetPredictor) -> None:
    import skimage.data

    coffee, cat = skimage.data.coffee(), skimage.data.chelsea()
    predictor.set_image(cat)
    vector = predictor.embed(coffee)
    assert vector.dtype == np.float32 and vector.ndim == 1 and np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert predictor.predict([cdwidget.Click(200, 150)]).mask.shape == cat.shape[:2], "set_image's image stays"
    small = cv2.resize(coffee, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    assert vector @ predictor.embed(small) > vector @ predictor.embed(cat)
    with pytest.raises(ValueError, match="at least 16x16"):
        predictor.embed(coffee[:10])
    with pytest.raises(ValueError, match="uint8 .H, W, 3. RGB array is needed"):
        predictor.embed(coffee / 255)


def test_the_job_embeds_each_image_once(tmp_path: Path, predictor: CDNetPredictor) -> None:
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([item(tmp_path, Instance(np.ones((40, 60), bool), "a"), name=f"{n}.png", height=40, width=60) for n in range(2)])
    report = cdwidget.run(cdwidget.Embed(predictor), catalogue, progress=False)
    assert (report.done, len(report.failed)) == (2, 0)
    assert read_embeddings(catalogue)[0].tolist() == [1, 2]
    catalogue.update(1, [])  # other masks, but the same image
    again = cdwidget.run(cdwidget.Embed(predictor), catalogue, progress=False)
    assert (again.done, again.skipped) == (0, 2)


def test_a_predictor_that_cannot_embed(catalogue: Catalogue) -> None:
    from support.scripted_predictor import Scripted

    with pytest.raises(ValueError, match=r"Scripted has no method embed\(image\)"):
        cdwidget.run(cdwidget.Embed(Scripted(RING)), catalogue, progress=False)
