"""What sizes and shapes the instances of a class have, so that one that is unlike the others stands out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Mapping

import numpy as np

from cdwidget.review.database import Database

if TYPE_CHECKING:
    from cdwidget.review.catalogue import Catalogue

MOST = 200_000  # instances that are looked at; of more, every second, third, ...
FEWEST = 12  # of a class that can have outliers
Quartiles = tuple[float, float, float]


@dataclass(frozen=True)
class Population:
    """Quartiles by label. sizes: of the share of the image that an instance fills. shapes: of width / height, and of the share of its
    bbox that it fills. count: how many there are.
    """

    count: Mapping[str, int]
    sizes: Mapping[str, Quartiles]
    aspects: Mapping[str, Quartiles]
    fills: Mapping[str, Quartiles]

    @classmethod
    def of(cls, catalogue: Catalogue) -> Population:
        """Look at all instances of a catalogue that are not rejected, crowds apart."""
        database = Database(catalogue.path)
        of_objects = "FROM instances JOIN items ON items.id = item WHERE NOT crowd AND area > 0 AND instances.status != 'rejected'"
        ((count,),) = database.rows(f"SELECT count(*) {of_objects}")
        columns = "label, area, x1 - x0, y1 - y0, height * width"
        rows = database.rows(f"SELECT {columns} {of_objects} AND instances.id % ? = 0", (count // MOST + 1,))
        database.close()
        labels = np.array([row[0] for row in rows], dtype=object)
        area, wide, high, pixels = np.array([row[1:] for row in rows], float).reshape(-1, 4).T
        measures = area / pixels, wide / high, area / (wide * high)
        counts, quartiles = {}, ({}, {}, {})  # type: ignore[var-annotated]
        for label in sorted(set(labels)):
            own = labels == label
            counts[label] = int(own.sum())
            for kept, values in zip(quartiles, measures):
                kept[label] = tuple(np.percentile(values[own], (25, 50, 75)).tolist())
        return cls(counts, *quartiles)
