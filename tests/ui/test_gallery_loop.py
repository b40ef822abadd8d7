"""The whole loop with the embedded model: read COCO, score, show the worst first, edit by clicks, accept, write COCO."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from pycocotools.coco import COCO

from support.gallery_notebook import GalleryNotebook
from support.jupyterlab import SCREENSHOTS, Lab

SIDE = 512  # Pixels of the photograph whose mask is corrupted.
MAX_CLICKS = 5  # Predictions differ slightly between machines.
DATA = """
import json
from pathlib import Path
import cv2, numpy as np, skimage.data, cdwidget
from cdwidget.click_simulation import next_click
from pycocotools import mask as rle

folder = Path({folder!r})
folder.mkdir()
predictor = cdwidget.load_predictor()
clicks = {"rocket": (320, 200), "chelsea": (200, 150), "astronaut": (200, 400)}
images, annotations = [], []
for number, (name, (x, y)) in enumerate(clicks.items(), 1):
    image = getattr(skimage.data, name)()
    cv2.imwrite(str(folder / f"{name}.png"), image[..., ::-1])
    predictor.set_image(image)
    mask = predictor.predict([cdwidget.Click(x, y, True)]).mask
    if name == "astronaut":
        whole = mask.copy()
        mask[int(np.median(np.nonzero(mask)[0])) :] = False  # Cut off along a line.
        corrupted = mask = np.roll(mask, (6, 12), (0, 1))  # And shifted off its object.
    counts = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    images.append({"id": number, "file_name": f"{name}.png", "height": mask.shape[0], "width": mask.shape[1]})
    annotations.append({
        "id": number, "image_id": number, "category_id": 1, "iscrowd": 0, "area": int(mask.sum()),
        "bbox": rle.toBbox(counts).tolist(), "segmentation": {"size": list(mask.shape), "counts": counts["counts"].decode()},
    })
coco = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
(folder / "annotations.json").write_text(json.dumps(coco))
"""
SCORE = """
catalogue = cdwidget.Catalogue(folder / "labels.db")
catalogue.import_("coco", folder / "annotations.json", progress=False)
report = cdwidget.run(cdwidget.Score(), catalogue, progress=False)
print(report)
"""
SHOW_CELL = """
w = cdwidget.Gallery(catalogue, predictor, status=["new"])
w
"""


@pytest.fixture
def gallery(lab: Lab, page: Page) -> Iterator[GalleryNotebook]:
    yield GalleryNotebook.open(lab, page, "gallery-loop", cell=DATA, more=[SCORE, SHOW_CELL])


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_import_score_edit_accept_export(lab: Lab, gallery: GalleryNotebook) -> None:
    page, bench = gallery.page, gallery.root.locator(".cdw-editor")
    place, status = bench.locator(".cdw-decide .cdw-place"), bench.locator(".cdw-status")
    assert gallery.value("[report.done, len(report.failed)]") == [3, 0]
    listed = [gallery.row(gallery.id(index)) for index in range(3)]
    before = [row.score or 0 for row in listed]
    assert before == sorted(before, reverse=True) and before[0] > before[2]  # The worst first.
    assert [gallery.suspicion(index) for index in range(3)] == [int(100 * score + 0.5) for score in before]
    (corrupted,) = (index for index, row in enumerate(listed) if row.path.endswith("astronaut.png"))
    assert gallery.root.locator(".cdw-why").inner_text()
    page.screenshot(path=SCREENSHOTS / "loop-tiles.png")

    gallery.grid.focus()
    gallery.press("Enter")
    for index in range(3):
        expect(place).to_have_text(f"{index + 1} of 3", timeout=60_000)
        expect(status).to_have_attribute("data-state", "ready", timeout=120_000)
        if index == corrupted:
            click_until_good(gallery, bench)
            page.screenshot(path=SCREENSHOTS / "loop-edited.png")
        page.keyboard.press("Control+Enter")
    expect(bench).to_be_hidden(timeout=60_000)
    expect(gallery.feedback).to_have_text("Accepted. That was the last new one.")
    gallery.wait_until_ready()
    assert gallery.statuses(0, 1, 2) == ["accepted"] * 3

    written = gallery.value("str(catalogue.export('coco', folder / 'out', status='accepted'))")
    coco = COCO(lab.notebooks / written)
    found = next(one for one in coco.anns.values() if coco.imgs[one["image_id"]]["file_name"].endswith("astronaut.png"))
    edited = coco.annToMask(found).astype(bool)
    masks = [np.isin(np.arange(edited.size), gallery.value(f"np.flatnonzero({name}).tolist()")) for name in ("whole", "corrupted")]
    whole, cut = (mask.reshape(edited.shape) for mask in masks)
    assert iou(edited, whole) > 0.9 > iou(cut, whole) + 0.2
    assert len(coco.anns) == 3

    assert gallery.value("cdwidget.run(cdwidget.Score(), catalogue, progress=False).done") == 1
    assert (gallery.row(listed[corrupted].id).score or 0) < before[corrupted]  # It is no longer among the worst.


def click_until_good(gallery: GalleryNotebook, bench: Locator) -> None:
    """Click at the largest error of the mask in the editor until it is good."""
    stage, status = bench.locator(".cdw-stage"), bench.locator(".cdw-status")
    for _ in range(MAX_CLICKS):
        box = stage.bounding_box()
        assert box is not None
        scale = min(box["width"], box["height"]) / SIDE
        left, top = ((box[side] - SIDE * scale) / 2 for side in ("width", "height"))
        x, y, positive = gallery.value("(lambda hint: [hint.x, hint.y, hint.positive])(next_click(whole, w.editor.mask))")
        stage.click(position={"x": left + x * scale, "y": top + y * scale}, button="left" if positive else "right")
        expect(bench.locator("[data-command=undo]")).to_be_enabled(timeout=120_000)
        expect(status).to_have_attribute("data-state", "ready", timeout=120_000)
        if gallery.value("float((whole & w.editor.mask).sum() / (whole | w.editor.mask).sum())") > 0.9:
            return
