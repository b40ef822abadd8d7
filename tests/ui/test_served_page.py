"""`cdwidget serve` in Chromium: a click is saved as in a notebook, and the page can be loaded again."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urljoin
from urllib.request import urlopen

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from skimage.data import astronaut
from skimage.io import imsave

from cdwidget import Annotator, read

READY_MS = 120_000  # For loading the model and encoding an image on a busy machine.


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    imsave(folder / "astronaut.png", astronaut())
    imsave(folder / "rocket.png", np.ascontiguousarray(astronaut()[:200, 300:]))
    return folder


@pytest.fixture
def address(photos: Path) -> Iterator[str]:
    command = [sys.executable, "-c", "from cdwidget.cli import main; main()", "serve", photos, "--no-browser", "--port", "0"]
    with subprocess.Popen([*command, "--out", photos.parent / "labels.json"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().removeprefix("Open ").strip()
        server.terminate()


def is_ready(page: Page) -> None:
    expect(page.locator(".cdw-status")).to_have_attribute("data-state", "ready", timeout=READY_MS)


def test_a_click_is_saved_and_is_there_after_a_reload(photos: Path, address: str, browser: Browser) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/", address)
    with pytest.raises(HTTPError, match="404"):
        urlopen(urljoin(address, "/"), timeout=10)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(READY_MS)
    outside: list[str] = []
    page.on("request", lambda request: request.url.startswith((address, "blob:", "data:")) or outside.append(request.url))
    page.goto(address)
    is_ready(page)
    page.locator(".cdw-stage").click()
    expect(page.locator(".cdw-objects")).to_contain_text("no class")
    is_ready(page)

    page.reload()
    is_ready(page)
    expect(page.locator(".cdw-objects")).to_contain_text("no class")
    page.get_by_role("button", name="Submit").click()
    expect(page.locator(".cdw-status")).to_contain_text("rocket.png")
    page.close()
    assert [url for url in outside if not url.endswith("/favicon.ico")] == []

    (saved,) = Annotator(photos).instances
    assert saved.mask[200:300, 200:300].any()
    (item,) = read(photos.parent / "labels.json")
    assert np.array_equal(item.instances[0].mask, saved.mask)
