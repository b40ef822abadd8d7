"""TinyViT-5M, the image encoder of MobileSAM: convolutions, then attention in windows (Wu et al., ECCV 2022).

Module names follow the published checkpoint (`patch_embed.*`, `layers.N.*`, `neck.*`), so its weights load strictly.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBN(nn.Sequential):
    """Convolution without bias, followed by batch normalization."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1):
        super().__init__()
        self.add_module("c", nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False))
        self.add_module("bn", nn.BatchNorm2d(outputs))


class MBConv(nn.Module):
    """Inverted residual block of the first stage (MobileNetV2)."""

    def __init__(self, channels: int, expand: int = 4):
        super().__init__()
        self.conv1 = ConvBN(channels, channels * expand)
        self.conv2 = ConvBN(channels * expand, channels * expand, 3, groups=channels * expand)
        self.conv3 = ConvBN(channels * expand, channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x + self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x))))))


class Downsample(nn.Module):
    """Reduces the resolution between two stages."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = ConvBN(inputs, outputs)
        self.conv2 = ConvBN(outputs, outputs, 3, stride, groups=outputs)
        self.conv3 = ConvBN(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))


class WindowAttention(nn.Module):
    """Multi-head attention in one window, with a learned bias per offset (|dy|, |dx|)."""

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
    """Two linear layers after layer normalization."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(self.norm(x))))


class TinyViTBlock(nn.Module):
    """Window attention, a depthwise convolution and an MLP."""

    def __init__(self, channels: int, heads: int, window: int):
        super().__init__()
        self.window = window
        self.attn = WindowAttention(channels, heads, window)
        self.local_conv = ConvBN(channels, channels, 3, groups=channels)
        self.mlp = MLP(channels)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        b, c, h, w = x.shape
        s = self.window
        tokens = F.pad(x.permute(0, 2, 3, 1), (0, 0, 0, -w % s, 0, -h % s))  # The published encoder pads on the right and below.
        rows, columns = tokens.shape[1] // s, tokens.shape[2] // s
        tokens = tokens.view(b, rows, s, columns, s, c).transpose(2, 3).reshape(-1, s * s, c)
        tokens = self.attn(tokens).view(b, rows, columns, s, s, c).transpose(2, 3).reshape(b, rows * s, columns * s, c)
        x = self.local_conv(x + tokens[:, :h, :w].permute(0, 3, 1, 2))
        return x + self.mlp(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Stage(nn.Module):
    """Blocks at one resolution, then an optional downsampling layer."""

    def __init__(self, blocks: list[nn.Module], downsample: nn.Module | None):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of this stage and the input of the next one."""
        for block in self.blocks:
            x = block(x)
        return x, x if self.downsample is None else self.downsample(x)


class LayerNorm2d(nn.Module):
    """Layer normalization over the channels of (B, C, H, W)."""

    def __init__(self, channels: int, eps: float = 1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


class PatchEmbed(nn.Module):
    """Stem of two strided convolutions: (B, 3, H, W) -> (B, 64, H / 4, W / 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.seq = nn.Sequential(ConvBN(3, 32, 3, 2), nn.GELU(), ConvBN(32, 64, 3, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.seq(x)


class TinyViT(nn.Module):
    """TinyViT-5M.

    RGB (B, 3, H, W) in [0, 1] -> features at stride 4 (64 channels), 8 (128) and 16 (256).
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1) / 255, persistent=False)
        self.register_buffer("std", torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1) / 255, persistent=False)
        self.patch_embed = PatchEmbed()
        self.layers = nn.ModuleList([
            Stage([MBConv(64), MBConv(64)], Downsample(64, 128, 2)),
            Stage([TinyViTBlock(128, 4, 7) for _ in range(2)], Downsample(128, 160, 2)),
            Stage([TinyViTBlock(160, 5, 14) for _ in range(6)], Downsample(160, 320, 1)),
            Stage([TinyViTBlock(320, 10, 7) for _ in range(2)], None),
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
