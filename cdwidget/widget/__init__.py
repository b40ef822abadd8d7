"""The notebook widgets; the only place that imports anywidget."""

from cdwidget.widget.annotator import Annotator

__all__ = ["Annotator"]
