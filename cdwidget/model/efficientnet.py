"""EfficientNet-Lite0 up to stride 16, the encoder of the small model (Tan and Le, ICML 2019; the lite form has no squeeze-and-excite).

Module names follow the published checkpoint (`_conv_stem`, `_bn0`, `_blocks.N.*`); the blocks of stride 32 and the classifier are left out.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

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


class Block(nn.Module):
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
            blocks.append(Block(inputs, kernel, stride, expansion, outputs))
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
