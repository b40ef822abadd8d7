"""Errors of image files."""

from __future__ import annotations


def unreadable(name: str, error: Exception) -> ValueError:
    """Return the error for a file that a library cannot decode."""
    return ValueError(
        f"{name} cannot be read as an image ({type(error).__name__}: {error}); "
        "allowed are complete PNG, JPEG, TIFF, WebP, BMP and GIF files of less than 178 million pixels"
    )


def missing_package(name: str, kind: str, extra: str) -> ValueError:
    """Return the error for a file that needs an extra of cdwidget."""
    return ValueError(f"{name} is {kind}; to read it, pip install 'cdwidget[{extra}]'")
