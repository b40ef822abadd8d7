"""The annotator: label the objects of one image or of a list of images."""

from cdwidget.widget.annotator.annotator import Annotator

__all__ = ["Annotator"]
