"""cdwidget: click on an object in a notebook, and CDNet predicts its mask.

The public names are imported on first use, so that `import cdwidget` loads neither torch nor anywidget.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cdwidget._version import __version__
from cdwidget.default_predictor import register_loader, register_quality_loader

if TYPE_CHECKING:
    from cdwidget.batch import Embed, Prelabel, Score, run
    from cdwidget.batch.cutouts import cut_out
    from cdwidget.catalogue import Catalogue
    from cdwidget.compositing import composite
    from cdwidget.detections import as_instances
    from cdwidget.examples import ExamplePredictor, find_similar
    from cdwidget.examples.follow import follow
    from cdwidget.formats import read, to_frame, write
    from cdwidget.images import read_image
    from cdwidget.items import Instance, Item
    from cdwidget.limits import Limits
    from cdwidget.model import load_predictor
    from cdwidget.predictor import Prediction, Predictor
    from cdwidget.prompts import Box, Click, Stroke
    from cdwidget.session import Session
    from cdwidget.widget import Annotator
    from cdwidget.widget.annotator.offline_page import export_html
    from cdwidget.widget.embedding_map import EmbeddingMap
    from cdwidget.widget.gallery import Gallery
    from cdwidget.widget.inspector import Inspector
    from cdwidget.widget.server import serve

# Idle threads of GNU OpenMP, which PyTorch uses on Linux, spin 300,000 times by default before they sleep, and take a processor from
# busy ones. With another kernel at full load, a click takes 2.5 s on two cores; with this setting 0.35 s (benchmarks/busy.py). Fewer
# spins would slow down clicks on an idle machine. The variable is read when torch is loaded.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")

_MODULE_OF_NAME = {
    "Annotator": "cdwidget.widget",
    "Box": "cdwidget.prompts",
    "Catalogue": "cdwidget.catalogue",
    "Click": "cdwidget.prompts",
    "Embed": "cdwidget.batch",
    "EmbeddingMap": "cdwidget.widget.embedding_map",
    "ExamplePredictor": "cdwidget.examples",
    "Gallery": "cdwidget.widget.gallery",
    "Inspector": "cdwidget.widget.inspector",
    "Instance": "cdwidget.items",
    "Item": "cdwidget.items",
    "Limits": "cdwidget.limits",
    "Prediction": "cdwidget.predictor",
    "Predictor": "cdwidget.predictor",
    "Prelabel": "cdwidget.batch",
    "Score": "cdwidget.batch",
    "Session": "cdwidget.session",
    "Stroke": "cdwidget.prompts",
    "as_instances": "cdwidget.detections",
    "composite": "cdwidget.compositing",
    "cut_out": "cdwidget.batch.cutouts",
    "export_html": "cdwidget.widget.annotator.offline_page",
    "find_similar": "cdwidget.examples",
    "follow": "cdwidget.examples.follow",
    "load_predictor": "cdwidget.model",
    "read": "cdwidget.formats",
    "read_image": "cdwidget.images",
    "run": "cdwidget.batch",
    "serve": "cdwidget.widget.server",
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
    "ExamplePredictor",
    "Gallery",
    "Inspector",
    "Instance",
    "Item",
    "Limits",
    "Prediction",
    "Predictor",
    "Prelabel",
    "Score",
    "Session",
    "Stroke",
    "__version__",
    "as_instances",
    "composite",
    "cut_out",
    "export_html",
    "find_similar",
    "follow",
    "load_predictor",
    "read",
    "read_image",
    "run",
    "serve",
    "to_frame",
    "write",
]


def _load_predictor(name: str | None) -> Predictor:
    from cdwidget.model import load_predictor

    return load_predictor(name)


def _load_quality_model() -> Any:
    from cdwidget.model.quality import load_quality_model

    return load_quality_model()


register_loader(_load_predictor)
register_quality_loader(_load_quality_model)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF_NAME:
        raise AttributeError(f"module 'cdwidget' has no attribute {name!r}; its public names are: {', '.join(__all__)}")
    value = getattr(import_module(_MODULE_OF_NAME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
