"""The inspector: maps of how the network came to a prediction."""

from cdwidget.widget.inspector.inspector import Inspector

__all__ = ["Inspector"]
