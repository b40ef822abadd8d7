"""Pages without a kernel: their content, the file that comes back, and the sessions that they share with Python."""

import base64
import gzip
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import cdwidget
from cdwidget import Annotator, Instance, Item, Prediction, Session, export_html
from cdwidget.cli.app import app
from cdwidget.model.view import resize_to_square
from cdwidget.rle import decode_uncompressed, encode_uncompressed
from cdwidget.session.actions import ACTIONS

FOLDER = Path(__file__).parent
CASES = json.loads((FOLDER / "page_cases.json").read_text())
RESIZE_CASES = json.loads((FOLDER / "resize_cases.json").read_text())


class GivenPredictor:
    """Predicts given masks, one after the other."""

    def __init__(self, masks):
        self.masks = list(masks)

    def set_image(self, image):
        pass

    def predict(self, prompts, prior=None):
        mask, *alternatives = self.masks.pop(0)
        return Prediction(mask, mask.astype(np.float32), alternatives)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_session_of_the_page_has_the_masks_of_python(case):
    """js/src/offline/session.test.ts checks the same cases."""
    predictions = [[decode_uncompressed(rle) for rle in masks] for masks in case["predictions"]]
    log = {**case["log"], "version": 3, "mask": None, "selected": None, "progressive": True}
    image = np.frombuffer(base64.b64decode(case["image"]), np.uint8).reshape(log["height"], log["width"], 3)
    session = Session.replay(image, GivenPredictor(predictions), log)
    found = [{"id": one.id, "label": one.label, "mask": encode_uncompressed(one.mask)} for one in session.instances]
    assert found == case["instances"]


@pytest.mark.parametrize("case", RESIZE_CASES, ids=[f"{case['width']}x{case['height']} to {case['size']}" for case in RESIZE_CASES])
def test_the_page_resizes_as_opencv_does(case):
    """js/src/offline/resize.test.ts checks the same cases."""
    image = np.frombuffer(base64.b64decode(case["image"]), np.uint8).reshape(case["height"], case["width"], 3)
    assert base64.b64encode(resize_to_square(image, case["size"]).tobytes()).decode() == case["resized"]


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def parts_of(page):
    """Return the text of each named part of a page."""
    return dict(re.findall(r'<script type="text/plain" id="cdw-([\w-]+)">(.*?)</script>', page.read_text(), re.DOTALL))


def test_a_page_has_its_images_the_model_and_the_settings(image, tmp_path):
    Image.fromarray(image).save(tmp_path / "a.png")
    (tmp_path / "b").mkdir()
    Image.fromarray(image[::-1]).save(tmp_path / "b" / "c.jpg")
    mask = np.zeros(image.shape[:2], bool)
    mask[5:9, 10:30] = True
    items = [Item(tmp_path / "a.png", [Instance(mask, "cup </script>", attributes={"lit": True})]), tmp_path / "b" / "c.jpg", image]
    page = export_html(items, tmp_path / "label.html", labels=["cup"], brush_size=12)
    parts = parts_of(page)
    data = json.loads(parts["page"])
    assert [one["name"] for one in data["images"]] == ["a.png", "c.jpg", "image-3.png"]
    assert data["images"][0]["instances"] == [
        {"id": 1, "label": "cup </script>", "attributes": {"lit": True}, "mask": encode_uncompressed(mask)}
    ]
    assert data["traits"]["labels"] == ["cup"] and data["traits"]["brush_size"] == 12 and data["traits"]["_image"]["count"] == 3
    assert base64.b64decode(parts["image-1"]) == (tmp_path / "b" / "c.jpg").read_bytes()
    (tmp_path / "decoded.webp").write_bytes(base64.b64decode(parts["image-2"]))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "decoded.webp")), image)
    assert gzip.decompress(base64.b64decode(parts["runtime"]))[:4] == b"\0asm"
    assert data["id"] != json.loads(parts_of(export_html(image, tmp_path / "other.html", view_only=True))["page"])["id"]


def test_pixels_that_a_browser_would_change_are_encoded_again(image, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image).save(tmp_path / "turned.jpg", exif=exif)
    Image.fromarray(image).save(tmp_path / "profile.png", icc_profile=b"wide gamut")
    Image.fromarray(image).save(tmp_path / "transparent.png", transparency=tuple(image[0, 0].tolist()))
    cv2.imwrite(str(tmp_path / "16_bits.png"), image.astype(np.uint16))  # Pillow reads it as 8 bits, which are all 0.
    np.save(tmp_path / "array.npy", image)
    names = ("turned.jpg", "profile.png", "transparent.png", "16_bits.png", "array.npy")
    page = export_html([tmp_path / name for name in names], tmp_path / "label.html", view_only=True)
    parts = parts_of(page)
    for number, name in enumerate(names):
        (tmp_path / "decoded.webp").write_bytes(base64.b64decode(parts[f"image-{number}"]))
        assert np.array_equal(np.asarray(Image.open(tmp_path / "decoded.webp")), cdwidget.read_image(tmp_path / name))


def test_browsers_refuse_all_requests_of_a_page(image, tmp_path):
    title = '"></title><script>alert(1)</script>'
    text = export_html(image, tmp_path / "label.html", title=title, labels=["</script><b>", "a\u2028b"], view_only=True).read_text()
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', text)
    assert text.index(policy) < min(text.index("<style>"), text.index("<script"))
    sources = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert sources["default-src"] == "'none'" and not re.search(r"https?:|\*|'self'", policy)
    assert title not in text and "</script><b>" not in text and "\u2028" not in text


def test_a_page_for_viewing_has_no_model(image, tmp_path):
    page = export_html(image, tmp_path / "look.html", view_only=True)
    assert page.stat().st_size < 1_000_000 and "runtime" not in parts_of(page)


def test_a_front_end_that_is_not_built_is_reported_and_nothing_is_written(image, tmp_path, monkeypatch):
    monkeypatch.setattr("cdwidget.widget.static_files.STATIC_FOLDER", tmp_path / "static")
    with pytest.raises(FileNotFoundError, match=r"offline\.css of the front end is missing in .*static; .*npm run build"):
        export_html(image, tmp_path / "label.html", view_only=True)
    assert not (tmp_path / "label.html").exists()


def test_repeated_names_get_their_folders(image, tmp_path):
    for folder in ("day", "night"):
        (tmp_path / folder).mkdir()
        Image.fromarray(image).save(tmp_path / folder / "1.png")
    page = export_html(tmp_path / "**" / "1.png", tmp_path / "label.html", view_only=True)
    assert [one["name"] for one in json.loads(parts_of(page)["page"])["images"]] == ["day/1.png", "night/1.png"]
    with pytest.raises(ValueError, match="given twice"):
        export_html([tmp_path / "day" / "1.png"] * 2, tmp_path / "label.html", view_only=True)


def test_a_catalogue_gives_its_items_and_labels(image, tmp_path):
    Image.fromarray(image).save(tmp_path / "a.png")
    with cdwidget.Catalogue(tmp_path / "labels.db") as catalogue:
        catalogue.add([Item(tmp_path / "a.png", [Instance(image[..., 0] > 100, "cat")])])
    run = CliRunner().invoke(app, ["export-html", str(tmp_path / "labels.db"), str(tmp_path / "page.html"), "--view-only"])
    assert run.exit_code == 0, run.output
    data = json.loads(parts_of(tmp_path / "page.html")["page"])
    assert data["traits"]["labels"] == ["cat"]
    assert np.array_equal(decode_uncompressed(data["images"][0]["instances"][0]["mask"]), image[..., 0] > 100)


def test_wrong_arguments_raise_errors_and_write_nothing(image, tmp_path):
    with pytest.raises(ValueError, match="must end in .html"):
        export_html(image, tmp_path / "label.txt")
    with pytest.raises(TypeError, match="did you mean 'labels'"):
        export_html(image, tmp_path / "label.html", classes=["cup"])
    with pytest.raises(ValueError, match="no image"):
        export_html([], tmp_path / "label.html")
    for traits in ({"mode": "semantic", "labels": ["cup"]}, {"tool": "superpixel"}, {"locked": True}, {"following": True}):
        with pytest.raises(ValueError, match=f"^{next(iter(traits))}=.* works only in a notebook; leave it out"):
            export_html(image, tmp_path / "label.html", **traits)
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match="damaged"):
        export_html([image, tmp_path / "damaged.png"], tmp_path / "label.html", view_only=True)
    Image.fromarray(image).save(tmp_path / "a.png")
    for instance, error in (
        (Instance(np.ones((60, 40), bool)), r"a\.png: the mask has shape \(60, 40\)"),
        (Instance(image[..., 0] > 100, attributes={"area": float("nan")}), r"a\.png: attributes must be an object that JSON can hold"),
    ):
        with pytest.raises(ValueError, match=error):
            export_html(Item(tmp_path / "a.png", [instance]), tmp_path / "label.html", view_only=True)
    assert not (tmp_path / "label.html").exists()


def test_a_page_does_not_depend_on_where_it_is_exported(image, tmp_path, monkeypatch):
    monkeypatch.setattr("cdwidget.widget.transport.get_ipython", lambda: object())
    page = export_html(image, tmp_path / "label\udcff.html", title="label\udcff", view_only=True)  # As Linux names a file of other bytes.
    assert json.loads(parts_of(page)["page"])["traits"]["_is_notebook"] is False and "<title>label?</title>" in page.read_text()


def test_attributes_are_declared_in_the_page(image, tmp_path):
    page = export_html(image, tmp_path / "label.html", attributes={"occluded": bool, "color": ["red", "blue"]}, view_only=True)
    fields = json.loads(parts_of(page)["page"])["traits"]["attributes"]
    assert fields == [
        {"name": "occluded", "kind": "flag", "choices": []},
        {"name": "color", "kind": "choice", "choices": ["red", "blue"]},
    ]


# ---- the page and the notebook do the same -----------------------------------------------------------------------------

NOTEBOOK_REQUESTS = {
    *("superpixels", "scissors"),  # They need OpenCV.
    *("similar", "reject_similar", "take_similar", "copy_previous", "follow_previous"),  # They need the network in Python.
    *("take_over", "tile"),  # The page shows images whole and is the only one that edits.
    *("window", "preview_window", "set_window"),  # Its images have 8 bits.
}
NOTEBOOK_ACTIONS = {"superpixel", "matte", "snap", "paste", "add_to_class", "set_track_ids", "confirm", "separate_classes"}
PREDICTOR_ACTIONS = {"click", "stroke", "box", "alternative"}


def names_in(file, start):
    """Return the names of the members of an object literal in a TypeScript file."""
    text = (FOLDER.parent / "js" / "src" / "offline" / file).read_text()
    body = text[text.index(start) :].split("\n};" if text[text.index(start) - 1] == "\n" else "\n  };")[0]
    return set(re.findall(r"^ {2}(?: {2})?(\w+)(?:: [({a-z]|\()", body, re.MULTILINE))


def test_the_page_replies_to_the_requests_of_the_notebook():
    """A new request needs a reply in js/src/offline/page_kernel.ts, or a reason here."""
    widget = cdwidget.Annotator(np.zeros((20, 20, 3), np.uint8), GivenPredictor([]))
    requests = set(widget._channel._operations)
    widget.close()
    known = names_in("page_kernel.ts", "  private readonly operations")
    assert len(known) > 10 and requests - known <= NOTEBOOK_REQUESTS


def test_the_page_knows_the_actions_of_the_notebook():
    """A new action needs a function in js/src/offline, or a reason here."""
    known = names_in("manual.ts", "export const MANUAL_ACTIONS") | names_in("instances.ts", "export const INSTANCE_ACTIONS")
    assert len(known) > 15 and set(ACTIONS) - known - PREDICTOR_ACTIONS <= NOTEBOOK_ACTIONS


def test_a_notebook_saves_the_page_of_the_shown_image_when_asked_for(image, tmp_path, monkeypatch):
    outputs = []
    monkeypatch.setattr("cdwidget.widget.annotator.offline_page.publish_display_data", outputs.append)
    monkeypatch.setattr("cdwidget.widget.saved_picture.publish_display_data", lambda *_, **__: None)
    Image.fromarray(image).save(tmp_path / "a.png")
    mask = image[..., 0] > 100
    for offline in (False, True):
        widget = Annotator(tmp_path / "a.png", GivenPredictor([]), instances=[mask], labels=["cup"], view_only=True, offline=offline)
        widget._is_notebook = True
        widget._repr_mimebundle_()
        widget.close()
    (output,) = outputs
    found = re.fullmatch(r'<button data-page="([^"]+)" onclick="[^"]+">[^<]{,60}</button>', output["text/html"])  # No long text.
    (tmp_path / "page.html").write_bytes(gzip.decompress(base64.b64decode(found[1])))
    data = json.loads(parts_of(tmp_path / "page.html")["page"])
    assert [one["name"] for one in data["images"]] == ["a.png"] and data["traits"]["labels"] == ["cup"]
    assert np.array_equal(decode_uncompressed(data["images"][0]["instances"][0]["mask"]), mask)
