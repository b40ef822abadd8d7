"""The EmbeddingMap and its page, without a browser: points, colors, cards, and the selection that a gallery follows."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import cdwidget
from cdwidget import Catalogue, EmbeddingMap, Gallery, Instance
from cdwidget.catalogue import ScoreValue
from cdwidget.catalogue.similarity import project, put_embedding, read_embeddings
from cdwidget.model.predictor import CDNetPredictor
from cdwidget.widget.embedding_map import SHORTCUTS
from cdwidget.widget.points import LEGENDS, NO_CLASS, SCALE_STEPS, SCALE_STOPS
from support.image_files import RING_MASK, SQUARE, TWO_PARTS_MASK, item
from support.widget_page import WidgetPage

JS = Path(__file__).parents[1] / "js" / "src" / "map"


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Six images; the first five have embeddings. The ring covers most of the first, the third has no instance."""
    found = Catalogue(tmp_path / "labels.db", user="ana")
    objects = [
        [("ring", RING_MASK), ("box", SQUARE)],
        [("box", SQUARE)],
        [],
        [("ring", RING_MASK)],
        [("box", SQUARE), ("box", TWO_PARTS_MASK)],
        [("ring", RING_MASK)],
    ]
    found.add([item(tmp_path, *(Instance(mask, label) for label, mask in own), name=f"{n}.png") for n, own in enumerate(objects, 1)])
    for number in range(1, 6):
        put_embedding(found, number, np.random.default_rng(number).normal(size=6), "test")
    return found


class MapPage(WidgetPage):
    """A page that reads a result and its buffers."""

    def result(self, op: str, **fields: Any) -> tuple[dict[str, Any], list[bytes]]:
        """Return the result of a request, with buffers."""
        content, buffers = self.exchange(op, **fields)
        assert content["ok"], content
        return content["result"], buffers


def test_points(catalogue: Catalogue) -> None:
    result, (ids, positions) = MapPage(EmbeddingMap(catalogue)).result("points", key=4)
    assert result == {"key": 4, "missing": 1}
    assert np.frombuffer(ids, "<i4").tolist() == [1, 2, 3, 4, 5]
    xy = np.frombuffer(positions, "<f4").reshape(2, 5).T
    assert (xy == project(read_embeddings(catalogue)[1])).all()


def test_colors_by_label(catalogue: Catalogue) -> None:
    result, (numbers,) = MapPage(EmbeddingMap(catalogue)).result("colors", by="label")
    assert [(one["name"], one["count"]) for one in result["classes"]] == [("box", 2), ("ring", 2)]
    assert list(numbers) == [1, 0, NO_CLASS, 1, 0] and result["none"] == 1, "the label that covers most of the image"
    assert [one["color"] for one in result["classes"]] == ["#3b82f6", "#f97316"], "the colors of the gallery"


def test_colors_by_status_and_score(catalogue: Catalogue) -> None:
    page = MapPage(EmbeddingMap(catalogue))
    catalogue.set_status([2, 4], "accepted")
    catalogue.put_scores(1, [ScoreValue(1, "overall", 0.0), ScoreValue(2, "overall", 0.5)])
    catalogue.put_scores(4, [ScoreValue(1, "overall", 1.0)])
    result, (numbers,) = page.result("colors", by="status")
    assert {one["name"]: one["count"] for one in result["classes"]} == {"new": 3, "accepted": 2, "rejected": 0, "skipped": 0}
    assert list(numbers) == [0, 1, 0, 1, 0]
    result, (numbers,) = page.result("colors", by="score")
    assert (result["classes"], result["low"], result["high"]) == ([], 0, 1)
    assert list(numbers) == [127, NO_CLASS, NO_CLASS, 254, NO_CLASS]


def test_many_labels_share_the_last_color(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([item(tmp_path, Instance(SQUARE, f"label {n % 13:02}"), name=f"{n}.png") for n in range(30)])
    for number in range(1, 31):
        put_embedding(catalogue, number, np.random.default_rng(number).normal(size=4), "test")
    result, (numbers,) = MapPage(EmbeddingMap(catalogue)).result("colors", by="label")
    classes = result["classes"]
    assert len(classes) == 10 and classes[-1]["name"] == "4 others" and sum(one["count"] for one in classes) == 30
    assert len({one["color"] for one in classes}) == 10, "no two have the same color"
    assert max(numbers) == 9


def test_a_card(catalogue: Catalogue) -> None:
    page = MapPage(EmbeddingMap(catalogue))
    catalogue.put_scores(5, [ScoreValue(1, "overall", 0.25)])
    about, (file,) = page.result("thumb", item=5, size=4)
    assert about == {"item": 5, "name": "5.png", "labels": "box × 2", "status": "new", "score": 0.25, "error": ""}
    assert cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR).shape == (3, 4, 3)
    (catalogue.path.parent / "2.png").unlink()
    about, files = page.result("thumb", item=2, size=4)
    assert "there is no file" in about["error"] and about["name"] == "2.png" and not files
    about, files = page.result("thumb", item=99, size=4)
    assert about["error"] == "It is no longer in the catalogue." and not files


def test_the_gallery_follows(catalogue: Catalogue) -> None:
    gallery = Gallery(catalogue)
    widget = EmbeddingMap(catalogue, gallery, selected=[2])
    assert gallery.only == [2] and len(gallery.ids) == 1
    widget.set_state({"selected": [1, 5]})  # As the page does.
    assert gallery.only == [1, 5] and len(gallery.ids) == 4
    widget.select(np.array([4]))
    assert widget.selected == [4] and gallery.only == [4]
    widget.select([])
    assert gallery.only == [] and len(gallery.ids) == 7


def test_another_projection_and_refresh_are_other_points(catalogue: Catalogue) -> None:
    widget = EmbeddingMap(catalogue)
    page = MapPage(widget)
    first = page.trait("_map")["key"]
    widget.projection = "tsne"
    assert page.trait("_map")["key"] == first + 1
    page.result("points", key=1)
    put_embedding(catalogue, 6, np.ones(6), "test")
    assert len(page.result("points", key=2)[1][0]) == 5 * 4, "until it is refreshed"
    page.result("refresh")
    assert page.trait("_map")["key"] == first + 2
    result, (ids, _) = page.result("points", key=3)
    assert result["missing"] == 0 and len(ids) == 6 * 4


def test_no_embeddings(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([item(tmp_path)])
    page = MapPage(EmbeddingMap(catalogue))
    assert page.result("points", key=1) == ({"key": 1, "missing": 1}, [b"", b""])
    for by in LEGENDS:
        assert page.result("colors", by=by)[1] == [b""]


def test_embeddings_of_two_models_are_reported(catalogue: Catalogue) -> None:
    put_embedding(catalogue, 6, np.ones(9), "other")
    page = MapPage(EmbeddingMap(catalogue))
    assert "several models (other, test)" in page.request("points", key=1)["error"]


def test_wrong_arguments_are_refused(catalogue: Catalogue) -> None:
    with pytest.raises(TypeError, match="EmbeddingMap has no keyword 'colour_by' .did you mean 'color_by'.*there are: .*color_by"):
        EmbeddingMap(catalogue, colour_by="label")
    with pytest.raises(TypeError, match="a map shows a cdwidget.Catalogue, not str"):
        EmbeddingMap("labels.db")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no command named 'zoom'"):
        EmbeddingMap(catalogue, shortcuts={"zoom": ["Z"]})


def test_a_picture_stays_in_the_notebook(catalogue: Catalogue) -> None:
    picture = EmbeddingMap(catalogue)._draw_snapshot()
    assert picture is not None and (picture != 255).any(2).sum() > 5 * 12
    assert EmbeddingMap(catalogue, projection="tsne")._draw_snapshot() is None, "a cell must not wait for t-SNE"


def test_the_page_has_a_command_for_each_key() -> None:
    table = (JS / "commands.ts").read_text()
    assert all(f"\n  {name}: {{" in table for name in SHORTCUTS)
    points = (JS / "points.ts").read_text()
    assert f"STEPS = {SCALE_STEPS}" in points and all(str(list(stop)) in points for stop in SCALE_STOPS)


# ---- the embedding --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def predictor() -> CDNetPredictor:
    return cdwidget.load_predictor(device="cpu")


def test_embed(predictor: CDNetPredictor) -> None:
    import skimage.data

    coffee, cat = skimage.data.coffee(), skimage.data.chelsea()
    predictor.set_image(cat)
    vector = predictor.embed(coffee)
    assert vector.dtype == np.float32 and vector.ndim == 1 and np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert predictor.predict([cdwidget.Click(200, 150)]).mask.shape == cat.shape[:2], "the image of set_image stays"
    small = cv2.resize(coffee, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    assert vector @ predictor.embed(small) > vector @ predictor.embed(cat)
    with pytest.raises(ValueError, match="at least 16x16"):
        predictor.embed(coffee[:10])
    with pytest.raises(ValueError, match="uint8 .H, W, 3. RGB array"):
        predictor.embed(coffee / 255)


def test_the_job_embeds_each_image_once(tmp_path: Path, predictor: CDNetPredictor) -> None:
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([item(tmp_path, Instance(np.ones((40, 60), bool), "a"), name=f"{n}.png", height=40, width=60) for n in range(2)])
    report = cdwidget.run(cdwidget.Embed(predictor), catalogue, progress=False)
    assert (report.done, len(report.failed)) == (2, 0)
    assert read_embeddings(catalogue)[0].tolist() == [1, 2]
    catalogue.update(1, [])  # Other masks on the same image.
    again = cdwidget.run(cdwidget.Embed(predictor), catalogue, progress=False)
    assert (again.done, again.skipped) == (0, 2)


def test_a_predictor_that_cannot_embed(catalogue: Catalogue) -> None:
    from support.scripted_predictor import ScriptedPredictor

    with pytest.raises(ValueError, match=r"ScriptedPredictor has no method embed\(image\)"):
        cdwidget.run(cdwidget.Embed(ScriptedPredictor(RING_MASK)), catalogue, progress=False)
