"""Image encoders by name, and how each is combined with the prompts: in its first layer (early fusion) or after it (late fusion)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from torch import nn

from cdwidget.model.encoders.efficientnet import EfficientNetLite0
from cdwidget.model.encoders.resnet import ResNet34
from cdwidget.model.encoders.tinyvit import TinyViT

__all__ = ["BACKBONES", "Backbone", "EfficientNetLite0", "ResNet34", "TinyViT"]


@dataclass(frozen=True)
class Backbone:
    """An encoder: how to build it, and the shapes of its features.

    Attributes:
        build: Builds the module. It takes an image (B, 3, S, S) in [0, 1] and, in early fusion, a tensor to add to its stem
            (B, stem, S / 2, S / 2).
        channels: Channels of its features at stride 4, 8, ...
        stem: Channels of the stem in early fusion. 0 for late fusion: the encoder runs once per image, and a click costs only the head.
        rates: Dilation rates of the ASPP that follows.
    """

    build: Callable[[], nn.Module]
    channels: tuple[int, ...]
    stem: int
    rates: tuple[int, ...]

    @property
    def stride(self) -> int:
        """Stride of the deepest features in pixels."""
        return int(4 * 2 ** (len(self.channels) - 1))


BACKBONES: dict[str, Backbone] = {
    "tinyvit": Backbone(TinyViT, channels=(64, 128, 256), stem=0, rates=(3, 6, 9)),
    "lite0": Backbone(EfficientNetLite0, channels=(24, 40, 112), stem=0, rates=(3, 6, 9)),
    "resnet34": Backbone(ResNet34, channels=(64, 512), stem=64, rates=(12, 24, 36)),
}
