"""Features of a frozen encoder, computed once per view and cached on disk."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from cdwidget.model.cdnet import CDNet
from cdwidget.train.data import TrainingView


class FeatureCache:
    """Encoder features of views, bf16.

    A view with a key is encoded once and then read from disk (3.5 MB each at 512x512).

    Args:
        model: The network whose backbone is run.
        folder: Cached in a subfolder named after the encoder weights and `views`, so that features of other weights or views are not used.
        views: Description of how views are derived from keys, see `Sampler.view_description`.
    """

    def __init__(self, model: CDNet, folder: Path, views: str):
        self._backbone = model.backbone
        self._device = next(model.parameters()).device
        digest = zlib.crc32(views.encode())
        for value in model.backbone.state_dict().values():
            digest = zlib.crc32(value.cpu().numpy().tobytes(), digest)
        self._folder = folder / f"{digest:08x}"

    def encode(self, views: list[TrainingView]) -> tuple[Tensor, ...]:
        """Return the features of views on the model's device, (len(views), C, h, w) per level."""
        features = [self._read(view) for view in views]
        missing = [i for i, levels in enumerate(features) if levels is None]
        if missing:
            images = images_to_tensor([views[i].image for i in missing]).to(self._device)
            with torch.no_grad(), torch.autocast(self._device.type, torch.bfloat16):
                computed = self._backbone(images)
            for row, i in enumerate(missing):
                features[i] = levels = [level[row].bfloat16() for level in computed]
                self._write(views[i], levels)
        columns = zip(*(levels for levels in features if levels is not None))
        return tuple(torch.stack(column).contiguous(memory_format=torch.channels_last) for column in columns)

    def _path(self, view: TrainingView) -> Path:
        return self._folder / f"{view.key}.safetensors"

    def _read(self, view: TrainingView) -> list[Tensor] | None:
        if view.key is None or not self._path(view).is_file():
            return None
        levels = load_file(self._path(view), str(self._device))
        return [levels[str(i)] for i in range(len(levels))]

    def _write(self, view: TrainingView, levels: list[Tensor]) -> None:
        if view.key is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._path(view).with_suffix(f".{os.getpid()}")
        save_file({str(i): level.contiguous() for i, level in enumerate(levels)}, partial)
        os.replace(partial, self._path(view))


def images_to_tensor(images: list[np.ndarray]) -> Tensor:
    """Stack images, uint8 (S, S, 3), to float32 (B, 3, S, S) in [0, 1], channels last."""
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div_(255)
    return stacked.contiguous(memory_format=torch.channels_last)
