"""The files of the front end, built by `npm run build`."""

from __future__ import annotations

from pathlib import Path

STATIC_FOLDER = Path(__file__).parents[1] / "static"


def bundled(name: str) -> str:
    """Return the text of a file built by `npm run build`.

    Given a path, anywidget would keep every widget alive to watch the file.
    """
    return static_file(name).decode()


def static_file(name: str) -> bytes:
    """Return a file built by `npm run build`; raise FileNotFoundError with the way to build it."""
    try:
        return (STATIC_FOLDER / name).read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{name} of the front end is missing in {STATIC_FOLDER}; install cdwidget again, or run `npm ci && npm run build` in js/"
        ) from error
