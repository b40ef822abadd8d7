from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, WebError, sync_playwright

from support.browsers import launch
from support.jupyterlab import Lab

BUNDLE_PREFIX = "blob:"  # The address of the widget's bundle starts with this in the stack of an error.


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session")
def browser(request: pytest.FixtureRequest, downloads: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright, request.config.getoption("--browser"), downloads)
        yield browser
        browser.close()


@contextmanager
def local_page(lab: Lab, browser: Browser) -> Iterator[Page]:
    """Open a page that fails its test if it throws, or requests an address outside this machine."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    outside: list[str] = []
    errors: list[str] = []

    def check(request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1", "blob:", "data:")):
            outside.append(request.url)

    def record_error(problem: WebError) -> None:
        errors.append(problem.error.stack or problem.error.message)

    def record_message(message: ConsoleMessage) -> None:
        if message.type == "error" and BUNDLE_PREFIX in f"{message.location['url']} {message.text}":
            errors.append(message.text)

    context.on("request", check)
    context.on("weberror", record_error)
    context.on("console", record_message)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()
    lab.stop_kernels()
    assert not outside, f"requests left the machine: {outside}"
    assert not errors, "\n".join(["the page has errors:", *errors])


@pytest.fixture
def page(lab: Lab, browser: Browser) -> Iterator[Page]:
    with local_page(lab, browser) as page:
        yield page


@pytest.fixture(scope="module")
def module_page(lab: Lab, browser: Browser) -> Iterator[Page]:
    with local_page(lab, browser) as page:
        yield page
