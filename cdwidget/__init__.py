"""cdwidget: click on an object in a notebook, and CDNet answers with its mask.

The public names are imported on first use, so that `import cdwidget` loads neither torch nor anywidget.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cdwidget._version import __version__

if TYPE_CHECKING:
    from cdwidget.batch import Embed, Prelabel, Score, run
    from cdwidget.catalogue import Catalogue
    from cdwidget.formats import read, to_frame, write
    from cdwidget.items import Instance, Item, read_image
    from cdwidget.model import load_predictor
    from cdwidget.predictor import Prediction, Predictor
    from cdwidget.prompts import Box, Click, Stroke
    from cdwidget.session import Session
    from cdwidget.widget import Annotator
    from cdwidget.widget.embedding_map import EmbeddingMap
    from cdwidget.widget.gallery.gallery import Gallery
    from cdwidget.widget.inspector import Inspector

# How often a thread of GNU OpenMP, PyTorch's on Linux, looks for more work before it sleeps. Left to itself it looks 300,000 times,
# and keeps a processor from the thread that all others wait for: beside another busy kernel a click takes 2.5 s on two cores, and 0.35 s
# this way (benchmarks/busy.py). Still fewer times would slow clicks on an idle machine down. Read when torch is loaded.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")

_HOMES = {
    "Annotator": "cdwidget.widget",
    "Box": "cdwidget.prompts",
    "Catalogue": "cdwidget.catalogue",
    "Click": "cdwidget.prompts",
    "Embed": "cdwidget.batch",
    "EmbeddingMap": "cdwidget.widget.embedding_map",
    "Gallery": "cdwidget.widget.gallery",
    "Inspector": "cdwidget.widget.inspector",
    "Instance": "cdwidget.items",
    "Item": "cdwidget.items",
    "Prediction": "cdwidget.predictor",
    "Predictor": "cdwidget.predictor",
    "Prelabel": "cdwidget.batch",
    "Score": "cdwidget.batch",
    "Session": "cdwidget.session",
    "Stroke": "cdwidget.prompts",
    "load_predictor": "cdwidget.model",
    "read": "cdwidget.formats",
    "read_image": "cdwidget.items",
    "run": "cdwidget.batch",
    "to_frame": "cdwidget.formats",
    "write": "cdwidget.formats",
}

__all__ = [
    "Annotator",
    "Box",
    "Catalogue",
    "Click",
    "Embed",
    "EmbeddingMap",
    "Gallery",
    "Inspector",
    "Instance",
    "Item",
    "Prediction",
    "Predictor",
    "Prelabel",
    "Score",
    "Session",
    "Stroke",
    "__version__",
    "load_predictor",
    "read",
    "read_image",
    "run",
    "to_frame",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cdwidget' has no attribute {name!r}; its public names are: {', '.join(__all__)}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
