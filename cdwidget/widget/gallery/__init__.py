"""The gallery: a grid of instances to review, with an editor in place."""

from cdwidget.widget.gallery.gallery import Gallery

__all__ = ["Gallery"]
