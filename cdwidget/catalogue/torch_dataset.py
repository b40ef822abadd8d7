"""The items of a catalogue as a PyTorch data set, with targets as torchvision's detection models take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from cdwidget.rle import decode

if TYPE_CHECKING:
    from cdwidget.catalogue.reader import Reader

Sample = tuple[torch.Tensor, dict[str, Any]]


class TorchDataset(Dataset[Sample]):
    """One sample (image, target) per item; see `Catalogue.to_torch`.

    Workers of a DataLoader open the catalogue by themselves.

    Attributes:
        ids: Ids of the items, int64 (N,).
        classes: The number of each label, from 1; 0 is the background.

    Example:
        >>> data = catalogue.to_torch(status="accepted")
        >>> loader = torch.utils.data.DataLoader(data, batch_size=2, collate_fn=data.collate)
        >>> images, targets = next(iter(loader))
    """

    def __init__(
        self, catalogue: Reader, ids: np.ndarray, classes: Mapping[str, int], transforms: Callable[..., Sample] | None, rejected: bool
    ) -> None:
        """Choose the items; nothing is read yet."""
        self.catalogue, self.ids, self.classes = catalogue, ids, dict(classes)
        self._transforms, self._rejected = transforms, rejected

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        """Read an image, float32 (3, H, W) RGB in [0, 1], and its target: boxes, labels, masks, area, iscrowd, image_id."""
        item = self.catalogue.item(int(self.ids[index]))
        pixels = item.read_image()
        height, width = pixels.shape[:2]
        if item.records and item.size != (height, width):
            raise ValueError(f"item {item.id}, {item.path}: the image is {width}x{height} pixels, its masks are not; check() lists these")
        records = [
            record
            for record in item.records
            if record.area and record.label in self.classes and (self._rejected or record.status != "rejected")
        ]
        masks = np.zeros((len(records), height, width), bool)
        for mask, record in zip(masks, records):
            mask[:] = decode(record.counts, height, width)
        image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float() / 255
        target = {
            "boxes": torch.tensor([record.bbox for record in records], dtype=torch.float32).reshape(-1, 4),
            "labels": torch.tensor([self.classes[record.label] for record in records], dtype=torch.int64),
            "masks": torch.from_numpy(masks.view(np.uint8)),
            "area": torch.tensor([record.area for record in records], dtype=torch.float32),
            "iscrowd": torch.tensor([record.crowd for record in records], dtype=torch.int64),
            "image_id": item.id,
        }
        return (image, target) if self._transforms is None else self._transforms(image, target)

    @staticmethod
    def collate(samples: Sequence[Sample]) -> tuple[tuple[torch.Tensor, ...], tuple[dict[str, Any], ...]]:
        """Return the images and the targets of a batch as two tuples, because images differ in size."""
        images, targets = zip(*samples)
        return images, targets
