"""The browsers of the tests, started by Playwright."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright

from support.prerequisites import find_browser

# Requests to other machines fail. Routes that abort them would cost a round trip to Python for every file, and turn the cache off.
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


def launch(playwright: Playwright, name: str, downloads: Path) -> Browser:
    """Start a browser; without it, the tests end.

    Args:
        playwright: Playwright.
        name: A key of `prerequisites.BROWSERS`.
        downloads: The folder of downloaded files.
    """
    path = find_browser(name)
    if path is None:
        pytest.exit(f"These tests need {name}. Run `make {name}` to install it.", returncode=pytest.ExitCode.USAGE_ERROR)
    if name == "firefox":  # The channel stands for an unchanged Firefox; without it, Playwright needs its own build.
        return playwright.firefox.launch(channel="moz-firefox", executable_path=path, downloads_path=downloads)
    return playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS, downloads_path=downloads)
