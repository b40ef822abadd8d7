"""The backbones by name, and the two ways prompts meet the picture: in the stem (early) or after the encoder (late)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from torch import nn

from cdwidget.model.efficientnet import EfficientNetLite0
from cdwidget.model.resnet import ResNet34
from cdwidget.model.tinyvit import TinyViT


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
