"""CDNet: the whole forward pass on one screen (Chen et al., Conditional Diffusion for Interactive Segmentation, ICCV 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cdwidget.lookup import lookup
from cdwidget.model.backbones import BACKBONES
from cdwidget.model.click_maps import Encoding, encode_clicks, source_maps
from cdwidget.model.detail import Detail
from cdwidget.model.fdm import FDM, ClickAffinity, FDMFactors, Variant


@dataclass(frozen=True)
class CDNetConfig:
    """Everything that makes one CDNet; it is stored in the checkpoint.

    backbone: a name in BACKBONES. size: side in pixels of the square view the network sees. channels: of the tokens. fdm: variant of the
    feature diffusion. pdm_steps: rounds of the pixel diffusion at inference, 0 for none. latent_heads: of diversified training.
    previous_mask: whether the third map is used. click_affinity: whether tokens are compared with the clicked ones before FDM.
    click_radius: of a click's disk in view pixels. click_encoding: what the network is shown of the disks. quality: whether each head's IoU
    is predicted too. bits: of a weight in the file, 4 by a palette (see palette.py), 0 for fp16. detail: whether a detail branch adds fine
    structure in focus views.
    """

    backbone: str = "tinyvit"
    size: int = 512
    channels: int = 160
    fdm: Variant = "log"
    pdm_steps: int = 10
    latent_heads: int = 4
    previous_mask: bool = True
    click_affinity: bool = True
    click_radius: float = 5.0
    click_encoding: Encoding = "disk"
    quality: bool = False
    bits: int = 0
    detail: bool = False


class Output(NamedTuple):
    """logits: (B, 1 + latent heads, S / 4, S / 4), the main head first. gate: (B, 1, h, w) logits of FDM's preliminary foreground.

    quality: (B, 1 + latent heads), the logit of each head's predicted IoU; None for a model without it.
    """

    logits: Tensor
    gate: Tensor
    factors: FDMFactors | None
    quality: Tensor | None


class CDNet(nn.Module):
    """`forward(encode(image), maps)`: image (B, 3, S, S) in 0..1, maps (B, 3, S, S): positive, negative clicks, previous mask."""

    fixed_size = False  # whether views of another size than the configuration's cannot be predicted

    def __init__(self, config: CDNetConfig):
        super().__init__()
        self.config = config
        backbone = lookup(BACKBONES, config.backbone, "backbone")
        self.stride, self.late = backbone.stride, backbone.stem == 0
        widths = (32, 64)[: len(backbone.channels) - 1] + (config.channels,)
        self.backbone = backbone.build()
        self.laterals = nn.ModuleList(conv_bn(a, b, 1) for a, b in zip(backbone.channels, widths))
        self.prompts = ClickPyramid(widths) if self.late else ClickStem(backbone.stem)
        self.affinity = ClickAffinity(config.channels) if config.click_affinity else None
        self.context = nn.Sequential(Block(config.channels), ASPP(config.channels, backbone.rates))
        self.fdm = FDM(config.channels, config.fdm)
        self.refine = nn.Sequential(Block(config.channels), Block(config.channels))
        self.narrow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in zip(widths, widths[1:]))
        self.smooth = nn.ModuleList(Block(a) if i else nn.GELU() for i, a in enumerate(widths[:-1]))
        heads = 1 + config.latent_heads
        self.heads = nn.Sequential(nn.Conv2d(widths[0], 8 * heads, 3, padding=1), nn.GELU(), nn.Conv2d(8 * heads, heads, 1, groups=heads))
        self.quality = Quality(config.channels) if config.quality else None
        self.detail = Detail(widths) if config.detail and self.late else None

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """What can be computed before the first prompt: all of a late encoder, nothing of an early one."""
        if not self.late:
            return (image,)
        return tuple(lateral(x) for lateral, x in zip(self.laterals, self.backbone(image)))

    def forward(self, encoded: tuple[Tensor, ...], maps: Tensor, latent: bool = True) -> Output:
        """Ask all heads, or the main one alone: its logits are the same, and there is no quality."""
        x, tokens, gate, factors = self._decode(encoded, maps)
        logits = self.heads(x) if latent else self._main_head(x)
        return Output(logits, gate, factors, self.quality(tokens, logits) if latent and self.quality is not None else None)

    def predict_focus(self, encoded: tuple[Tensor, ...], maps: Tensor, image: Tensor) -> Output:
        """Predict a focus view by the main head alone, with the detail branch where the model has one: logits (B, 1, S / 2, S / 2) then.

        image: (B, 3, S, S) in 0..1, the view that was encoded.
        """
        x, tokens, gate, factors = self._decode(encoded, maps)
        logits = self._main_head(x)
        if self.detail is not None:
            logits = self.detail(image, maps, (x, *encoded[:-1], tokens), logits)
        return Output(logits, gate, factors, None)

    def _decode(self, encoded: tuple[Tensor, ...], maps: Tensor) -> tuple[Tensor, Tensor, Tensor, FDMFactors | None]:
        """Return the features at stride 4, the tokens, the gate's logits and FDM's factors."""
        if not self.config.previous_mask:
            maps = torch.cat([maps[:, :2], torch.zeros_like(maps[:, 2:])], 1)
        prompts = self.prompts(encode_clicks(maps, self.config.click_encoding, self.config.click_radius))
        if self.late:
            levels = [x + y for x, y in zip(encoded, prompts)]
        else:
            levels = [lateral(x) for lateral, x in zip(self.laterals, self.backbone(*encoded, prompts))]
        x, sources = levels[-1], source_maps(maps[:, :2], self.stride, self.config.click_radius)
        if self.affinity is not None:
            x = x + self.affinity(encoded[-1] if self.late else x, sources)
        x, gate, factors = self.fdm(self.context(F.gelu(x)), sources)
        x = tokens = self.refine(x)
        for level, narrow, smooth in zip(levels[-2::-1], reversed(self.narrow), reversed(self.smooth)):
            x = smooth(F.interpolate(narrow(x), scale_factor=2, mode="bilinear") + level)
        return x, tokens, gate, factors

    def _main_head(self, x: Tensor) -> Tensor:
        first, first_bias, last, last_bias = self.heads.parameters()
        channels = last.shape[1]  # of each head
        return F.conv2d(F.gelu(F.conv2d(x, first[:channels], first_bias[:channels], padding=1)), last[:1], last_bias[:1])


class ClickStem(nn.Module):
    """Early fusion: maps (B, 3, S, S) -> what is added to the encoder's stem, nearly nothing at first (scale 0.05)."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 16, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, channels, 3, stride=2, padding=1))
        self.scale = nn.Parameter(torch.full((1,), 0.05))

    def forward(self, maps: Tensor) -> Tensor:
        return self.layers(maps) * self.scale


class ClickPyramid(nn.Module):
    """Late fusion: maps (B, 3, S, S) -> what is added to the features of each level, stride 4, 8, ..."""

    def __init__(self, widths: tuple[int, ...]):
        super().__init__()
        inputs = (3,) + widths[:-1]
        self.levels = nn.ModuleList(nn.Conv2d(a, b, k, k) for a, b, k in zip(inputs, widths, (4, 2, 2)))

    def forward(self, maps: Tensor) -> list[Tensor]:
        out = [self.levels[0](maps)]
        for level in self.levels[1:]:
            out.append(level(F.gelu(out[-1])))
        return out


class Block(nn.Module):
    """A residual block of two 3x3 convolutions."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(conv_bn(channels, channels, 3), nn.GELU(), conv_bn(channels, channels, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x + self.layers(x))


class Quality(nn.Module):
    """Tokens (B, C, h, w) and the logits (B, n, H, W) of n masks -> (B, n), the logit of each mask's predicted IoU.

    It looks at the mean token in and out of the mask and at how decided and how large the mask is; it teaches the rest nothing.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * channels + 3, 64), nn.GELU(), nn.Linear(64, 1))

    def forward(self, tokens: Tensor, logits: Tensor) -> Tensor:
        prob = F.interpolate(logits.detach().float(), size=tokens.shape[2:], mode="area").sigmoid().flatten(2)  # (B, n, N)
        x = tokens.detach().float().flatten(2).transpose(1, 2)  # (B, N, C)
        inside = prob @ x / prob.sum(-1, keepdim=True).clamp(min=1e-3)  # (B, n, N) @ (B, N, C) -> (B, n, C)
        outside = (1 - prob) @ x / (1 - prob).sum(-1, keepdim=True).clamp(min=1e-3)
        fine = logits.detach().float().sigmoid().flatten(2)
        decided = (2 * fine - 1).abs().mean(-1)
        sharp = (fine * (2 * fine - 1).abs()).sum(-1) / fine.sum(-1).clamp(min=1e-3)
        known = torch.stack([prob.mean(-1).clamp(min=1e-4).log(), decided, sharp], -1)
        return self.layers(torch.cat([inside, outside, known], -1))[..., 0]


class ASPP(nn.Module):
    """Context at several scales: a 1x1 and dilated 3x3 convolutions and the mean of the view, side by side (DeepLabV3)."""

    def __init__(self, channels: int, rates: tuple[int, ...]):
        super().__init__()
        branch = channels // 2
        self.local = conv_bn(channels, branch, 1)
        self.dilated = nn.ModuleList(conv_bn(channels, branch, 3, rate) for rate in rates)
        self.pooled = nn.Conv2d(channels, branch, 1)
        self.project = conv_bn(branch * (2 + len(rates)), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.pooled(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])
        y = torch.cat([self.local(x), *(conv(x) for conv in self.dilated), pooled], 1)
        return F.gelu(self.project(F.gelu(y)))


def conv_bn(inputs: int, outputs: int, kernel: int, rate: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, padding=rate * (kernel // 2), dilation=rate, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))
