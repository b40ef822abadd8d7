"""Find or install the programs that neither pip nor npm provides: a browser, and the system libraries of opencv-python.

Run as a script, it needs only the standard library:

    python tests/support/prerequisites.py browser      # prints the path of the browser
    python tests/support/prerequisites.py libraries
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

BROWSER_VARIABLE = "CDWIDGET_CHROMIUM"
BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER_START_S = 60
BROWSER_DOWNLOAD_S = 600
DOWNLOAD_CONNECTION_MS = 10_000
LIBRARY_PACKAGES = {"libGL.so.1": "libgl1", "libgthread-2.0.so.0": "libglib2.0-0"}  # opencv-python loads both at import


class PrerequisiteError(RuntimeError):
    """A program or library is missing and cannot be installed from here."""


def find_browser() -> str | None:
    """Return the path of a Chromium that starts, or None if there is none.

    Looks at CDWIDGET_CHROMIUM, then at the path, then at Playwright's download.

    Raises:
        PrerequisiteError: If CDWIDGET_CHROMIUM names a program that does not start.
    """
    if chosen := os.environ.get(BROWSER_VARIABLE):
        path = shutil.which(chosen)
        if path is None or not starts(path):
            raise PrerequisiteError(f"{BROWSER_VARIABLE} is {chosen!r}, which does not start. Set it to the path of Chromium, or unset it.")
        return path
    for name in BROWSER_NAMES:
        # Ubuntu's chromium-browser may be a script that only prints how to install the real one.
        if (path := shutil.which(name)) and starts(path):
            return path
    downloaded = playwright_browser()
    return downloaded if downloaded and starts(downloaded) else None


def get_browser() -> str:
    """Return the path of a Chromium that starts, and install one if there is none.

    Raises:
        PrerequisiteError: If none can be installed.
    """
    if path := find_browser():
        return path
    report("Chromium is not on the path. Downloading Playwright's Chromium (about 200 MB) ...")
    if download_browser() and (path := find_browser()):
        return path
    if can_install_packages():
        report("Playwright's Chromium cannot be downloaded or does not start. Installing Debian's: apt-get install chromium ...")
        if install_packages(["chromium"]) and (path := find_browser()):
            return path
    raise PrerequisiteError(f"The browser tests need Chromium. Install chromium or google-chrome, or set {BROWSER_VARIABLE} to its path.")


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
    """Install a missing "browser" or the missing "libraries", and return the exit status."""
    try:
        if arguments == ["browser"]:
            print(get_browser())
        elif arguments == ["libraries"]:
            ensure_libraries()
        else:
            report("Usage: prerequisites.py browser | libraries")
            return 2
    except PrerequisiteError as error:
        report(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
