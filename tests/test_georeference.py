"""The geo-reference of GeoTIFF files, and GeoJSON on their map."""

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import cdwidget
from cdwidget.images.georeference import read_georeference
from cdwidget.items import Instance, Item

SQUARE = np.zeros((30, 40), bool)
SQUARE[5:15, 5:15] = True
TRANSFORM = (400_000.0, 0.5, 0.0, 5_000_000.0, 0.0, -0.5)
SCALE = (33550, "d", 3, (0.5, 0.5, 0.0))


def tiepoint(*values: float) -> tuple[Any, ...]:
    return (33922, "d", 6, values)


def geo_keys(*keys: tuple[int, int]) -> tuple[Any, ...]:
    values = [1, 1, 0, len(keys), *(value for key, code in keys for value in (key, 0, 1, code))]
    return (34735, "H", len(values), values)


def write_tiff(path: Path, *tags: tuple[Any, ...]) -> Path:
    tifffile.imwrite(path, np.zeros((30, 40, 3), np.uint8), photometric="rgb", extratags=[(*tag, True) for tag in tags])
    return path


@pytest.mark.parametrize(
    "tags",
    [
        (SCALE, tiepoint(0, 0, 0, 400_000, 5_000_000, 0)),
        (SCALE, tiepoint(10, 20, 0, 400_005, 4_999_990, 0)),
        (SCALE, tiepoint(0, 0, 0, 400_000.25, 4_999_999.75, 0), geo_keys((1025, 2))),
        ((34264, "d", 16, (0.5, 0, 0, 400_000, 0, -0.5, 0, 5_000_000, *[0] * 7, 1)),),
    ],
)
def test_the_geotransform_of_a_file(tmp_path: Path, tags: tuple[Any, ...]) -> None:
    found = read_georeference(write_tiff(tmp_path / "a.tif", *tags))
    assert found is not None and found.geotransform == TRANSFORM and found.epsg is None


def test_files_without_a_geo_reference(tmp_path: Path) -> None:
    assert read_georeference(write_tiff(tmp_path / "plain.tif")) is None
    assert read_georeference(write_tiff(tmp_path / "flat.tif", (33550, "d", 3, (0.0, 0.5, 0.0)), tiepoint(*[0] * 6))) is None
    assert read_georeference(tmp_path / "absent.tif") is None
    (tmp_path / "broken.tif").write_bytes(b"II*\0" + struct.pack("<I", 2**31))
    assert read_georeference(tmp_path / "broken.tif") is None


def test_masks_of_a_geotiff_are_written_on_its_map_and_read_again(tmp_path: Path) -> None:
    keys = geo_keys((1025, 1), (3072, 32632))
    image = write_tiff(tmp_path / "a.tif", SCALE, tiepoint(0, 0, 0, 400_000, 5_000_000, 0), keys)
    cdwidget.write("geojson", [Item(image, [Instance(SQUARE, "roof")])], tmp_path / "out")
    file = tmp_path / "out" / "a.geojson"
    content = json.loads(file.read_text())
    assert content["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32632" and content["geotransform"] == list(TRANSFORM)
    ring = content["features"][0]["geometry"]["coordinates"][0]
    assert sorted(ring[:4]) == [[400_002.5, 4_999_992.5], [400_002.5, 4_999_997.5], [400_007.5, 4_999_992.5], [400_007.5, 4_999_997.5]]
    (item,) = cdwidget.read(file)
    assert np.array_equal(item.instances[0].mask, SQUARE)

    del content["geotransform"]  # A GIS does not write it: the image has it.
    file.write_text(json.dumps(content))
    (item,) = cdwidget.read(file)
    assert np.array_equal(item.instances[0].mask, SQUARE)
    moved = np.roll(SQUARE, 2, axis=1)
    catalogue = cdwidget.Catalogue(tmp_path / "labels.db")
    catalogue.import_("geojson", file)
    catalogue.update(1, [replace(catalogue.item(1).instances[0], mask=moved)])
    catalogue.export("geojson", tmp_path / "again")
    (again,) = cdwidget.read("geojson", tmp_path / "again")
    assert np.array_equal(again.instances[0].mask, moved)
    assert json.loads((tmp_path / "again" / "a.geojson").read_text())["crs"] == content["crs"]


def test_pixels_of_a_geotiff_stay_pixels(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", SCALE, tiepoint(0, 0, 0, 400_000, 5_000_000, 0))
    polygon = {"type": "Polygon", "coordinates": [[[5, 5], [15, 5], [15, 15], [5, 15], [5, 5]]]}
    file = tmp_path / "a.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": polygon, "properties": {}}]}))
    (item,) = cdwidget.read(file)
    assert np.array_equal(item.instances[0].mask, SQUARE)
    cdwidget.write("geojson", [replace(item, instances=[Instance(SQUARE, "roof")])], tmp_path / "out")
    assert json.loads((tmp_path / "out" / "a.geojson").read_text())["features"][0]["geometry"]["coordinates"][0][0] == [5, 5]
