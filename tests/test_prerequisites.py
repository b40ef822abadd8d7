"""The browsers and the system libraries are found or installed; if neither works, one sentence reports it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support import prerequisites

Script = Callable[..., Path]
SUCCESS_COMMAND = "exit 0"
FAILURE_COMMAND = "exit 1"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Return a function that writes a shell script onto a path that holds nothing else. Without Playwright and without root rights."""

    def write(name: str, body: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    monkeypatch.setenv("PATH", str(tmp_path))
    for browser in prerequisites.BROWSERS.values():
        monkeypatch.delenv(browser.variable, raising=False)
    monkeypatch.setattr(prerequisites, "playwright_browser", lambda: None)
    monkeypatch.setattr(prerequisites, "download_browser", lambda: False)
    monkeypatch.setattr(prerequisites, "can_install_packages", lambda: False)
    return write


def test_a_browser_on_the_path_is_taken_in_order(program: Script) -> None:
    assert prerequisites.find_browser() is None
    chrome = program("google-chrome", SUCCESS_COMMAND)
    assert prerequisites.find_browser() == str(chrome)
    chromium = program("chromium", SUCCESS_COMMAND)
    assert prerequisites.find_browser() == str(chromium)


def test_a_browser_that_does_not_start_is_passed_over(program: Script) -> None:
    program("chromium-browser", FAILURE_COMMAND)
    chrome = program("google-chrome", SUCCESS_COMMAND)
    assert prerequisites.find_browser() == str(chrome)


def test_the_variable_comes_first(program: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    program("chromium", SUCCESS_COMMAND)
    chosen = program("my-browser", SUCCESS_COMMAND)
    monkeypatch.setenv("CDWIDGET_CHROMIUM", str(chosen))
    assert prerequisites.find_browser() == str(chosen)


@pytest.mark.parametrize("body", [None, FAILURE_COMMAND])
def test_a_wrong_variable_is_reported(
    program: Script, monkeypatch: pytest.MonkeyPatch, body: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program("chromium", SUCCESS_COMMAND)
    if body:
        program("my-browser", body)
    monkeypatch.setenv("CDWIDGET_CHROMIUM", str(tmp_path / "my-browser"))
    assert prerequisites.main(["chromium"]) == 1
    assert "does not start" in capsys.readouterr().err


def test_playwright_downloads_a_browser(program: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(prerequisites, "playwright_browser", lambda: str(tmp_path / "downloaded"))
    monkeypatch.setattr(prerequisites, "download_browser", lambda: program("downloaded", SUCCESS_COMMAND).exists())
    assert prerequisites.find_browser() is None
    assert prerequisites.get_browser("chromium") == str(tmp_path / "downloaded")


@pytest.mark.parametrize(
    ("name", "package", "downloads"),
    [("chromium", "chromium", False), ("chromium", "chromium", True), ("firefox", "firefox-esr", False)],
    ids=["no download", "a download that does not start", "a browser without a download"],
)
def test_debian_installs_a_browser(
    program: Script,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    package: str,
    downloads: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program("downloaded", FAILURE_COMMAND)
    command = tmp_path / package
    install = f"printf '#!/bin/sh\\n' > {command}; /bin/chmod +x {command}"
    program("apt-get", f'echo "$*" >> {tmp_path}/log\ncase "$*" in *install*{package}) {install};; esac')
    monkeypatch.setattr(prerequisites, "playwright_browser", lambda: str(tmp_path / "downloaded"))
    monkeypatch.setattr(prerequisites, "download_browser", lambda: downloads)
    monkeypatch.setattr(prerequisites, "can_install_packages", lambda: True)
    assert prerequisites.main([name]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{command}\n" and f"apt-get install {package}" in captured.err
    assert (tmp_path / "log").read_text().splitlines() == ["-qq update", f"-qq install --yes --no-install-recommends {package}"]


@pytest.mark.parametrize("root", [False, True])
def test_a_missing_browser_is_reported_in_one_sentence(
    program: Script, monkeypatch: pytest.MonkeyPatch, root: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    program("apt-get", FAILURE_COMMAND)
    monkeypatch.setattr(prerequisites, "can_install_packages", lambda: root)
    assert prerequisites.main(["chromium"]) == 1
    captured = capsys.readouterr()
    assert not captured.out and "CDWIDGET_CHROMIUM" in captured.err.splitlines()[-1]


def test_missing_libraries_are_installed(program: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program("apt-get", f'echo "$*" > {tmp_path}/log')
    log = tmp_path / "log"
    monkeypatch.setattr(prerequisites, "loads", lambda library: library != "libGL.so.1" or log.exists())
    monkeypatch.setattr(prerequisites, "can_install_packages", lambda: True)
    monkeypatch.setattr(prerequisites.sys, "platform", "linux")
    assert prerequisites.main(["libraries"]) == 0
    assert log.read_text() == "-qq install --yes --no-install-recommends libgl1\n"
    log.unlink()
    log.touch()
    assert prerequisites.main(["libraries"]) == 0
    assert log.read_text() == ""  # nothing is missing, so apt-get is not called


def test_missing_libraries_are_named(program: Script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(prerequisites, "loads", lambda library: False)
    monkeypatch.setattr(prerequisites.sys, "platform", "linux")
    assert prerequisites.main(["libraries"]) == 1
    error = capsys.readouterr().err
    assert all(text in error for pair in prerequisites.LIBRARY_PACKAGES.items() for text in pair)


def test_a_wrong_argument_shows_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert prerequisites.main([]) == 2
    assert "chromium | firefox | libraries" in capsys.readouterr().err
