"""The whole loop with the model that is shipped: COCO in, scored, the worst first, mended by a click, accepted, COCO out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from pycocotools.coco import COCO

from lab import SCREENSHOTS, Lab
from tiles import Tiles

SIDE = 512  # pixels of the photograph whose mask is cut
DATA = """
import json
from pathlib import Path
import cv2, numpy as np, skimage.data, cdwidget
from cdwidget.clicks import next_click
from pycocotools import mask as rle

folder = Path({folder!r})
folder.mkdir()
predictor = cdwidget.load_predictor()
clicks = {"coffee": (300, 230), "chelsea": (200, 150), "astronaut": (200, 400)}
images, annotations = [], []
for number, (name, (x, y)) in enumerate(clicks.items(), 1):
    image = getattr(skimage.data, name)()
    cv2.imwrite(str(folder / f"{name}.png"), image[..., ::-1])
    predictor.set_image(image)
    mask = predictor.predict([cdwidget.Click(x, y, True)]).mask
    if name == "astronaut":
        whole = mask.copy()
        mask[int(np.median(np.nonzero(mask)[0])) :] = False  # cut off straight
        spoilt, hint = mask, next_click(whole, mask)
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
SHOW = """
w = cdwidget.Gallery(catalogue, predictor, status=["new"])
w
"""


@pytest.fixture
def tiles(lab: Lab, page: Page) -> Iterator[Tiles]:
    yield Tiles.open(lab, page, "gallery-loop", cell=DATA, more=[SCORE, SHOW])


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_import_score_mend_accept_export(lab: Lab, tiles: Tiles) -> None:
    page, bench = tiles.page, tiles.root.locator(".cdw-editor")
    place, status = bench.locator(".cdw-decide .cdw-place"), bench.locator(".cdw-status")
    assert tiles.value("[report.done, len(report.failed)]") == [3, 0]
    assert tiles.value("catalogue.rows([int(w.ids[0])], of='instances')[0].path").endswith("astronaut.png")  # the cut one is the worst
    assert tiles.root.locator(".cdw-why").inner_text()
    page.screenshot(path=SCREENSHOTS / "loop-tiles.png")

    tiles.grid.focus()
    tiles.press("Enter")
    expect(status).to_have_attribute("data-state", "ready", timeout=120_000)
    x, y, positive = tiles.value("[hint.x, hint.y, hint.positive]")
    assert positive
    stage = bench.locator(".cdw-stage")
    box = stage.bounding_box()
    assert box is not None
    scale = min(box["width"], box["height"]) / SIDE
    left, top = ((box[side] - SIDE * scale) / 2 for side in ("width", "height"))
    stage.click(position={"x": left + x * scale, "y": top + y * scale})
    expect(bench.locator("[data-command=undo]")).to_be_enabled(timeout=120_000)
    expect(status).to_have_attribute("data-state", "ready", timeout=120_000)
    page.screenshot(path=SCREENSHOTS / "loop-mended.png")

    for number in (2, 3):
        page.keyboard.press("Control+Enter")
        expect(place).to_have_text(f"{number} of 3", timeout=60_000)
        expect(status).to_have_attribute("data-state", "ready", timeout=120_000)
    page.keyboard.press("Control+Enter")
    expect(bench).to_be_hidden(timeout=60_000)
    expect(tiles.said).to_have_text("Accepted. That was the last new one.")
    tiles.answered()
    assert tiles.statuses(0, 1, 2) == ["accepted"] * 3

    written = tiles.value("str(catalogue.export('coco', folder / 'out', status='accepted'))")
    coco = COCO(lab.notebooks / written)
    found = next(one for one in coco.anns.values() if coco.imgs[one["image_id"]]["file_name"].endswith("astronaut.png"))
    mended = coco.annToMask(found).astype(bool)
    whole, spoilt = (np.array(tiles.value(f"np.flatnonzero({name}).tolist()")) for name in ("whole", "spoilt"))
    masks = [np.isin(np.arange(mended.size), pixels).reshape(mended.shape) for pixels in (whole, spoilt)]
    assert iou(mended, masks[0]) > 0.9 > iou(masks[1], masks[0]) + 0.2
    assert len(coco.anns) == 3
