"""One network with different inference options, for comparison: `model@variant`, such as `cdnet-tiny@brs`."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Callable, Collection

import torch

from cdwidget.model import DEFAULT, MODELS, load_predictor
from cdwidget.model.brs import BRS, FBRS
from cdwidget.model.focus import Focus
from cdwidget.model.predictor import CDNetPredictor
from cdwidget.registry import lookup

VARIANTS: dict[str, Callable[..., CDNetPredictor]] = {
    "pdm-0": partial(CDNetPredictor, pdm_steps=0),
    "pdm-5": partial(CDNetPredictor, pdm_steps=5),
    "pdm-10": partial(CDNetPredictor, pdm_steps=10),
    "pdm-5-reclamped": partial(CDNetPredictor, pdm_steps=5, reclamp=True),
    "pdm-10-reclamped": partial(CDNetPredictor, pdm_steps=10, reclamp=True),
    "zoom-off": partial(CDNetPredictor, zoom_in=False),
    "zoom-1.4": partial(CDNetPredictor, expansion=1.4),
    "zoom-2.0": partial(CDNetPredictor, expansion=2.0),
    "flip": partial(CDNetPredictor, flip=True),
    "no-previous-mask": partial(CDNetPredictor, previous_mask=False),
    "no-cascade": partial(CDNetPredictor, cascade=False, focus=None),  # One forward pass; the overall score was fitted with it.
    "no-focus": partial(CDNetPredictor, focus=None),
    "focus-pdm-5": partial(CDNetPredictor, focus=Focus(pdm_steps=5)),
    "focus-pdm-10": partial(CDNetPredictor, focus=Focus(pdm_steps=10)),
    "no-granularity": partial(CDNetPredictor, granularities=()),
    "no-pdm-no-zoom": partial(CDNetPredictor, pdm_steps=0, zoom_in=False, cascade=False, focus=None),
    "brs": partial(BRS, pdm_steps=0, cascade=False, focus=None),
    "f-brs-b": partial(FBRS, pdm_steps=0, cascade=False, focus=None),
}
ABLATIONS = tuple(name for name in VARIANTS if name not in ("no-granularity", "no-pdm-no-zoom", "brs", "f-brs-b"))


def load_variant(name: str) -> CDNetPredictor:
    """Load `model` or `model@variant`.

    Args:
        name: The model is a name in MODELS, "cdnet" for the default, or a .safetensors or .onnx file; the variant is a name in VARIANTS.

    Returns:
        The predictor.

    Raises:
        ValueError: If a name is unknown or the file is not a checkpoint.
        FileNotFoundError: If there is no such file.
    """
    variant = name.partition("@")[2]
    predictor = load_predictor(weights_of(name))
    if not variant:
        return predictor
    return lookup(VARIANTS, variant, "variant")(predictor.model, next(predictor.model.parameters(), torch.empty(0)).device.type)


def weights_of(name: str, others: Collection[str] = ()) -> Path:
    """Return the file that `load_variant(name)` loads.

    Args:
        name: See `load_variant`.
        others: Further choices to list if the name is unknown.

    Raises:
        ValueError: If the name is unknown.
    """
    model, _, variant = name.partition("@")
    if variant:
        lookup(VARIANTS, variant, "variant")
    if model.endswith((".safetensors", ".onnx")):
        return Path(model)
    return lookup({**dict.fromkeys(others, MODELS[DEFAULT]), "cdnet": MODELS[DEFAULT], **MODELS}, model, "method")


def fingerprint(name: str) -> str:
    """Return an identifier of a method's predictions: a digest of the weights and the variant."""
    return hashlib.sha256(weights_of(name).read_bytes()).hexdigest()[:16] + "@" + name.partition("@")[2]


def ablations(model: str) -> list[str]:
    """Return the variants in ABLATIONS whose options differ from the defaults of a model."""
    default = load_predictor(weights_of(model))
    return [name for name in ABLATIONS if _settings(VARIANTS[name](default.model)) != _settings(default)]


def _settings(predictor: CDNetPredictor) -> tuple[object, ...]:
    zoom = predictor.expansion if predictor.zoom_in else None
    return predictor.pdm_steps, predictor.reclamp, zoom, predictor.flip, predictor.previous_mask, predictor.cascade, predictor.focus
