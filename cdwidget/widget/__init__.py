"""The notebook widgets; the only place that imports anywidget."""

from cdwidget.widget.annotator import Annotator
from cdwidget.widget.inspector import Inspector

__all__ = ["Annotator", "Inspector"]
