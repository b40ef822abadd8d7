"""Deprecated name of `cdwidget.scoring`."""

from cdwidget._deprecated import renamed_module

__getattr__ = renamed_module("cdwidget.review.scoring", "cdwidget.scoring")
