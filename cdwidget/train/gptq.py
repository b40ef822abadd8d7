"""From a trained network to one of a few bits a weight: each layer is rounded so that what it says of real images changes least.

Rounding to the nearest value ruins a network of 3 and 4 bits. Here the columns of a layer's weight are rounded one after the other, and
the columns still to come make good the error of those that are done, as far as the inputs go together (GPTQ, Frantar et al., ICLR 2023).
What is left the head learns to live with: `cdwidget train cdnet-lite`.
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
from cdwidget.formats.dataset_folders import find_sets
from cdwidget.model.cdnet import CDNet
from cdwidget.model.checkpoint import save_checkpoint
from cdwidget.model.prompt_maps import click_maps
from cdwidget.model.quantization import bits_of, encode, nearest
from cdwidget.train.config import RECIPES
from cdwidget.train.data import Sample, Sampler, read_sets
from cdwidget.train.features import as_images

DAMPING = 0.01  # of the mean of the inputs' squares, added to each: for inputs that hardly ever differ
ROWS = 12000  # of a layer's inputs that are looked at in one view at most


def round_weights(model: CDNet, folders: Sequence[Path], out: Path, views: int = 64) -> str:
    """Make a model as small as cdnet-lite, its views as well as its weights, and write it; say how large the file is.

    views: of images that are trained on, that are looked at.
    Raises ValueError for a model that has few bits already, or whose prompts enter with the image.
    """
    if model.config.bits or not model.late:
        raise ValueError(f"the model has {'few bits already' if model.config.bits else 'no late fusion'}; give a float one like cdnet-tiny")
    recipe = RECIPES["cdnet-lite"]
    model.config = replace(model.config, size=recipe.model.size, bits=recipe.model.bits)
    sampler = Sampler(recipe, read_sets(find_sets(folders)))
    rows = (sampler.row(step, number) for step in range(views) for number in range(sampler.rows))
    round_network(model, list(islice((sample for row in rows for sample in row), views)))
    save_checkpoint(out, model, {"rounded": f"looking at {views} views"})
    return f"wrote {out}, {out.stat().st_size / 1e6:.2f} MB"


@torch.inference_mode()
def round_network(model: CDNet, samples: Sequence[Sample]) -> None:
    """Round the weights of a model with late fusion in place to the bits of its configuration, looking at samples."""
    model.eval()
    images = [as_images([sample.view.image]) for sample in samples]
    _round(model.backbone, [partial(model.backbone, image) for image in images], model.config.bits)

    def answer(levels: tuple[Tensor, ...], maps: Tensor) -> None:
        own = (lateral(x) for lateral, x in zip(model.laterals, levels))
        model(tuple(x.expand(len(maps), -1, -1, -1) for x in own), maps)

    passes = [partial(answer, model.backbone(image), _maps(sample, model)) for image, sample in zip(images, samples)]
    _round(model, passes, model.config.bits, without="backbone.")


def _maps(sample: Sample, model: CDNet) -> Tensor:
    """Each target's first click, and the mask it starts from: (N, 3, S, S)."""
    size, grid = model.config.size, sample.targets.shape[-1]
    maps = torch.zeros(len(sample.targets), 3, size, size)
    for shown, target, start in zip(maps, sample.targets, sample.start):
        click = next_click(target, start, ignore=~sample.view.valid)
        if click is not None:
            shown[:2] = torch.from_numpy(click_maps([click], (0, 0, grid, grid), size, model.config.click_radius))
        shown[2:] = F.interpolate(torch.from_numpy(start)[None, None].float(), size=size, mode="bilinear")[0]
    return maps


def _round(network: nn.Module, passes: Sequence[Callable[[], object]], bits: int, without: str = "nothing") -> None:
    """Round the layers, but for those whose names begin so, in the order in which they are computed; each of `passes` computes a view."""
    for layer in tqdm(_in_order(network, passes[0], bits, without), "layers", disable=None):
        weight, inputs = layer.weight.data, _Moments()
        hook = layer.register_forward_pre_hook(inputs)
        for compute in passes:
            with suppress(_Seen):
                compute()
        hook.remove()
        own = bits_of(weight, bits)
        assert own is not None
        layer.weight.data = compensated(weight.flatten(1), inputs.total, own).view_as(weight)


def _in_order(network: nn.Module, compute: Callable[[], object], bits: int, without: str) -> list[nn.Linear | nn.Conv2d]:
    """The layers to round, in the order in which a pass computes them."""
    layers = [
        layer for name, layer in network.named_modules()
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and not name.startswith(without) and bits_of(layer.weight, bits)
    ]  # fmt: skip
    met: list[nn.Linear | nn.Conv2d] = []
    hooks = [layer.register_forward_pre_hook(lambda module, _inputs: met.append(module)) for layer in layers]
    compute()
    for hook in hooks:
        hook.remove()
    return list(dict.fromkeys(met))


class _Seen(Exception):
    """A layer's inputs are known; what follows need not be computed."""


class _Moments:
    """Sums up the second moments of a layer's inputs, (columns, columns), and ends each pass there."""

    def __init__(self) -> None:
        self.total = torch.zeros(())

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        (x,) = inputs
        if isinstance(layer, nn.Conv2d):
            padding = layer.padding if isinstance(layer.padding, tuple) else 0
            x = F.unfold(x, layer.kernel_size, layer.dilation, padding, layer.stride).transpose(1, 2)
        x = x.reshape(-1, x.shape[-1]).float()
        x = x[:: -(-len(x) // ROWS)]
        self.total = self.total + x.T @ x / len(x)
        raise _Seen


def compensated(rows: Tensor, moments: Tensor, bits: int) -> Tensor:
    """Round a weight (rows, columns) whose inputs have these second moments (columns, columns), column by column."""
    _, scales = encode(rows, bits)
    scales = scales.half().float()  # as a file holds them
    damped = moments + DAMPING * moments.diagonal().mean() * torch.eye(len(moments))
    order = damped.diagonal().argsort(descending=True)  # what matters most is rounded while there are many to make it good
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped[order][:, order]))
    upper = torch.linalg.cholesky(inverse, upper=True)
    left, done = rows[:, order].clone(), torch.empty_like(rows)
    for column in range(rows.shape[1]):
        values = nearest(left[:, column, None], scales, bits)[:, 0]
        error = (left[:, column] - values) / upper[column, column]
        left[:, column + 1 :] -= error[:, None] * upper[column, column + 1 :]
        done[:, order[column]] = values
    return done
