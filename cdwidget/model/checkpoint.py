"""Checkpoints: weights in safetensors (fp16, or a few bits each) with the configuration inside; wrong or missing keys are errors."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.model.fdm import Variant
from cdwidget.model.prompt_maps import ClickEncoding
from cdwidget.model.quantization import bits_of, decode, encode, pack, unpack

CODES_SUFFIX, SCALES_SUFFIX = ".codes", ".scales"  # Suffixes of the two tensors that hold a quantized weight.
CHOICES = {"fdm": get_args(Variant), "click_encoding": get_args(ClickEncoding)}
MAX_CONFIG_VALUE = 2048  # Channels or pixels of a view; larger networks need more memory than a file of weights may ask for.
MAX_LISTED_KEYS = 5  # Number of keys in an error message.


def save_checkpoint(path: Path, model: CDNet, metadata: dict[str, str] | None = None) -> None:
    """Write the weights and the configuration of a model.

    An existing file is replaced only when the new one is complete.

    Args:
        path: The .safetensors file.
        model: The model; its weights are written in fp16 or with the bits of its configuration.
        metadata: Stored in the header of the file, besides the configuration.
    """
    tensors = {}
    for name, value in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if (bits := bits_of(value, model.config.bits)) is None:
            tensors[name] = (value.half() if value.is_floating_point() else value).contiguous()
        else:
            codes, scales = encode(value, bits)
            tensors |= {name + CODES_SUFFIX: pack(codes, bits), name + SCALES_SUFFIX: scales.half()}
    partial = path.with_name(path.name + ".partial")
    header = {"format": "cdwidget-1", "config": json.dumps(asdict(model.config)), **(metadata or {})}
    save_file(tensors, partial, metadata=header)
    os.replace(partial, path)


def load_checkpoint(path: Path) -> CDNet:
    """Build the model that a checkpoint describes and load its weights strictly.

    Args:
        path: A .safetensors file that `cdwidget train` wrote.

    Returns:
        The model in evaluation mode, float32.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not a checkpoint of this package, or its keys or shapes do not fit.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}; give the path of a .safetensors file that `cdwidget train` wrote")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a complete safetensors file ({error}); copy or train it again") from error
    if "config" not in metadata:
        raise ValueError(f"{path} holds no cdwidget configuration; load a file that `cdwidget train` wrote")
    config = read_config(metadata["config"], path)
    try:
        model = CDNet(config)
    except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"the configuration in {path} describes no network ({error}); copy or train it again") from error
    _load_strictly(model, _dequantized(tensors, model, path), path)
    return model.eval()


def read_config(text: str, path: Path) -> CDNetConfig:
    """Read the configuration in a file of weights.

    Args:
        text: The configuration, JSON.
        path: The file, for error messages.

    Raises:
        ValueError: If it is no JSON object, or a value is unknown, of another type or out of range.
    """
    try:
        content = json.loads(text)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"the configuration in {path} is not JSON ({error}); copy or train it again") from error
    if not isinstance(content, dict):
        raise ValueError(f"the configuration in {path} is not a JSON object; copy or train it again")
    known = asdict(CDNetConfig())
    if unknown := sorted(content.keys() - known.keys()):
        raise ValueError(
            f"{path} was written by another version: its configuration has {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )
    for name, value in content.items():
        types = (int, float) if isinstance(known[name], float) else (type(known[name]),)
        is_valid = value in CHOICES[name] if name in CHOICES else type(value) in types
        if not is_valid or not isinstance(value, str) and not 0 <= value <= MAX_CONFIG_VALUE:
            raise ValueError(f"the configuration in {path} has the value {value!r:.80} of {name}; copy or train it again")
    return CDNetConfig(**content)


def load_encoder(model: CDNet, path: Path) -> None:
    """Load pre-trained weights into the backbone of a model.

    Args:
        model: The model, changed in place.
        path: A .safetensors or PyTorch file; weights that the backbone lacks, such as a classifier, are ignored.

    Raises:
        ValueError: If a weight of the backbone is missing or has another shape.
    """
    tensors = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    wanted = set(model.backbone.state_dict())
    _load_strictly(model.backbone, {name: value for name, value in tensors.items() if name in wanted}, path)


def load_parts(model: CDNet, path: Path) -> None:
    """Initialize a model with a checkpoint of the same network or of a part of it.

    Weights that the file lacks stay as they are.

    Args:
        model: The model, changed in place.
        path: The checkpoint.

    Raises:
        ValueError: If the file has a weight that the model lacks or that has another shape.
    """
    loaded = load_checkpoint(path).state_dict()
    own = model.state_dict()
    if unknown := [name for name, value in loaded.items() if name not in own or own[name].shape != value.shape]:
        names = ", ".join(unknown[:MAX_LISTED_KEYS])
        raise ValueError(f"{path} does not fit the model: {names} are not in it or have another shape")
    model.load_state_dict({**own, **loaded})


def _dequantized(tensors: dict[str, torch.Tensor], model: CDNet, path: Path) -> dict[str, torch.Tensor]:
    """Replace the codes and scales of quantized weights by the weights."""
    weights = dict(tensors)
    for name, value in model.state_dict().items():
        bits = bits_of(value, model.config.bits)
        if bits is None or name + CODES_SUFFIX not in tensors or name + SCALES_SUFFIX not in tensors:
            continue
        codes, scales = weights.pop(name + CODES_SUFFIX), weights.pop(name + SCALES_SUFFIX)
        if scales.shape != value.shape[:1]:
            raise ValueError(f"{path} does not fit the model: {name}{SCALES_SUFFIX} is {tuple(scales.shape)}, not {tuple(value.shape[:1])}")
        try:
            weights[name] = decode(unpack(codes, bits, value.shape), scales, bits)
        except ValueError as error:
            raise ValueError(f"{path} does not fit the model: in {name}{CODES_SUFFIX} {error}") from error
    return weights


def _load_strictly(module: torch.nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Load tensors into a module; raise ValueError for missing or unknown keys and for other shapes."""
    wanted = {name: value.shape for name, value in module.state_dict().items() if not name.endswith("num_batches_tracked")}
    found = {name: value.shape for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    problems = [f"{name} is missing" for name in sorted(wanted.keys() - found.keys())]
    problems += [f"{name} is not known" for name in sorted(found.keys() - wanted.keys())]
    problems += [f"{n} is {tuple(found[n])}, not {tuple(wanted[n])}" for n in sorted(wanted.keys() & found.keys()) if found[n] != wanted[n]]
    if problems:
        more = f" and {len(problems) - MAX_LISTED_KEYS} more" if len(problems) > MAX_LISTED_KEYS else ""
        raise ValueError(f"{path} does not fit the model: {'; '.join(problems[:MAX_LISTED_KEYS])}{more}")
    module.load_state_dict({name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}, strict=False)
