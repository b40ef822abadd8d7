"""A pandas DataFrame of instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable

import numpy as np

from cdwidget.items import Item
from cdwidget.masks import bbox
from cdwidget.polygons import parts

if TYPE_CHECKING:
    import pandas

COLUMNS = ["path", "id", "label", "area", "bbox", "parts", "holes"]


def to_frame(items: Iterable[Item]) -> pandas.DataFrame:
    """Return a DataFrame with one row per instance.

    Args:
        items: The images with their instances.

    Returns:
        Columns path, id, label, area in pixels, bbox (x0, y0, x1, y1) half-open, the number of parts and holes, and a column
        "attributes.<name>" for each attribute of any instance.

    Raises:
        ModuleNotFoundError: If pandas is not installed.

    Example:
        >>> cdwidget.to_frame(items).groupby("label")["area"].median()  # doctest: +SKIP
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("a frame of instances needs pandas: pip install 'cdwidget[pandas]'") from error
    rows: list[dict[str, Any]] = []
    for item in items:
        for instance in item.instances:
            rings = parts(instance.mask)
            area, holes = int(np.count_nonzero(instance.mask)), sum(len(part) - 1 for part in rings)
            values = (str(item.path), instance.id, instance.label, area, bbox(instance.mask), len(rings), holes)
            own = {f"attributes.{name}": value for name, value in instance.attributes.items()}
            rows.append({**dict(zip(COLUMNS, values)), **own})
    names = dict.fromkeys(name for row in rows for name in row)
    return pandas.DataFrame(rows, columns=list(names) or COLUMNS).astype({"id": "Int64"})
