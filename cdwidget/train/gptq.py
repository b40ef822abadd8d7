"""GPTQ: quantize a trained network to a few bits per weight, changing each layer's output on real images as little as possible.

Rounding to the nearest value ruins a network of 3 and 4 bits. GPTQ quantizes the columns of a layer's weight one after the other; columns
not quantized yet compensate the error of the earlier ones, as far as their inputs are correlated (Frantar et al., ICLR 2023). The head is
then trained to compensate the rest: `cdwidget train cdnet-lite`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from cdwidget.click_simulation import next_click
from cdwidget.formats.dataset_folders import find_datasets
from cdwidget.model.cdnet import CDNet
from cdwidget.model.checkpoint import save_checkpoint
from cdwidget.model.prompt_maps import prompt_maps
from cdwidget.model.quantization import bits_of, encode, nearest
from cdwidget.train.config import RECIPES
from cdwidget.train.data import Sample, Sampler, read_sets
from cdwidget.train.features import images_to_tensor

DAMPING = 0.01  # added to the diagonal of the second moments, relative to its mean, for inputs that hardly vary
MAX_INPUT_ROWS = 12000  # inputs of a layer that are used per view


def quantize_checkpoint(model: CDNet, folders: Sequence[Path], out: Path, views: int = 64) -> str:
    """Quantize a model to the view size and bits of the recipe cdnet-lite, and write it.

    Args:
        model: The model, changed in place.
        folders: Data sets to calibrate on.
        out: The .safetensors file to write.
        views: Number of views to calibrate on.

    Returns:
        A sentence with the file and its size.

    Raises:
        ValueError: If the model is quantized already or uses early fusion.
    """
    if model.config.bits or not model.late:
        problem = "is quantized already" if model.config.bits else "does not use late fusion"
        raise ValueError(f"the model {problem}; give a full-precision one such as cdnet-tiny")
    recipe = RECIPES["cdnet-lite"]
    model.config = replace(model.config, size=recipe.model.size, bits=recipe.model.bits)
    sampler = Sampler(recipe, read_sets(find_datasets(folders)))
    rows = (sampler.row(step, index) for step in range(views) for index in range(sampler.rows))
    quantize_network(model, list(islice((sample for row in rows for sample in row), views)))
    save_checkpoint(out, model, {"rounded": f"calibrated on {views} views"})
    return f"wrote {out}, {out.stat().st_size / 1e6:.2f} MB"


@torch.inference_mode()
def quantize_network(model: CDNet, samples: Sequence[Sample]) -> None:
    """Quantize the weights of a model to the bits of its configuration.

    Args:
        model: A model with late fusion, changed in place.
        samples: The samples to calibrate on.
    """
    model.eval()
    images = [images_to_tensor([sample.view.image]) for sample in samples]
    _quantize_layers(model.backbone, [partial(model.backbone, image) for image in images], model.config.bits)

    def run_head(levels: tuple[Tensor, ...], maps: Tensor) -> None:
        fused = (lateral(x) for lateral, x in zip(model.laterals, levels))
        model(tuple(x.expand(len(maps), -1, -1, -1) for x in fused), maps)

    passes = [partial(run_head, model.backbone(image), _first_click_maps(sample, model)) for image, sample in zip(images, samples)]
    _quantize_layers(model, passes, model.config.bits, skip_prefix="backbone.")


def quantize_columns(rows: Tensor, moments: Tensor, bits: int) -> Tensor:
    """Quantize a weight column by column, compensating errors in the columns that follow.

    Args:
        rows: The weight, (rows, columns).
        moments: Second moments of its inputs, (columns, columns).
        bits: Bits per weight.

    Returns:
        The quantized weight, (rows, columns).
    """
    _, scales = encode(rows, bits)
    scales = scales.half().float()  # A file stores them in fp16.
    damped = moments + DAMPING * moments.diagonal().mean() * torch.eye(len(moments))
    order = damped.diagonal().argsort(descending=True)  # Important columns come first, while many others can compensate them.
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped[order][:, order]))
    upper = torch.linalg.cholesky(inverse, upper=True)
    remaining, result = rows[:, order].clone(), torch.empty_like(rows)
    for column in range(rows.shape[1]):
        values = nearest(remaining[:, column, None], scales, bits)[:, 0]
        error = (remaining[:, column] - values) / upper[column, column]
        remaining[:, column + 1 :] -= error[:, None] * upper[column, column + 1 :]
        result[:, order[column]] = values
    return result


def _first_click_maps(sample: Sample, model: CDNet) -> Tensor:
    """Return the maps of each target's first click and of the mask it starts from, (N, 3, S, S)."""
    size, grid = model.config.size, sample.targets.shape[-1]
    maps = torch.zeros(len(sample.targets), 3, size, size)
    for target_maps, target, start in zip(maps, sample.targets, sample.start):
        click = next_click(target, start, ignore=~sample.view.valid)
        if click is not None:
            target_maps[:2] = torch.from_numpy(prompt_maps([click], (0, 0, grid, grid), size, model.config.click_radius))
        target_maps[2:] = F.interpolate(torch.from_numpy(start)[None, None].float(), size=size, mode="bilinear")[0]
    return maps


def _quantize_layers(network: nn.Module, passes: Sequence[Callable[[], object]], bits: int, skip_prefix: str | None = None) -> None:
    """Quantize layers in the order in which they are computed.

    Args:
        network: The network, changed in place.
        passes: Each runs the network on one view.
        bits: Bits per weight of the model.
        skip_prefix: Prefix of the names of layers that are left alone.
    """
    for layer in tqdm(_layers_in_order(network, passes[0], bits, skip_prefix), "layers", disable=None):
        weight, inputs = layer.weight.data, _InputMoments()
        hook = layer.register_forward_pre_hook(inputs)
        for run in passes:
            with suppress(_LayerReached):
                run()
        hook.remove()
        layer_bits = bits_of(weight, bits)
        assert layer_bits is not None
        layer.weight.data = quantize_columns(weight.flatten(1), inputs.total, layer_bits).view_as(weight)


def _layers_in_order(
    network: nn.Module, run: Callable[[], object], bits: int, skip_prefix: str | None
) -> list[nn.Linear | nn.Conv2d]:  # fmt: skip
    layers = [
        layer for name, layer in network.named_modules()
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and not (skip_prefix and name.startswith(skip_prefix)) and bits_of(layer.weight, bits)
    ]  # fmt: skip
    order: list[nn.Linear | nn.Conv2d] = []
    hooks = [layer.register_forward_pre_hook(lambda module, _inputs: order.append(module)) for layer in layers]
    run()
    for hook in hooks:
        hook.remove()
    return list(dict.fromkeys(order))


class _LayerReached(Exception):
    """The inputs of a layer are recorded, so the rest of the network need not run."""


class _InputMoments:
    """Forward hook that sums the second moments of a layer's inputs, (columns, columns), and ends the pass."""

    def __init__(self) -> None:
        self.total = torch.zeros(())

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        (x,) = inputs
        if isinstance(layer, nn.Conv2d):
            padding = layer.padding if isinstance(layer.padding, tuple) else 0
            x = F.unfold(x, layer.kernel_size, layer.dilation, padding, layer.stride).transpose(1, 2)
        x = x.reshape(-1, x.shape[-1]).float()
        x = x[:: -(-len(x) // MAX_INPUT_ROWS)]
        self.total = self.total + x.T @ x / len(x)
        raise _LayerReached
