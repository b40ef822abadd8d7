"""CVAT, VGG VIA and GeoJSON: files as these tools write them, every field kept, and bad entries that cost only themselves."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

import cdwidget
from cdwidget.items import Instance
from support.image_files import RING_MASK, SQUARE, TWO_PARTS_MASK, item

# --- CVAT -------------------------------------------------------------------------------------------------------------------------------

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><job><id>7</id><labels>
    <label><name>cat</name><color>#fa3253</color></label><label><name>dog</name></label><label><name>unused</name></label>
  </labels></job></meta>
  <image id="3" name="a.png" subset="Train" task_id="9" width="6" height="5">
    <polygon label="cat" source="manual" occluded="1" points="0.50,0.50;5.50,0.50;3.10,4.90" z_order="2" group_id="4">
      <attribute name="breed">siamese</attribute>
      <attribute name="truncated">true</attribute>
    </polygon>
    <mask label="dog" source="semi-auto" occluded="0" rle="1, 2, 3" left="1" top="1" width="3" height="2" z_order="0"></mask>
    <box label="dog" source="auto" occluded="0" xtl="1.00" ytl="1.00" xbr="4.00" ybr="3.00" z_order="0" score="0.75"></box>
    <ellipse label="dog" source="manual" occluded="0" cx="3.00" cy="2.50" rx="2.00" ry="1.50" z_order="0"></ellipse>
    <points label="cat" source="manual" occluded="0" points="2.0,2.0" z_order="0"></points>
    <tag label="night" source="manual"></tag>
  </image>
</annotations>
"""


CVAT_AREAS = CVAT.replace('<points label="cat" source="manual" occluded="0" points="2.0,2.0" z_order="0"></points>', "")


def cvat(folder: Path, text: str = CVAT) -> Path:
    item(folder / "images")
    (folder / "annotations.xml").write_text(text)
    return folder


def test_shapes_and_values_of_cvat(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="image a.png, annotation 5: a <points> has no area, so it is no instance; it is kept for writing"):
        dataset = cdwidget.read("cvat", cvat(tmp_path))
    (found,) = dataset
    assert Path(found.path) == tmp_path / "images/a.png" and dataset.classes == {"cat": 0, "dog": 1, "unused": 2}
    polygon, mask, box, ellipse = found.instances
    assert polygon.label == "cat" and polygon.attributes == {"breed": "siamese", "truncated": True} and polygon.area == 13
    assert mask.mask[1:3, 1:4].tolist() == [[False, True, True], [False, False, False]] and mask.area == 2
    assert np.array_equal(box.mask, SQUARE) and box.score == 0.75
    assert ellipse.bbox == (1, 1, 5, 4)


def test_cvat_files_keep_everything(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="<points>"):
        dataset = cdwidget.read("cvat", cvat(tmp_path))
    cdwidget.write("cvat", dataset, tmp_path / "annotations.xml")
    text = (tmp_path / "annotations.xml").read_text()
    for line in CVAT.splitlines():
        if line.strip().startswith(("<polygon", "<mask", "<box", "<ellipse", "<points", "<tag", "<attribute", "<label>")):
            element = line.strip().removesuffix("</label>")
            words = element.replace("></", " /></").replace("/>", " ").replace(">", " ").split('" ')
            assert all(word.strip(' </>"') in text for word in words if "=" in word), element
    assert all(word in text for word in ('subset="Train"', 'task_id="9"', "<color>#fa3253</color>", "<id>7</id>", "unused"))


def test_a_changed_mask_is_a_new_shape(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="<points>"):
        dataset = cdwidget.read("cvat", cvat(tmp_path))
    (found,) = dataset
    dataset[0] = replace(found, instances=[replace(each, mask=RING_MASK) for each in found.instances])
    file = cdwidget.write("cvat", dataset, tmp_path / "b.xml")
    with pytest.warns(UserWarning, match="<points>"):
        again = cdwidget.read("cvat", file)
    assert all(np.array_equal(each.mask, RING_MASK) for each in again[0].instances)
    assert again[0].instances[0].attributes == {"breed": "siamese", "truncated": True}


def test_images_have_names_that_cvat_knows(tmp_path: Path) -> None:
    sources = [item(tmp_path / "photos" / folder, Instance(SQUARE, "cat")) for folder in ("x", "y")]
    file = cdwidget.write("cvat", sources, tmp_path / "out")
    assert 'name="x/a.png" path="../photos/x/a.png"' in file.read_text() and 'name="y/a.png"' in file.read_text()
    (tmp_path / "photos").rename(tmp_path / "out/images")
    assert [Path(each.path) for each in cdwidget.read("cvat", file)] == [tmp_path / "out/images/x/a.png", tmp_path / "out/images/y/a.png"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('points="0.50,0.50;5.50,0.50;3.10,4.90"', 'points="0,0;1,1"', "annotation 1: its polygon has 2 points; it needs at least 3"),
        ('points="0.50,0.50;5.50,0.50;3.10,4.90"', 'points="x"', "annotation 1: its polygon is not a list of points"),
        ('xtl="1.00"', 'xtl="one"', "annotation 3: <box> has xtl='one'; it needs a number"),
    ],
)
def test_a_broken_cvat_shape_costs_only_itself(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.warns(UserWarning, match=message):
        (found,) = cdwidget.read("cvat", cvat(tmp_path, CVAT_AREAS.replace(old, new)))
    assert len(list(found.instances)) == 3


@pytest.mark.parametrize("instance", [Instance(SQUARE, "a\x0bb"), Instance(SQUARE, "a", attributes={"note": "\ud800"})])
def test_a_character_that_xml_cannot_hold_replaces_no_cvat_file(tmp_path: Path, instance: Instance) -> None:
    file = cdwidget.write("cvat", [item(tmp_path, Instance(SQUARE, "a\nb \U0001f408"))], tmp_path / "a.xml")
    with pytest.raises(ValueError, match="has a character that XML cannot hold"):
        cdwidget.write("cvat", [item(tmp_path, instance)], file)
    assert cdwidget.read("cvat", file)[0].instances[0].label == "a\nb \U0001f408"


def test_a_broken_cvat_mask_is_found_when_it_is_decoded(tmp_path: Path) -> None:
    dataset = cdwidget.read("cvat", cvat(tmp_path, CVAT_AREAS.replace('rle="1, 2, 3"', 'rle="1, 2, 9"')))
    with pytest.warns(UserWarning, match="annotation 2: its run lengths add up to 12, its box of 3x2 pixels needs 6"):
        assert len(list(dataset[0].instances)) == 3
    assert dataset.problems.total == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<a", "is not XML"),
        ("<a/>", "is not a CVAT file; its first element is <a>"),
        ('<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;">]><annotations>&c;</annotations>', "defines XML entities"),
    ],
)
def test_files_that_are_not_cvat(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cdwidget.read("cvat", cvat(tmp_path, text))


# --- VIA --------------------------------------------------------------------------------------------------------------------------------


def via(folder: Path, *regions: object, project: bool = True) -> Path:
    item(folder)
    metadata = {"a.png123": {"filename": "a.png", "size": 123, "regions": regions, "file_attributes": {"caption": "two cats"}}}
    settings = {"ui": {"image": {"region_shape_color": "red"}}, "core": {"default_filepath": ""}, "project": {"name": "cats"}}
    attributes = {"region": {"class": {"type": "dropdown", "options": {"cat": "", "dog": ""}}}, "file": {}}
    content: Any = {"_via_settings": settings, "_via_img_metadata": metadata, "_via_attributes": attributes} if project else metadata
    (folder / "via.json").write_text(json.dumps(content))
    return folder / "via.json"


def region(name: str, label: object = "cat", **shape: object) -> dict[str, Any]:
    return {"shape_attributes": {"name": name, **shape}, "region_attributes": {"class": label, "age": "3"}}


REGIONS = [
    region("polygon", all_points_x=[0.5, 5.5, 3.1], all_points_y=[0.5, 0.5, 4.9]),
    region("rect", x=1, y=1, width=3, height=2),
    region("circle", cx=3, cy=2.5, r=1.4),
    region("ellipse", {"cat": True, "dog": False}, cx=3, cy=2.5, rx=2, ry=1.5, theta=0.5),
]


@pytest.mark.parametrize("project", [True, False])
def test_regions_of_via(tmp_path: Path, project: bool) -> None:
    dataset = cdwidget.read("via", via(tmp_path, *REGIONS, project=project))
    polygon, rectangle, circle, _ = dataset[0].instances
    assert [each.label for each in dataset[0].instances] == ["cat"] * 4 and polygon.attributes == {"age": "3"}
    assert (polygon.area, circle.bbox) == (13, (2, 1, 4, 4)) and np.array_equal(rectangle.mask, SQUARE)


def test_via_projects_keep_everything(tmp_path: Path) -> None:
    point = region("point", "nose", cx=2, cy=2)
    file = via(tmp_path, *REGIONS[:3], point)
    before = json.loads(file.read_text())
    with pytest.warns(UserWarning, match="annotation 4: a point has no area, so it is no instance; it is kept for writing"):
        dataset = cdwidget.read("via", file)
    after = json.loads(cdwidget.write("via", dataset, file).read_text())
    assert after["_via_settings"] == before["_via_settings"] and after["_via_attributes"] == before["_via_attributes"]
    (image,) = after["_via_img_metadata"].values()
    assert image == before["_via_img_metadata"]["a.png123"]


@pytest.mark.parametrize("core", [False, None, "images", []])
def test_a_via_project_with_other_settings_is_read(tmp_path: Path, core: object) -> None:
    file = via(tmp_path, *REGIONS[:3])
    content = json.loads(file.read_text())
    content["_via_settings"]["core"] = core
    file.write_text(json.dumps(content))
    assert len(cdwidget.read("via", file)[0].instances) == 3


@pytest.mark.parametrize("content", ["[]", '{"a": 1}', '{"_via_img_metadata": {"a": {}}}', "{"])
def test_files_that_are_not_via(tmp_path: Path, content: str) -> None:
    (tmp_path / "via.json").write_text(content)
    with pytest.raises(ValueError, match=r"via\.json is not (a VIA file|JSON)"):
        cdwidget.read("via", tmp_path / "via.json")


# --- GeoJSON ------------------------------------------------------------------------------------------------------------------------------


def qupath(geometry: object, name: str = "Tumor", **properties: object) -> dict[str, Any]:
    classification = {"name": name, "color": [200, 0, 0]}
    own = {"objectType": "annotation", "classification": classification, "isLocked": False, **properties}
    return {"type": "Feature", "id": "0a1b", "geometry": geometry, "properties": own}


def geojson(folder: Path, *features: object, **collection: object) -> Path:
    item(folder)
    content = {"type": "FeatureCollection", "features": features, **collection}
    (folder / "a.geojson").write_text(json.dumps(content))
    return folder / "a.geojson"


OUTER = [[0, 0], [6, 0], [6, 5], [0, 5], [0, 0]]
HOLE = [[3, 2], [4, 2], [4, 3], [3, 3], [3, 2]]


def test_features_of_qupath(tmp_path: Path) -> None:
    ring = qupath({"type": "Polygon", "coordinates": [OUTER, HOLE]}, metadata={"note": "checked"})
    both = qupath({"type": "MultiPolygon", "coordinates": [[[[0, 0], [2, 0], [2, 1], [0, 1], [0, 0]]], [[[3, 4], [6, 4], [6, 5], [3, 5]]]]})
    (found,) = cdwidget.read("geojson", geojson(tmp_path, ring, both))
    first, second = found.instances
    assert np.array_equal(first.mask, RING_MASK) and np.array_equal(second.mask, TWO_PARTS_MASK)
    assert first.label == "Tumor" and first.attributes == {"note": "checked"}
    cdwidget.write("geojson", [found], tmp_path / "b.geojson")
    after = json.loads((tmp_path / "b.geojson").read_text())
    assert after["features"] == json.loads((tmp_path / "a.geojson").read_text())["features"]


def test_coordinates_on_a_map(tmp_path: Path) -> None:
    transform = [400_000, 0.5, 0, 5_000_000, 0, -0.5]  # Half a meter a pixel, rows to the south.
    corners = [[400_000.5, 4_999_999.5], [400_002, 4_999_999.5], [400_002, 4_999_998.5], [400_000.5, 4_999_998.5]]
    file = geojson(tmp_path, qupath({"type": "Polygon", "coordinates": [corners]}), geotransform=transform)
    (found,) = cdwidget.read("geojson", file)
    assert np.array_equal(found.instances[0].mask, SQUARE)
    changed = replace(found, instances=[Instance(TWO_PARTS_MASK, "x")])
    cdwidget.write("geojson", [changed], tmp_path / "b.geojson")
    content = json.loads((tmp_path / "b.geojson").read_text())
    assert content["features"][0]["geometry"]["coordinates"][0][0][0] == [400_000, 5_000_000]
    again = cdwidget.read("geojson", tmp_path / "b.geojson")
    assert np.array_equal(again[0].instances[0].mask, TWO_PARTS_MASK)


def test_bad_features_cost_only_themselves(tmp_path: Path) -> None:
    good = qupath({"type": "Polygon", "coordinates": [OUTER]})
    broken, point = {"type": "Polygon", "coordinates": [[[0, 0], [1, "x"]]]}, {"type": "Point", "coordinates": [1, 1]}
    bad = [None, {"geometry": None}, qupath(broken), qupath(point)]
    with pytest.warns(UserWarning, match="4 problems"):
        dataset = cdwidget.read("geojson", geojson(tmp_path, *bad, good))
    assert [each.label for each in dataset[0].instances] == ["Tumor"]
    assert "a Point has no area" in str(dataset.problems[3])


def one_feature(folder: Path) -> Path:
    return geojson(folder, qupath({"type": "Polygon", "coordinates": [OUTER]}), image="a.png")


@pytest.mark.parametrize(
    ("format", "write"),
    [("cvat", lambda folder: cvat(folder, CVAT_AREAS)), ("via", lambda folder: via(folder, REGIONS[0])), ("geojson", one_feature)],
)
def test_a_missing_image_is_reported(tmp_path: Path, format: str, write: Callable[[Path], Path]) -> None:
    path = write(tmp_path)
    for image in tmp_path.rglob("*.png"):
        image.unlink()
    with pytest.warns(UserWarning, match="1 image was not found"):
        dataset = cdwidget.read(format, path)
    assert Path(dataset[0].path).name == "a.png"
