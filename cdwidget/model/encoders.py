"""TinyViT-5M, the image encoder of MobileSAM: convolutions, then attention in windows (Wu et al., ECCV 2022).

Module names follow the published checkpoint (`patch_embed.*, layers.N.*, neck.*`), so its weights load strictly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBN(nn.Sequential):
    """Convolution without bias, then batch normalisation; `fuse` makes it one convolution for inference."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1):
        super().__init__()
        self.add_module("c", nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False))
        self.add_module("bn", nn.BatchNorm2d(outputs))


class MBConv(nn.Module):
    def __init__(self, channels: int, expand: int = 4):
        super().__init__()
        self.conv1 = ConvBN(channels, channels * expand)
        self.conv2 = ConvBN(channels * expand, channels * expand, 3, groups=channels * expand)
        self.conv3 = ConvBN(channels * expand, channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x + self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x))))))


class Downsample(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = ConvBN(inputs, outputs)
        self.conv2 = ConvBN(outputs, outputs, 3, stride, groups=outputs)
        self.conv3 = ConvBN(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))


class WindowAttention(nn.Module):
    """Multi-head attention in one window, with a learned bias for each offset (|dy|, |dx|)."""

    offsets: Tensor

    def __init__(self, channels: int, heads: int, window: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        y, x = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
        y, x = y.flatten(), x.flatten()
        self.register_buffer("offsets", (y[:, None] - y).abs() * window + (x[:, None] - x).abs(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:  # (windows, tokens, channels)
        count, tokens, channels = x.shape
        qkv = self.qkv(self.norm(x)).view(count, tokens, self.heads, -1).transpose(1, 2)
        q, k, v = qkv.chunk(3, dim=-1)  # (windows, heads, tokens, channels / heads) each
        bias = self.attention_biases[:, self.offsets].to(q.dtype)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.unsqueeze(0).expand(count, -1, -1, -1))
        return self.proj(y.transpose(1, 2).reshape(count, tokens, channels))


class MLP(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(self.norm(x))))


class Block(nn.Module):
    def __init__(self, channels: int, heads: int, window: int):
        super().__init__()
        self.window = window
        self.attn = WindowAttention(channels, heads, window)
        self.local_conv = ConvBN(channels, channels, 3, groups=channels)
        self.mlp = MLP(channels)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        b, c, h, w = x.shape
        s = self.window
        tokens = F.pad(x.permute(0, 2, 3, 1), (0, 0, 0, -w % s, 0, -h % s))  # the published encoder pads with zeros at the right and below
        rows, columns = tokens.shape[1] // s, tokens.shape[2] // s
        tokens = tokens.view(b, rows, s, columns, s, c).transpose(2, 3).reshape(-1, s * s, c)
        tokens = self.attn(tokens).view(b, rows, columns, s, s, c).transpose(2, 3).reshape(b, rows * s, columns * s, c)
        x = self.local_conv(x + tokens[:, :h, :w].permute(0, 3, 1, 2))
        return x + self.mlp(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Stage(nn.Module):
    def __init__(self, blocks: list[nn.Module], downsample: nn.Module | None):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the stage's own features and what the next stage takes."""
        for block in self.blocks:
            x = block(x)
        return x, x if self.downsample is None else self.downsample(x)


class LayerNorm2d(nn.Module):
    def __init__(self, channels: int, eps: float = 1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


class PatchEmbed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.seq = nn.Sequential(ConvBN(3, 32, 3, 2), nn.GELU(), ConvBN(32, 64, 3, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.seq(x)


class TinyViT(nn.Module):
    """RGB (B, 3, H, W) in 0..1 -> features of stride 4 (64 channels), 8 (128) and 16 (256)."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1) / 255, persistent=False)
        self.register_buffer("std", torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1) / 255, persistent=False)
        self.patch_embed = PatchEmbed()
        self.layers = nn.ModuleList([
            Stage([MBConv(64), MBConv(64)], Downsample(64, 128, 2)),
            Stage([Block(128, 4, 7) for _ in range(2)], Downsample(128, 160, 2)),
            Stage([Block(160, 5, 14) for _ in range(6)], Downsample(160, 320, 1)),
            Stage([Block(320, 10, 7) for _ in range(2)], None),
        ])  # fmt: skip
        self.neck = nn.Sequential(
            nn.Conv2d(320, 256, 1, bias=False), LayerNorm2d(256), nn.Conv2d(256, 256, 3, padding=1, bias=False), LayerNorm2d(256)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.patch_embed((image - self.mean) / self.std)
        stride4, x = self.layers[0](x)
        stride8, x = self.layers[1](x)
        _, x = self.layers[2](x)
        x, _ = self.layers[3](x)
        return stride4, stride8, self.neck(x)


# MERGED from model.efficientnet: EfficientNet-Lite0 up to stride 16, the encoder of the small model (Tan and Le, ICML 2019; the lite form has no squeeze-and-excite).  Module names follow the published checkpoint (`_conv_stem`, `_bn0`, `_blocks.N.*`); the blocks of stride 32 and the classifier are left out.


# kernel, stride, expansion, outputs of each block; after blocks 2, 4 and 10 the features of stride 4, 8 and 16 are taken
BLOCKS = (
    (3, 1, 1, 16),
    (3, 2, 6, 24), (3, 1, 6, 24),
    (5, 2, 6, 40), (5, 1, 6, 40),
    (3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80),
    (5, 1, 6, 112), (5, 1, 6, 112), (5, 1, 6, 112),
)  # fmt: skip
TAKEN = (2, 4, 10)


class SameConv(nn.Conv2d):
    """Convolution padded as TensorFlow pads: where the padding is odd, the larger half lies at the right and below."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        total = self.kernel_size[0] - self.stride[0]
        return super().forward(F.pad(x, (total // 2, total - total // 2) * 2) if total > 0 else x)


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, kernel: int, stride: int, expansion: int, outputs: int):
        super().__init__()
        inner = inputs * expansion
        if expansion > 1:
            self._expand_conv = SameConv(inputs, inner, 1)
            self._bn0 = nn.BatchNorm2d(inner, eps=1e-3)
        self._depthwise_conv = SameConv(inner, inner, kernel, stride, groups=inner)
        self._bn1 = nn.BatchNorm2d(inner, eps=1e-3)
        self._project_conv = SameConv(inner, outputs, 1)
        self._bn2 = nn.BatchNorm2d(outputs, eps=1e-3)
        self.expands, self.residual = expansion > 1, stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """RGB (B, 3, H, W) in 0..1 -> features at stride 4 (24 channels), 8 (40) and 16 (112)."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, 32, 3, 2)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3)
        inputs = 32
        blocks = []
        for kernel, stride, expansion, outputs in BLOCKS:
            blocks.append(InvertedResidual(inputs, kernel, stride, expansion, outputs))
            inputs = outputs
        self._blocks = nn.ModuleList(blocks)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = F.relu6(self._bn0(self._conv_stem((image - 127 / 255) * (255 / 128))))
        taken = []
        for i, block in enumerate(self._blocks):
            x = block(x)
            if i in TAKEN:
                taken.append(x)
        return tuple(taken)


# MERGED from model.resnet: ResNet-34 with output stride 8, the encoder of the published CDNet (He et al., CVPR 2016; dilated as DeepLabV3 does).  Module names follow the common checkpoint (`conv1`, `bn1`, `layer1` ... `layer4`) without its classifier.


class BasicBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, dilation: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(shortcut + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


def _layer(inputs: int, outputs: int, blocks: int, stride: int, dilation: int) -> nn.Sequential:
    first = BasicBlock(inputs, outputs, stride, dilation)
    return nn.Sequential(first, *(BasicBlock(outputs, outputs, 1, dilation) for _ in range(blocks - 1)))


class ResNet34(nn.Module):
    """RGB (B, 3, H, W) in 0..1, and what to add to the stem (B, 64, H / 2, W / 2) -> features of stride 4 (64 channels), 8 (512)."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _layer(64, 64, 3, 1, 1)
        self.layer2 = _layer(64, 128, 4, 2, 1)
        self.layer3 = _layer(128, 256, 6, 1, 2)
        self.layer4 = _layer(256, 512, 3, 1, 4)

    def forward(self, image: Tensor, stem: Tensor) -> tuple[Tensor, ...]:
        x = F.relu(self.bn1(self.conv1((image - self.mean) / self.std) + stem))
        stride4 = self.layer1(F.max_pool2d(x, 3, 2, 1))
        return stride4, self.layer4(self.layer3(self.layer2(stride4)))


# MERGED from model.backbones: The backbones by name, and the two ways prompts meet the picture: in the stem (early) or after the encoder (late).


@dataclass(frozen=True)
class Backbone:
    """How to build an encoder, and what it yields.

    build: makes a module that takes an image (B, 3, S, S) in 0..1 and, in early fusion, what to add to its stem (B, stem, S / 2, S / 2).
    channels: of its features at stride 4 and on, the stride doubling. stem: channels of the stem, 0 for late fusion: such an encoder runs
    once an image and a click costs only the head. rates: dilations of the ASPP that follows.
    """

    build: Callable[[], nn.Module]
    channels: tuple[int, ...]
    stem: int
    rates: tuple[int, ...]

    @property
    def stride(self) -> int:
        """Pixels between two tokens of the deepest features."""
        return int(4 * 2 ** (len(self.channels) - 1))


BACKBONES: dict[str, Backbone] = {
    "tinyvit": Backbone(TinyViT, channels=(64, 128, 256), stem=0, rates=(3, 6, 9)),
    "lite0": Backbone(EfficientNetLite0, channels=(24, 40, 112), stem=0, rates=(3, 6, 9)),
    "resnet34": Backbone(ResNet34, channels=(64, 512), stem=64, rates=(12, 24, 36)),
}
