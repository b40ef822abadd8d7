"""CDNet: the whole forward pass on one screen (Chen et al., Conditional Diffusion for Interactive Segmentation, ICCV 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cdwidget.model.encoders import BACKBONES
from cdwidget.model.fdm import FDM, ClickAffinity, FDMFactors, Variant
from cdwidget.model.prompt_maps import ClickEncoding, encode_clicks, source_maps
from cdwidget.registry import lookup


@dataclass(frozen=True)
class CDNetConfig:
    """Configuration of a CDNet; it is stored in the checkpoint.

    Attributes:
        backbone: A name in BACKBONES.
        size: Side S of the square view in pixels.
        channels: Channels of the tokens.
        fdm: Variant of feature diffusion, see `FDM`.
        pdm_steps: Iterations of pixel diffusion at inference; 0 for none.
        latent_heads: Number of latent heads (diversified training).
        previous_mask: Use the previous mask as the third input map.
        click_affinity: Compare tokens with the clicked ones before FDM.
        click_radius: Radius of a click's disk in view pixels.
        click_encoding: Encoding of clicks, see `encode_clicks`.
        quality: Predict the IoU of every head.
        bits: Bits per weight in the file (4 for a codebook, see `quantization`); 0 for fp16.
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
    click_encoding: ClickEncoding = "disk"
    quality: bool = False
    bits: int = 0


class Output(NamedTuple):
    """Output of CDNet.

    Attributes:
        logits: Mask logits (B, 1 + latent heads, S / 4, S / 4), the main head first.
        gate: Logits of FDM's preliminary foreground (B, 1, h, w).
        factors: Intermediate results of FDM; None if they are not recorded.
        quality: Logit of each head's predicted IoU (B, 1 + latent heads); None for a model without IoU prediction.
    """

    logits: Tensor
    gate: Tensor
    factors: FDMFactors | None
    quality: Tensor | None


class CDNet(nn.Module):
    """Conditional diffusion network: `network(network.encode(image), maps)`.

    Attributes:
        has_fixed_size: Whether it runs only on views of the size in its configuration.
    """

    has_fixed_size = False

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
        self.context = nn.Sequential(ResidualBlock(config.channels), ASPP(config.channels, backbone.rates))
        self.fdm = FDM(config.channels, config.fdm)
        self.refine = nn.Sequential(ResidualBlock(config.channels), ResidualBlock(config.channels))
        self.narrow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in zip(widths, widths[1:]))
        self.smooth = nn.ModuleList(ResidualBlock(a) if i else nn.GELU() for i, a in enumerate(widths[:-1]))
        heads = 1 + config.latent_heads
        self.heads = nn.Sequential(nn.Conv2d(widths[0], 8 * heads, 3, padding=1), nn.GELU(), nn.Conv2d(8 * heads, heads, 1, groups=heads))
        self.quality = IoUHead(config.channels) if config.quality else None

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Compute the prompt-independent part: the encoder in late fusion, else nothing.

        Args:
            image: (B, 3, S, S) in [0, 1].

        Returns:
            One tensor (B, C, h, w) per level; the image itself in early fusion.
        """
        if not self.late:
            return (image,)
        return tuple(lateral(x) for lateral, x in zip(self.laterals, self.backbone(image)))

    def forward(self, encoded: tuple[Tensor, ...], maps: Tensor, latent: bool = True) -> Output:
        """Predict masks.

        Args:
            encoded: Output of `encode`.
            maps: Positive clicks, negative clicks and previous mask, (B, 3, S, S).
            latent: Run all heads; False runs the main head alone, with the same logits, and predicts no IoU.
        """
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
        logits = self.heads(x) if latent else self._main_head(x)
        return Output(logits, gate, factors, self.quality(tokens, logits) if latent and self.quality is not None else None)

    def _main_head(self, x: Tensor) -> Tensor:
        first, first_bias, last, last_bias = self.heads.parameters()
        channels = last.shape[1]  # channels per head
        return F.conv2d(F.gelu(F.conv2d(x, first[:channels], first_bias[:channels], padding=1)), last[:1], last_bias[:1])


class ClickStem(nn.Module):
    """Early fusion: maps (B, 3, S, S) -> tensor to add to the encoder's stem."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 16, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, channels, 3, stride=2, padding=1))
        self.scale = nn.Parameter(torch.full((1,), 0.05))  # Small, so that the pre-trained encoder works from the start.

    def forward(self, maps: Tensor) -> Tensor:
        return self.layers(maps) * self.scale


class ClickPyramid(nn.Module):
    """Late fusion: maps (B, 3, S, S) -> tensors to add to the features at stride 4, 8, ..."""

    def __init__(self, widths: tuple[int, ...]):
        super().__init__()
        inputs = (3,) + widths[:-1]
        self.levels = nn.ModuleList(nn.Conv2d(a, b, k, k) for a, b, k in zip(inputs, widths, (4, 2, 2)))

    def forward(self, maps: Tensor) -> list[Tensor]:
        out = [self.levels[0](maps)]
        for level in self.levels[1:]:
            out.append(level(F.gelu(out[-1])))
        return out


class ResidualBlock(nn.Module):
    """A residual block of two 3x3 convolutions."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(conv_bn(channels, channels, 3), nn.GELU(), conv_bn(channels, channels, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x + self.layers(x))


class IoUHead(nn.Module):
    """Predicts the IoU of each mask.

    Its inputs are the mean token inside and outside the mask, the confidence and the area. Its gradients do not reach the rest of the
    network.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * channels + 3, 64), nn.GELU(), nn.Linear(64, 1))

    def forward(self, tokens: Tensor, logits: Tensor) -> Tensor:
        """Map tokens (B, C, h, w) and mask logits (B, n, H, W) to IoU logits (B, n)."""
        prob = F.interpolate(logits.detach().float(), size=tokens.shape[2:], mode="area").sigmoid().flatten(2)  # (B, n, N)
        x = tokens.detach().float().flatten(2).transpose(1, 2)  # (B, N, C)
        inside = prob @ x / prob.sum(-1, keepdim=True).clamp(min=1e-3)  # (B, n, N) @ (B, N, C) -> (B, n, C)
        outside = (1 - prob) @ x / (1 - prob).sum(-1, keepdim=True).clamp(min=1e-3)
        fine = logits.detach().float().sigmoid().flatten(2)
        confidence = (2 * fine - 1).abs().mean(-1)
        object_confidence = (fine * (2 * fine - 1).abs()).sum(-1) / fine.sum(-1).clamp(min=1e-3)
        numbers = torch.stack([prob.mean(-1).clamp(min=1e-4).log(), confidence, object_confidence], -1)
        return self.layers(torch.cat([inside, outside, numbers], -1))[..., 0]


class ASPP(nn.Module):
    """Context at several scales: 1x1 and dilated 3x3 convolutions, global mean (DeepLabV3)."""

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
    """Return a convolution without bias, followed by batch normalization."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=rate * (kernel // 2), dilation=rate, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))
