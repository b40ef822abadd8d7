"""One network asked in several ways, to compare them: `model@variant`, such as `cdnet-tiny@brs`."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Callable, Collection

import torch

from cdwidget.lookup import lookup
from cdwidget.model import DEFAULT, MODELS, load_predictor
from cdwidget.model.predictor import CDNetPredictor
from cdwidget.model.refine import BRS, FBRS

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
    "no-cascade": partial(CDNetPredictor, cascade=False),
    "no-focus": partial(CDNetPredictor, focus=None),
    "no-pdm-no-zoom": partial(CDNetPredictor, pdm_steps=0, zoom_in=False, cascade=False),
    "brs": partial(BRS, pdm_steps=0, cascade=False, focus=None),
    "f-brs-b": partial(FBRS, pdm_steps=0, cascade=False, focus=None),
}
ABLATIONS = tuple(name for name in VARIANTS if name not in ("no-pdm-no-zoom", "brs", "f-brs-b"))


def load_variant(name: str) -> CDNetPredictor:
    """Load `model` or `model@variant`: a name in MODELS, "cdnet" for the default, or a .safetensors file; a name in VARIANTS.

    Raises ValueError for an unknown name or a file that is no checkpoint, FileNotFoundError for a missing file.
    """
    variant = name.partition("@")[2]
    predictor = load_predictor(weights_of(name))
    if not variant:
        return predictor
    return lookup(VARIANTS, variant, "variant")(predictor.model, next(predictor.model.parameters(), torch.empty(0)).device.type)


def weights_of(name: str, others: Collection[str] = ()) -> Path:
    """The file of the weights that `load_variant(name)` loads; ValueError for an unknown name, listing `others` as choices too."""
    model, _, variant = name.partition("@")
    if variant:
        lookup(VARIANTS, variant, "variant")
    if model.endswith((".safetensors", ".onnx")):
        return Path(model)
    return lookup({**dict.fromkeys(others, MODELS[DEFAULT]), "cdnet": MODELS[DEFAULT], **MODELS}, model, "method")


def fingerprint(name: str) -> str:
    """What tells one method's answers from another's: the digest of its weights, and its variant."""
    return hashlib.sha256(weights_of(name).read_bytes()).hexdigest()[:16] + "@" + name.partition("@")[2]


def ablations(model: str) -> list[str]:
    """The variants in ABLATIONS that differ from how a model is asked by default."""
    default = load_predictor(weights_of(model))
    return [name for name in ABLATIONS if _settings(VARIANTS[name](default.model)) != _settings(default)]


def _settings(predictor: CDNetPredictor) -> tuple[object, ...]:
    zoom = predictor.expansion if predictor.zoom_in else None
    return predictor.pdm_steps, predictor.reclamp, zoom, predictor.flip, predictor.previous_mask, predictor.cascade, predictor.focus
