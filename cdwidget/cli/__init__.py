"""The command line: `cdwidget import`, `score`, `prelabel`, `export`, `train`, `benchmark` and others."""

from cdwidget.cli.app import app, main

__all__ = ["app", "main"]
