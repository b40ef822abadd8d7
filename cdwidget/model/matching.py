"""Exemplar matching: where a view shows objects like an example, and the box of each.

The network sees only cosines of tokens: of each cell of the view and each cell of the example, also of the ring around it, and of
neighboring cells. So it knows no classes, and it fits every encoder with three levels (compare FamNet: Ranjan et al., "Learning to Count
Everything", CVPR 2021). A cell is the example's size divided by CELLS, so large and small examples look the same. Objects are the peaks of
a heatmap, and each has a box (CenterNet: Zhou et al., "Objects as Points", 2019).
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from statistics import fmean
from typing import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cdwidget.predictor import Match, MatchingTokens, Template

WEIGHTS = Path(__file__).parent / "weights" / "matcher.safetensors"
LEVELS = 3
CELLS = 4  # cells of the example along each side
TEMPLATE_CELLS = 6  # along each side of the example with its ring
MIN_GRID_CELLS, MAX_GRID_CELLS = 6, 128  # along each side of a view
MIN_NORM = 0.3  # of a mean of normalized tokens
COSINE_FACTOR, STEP_FACTOR = 2.0, 4.0  # scale the inputs of the network to about 1
MAX_LOG_RATIO = 1.3  # logarithm of an object's side relative to the example's
OFFSET_CELLS = CELLS / 2  # cells per unit of the predicted offset
LOG_RATIO_UNIT = 0.5  # logarithm per unit of the predicted size
MIN_PROBABILITY = 0.05  # of a match
MAX_MATCHES = 200
MAX_SIDE_RATIO = 1.3  # of two examples with one template
MAX_TEMPLATES = 4

Box = tuple[float, float, float, float]


class Matcher(nn.Module):
    """Predicts for each cell of a view whether it is the center of an object like the example, and the box of that object.

    Args:
        width: Number of channels.
        dilations: Dilation of each residual block.
    """

    def __init__(self, width: int = 32, dilations: Sequence[int] = (1, 2, 4, 2)) -> None:
        super().__init__()
        self.stem = nn.Conv2d(LEVELS * (TEMPLATE_CELLS**2 + 2), width, 1)
        self.blocks = nn.Sequential(*(DilatedBlock(width, dilation) for dilation in dilations))
        self.head = nn.Conv2d(width, 5, 1)

    def forward(self, grids: Sequence[Tensor], templates: Sequence[Tensor]) -> Tensor:
        """Return the logit of a center and the offset and size of the box in each cell, (B, 5, h, w).

        Args:
            grids: Tokens of each level in the cells, (B, C, h, w), see `sample_grid`.
            templates: Tokens of each level in the example, (B, C, TEMPLATE_CELLS, TEMPLATE_CELLS).
        """
        inputs = []
        for grid, template in zip(grids, templates):
            cells, example = (part / part.norm(dim=1, keepdim=True).clamp(min=MIN_NORM) for part in (grid, template))
            inputs.append(COSINE_FACTOR * torch.einsum("bchw,bck->bkhw", cells, example.flatten(2)))
            right = 1 - (cells[..., 1:] * cells[..., :-1]).sum(1, keepdim=True)
            below = 1 - (cells[..., 1:, :] * cells[..., :-1, :]).sum(1, keepdim=True)
            inputs += [STEP_FACTOR * F.pad(right, (0, 1)), STEP_FACTOR * F.pad(below, (0, 0, 0, 1))]
        output: Tensor = self.head(F.gelu(self.blocks(self.stem(torch.cat(inputs, 1)))))
        return output


class DilatedBlock(nn.Module):
    """A residual block of a dilated convolution and a plain one."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return x and its residual, (B, width, h, w)."""
        residual: Tensor = self.conv2(F.gelu(self.conv1(F.gelu(x))))
        return x + residual


def normalized_levels(levels: Sequence[Tensor]) -> list[Tensor]:
    """Return the tokens of each level, (C, h, w), without the mean of the view, of length 1."""
    return [F.normalize(level.float() - level.float().mean((1, 2), keepdim=True), dim=0) for level in levels]


def grid_size(width: float, height: float) -> tuple[int, int]:
    """Return the cells (columns, rows) of a view for an example whose sides are these fractions of the view's."""
    columns, rows = (min(MAX_GRID_CELLS, max(MIN_GRID_CELLS, round(CELLS / side))) for side in (width, height))
    return columns, rows


def sample_grid(levels: Sequence[Tensor], columns: int, rows: int) -> list[Tensor]:
    """Return the tokens of each level in the cells of a view, (C, rows, columns)."""
    xs, ys = (torch.arange(count) / count + 0.5 / count for count in (columns, rows))
    return [sample(level, xs, ys, (1 / columns, 1 / rows)) for level in levels]


def sample_template(levels: Sequence[Tensor], box: Box) -> list[Tensor]:
    """Return the tokens of each level in an example and the ring around it, (C, TEMPLATE_CELLS, TEMPLATE_CELLS).

    Args:
        levels: Normalized tokens of a view, (C, h, w).
        box: The example (x0, y0, x1, y1), as fractions of the view.
    """
    x0, y0, x1, y1 = box
    cell_x, cell_y = (x1 - x0) / CELLS, (y1 - y0) / CELLS
    steps = torch.arange(TEMPLATE_CELLS) - (TEMPLATE_CELLS - 1) / 2
    xs, ys = (x0 + x1) / 2 + steps * cell_x, (y0 + y1) / 2 + steps * cell_y
    return [sample(level, xs, ys, (cell_x, cell_y)) for level in levels]


def sample(level: Tensor, xs: Tensor, ys: Tensor, cell: tuple[float, float]) -> Tensor:
    """Sample tokens at the centers of cells; tokens that are smaller than a cell are averaged first.

    Args:
        level: Tokens of a view, (C, h, w).
        xs: Horizontal positions as fractions of the view, (n,).
        ys: Vertical positions, (m,).
        cell: Width and height of a cell.

    Returns:
        (C, m, n).
    """
    height, width = level.shape[1:]
    pool_x, pool_y = (min(count, max(1, int(side * count + 0.5))) for side, count in zip(cell, (width, height)))
    pooled = F.avg_pool2d(level[None], (pool_y, pool_x))
    xs, ys = xs * width / (pooled.shape[3] * pool_x), ys * height / (pooled.shape[2] * pool_y)  # Pooling drops a remainder.
    grid = torch.stack(torch.meshgrid(2 * ys - 1, 2 * xs - 1, indexing="ij")[::-1], -1)[None]
    return F.grid_sample(pooled, grid, padding_mode="border", align_corners=False)[0]


class CDNetTokens(MatchingTokens):
    """Tokens of CDNet's encoder, compared by the matcher."""

    @torch.inference_mode()
    def template(self, box: Box) -> Template:
        """Return the template of an object of the view.

        Args:
            box: Its box (x0, y0, x1, y1) in image pixels.
        """
        left, top, right, bottom = self.box
        width, height = right - left, bottom - top
        x0, y0, x1, y1 = box
        inside = ((x0 - left) / width, (y0 - top) / height, (x1 - left) / width, (y1 - top) / height)
        return Template([level.numpy() for level in sample_template(self._levels, inside)], x1 - x0, y1 - y0)

    @torch.inference_mode()
    def matches(self, templates: Sequence[Template]) -> list[Match]:
        """Return the objects of the view that are like one of several examples; several matches may show the same object."""
        return [match for template in merge_templates(templates) for match in self._matches(template)]

    @cached_property
    def _levels(self) -> list[Tensor]:
        return normalized_levels([torch.from_numpy(level).permute(2, 0, 1) for level in (*self.finer, self.features)])

    def _matches(self, template: Template) -> list[Match]:
        left, top, right, bottom = self.box
        columns, rows = grid_size(template.width / (right - left), template.height / (bottom - top))
        cell_x, cell_y = (right - left) / columns, (bottom - top) / rows  # image px
        grids = [grid[None] for grid in sample_grid(self._levels, columns, rows)]
        output = load_matcher()(grids, [torch.from_numpy(level)[None] for level in template.levels])[0]
        probability = output[0].sigmoid()
        is_peak = (probability == F.max_pool2d(probability[None], 3, 1, 1)[0]) & (probability > MIN_PROBABILITY)
        ys, xs = torch.nonzero(is_peak, as_tuple=True)
        best = probability[ys, xs].argsort(descending=True, stable=True)[:MAX_MATCHES]
        ys, xs = ys[best], xs[best]
        offset_x, offset_y = OFFSET_CELLS * output[1:3, ys, xs]
        x = (left + (xs + 0.5 + offset_x) * cell_x).clamp(left, right)
        y = (top + (ys + 0.5 + offset_y) * cell_y).clamp(top, bottom)
        ratios = (LOG_RATIO_UNIT * output[3:, ys, xs]).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
        half_width, half_height = template.width / 2 * ratios[0], template.height / 2 * ratios[1]
        boxes = torch.stack([x - half_width, y - half_height, x + half_width, y + half_height], 1).tolist()
        return [Match((x0, y0, x1, y1), value) for (x0, y0, x1, y1), value in zip(boxes, probability[ys, xs].tolist())]


def merge_templates(templates: Sequence[Template]) -> list[Template]:
    """Return the means of the templates of similar size, those of most examples first, at most MAX_TEMPLATES."""
    groups: list[list[Template]] = []
    for one in templates:
        group = next((group for group in groups if have_similar_sides((one.width, one.height), (group[0].width, group[0].height))), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    return [_mean_template(group) for group in sorted(groups, key=len, reverse=True)[:MAX_TEMPLATES]]


def have_similar_sides(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray) -> bool:
    """Return whether two examples, given by width and height, share a template."""
    ratios = (a[0] / b[0], a[1] / b[1])
    return max(ratios) <= MAX_SIDE_RATIO and min(ratios) >= 1 / MAX_SIDE_RATIO


def _mean_template(templates: Sequence[Template]) -> Template:
    levels = [np.mean(level, 0) for level in zip(*(one.levels for one in templates))]
    return Template(levels, *(fmean(getattr(one, side) for one in templates) for side in ("width", "height")))


def save_matcher(network: Matcher, path: Path, metadata: dict[str, str]) -> None:
    """Write the weights in fp16; the metadata is stored in the header of the file."""
    save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, path, metadata=metadata)


@lru_cache
def load_matcher(path: Path = WEIGHTS) -> Matcher:
    """Load the matcher from a .safetensors file that `cdwidget train-matcher` wrote; by default the one in the package."""
    network = Matcher()
    network.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return network.eval()
