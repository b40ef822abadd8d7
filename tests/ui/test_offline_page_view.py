"""The page without a kernel, opened from a file and offline: clicks, hand tools, undo, reload, saving and loading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from skimage.data import astronaut

from cdwidget import Session, export_html, load_predictor, read
from cdwidget.masks import iou

READY_MS = 120_000  # For building the graphs and encoding an image on a busy machine.


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    Image.fromarray(astronaut()).save(folder / "astronaut.jpg")
    Image.fromarray(np.asarray(astronaut())[:200, 300:]).save(folder / "rocket.png")
    export_html([folder / "astronaut.jpg", folder / "rocket.png"], folder / "label.html", labels=["person", "rocket"])
    return folder


@pytest.fixture(scope="module")
def opened(folder: Path, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(error.stack or error.message))
    page.on("request", lambda request: request.url.startswith(("file:", "blob:")) or problems.append(f"requested {request.url}"))
    page.on("console", lambda message: "Security Policy" in message.text and problems.append(message.text))
    page.goto((folder / "label.html").as_uri())
    yield page
    context.close()
    assert not problems


def is_ready(page: Page) -> None:
    expect(page.locator(".cdw-status")).to_have_attribute("data-state", "ready", timeout=READY_MS)


def click_image(page: Page, x: float, y: float, size: int = 512) -> None:
    """Click at fractions of a square image that fills the height of the stage."""
    box = page.locator(".cdw-stage").bounding_box()
    assert box is not None
    left, side = box["x"] + (box["width"] - box["height"]) / 2, box["height"]
    page.mouse.click(left + side * x / size, box["y"] + side * y / size)
    page.wait_for_timeout(50)
    is_ready(page)


def save(page: Page, downloads: Path, path: Path) -> Path:
    """Save the labels, and wait for the file; Playwright has no event for a download of Firefox."""
    page.get_by_role("button", name="Save labels").click()
    while not (complete := [file for file in downloads.iterdir() if file.suffix != ".part" and file.read_bytes().endswith(b"}")]):
        page.wait_for_timeout(50)
    return complete[0].rename(path)


def test_labels_are_made_kept_and_sent_back(folder: Path, opened: Page, downloads: Path) -> None:
    page = opened
    is_ready(page)
    click_image(page, 230, 300)  # the person
    page.keyboard.press("1")
    page.mouse.move(0, 0)
    click_image(page, 80, 100)  # the flag, which is wrong
    page.keyboard.press("Control+z")
    page.keyboard.press("b")
    click_image(page, 30, 20)
    page.keyboard.press("Enter")
    expect(page.locator(".cdw-objects")).to_contain_text("person")
    file = save(page, downloads, folder / "labels.json")
    expect(page.locator(".cdw-page-status")).to_have_text("Saved 1 object in 1 of 2 images. Send back the newest label.json.")

    dataset = read(file)
    assert [Path(item.path).name for item in dataset] == ["astronaut.jpg", "rocket.png"] and not dataset.problems
    (person,) = dataset[0].instances
    assert person.label == "person" and person.mask[300, 230] and person.mask[20, 30] and not person.mask[100, 80]
    log = dataset.extra["coco"]["sessions"]["astronaut.jpg"]
    assert [action["type"] for action in log["actions"]] == ["click", "relabel", "brush", "accept"]
    session = Session.replay(dataset[0].path, load_predictor("cdnet-lite", "cpu"), log)
    (replayed,) = session.instances
    assert iou(replayed.mask, person.mask) >= 0.999 and replayed.label == "person"

    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Replace", exact=True).click()
    expect(page.locator(".cdw-objects")).to_contain_text("person")
    loaded = read(save(page, downloads, folder / "loaded.json"))
    assert np.array_equal(loaded[0].instances[0].mask, person.mask)
    assert len(loaded.extra["coco"]["sessions"]["astronaut.jpg"]["instances"]) == 1

    page.reload()  # The objects are there before the model is loaded.
    expect(page.locator(".cdw-objects")).to_contain_text("person")
    expect(page.locator(".cdw-objects")).to_contain_text(f"{person.area:,}")


def test_a_sandboxed_page_labels_and_says_that_it_keeps_nothing(folder: Path, browser: Browser) -> None:
    (folder / "frame.html").write_text('<iframe sandbox="allow-scripts" src="label.html" width="1200" height="800"></iframe>')
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((folder / "frame.html").as_uri())
    frame = page.frame_locator("iframe")
    expect(frame.locator(".cdw-status")).to_have_attribute("data-state", "ready", timeout=READY_MS)
    frame.locator(".cdw-stage").click()
    expect(frame.locator(".cdw-objects [role=gridcell]").nth(1)).not_to_have_text("0")  # px
    expect(frame.get_by_text("Not saved")).to_be_visible()
    page.close()
