"""ResNet-34 with output stride 8, the encoder of the published CDNet (He et al., CVPR 2016; dilated as in DeepLabV3).

Module names follow the common checkpoint (`conv1`, `bn1`, `layer1` ... `layer4`), without the classifier.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Residual block of two 3x3 convolutions."""

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
    """ResNet-34.

    RGB (B, 3, H, W) in [0, 1] and a tensor to add to the stem (B, 64, H / 2, W / 2) -> features at stride 4 (64 channels) and 8 (512).
    """

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
