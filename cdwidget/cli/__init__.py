"""The command line: `cdwidget benchmark`, `import`, `score` and others."""

from cdwidget.cli.app import app, main

__all__ = ["app", "main"]
