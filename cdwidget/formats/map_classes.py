"""Classes of the objects in label maps, whose values only number the objects or are classes themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cdwidget.formats.dataset_folders import DatasetImage
from cdwidget.masks import bbox

UNNAMED_CLASS = "object"
MIN_SORTED_OBJECTS = 3  # With fewer, an image of a sorted map may end with another class.


@dataclass(frozen=True)
class MapClasses:
    """The classes of label maps by data-set name.

    Attributes:
        class_maps: Sets whose label maps hold classes; in all others, the values only number the objects.
        names: Class of the objects in the label maps of a set, if they are all of one class; of the last class for sorted maps.
        sorted_maps: Sets whose label maps number the objects class by class, and those of a class from top to bottom.
    """

    class_maps: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    sorted_maps: tuple[str, ...] = ()

    def labels(self, dataset: str, source: DatasetImage, masks: np.ndarray) -> list[str]:
        """Return the class of each object of an image, "" if it is unknown.

        In a sorted map, a class begins where an object lies above its predecessor. So only the last class is known, and only if it has
        several objects.

        Args:
            dataset: Name of the data set.
            source: The image.
            masks: Its objects, bool (N, H, W).
        """
        if source.mask_path is None or dataset in self.class_maps:
            return source.object_labels()
        name = self.names.get(dataset, UNNAMED_CLASS)
        if dataset not in self.sorted_maps:
            return [name] * len(masks)
        tops = [bbox(mask)[1] for mask in masks]
        start = max((i for i in range(1, len(tops)) if tops[i] < tops[i - 1]), default=0)
        last = len(tops) - start
        return [""] * start + [name if last >= MIN_SORTED_OBJECTS else ""] * last
