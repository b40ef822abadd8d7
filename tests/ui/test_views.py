"""Other views of a document: a second view, Python, another page, the saved notebook."""

from __future__ import annotations

import base64
import json

import cv2
import numpy as np
import skimage.data
from playwright.sync_api import Page, expect

from support.jupyterlab import SCREENSHOTS, Lab, Notebook

CELL = """
import cdwidget, skimage.data
w = cdwidget.Annotator(skimage.data.coffee(), height=240)
w
"""


def test_two_views_python_and_a_reload(lab: Lab, page: Page) -> None:
    notebook = Notebook.open(lab, page, "views.ipynb", [CELL, "w", "w.session.apply(cdwidget.Click(40, 380));"])
    notebook.run_all()
    first, second = notebook.widget(0), notebook.widget(1)
    first.wait_until_ready()
    assert first.is_painted(40, 380) == second.is_painted(40, 380) == first.has_pixel(40, 380) is True  # A cell changed the session.

    first.click(300, 230)
    assert first.is_painted(300, 230) and second.is_painted(300, 230)
    second.root.locator(".cdw-opacity input").fill("0.8")
    expect(first.root.locator(".cdw-opacity input")).to_have_value("0.8")
    assert first.value("{}.opacity") == 0.8

    notebook.value("w.undo() and None")
    assert not first.is_painted(300, 230) or first.has_pixel(300, 230)
    area = first.area

    expect(page.locator("[class^=cdwidget-]").first).to_be_hidden()
    page.wait_for_timeout(2000)  # The saved picture is renewed a little later.
    notebook.command("File", "Save Notebook")
    page.wait_for_timeout(1000)
    page.reload()
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    again = notebook.widget(0)  # The kernel and its document still exist.
    assert again.area == area > 0 and again.is_painted(40, 380)

    stored = json.loads((lab.notebooks / "views.ipynb").read_text())
    jpeg = next(one["data"]["image/jpeg"] for one in stored["cells"][0]["outputs"] if "image/jpeg" in one["data"])  # Shown by GitHub.
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(jpeg), np.uint8), cv2.IMREAD_COLOR).astype(int)
    assert max(picture.shape) == 400 and len(jpeg) < 60_000
    blue = picture[..., 0] - picture[..., 2]
    assert blue[253, 27] > 20 > blue[153, 200]  # The mask of the last change, not of the first one that the cells made.


def test_a_list_of_files_with_a_broken_one(lab: Lab, page: Page) -> None:
    for name, image in (("astronaut.jpg", skimage.data.astronaut()), ("cat.jpg", skimage.data.cat())):
        cv2.imwrite(str(lab.notebooks / name), image[..., ::-1])
    (lab.notebooks / "broken.jpg").write_bytes(b"no image")
    cell = """
import cdwidget
w = cdwidget.Annotator(["astronaut.jpg", "broken.jpg", "cat.jpg"])
skipped = []
w.on_skip(lambda w: skipped.append(w.index))
w
"""
    notebook = Notebook.open(lab, page, "files.ipynb", [cell])
    notebook.run_all()
    w = notebook.widget()
    expect(w.root.locator(".cdw-file")).to_have_text("astronaut.jpg")
    w.click(200, 400)
    w.press("d")
    expect(w.root.locator(".cdw-file")).to_have_text("cat.jpg")
    expect(w.root.locator(".cdw-notice")).to_contain_text("broken.jpg")
    w.root.get_by_label("Dismiss").click()
    expect(w.root.locator(".cdw-notice")).to_be_hidden()
    w.wait_until_ready()
    w.root.get_by_text("Skip", exact=True).click()
    w.wait_until_ready()
    assert w.value("[skipped, {}.index]") == [[2], 2]
    w.press("a")
    expect(w.root.locator(".cdw-file")).to_have_text("astronaut.jpg")
    w.wait_until_ready()
    assert w.has_pixel(200, 400)
    assert w.value("[[str(i.path), len(i.instances)] for i in {}.items]") == [["astronaut.jpg", 1], ["cat.jpg", 0]]


def test_dark_theme(lab: Lab, page: Page) -> None:
    lab.set("apputils-extension/themes", {"theme": "JupyterLab Dark"})
    try:
        notebook = Notebook.open(lab, page, "dark.ipynb", [CELL])
        notebook.run_all()
        w = notebook.widget()
        colors = w.root.evaluate("e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]")
        background, text = (sum(int(part) for part in color.strip("rgba()").split(",")[:3]) for color in colors)
        assert background < 150 < 450 < text
        w.click(300, 230)
        page.screenshot(path=SCREENSHOTS / "dark.png")
    finally:
        lab.set("apputils-extension/themes", {"theme": "JupyterLab Light"})


def test_an_image_beyond_16_megapixels_is_shown_with_every_pixel(lab: Lab, page: Page) -> None:
    cell = """
import numpy as np, cdwidget
y, x = np.mgrid[:4000, :5000].astype(np.uint16)
image = np.stack([x % 256, y % 256, (x // 16 * 40 + y // 16 * 90) % 256], axis=-1).astype(np.uint8)
w = cdwidget.Annotator(cdwidget.Session(image), height=300)
w
"""
    notebook = Notebook.open(lab, page, "large.ipynb", [cell])
    notebook.run_all()
    w = notebook.widget()
    expect(w.root.locator(".cdw-status")).to_contain_text("shown at")
    w.stage.hover(position=w.position(2500, 2000))
    w.root.focus()
    for _ in range(20):
        page.mouse.wheel(0, -300)
    page.wait_for_timeout(100)
    w.wait_until_ready()
    page.wait_for_timeout(300)
    x, y = (int(part) for part in w.root.locator(".cdw-pointer").inner_text().split(", "))
    at = w.position(2500, 2000)
    top, left = int(at["y"]) - 48, int(at["x"]) - 48
    near = w.pixels()[top : top + 96, left : left + 96]  # An image pixel is 48 pixels on the screen.
    color_at_click = w.value(f"{{}}.session.image[{y}, {x}].tolist()")
    assert (np.abs(near - color_at_click).max(axis=-1) <= 1).sum() > 40 * 40
