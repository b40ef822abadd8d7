"""The critic: how good a mask is and where it is wrong, from what the encoder of cdnet-tiny sees round it; no clicks, no ground truth."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cdwidget.masks import Bbox, bbox
from cdwidget.model import MODELS
from cdwidget.model.cdnet import ASPP, Block, ClickPyramid, conv_bn
from cdwidget.model.encoders import TinyViT
from cdwidget.model.quantization import precision
from cdwidget.predictor import Judgement

WEIGHTS = Path(__file__).parent / "weights" / "critic.safetensors"
SIZE, GRID = 448, 224  # sides of the view in pixels, which the encoder's windows fill, and of the maps that the critic is shown
CELL = 8  # pixels of the view, side of what the critic says one missed and one taken share of
EXPANSION = 2.0  # of the mask's box, the view of it
SMALL = 0.7  # the view's larger side, as a share of the image's, from which the whole image is looked at
LEAST = 64  # pixels of the image, side of the smallest view
CROWD = 3  # masks over one another from which there are many
KEPT_VIEWS = 4
WIDTHS = (32, 64, 160)  # as in cdnet-tiny, with whose weights training begins


class Opinion(NamedTuple):
    """iou: (B,), logits of the estimated IoU. good: (B,), logits of the chance that it is not BAD. soft: (B,), the IoU that the shares
    of `wrong` come to. wrong: (B, 2, S / CELL, S / CELL), logits of the share of each cell that is missed, and of that which is taken.
    """

    iou: Tensor
    good: Tensor
    soft: Tensor
    wrong: Tensor


class CriticNetwork(nn.Module):
    """`forward(levels, maps)`: features of stride 4, 8, 16 of TinyViT, and the maps (B, 3, S, S) of `shown`."""

    def __init__(self) -> None:
        super().__init__()
        fine, middle, deep = WIDTHS
        self.laterals = nn.ModuleList(conv_bn(a, b, 1) for a, b in zip((64, 128, 256), WIDTHS))
        self.prompts = ClickPyramid(WIDTHS)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in zip(WIDTHS, WIDTHS[1:]))
        self.context = nn.Sequential(Block(deep), ASPP(deep, (3, 6, 9)))
        self.narrow = nn.Conv2d(deep, middle, 1)
        self.smooth = nn.Sequential(Block(middle), Block(middle))
        self.wrong = nn.Conv2d(middle, 2, 3, padding=1)
        self.judge = nn.Sequential(nn.Linear(2 * deep + 2 * middle + 4, 64), nn.GELU(), nn.Linear(64, 2))
        fold_norms(self)

    def forward(self, levels: Sequence[Tensor], maps: Tensor) -> Opinion:
        seen = [lateral(level) + prompt for lateral, level, prompt in zip(self.laterals, levels, self.prompts(maps))]
        middle = seen[1] + self.down[0](F.gelu(seen[0]))
        deep = self.context(F.gelu(seen[2] + self.down[1](F.gelu(middle))))
        fine = self.smooth(F.interpolate(self.narrow(deep), scale_factor=2, mode="bilinear") + middle)
        wrong = self.wrong(fine).float()
        mask = F.avg_pool2d(maps[:, 2:], CELL)  # (B, 1, h, w)
        missed, taken = ((wrong.sigmoid() * torch.cat([1 - mask, mask], 1)).flatten(2)).sum(-1).T
        area = mask.sum((1, 2, 3)).clamp(min=0.1)
        soft = ((area - taken) / (area + missed)).clamp(1e-3, 1 - 1e-3)
        border = F.max_pool2d(mask, 3, 1, 1) + F.max_pool2d(-mask, 3, 1, 1)
        parts = [_mean(deep, F.avg_pool2d(mask, 2)), deep.float().mean((2, 3)), _mean(fine, mask), _mean(fine, border)]
        known = torch.stack([soft.logit(), missed / area, taken / area, area.log()], 1)
        iou, good = self.judge(torch.cat([*parts, known], 1)).float().T
        return Opinion(iou + soft.logit(), good, soft, wrong)


def fold_norms(module: nn.Module) -> None:
    """Put what batch norms do, by the statistics that they have, into the convolutions before them: training goes twice as fast without."""
    for part in module.modules():
        if isinstance(part, nn.Sequential) and len(part) == 2 and isinstance(part[1], nn.BatchNorm2d):
            part[0], part[1] = fuse_conv_bn_eval(part[0].eval(), part[1].eval()), nn.Identity()  # type: ignore[type-var]


def _mean(features: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of features (B, C, h, w) by (B, 1, h, w), float32 (B, C)."""
    return (features.float() * weights).sum((2, 3)) / weights.sum((2, 3)).clamp(min=1e-3)


def shown(mask: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """Return what the critic is shown of masks in a view, bool (GRID, GRID) each: float32 (3, GRID, GRID), the borders of the others, how
    many of them lie over one another, the mask.
    """
    maps = np.zeros((3, *mask.shape), np.float32)
    for other in others:
        whole = other.astype(np.uint8)
        maps[0][(whole - cv2.erode(whole, np.ones((3, 3), np.uint8))) > 0] = 1
        maps[1] += whole
    maps[1] = np.minimum(maps[1] / CROWD, 1)
    maps[2] = mask
    return maps


class CDNetCritic:
    """The critic for one image at a time. Small masks are looked at in a view of their own."""

    def __init__(self, network: CriticNetwork, encoder: TinyViT) -> None:
        self.network, self.encoder = (part.eval().to(memory_format=torch.channels_last) for part in (network, encoder))  # type: ignore[call-overload]
        self._image = np.zeros((0, 0, 3), np.uint8)
        self._views: OrderedDict[Bbox, tuple[Tensor, ...]] = OrderedDict()

    def set_image(self, image: np.ndarray) -> None:
        """Take an image, uint8 (H, W, 3) RGB; of the one that it has, what it has seen stays."""
        if image is not self._image:
            self._image = image
            self._views.clear()

    @torch.inference_mode()
    def judge(self, mask: np.ndarray, others: Sequence[np.ndarray] = ()) -> Judgement:
        """Judge a bool (H, W) mask that is not empty, among the other masks of its image."""
        x0, y0, x1, y1 = view = view_of(mask)
        near = [in_view(other, view) for other in others if other[y0:y1, x0:x1].any()]
        maps = torch.from_numpy(shown(in_view(mask, view), near))[None]
        levels = self._levels(view)
        with precision():
            opinion = self.network(levels, F.interpolate(maps, size=(SIZE, SIZE)))
        found = np.zeros((2, *mask.shape), np.float32)
        for whole, share in zip(found, opinion.wrong[0].sigmoid().numpy()):
            whole[y0:y1, x0:x1] = cv2.resize(share, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        return Judgement(float(opinion.iou.sigmoid()), float(opinion.good.sigmoid()), found[0] * ~mask, found[1] * mask)

    @torch.inference_mode()
    def look(self, mask: np.ndarray) -> np.ndarray:
        """Describe what is in a bool (H, W) mask that is not empty: the mean of the deepest features in it, seen in the whole image."""
        height, width = mask.shape
        deep = self._levels((0, 0, width, height))[-1][0].float()
        share = torch.from_numpy(cv2.resize(mask.astype(np.float32), deep.shape[:0:-1], interpolation=cv2.INTER_AREA))
        vector: np.ndarray = ((deep * share).sum((1, 2)) / share.sum()).numpy()
        return vector

    def _levels(self, view: Bbox) -> tuple[Tensor, ...]:
        if view not in self._views:
            x0, y0, x1, y1 = view
            shrinks = (x1 - x0) * (y1 - y0) > SIZE**2
            pixels = cv2.resize(self._image[y0:y1, x0:x1], (SIZE, SIZE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
            image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div_(255).contiguous(memory_format=torch.channels_last)
            with precision():
                self._views[view] = self.encoder(image)
            while len(self._views) > KEPT_VIEWS:
                self._views.popitem(last=False)
        self._views.move_to_end(view)
        return self._views[view]


def view_of(mask: np.ndarray, wider: float = 1.0, off: tuple[float, float] = (0.0, 0.0)) -> Bbox:
    """Return the rectangle (x0, y0, x1, y1) in which a mask is looked at: about its box, or the whole image.

    wider: than usual, by a factor. off: by how much of its sides it lies to the right and below.
    """
    height, width = mask.shape
    x0, y0, x1, y1 = bbox(mask)
    across = min(width, max(LEAST, round(wider * EXPANSION * max(x1 - x0, (y1 - y0) / 2))))
    down = min(height, max(LEAST, round(wider * EXPANSION * max(y1 - y0, (x1 - x0) / 2))))
    if max(across / width, down / height) > SMALL:
        return 0, 0, width, height
    left = int(np.clip((x0 + x1 - across) // 2 + round(off[0] * across), 0, width - across))
    top = int(np.clip((y0 + y1 - down) // 2 + round(off[1] * down), 0, height - down))
    return left, top, left + across, top + down


def in_view(mask: np.ndarray, view: Bbox) -> np.ndarray:
    """Return what of a bool (H, W) mask is in a view of its image, bool (GRID, GRID); some of it, however little that is."""
    x0, y0, x1, y1 = view
    part = mask[y0:y1, x0:x1].astype(np.float32)
    share = cv2.resize(part, (GRID, GRID), interpolation=cv2.INTER_AREA if part.size > GRID**2 else cv2.INTER_LINEAR)
    found: np.ndarray = share > min(0.5, float(share.max()) / 2)
    return found


def save_critic(network: CriticNetwork, path: Path, notes: dict[str, str]) -> None:
    """Write the weights in fp16; the encoder is that of cdnet-tiny, and not among them."""
    tensors = {name: value.half().contiguous() for name, value in network.state_dict().items() if value.is_floating_point()}
    save_file(tensors, path, metadata=notes)


def load_critic(path: Path = WEIGHTS) -> CDNetCritic:
    """Load the critic, and the encoder out of cdnet-tiny's file."""
    network, encoder = CriticNetwork(), TinyViT()
    _load(network, load_file(path))
    inside = "backbone."
    given = load_file(MODELS["cdnet-tiny"])
    _load(encoder, {name[len(inside) :]: value for name, value in given.items() if name.startswith(inside)})
    return CDNetCritic(network, encoder)


def _load(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    counters = {name: value for name, value in module.state_dict().items() if name.endswith("num_batches_tracked")}
    module.load_state_dict({**{name: value.float() for name, value in tensors.items()}, **counters})
