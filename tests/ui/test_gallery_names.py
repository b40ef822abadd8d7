"""Names and labels with quotes, HTML, emoji and 300 characters are shown literally, and are harmless."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from support.gallery_notebook import GalleryNotebook
from support.jupyterlab import Lab

LABELS = [
    "<img src=x onerror='window.hacked = 1'>",
    '"><script>window.hacked = 2</script>',
    "' onmouseover='window.hacked = 3' x='",
    "cup 🍵 and 'saucer' \"two\"",
    "javascript:window.hacked=4",
    "{{7*7}} ${7*7} </style><style>*{display:none}",
    "word " * 60,
    "n" * 300,
]
CELL = (
    """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import cv2, numpy as np, skimage.data, cdwidget
from cdwidget.catalogue import ScoreValue
from support.scripted_predictor import ScriptedPredictor

folder = Path({folder!r})
folder.mkdir()
catalogue = cdwidget.Catalogue(folder / "labels.db")
mask = np.zeros((90, 120), bool)
mask[20:60, 20:80] = True
photo = cv2.imencode(".png", cv2.resize(skimage.data.coffee(), (120, 90))[..., ::-1])[1].tobytes()
names = ["<b onclick=alert(1)>'\\"🍵.png", "n" * 200 + ".png", "a & b; rm -rf.png", "%3Cscript%3E.png"]
long = folder / ("d" * 150)
long.mkdir()
items = []
for number, label in enumerate("""
    + repr(LABELS)
    + """):
    path = (long if number % 2 else folder) / f"{number}{names[number % 4]}"
    path.write_bytes(photo)
    items.append(cdwidget.Item(path, [cdwidget.Instance(mask, label)]))
catalogue.add(items, tags=["<u>tag</u>"])
for item, label in enumerate("""
    + repr(LABELS)
    + """, 1):
    catalogue.put_scores(item, [ScoreValue(1, "overall", 0.9 - item / 100), ScoreValue(1, "edges", 0.8, label)])
w = cdwidget.Gallery(catalogue, ScriptedPredictor(mask))
w
"""
)


def test_nothing_is_injected_and_nothing_breaks(lab: Lab, page: Page) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    gallery = GalleryNotebook.open(lab, page, "gallery-names", cell=CELL)
    for index, label in enumerate(LABELS):
        tile = gallery.tile(index)
        assert tile.locator(".cdw-caption .cdw-name").text_content() == label
        box, name = tile.bounding_box(), tile.locator(".cdw-caption").bounding_box()
        assert box and name and box["x"] <= name["x"] and name["x"] + name["width"] <= box["x"] + box["width"]
        tile.hover()
        tile.click()
        assert gallery.root.locator(".cdw-who b").text_content() == label
        assert gallery.colors(index) > 100  # Its file is found.
    gallery.root.get_by_label("Filter by class").first.click()
    for label in LABELS:
        expect(gallery.root.get_by_label(label.strip(), exact=True)).to_be_visible()
    gallery.root.get_by_label(LABELS[0], exact=True).check()
    page.keyboard.press("Escape")
    gallery.wait_until_ready()
    assert gallery.value("w.labels") == [LABELS[0]]
    expect(gallery.root.locator(".cdw-count").first).to_have_text("1 instance")
    gallery.root.get_by_label("Search names and labels").fill(LABELS[2])
    expect(gallery.root.locator(".cdw-empty")).to_be_visible()
    gallery.root.locator(".cdw-empty").get_by_text("Clear the filters").click()
    gallery.wait_until_ready()

    gallery.tile(0).dblclick()
    expect(gallery.root.locator(".cdw-decide .cdw-name")).to_have_text(LABELS[0])
    expect(gallery.root.locator(".cdw-editor .cdw-objects")).to_contain_text(LABELS[0])
    assert page.evaluate("window.hacked") is None and not dialogs
    wide = gallery.root.bounding_box()
    inner = gallery.root.locator(".cdw-decide").bounding_box()
    assert wide and inner and inner["width"] <= wide["width"]
