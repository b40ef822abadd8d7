"""What a frozen encoder says of the views, computed once for each view and kept on disk."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from cdwidget.model.cdnet import CDNet
from cdwidget.train.data import View


class Features:
    """The encoder's features of views, bf16; a view with a key is encoded once and then read from disk (3.5 MB each at 512x512).

    folder: where they are kept, in a subfolder that hangs on the encoder's weights and on `views`, in words what decides which view a key
    stands for; so features of other weights or data are never taken for these.
    """

    def __init__(self, model: CDNet, folder: Path, views: str):
        self._backbone = model.backbone
        self._device = next(model.parameters()).device
        digest = zlib.crc32(views.encode())
        for value in model.backbone.state_dict().values():
            digest = zlib.crc32(value.cpu().numpy().tobytes(), digest)
        self._folder = folder / f"{digest:08x}"

    def of(self, views: list[View]) -> tuple[Tensor, ...]:
        """One (len(views), C, h, w) tensor a level, on the model's device."""
        found = [self._read(view) for view in views]
        missing = [i for i, levels in enumerate(found) if levels is None]
        if missing:
            images = as_images([views[i].image for i in missing]).to(self._device)
            with torch.no_grad(), torch.autocast(self._device.type, torch.bfloat16):
                computed = self._backbone(images)
            for row, i in enumerate(missing):
                found[i] = levels = [level[row].bfloat16() for level in computed]
                self._write(views[i], levels)
        columns = zip(*(levels for levels in found if levels is not None))
        return tuple(torch.stack(column).contiguous(memory_format=torch.channels_last) for column in columns)

    def _file(self, view: View) -> Path:
        return self._folder / f"{view.key}.safetensors"

    def _read(self, view: View) -> list[Tensor] | None:
        if view.key is None or not self._file(view).is_file():
            return None
        levels = load_file(self._file(view), str(self._device))
        return [levels[str(i)] for i in range(len(levels))]

    def _write(self, view: View, levels: list[Tensor]) -> None:
        if view.key is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._file(view).with_suffix(f".{os.getpid()}")
        save_file({str(i): level.contiguous() for i, level in enumerate(levels)}, partial)
        os.replace(partial, self._file(view))


def as_images(images: list[np.ndarray]) -> Tensor:
    """uint8 (S, S, 3) each -> float32 (B, 3, S, S) in 0..1, channels last."""
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div_(255)
    return stacked.contiguous(memory_format=torch.channels_last)
