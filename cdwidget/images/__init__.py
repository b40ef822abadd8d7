"""Images of any depth, read as 8-bit RGB through an intensity window."""

from cdwidget.images.reading import ImageSource, read_image
from cdwidget.images.sources import list_images
from cdwidget.images.window import Window, WindowLike

__all__ = ["ImageSource", "Window", "WindowLike", "list_images", "read_image"]
