from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Playwright, expect, sync_playwright

from hosts.apps import HOSTS, Notebooks
from hosts.table import record
from support.browsers import launch

STARTUP_TIMEOUT_S = 120
REPLY_TIMEOUT_S = 120  # Enough for two busy cores.
SHUTDOWN_TIMEOUT_S = 120  # A Jupyter server first stops its kernels.
SCREENSHOTS = Path(__file__).parents[2] / "test-results"
expect.set_options(timeout=1000 * REPLY_TIMEOUT_S)


@dataclass
class OpenHost:
    """A page of a running host."""

    name: str
    page: Page
    folder: Path
    server: str
    notebooks: Notebooks | None

    @property
    def annotator(self) -> Locator:
        """The annotator of the page, not the editor of its gallery."""
        return self.page.locator(".cdw[aria-label='Image annotator']").first

    def load(self) -> None:
        """Open the page, also again, and run its notebook if it has one, with a new kernel."""
        if self.notebooks is None:
            self.page.goto(self.server)
            return
        self.page.goto("about:blank")  # A page that is open may lose the first messages of a restarted kernel.
        for kernel in self.page.request.get(f"{self.server}/api/kernels").json():
            self.page.request.post(f"{self.server}/api/kernels/{kernel['id']}/restart")
        self.page.goto(self.server + self.notebooks.path)
        self.page.wait_for_function(self.notebooks.is_ready)
        self.page.evaluate(self.notebooks.run)

    def wait_until_ready(self) -> None:
        """Wait until the annotator can be clicked."""
        expect(self.annotator.locator(".cdw-status")).to_have_attribute("data-state", "ready", timeout=1000 * REPLY_TIMEOUT_S)

    def state(self) -> dict[str, Any]:
        """Return the state of the annotator in Python."""
        return json.loads((self.folder / "state.json").read_text())

    def wait_for(self, **expected: Any) -> dict[str, Any]:
        """Wait until the state in Python has these values."""
        self._wait_until(lambda state: all(state[name] == value for name, value in expected.items()), str(expected))
        return self.state()

    def wait_for_more(self, area: int) -> int:
        """Wait until the mask in Python is larger than an area, and return its area."""
        self._wait_until(lambda state: state["area"] > area, f"more than {area} pixels")
        return self.state()["area"]

    def _wait_until(self, holds: Callable[[dict[str, Any]], bool], expected: str) -> None:
        deadline = time.monotonic() + REPLY_TIMEOUT_S
        while not holds(self.state()):
            assert time.monotonic() < deadline, f"{self.state()}, not {expected}"
            self.page.wait_for_timeout(100)


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Keep the result of every test for the table."""
    host = item.callspec.params.get("open_host") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
    if host and (call.when == "call" or call.excinfo):
        page = item.funcargs["open_host"].page if "open_host" in item.funcargs else None
        record(host, browser_version(page) if page else "–", item.originalname, call.excinfo is None)


def browser_version(page: Page) -> str:
    """Return the name and version of the browser of a page, such as "Firefox 153.8"."""
    browser = page.context.browser
    assert browser
    return f"{browser.browser_type.name.title()} {'.'.join(browser.version.split('.')[:2])}"


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module", params=HOSTS)
def open_host(request: pytest.FixtureRequest, playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenHost]:
    host = HOSTS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    host.write(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tests = Path(__file__).parent
    paths = os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")])
    names = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    environment = {
        **os.environ,
        **names,
        "PYTHONPATH": paths,
        "CDWIDGET_HOST_FOLDER": str(folder),
        "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "false",
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(host.start(folder, port), cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    server = f"http://127.0.0.1:{port}"
    try:
        wait_for_server(server, process, folder / "log")
        browser = launch(playwright, host.browser, folder)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(1000 * REPLY_TIMEOUT_S)
        page.on("console", lambda message: message.type == "error" and print(message.text))
        page.on("pageerror", lambda error: print(error.stack or error.message))
        page.route("**/*", lambda route: route.continue_() if "127.0.0.1" in route.request.url else route.abort())
        open_host = OpenHost(request.param, page, folder, server, host.notebooks)
        open_host.load()
        yield open_host
        page.screenshot(path=SCREENSHOTS / f"host-{request.param}.png")
        browser.close()
    finally:
        process.terminate()
        process.wait(SHUTDOWN_TIMEOUT_S)


def wait_for_server(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + STARTUP_TIMEOUT_S
    while True:
        try:
            urllib.request.urlopen(address, timeout=10).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the host did not start:\n{log.read_text()[-3000:]}") from None
            time.sleep(0.3)
