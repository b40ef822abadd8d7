"""Deprecated name of `cdwidget.catalogue`."""

from cdwidget._deprecated import renamed_module

__getattr__ = renamed_module("cdwidget.review", "cdwidget.catalogue")
