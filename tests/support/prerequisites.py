"""Find or install the programs that neither pip nor npm provides: browsers, and the system libraries of opencv-python.

Run as a script, it needs only the standard library:

    python tests/support/prerequisites.py chromium     # prints the path of the browser
    python tests/support/prerequisites.py firefox
    python tests/support/prerequisites.py libraries
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BROWSER_START_S = 60
BROWSER_DOWNLOAD_S = 600
DOWNLOAD_CONNECTION_MS = 10_000
LIBRARY_PACKAGES = {"libGL.so.1": "libgl1", "libgthread-2.0.so.0": "libglib2.0-0"}  # opencv-python loads both at import


class PrerequisiteError(RuntimeError):
    """A program or library is missing and cannot be installed from here."""


@dataclass(frozen=True)
class BrowserProgram:
    """A browser that the tests start.

    Args:
        title: Its name for readers.
        commands: Its commands, the preferred first.
        package: Its Debian package.
    """

    title: str
    commands: tuple[str, ...]
    package: str

    @property
    def variable(self) -> str:
        """The environment variable that names another path of it."""
        return f"CDWIDGET_{self.title.upper()}"


BROWSERS = {
    "chromium": BrowserProgram("Chromium", ("chromium", "chromium-browser", "google-chrome"), "chromium"),
    "firefox": BrowserProgram("Firefox", ("firefox", "firefox-esr"), "firefox-esr"),
}


def find_browser(name: str = "chromium") -> str | None:
    """Return the path of a browser that starts, or None if there is none.

    Looks at its variable, such as CDWIDGET_CHROMIUM, then at the path, then for Chromium at Playwright's download.

    Args:
        name: A key of BROWSERS.

    Raises:
        PrerequisiteError: If the variable names a program that does not start.
    """
    browser = BROWSERS[name]
    if chosen := os.environ.get(browser.variable):
        path = shutil.which(chosen)
        if path is None or not starts(path):
            raise PrerequisiteError(
                f"{browser.variable} is {chosen!r}, which does not start. Set it to the path of {browser.title}, or unset it."
            )
        return path
    for command in browser.commands:
        # Ubuntu's chromium-browser and firefox may be scripts that only print how to install the real ones.
        if (path := shutil.which(command)) and starts(path):
            return path
    downloaded = playwright_browser() if name == "chromium" else None
    return downloaded if downloaded and starts(downloaded) else None


def get_browser(name: str) -> str:
    """Return the path of a browser that starts, and install it if there is none.

    Args:
        name: A key of BROWSERS.

    Raises:
        PrerequisiteError: If it cannot be installed.
    """
    browser = BROWSERS[name]
    if path := find_browser(name):
        return path
    if name == "chromium":
        report("Chromium is not on the path. Downloading Playwright's Chromium (about 200 MB) ...")
        if download_browser() and (path := find_browser(name)):
            return path
    if can_install_packages():
        report(f"{browser.title} was not found. Installing Debian's: apt-get install {browser.package} ...")
        if install_packages([browser.package]) and (path := find_browser(name)):
            return path
    raise PrerequisiteError(f"The tests need {browser.title}. Install {browser.package}, or set {browser.variable} to its path.")


def ensure_libraries() -> None:
    """Install the system libraries that opencv-python needs on Linux, if they are missing.

    Raises:
        PrerequisiteError: If they are missing and cannot be installed.
    """
    packages = missing_packages()
    if not packages:
        return
    if can_install_packages():
        report(f"Installing the system libraries of opencv-python: apt-get install {' '.join(packages)} ...")
        if install_packages(packages) and not missing_packages():
            return
    names = " and ".join(library for library, package in LIBRARY_PACKAGES.items() if package in packages)
    raise PrerequisiteError(f"opencv-python needs {names}. Install them (on Debian and Ubuntu: apt-get install {' '.join(packages)}).")


def starts(path: str) -> bool:
    """Return whether a browser starts: a downloaded one may lack system libraries."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=BROWSER_START_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def playwright_browser() -> str | None:
    """Return where Playwright keeps its Chromium, or None without Playwright. The file need not exist."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def download_browser() -> bool:
    """Let Playwright download its Chromium, and return whether it could."""
    command = [sys.executable, "-m", "playwright", "install", "--no-shell", "chromium"]
    environment = {"PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": str(DOWNLOAD_CONNECTION_MS), **os.environ}
    try:
        # Its output is hidden: a failure prints one stack trace per mirror.
        return subprocess.run(command, env=environment, capture_output=True, timeout=BROWSER_DOWNLOAD_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def missing_packages() -> list[str]:
    """Return the Debian packages of the libraries that cannot be loaded."""
    return [package for library, package in LIBRARY_PACKAGES.items() if not loads(library)] if sys.platform == "linux" else []


def loads(library: str) -> bool:
    """Return whether the dynamic linker finds a library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def can_install_packages() -> bool:
    """Return whether this is root on Debian or one of its derivatives."""
    return Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None and os.geteuid() == 0


def install_packages(packages: list[str]) -> bool:
    """Install Debian packages, and return whether that worked."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        if subprocess.run(["apt-get", "-qq", *command], **options).returncode:
            return False
    return True


def report(message: str) -> None:
    """Show progress on stderr; stdout holds the browser's path only."""
    print(message, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Install a missing browser or the missing "libraries", and return the exit status."""
    try:
        match arguments:
            case ["libraries"]:
                ensure_libraries()
            case [name] if name in BROWSERS:
                print(get_browser(name))
            case _:
                report(f"Usage: prerequisites.py {' | '.join(BROWSERS)} | libraries")
                return 2
    except PrerequisiteError as error:
        report(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
