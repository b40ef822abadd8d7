"""The place of a GeoTIFF file on a map."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Mapping, NamedTuple

from tifffile import TiffFile

PIXEL_SCALE, TIEPOINT, TRANSFORMATION, GEO_KEYS = 33550, 33922, 34264, 34735  # TIFF tags.
RASTER_TYPE, PROJECTED_SYSTEM, GEOGRAPHIC_SYSTEM = 1025, 3072, 2048  # Keys in GEO_KEYS.
PIXEL_IS_POINT = 2  # Value of RASTER_TYPE: coordinates are those of the center of a pixel.
USER_DEFINED = 32767  # Value of a coordinate system without an EPSG code.
TIFF_SUFFIXES = (".tif", ".tiff")


class GeoReference(NamedTuple):
    """The place of an image on a map.

    Attributes:
        geotransform: Six numbers g as in GDAL: x = g[0] + column * g[1] + row * g[2], y = g[3] + column * g[4] + row * g[5].
        epsg: EPSG code of the coordinate system; None if the file does not name one.
    """

    geotransform: tuple[float, ...]
    epsg: int | None


def read_georeference(path: Path) -> GeoReference | None:
    """Return the geo-reference of an image file; None for a file without one."""
    if path.suffix.lower() not in TIFF_SUFFIXES or not path.is_file():
        return None
    try:
        with TiffFile(path) as file:
            tags = {tag.code: tag.value for tag in file.pages.first.tags}
        transform = _geotransform(tags)
        keys = _geo_keys(tags.get(GEO_KEYS, ()))
    except Exception:  # Damaged tags may have any type. The file is examined when the image is read.
        return None
    if transform is None or not all(map(math.isfinite, transform)) or transform[1] * transform[5] == transform[2] * transform[4]:
        return None
    if keys.get(RASTER_TYPE) == PIXEL_IS_POINT:  # Pixels of an image begin at their corner.
        x, xc, xr, y, yc, yr = transform
        transform = (x - (xc + xr) / 2, xc, xr, y - (yc + yr) / 2, yc, yr)
    codes = (keys.get(key) for key in (PROJECTED_SYSTEM, GEOGRAPHIC_SYSTEM))
    return GeoReference(transform, next((code for code in codes if code and code != USER_DEFINED), None))


def _geotransform(tags: Mapping[int, Any]) -> tuple[float, ...] | None:
    if TRANSFORMATION in tags:
        m = [float(value) for value in tags[TRANSFORMATION]]
        return m[3], m[0], m[1], m[7], m[4], m[5]
    if PIXEL_SCALE not in tags or TIEPOINT not in tags:
        return None
    scale_x, scale_y = (float(value) for value in tags[PIXEL_SCALE][:2])
    column, row, _, x, y = (float(value) for value in tags[TIEPOINT][:5])
    return x - column * scale_x, scale_x, 0.0, y + row * scale_y, 0.0, -scale_y


def _geo_keys(values: Any) -> dict[int, int]:
    """Return the keys of the directory whose values are whole numbers."""
    return {values[at]: values[at + 3] for at in range(4, len(values) - 3, 4) if values[at + 1] == 0}
