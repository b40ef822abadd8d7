"""Weights on disk: safetensors in fp16, or of a few bits each, with the configuration inside; a wrong or missing key is an error."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from cdwidget.model import quantization as palette
from cdwidget.model.cdnet import CDNet, CDNetConfig

CODES, SCALES = ".codes", ".scales"  # of a tensor whose weights have a few bits each


def save_checkpoint(path: Path, model: CDNet, notes: dict[str, str] | None = None) -> None:
    """Write a model's weights (fp16, or as few bits as its configuration says) and configuration; the old file stays until the new one
    is whole."""
    tensors = {}
    for name, value in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if (bits := palette.bits_of(value, model.config.bits)) is None:
            tensors[name] = (value.half() if value.is_floating_point() else value).contiguous()
        else:
            codes, scales = palette.encode(value, bits)
            tensors |= {name + CODES: palette.pack(codes, bits), name + SCALES: scales.half()}
    partial = path.with_name(path.name + ".partial")
    save_file(tensors, partial, metadata={"format": "cdwidget-1", "config": json.dumps(asdict(model.config)), **(notes or {})})
    os.replace(partial, path)


def load_checkpoint(path: Path) -> CDNet:
    """Build the model a checkpoint describes and load its weights strictly, in evaluation mode, float32.

    Raises FileNotFoundError, or ValueError when the file is no checkpoint of this package or its keys or shapes do not fit.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}; give the path of a .safetensors file that `cdwidget train` wrote")
    try:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata() or {}
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error}); copy or train it again") from error
    if "config" not in notes:
        raise ValueError(f"{path} holds no cdwidget configuration; load a file that `cdwidget train` wrote")
    content = json.loads(notes["config"])
    known = {field.name for field in fields(CDNetConfig)}
    if unknown := sorted(set(content) - known):
        raise ValueError(
            f"{path} was written by another version: its configuration has {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )
    model = CDNet(CDNetConfig(**content))
    _load_strictly(model, _decoded(tensors, model, path), path)
    return model.eval()


def load_encoder(model: CDNet, path: Path) -> None:
    """Load pre-trained weights into the model's backbone, strictly: it gets all it has; a classifier that is left over is not used."""
    tensors = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    wanted = set(model.backbone.state_dict())
    _load_strictly(model.backbone, {name: value for name, value in tensors.items() if name in wanted}, path)


def load_parts(model: CDNet, path: Path) -> None:
    """Begin with the weights of a checkpoint whose network is this one or a part of it; what the file lacks stays as it is.

    Raises ValueError when the file has weights that the model has not, or of another shape.
    """
    given = load_checkpoint(path).state_dict()
    own = model.state_dict()
    if foreign := [name for name, value in given.items() if name not in own or own[name].shape != value.shape]:
        raise ValueError(f"{path} does not fit the model: {', '.join(foreign[:5])} are not in it or of another shape")
    model.load_state_dict({**own, **given})


def _decoded(tensors: dict[str, torch.Tensor], model: CDNet, path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a file with codes in place of weights, with the weights that they stand for; others as they are."""
    weights = dict(tensors)
    for name, value in model.state_dict().items():
        bits = palette.bits_of(value, model.config.bits)
        if bits is not None and name + CODES in tensors and name + SCALES in tensors:
            codes, scales = weights.pop(name + CODES), weights.pop(name + SCALES)
            if scales.shape != value.shape[:1]:
                raise ValueError(f"{path} does not fit the model: {name}{SCALES} is {tuple(scales.shape)}, not {tuple(value.shape[:1])}")
            try:
                weights[name] = palette.decode(palette.unpack(codes, bits, value.shape), scales, bits)
            except ValueError as error:
                raise ValueError(f"{path} does not fit the model: in {name}{CODES} {error}") from error
    return weights


def _load_strictly(module: torch.nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
    wanted = {name: value.shape for name, value in module.state_dict().items() if not name.endswith("num_batches_tracked")}
    given = {name: value.shape for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    faults = [f"{name} is missing" for name in sorted(wanted.keys() - given.keys())]
    faults += [f"{name} is not known" for name in sorted(given.keys() - wanted.keys())]
    faults += [f"{n} is {tuple(given[n])}, not {tuple(wanted[n])}" for n in sorted(wanted.keys() & given.keys()) if given[n] != wanted[n]]
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise ValueError(f"{path} does not fit the model: {'; '.join(faults[:5])}{more}")
    module.load_state_dict({name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}, strict=False)
