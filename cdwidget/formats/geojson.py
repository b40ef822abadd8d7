"""GeoJSON: a feature collection per image, in pixels, as QuPath and image tools exchange it.

A feature's geometry is a Polygon with holes, or a MultiPolygon of several parts. In QuPath's features the class is `classification.name`;
elsewhere it is `label`, `class` or `name`. Coordinates on a map are converted to pixels and back if the image has a geo-reference: six
numbers of an affine transform, from `geotransform` of the collection or from a GeoTIFF file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence

from cdwidget.formats.annotations import (
    FileAnnotation,
    Ring,
    instance_id,
    item_of,
    kept_fields,
    kept_image,
    parts_decoder,
    ring_of,
    score_of,
)
from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.image_files import IMAGE_SUFFIXES, image_path, image_size, item_size, output_files
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.instances import checked_instances
from cdwidget.formats.io import input_files, peek, read_json, relative_name, to_json_bytes, write_files
from cdwidget.images.georeference import read_georeference
from cdwidget.items import Instance, Item
from cdwidget.limits import Limits
from cdwidget.polygons import parts

FORMAT = "geojson"
SUFFIX = ".geojson"
LABEL_VALUE = "label_value"  # Key of the kept class, which may be a number.
LABEL_KEYS = ("label", "class", "class_name", "name", "category")
GEOTRANSFORM = "geotransform"  # x = g[0] + column * g[1] + row * g[2], y = g[3] + column * g[4] + row * g[5], as in GDAL.
IMAGE = "image"  # Key of the collection that names the image.
Point = tuple[float, float]


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a GeoJSON file, or all `.geojson` files of a folder.

    Args:
        path: The file or folder.
        images: The folder of the images. By default a file names its image, or the image has the file's stem.
        problems: Receives features without area and broken entries.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    files = input_files(path, SUFFIX)
    finder = ImageFinder(files[0], images)
    items = []
    for file in files:
        with problems.skipping(file):
            items.append(_item(file, images, finder, problems))
    finder.warn_missing()
    return Dataset(items)


def matches(path: Path) -> bool:
    """Return whether a file, or a `.geojson` file of a folder, has features."""
    files = [path] if path.is_file() else sorted(path.glob(f"*{SUFFIX}"))[:1]
    return any(file.suffix.lower() in (SUFFIX, ".json") and '"Feature' in peek(file) for file in files)


def write(items: Sequence[Item], path: Path) -> Path:
    """Write a feature collection per item, in QuPath's form.

    Images are named, not copied. Instances without pixels are skipped; alpha mattes are not stored.

    Args:
        items: The images with their instances.
        path: A folder; or a `.geojson` file for one item.

    Returns:
        `path`.

    Raises:
        ValueError: If a mask does not fit its image, or a file is given for several items.
    """
    files = output_files(path, SUFFIX, items)
    write_files((file, _encode(item, file.parent)) for item, file in zip(items, files))
    return path


# ---- reading ---------------------------------------------------------------------------------------------------------


def _item(file: Path, images: Path | None, finder: ImageFinder, problems: Problems) -> Item:
    content = read_json(file, problems.limits)
    if isinstance(content, Mapping) and content.get("type") == "Feature":
        content = {"features": [content]}
    collection = {"features": content} if isinstance(content, list) else content  # QuPath may write a plain list.
    if not isinstance(collection, Mapping) or not isinstance(collection.get("features"), list):
        raise ValueError(f"{file} is not a GeoJSON feature collection")
    kept = {key: value for key, value in collection.items() if key not in ("features", "type", IMAGE)}
    records: list[FileAnnotation] = []
    others: list[Any] = []
    taken: set[int] = set()
    image = _image_of(file, collection.get(IMAGE), images, finder)
    if GEOTRANSFORM not in kept and (place := read_georeference(image)) is not None:
        on_map = _is_on_map(collection["features"], place.geotransform, image)
        kept[GEOTRANSFORM] = list(place.geotransform) if on_map else None
    to_pixel = _to_pixel(kept.get(GEOTRANSFORM))
    for number, feature in enumerate(collection["features"], 1):
        with problems.skipping(file, image.name, number):
            shape = _parts(feature["geometry"], to_pixel, problems.limits)
            if shape:
                records.append(_record(feature, number, shape, taken))
                continue
            others.append(feature)
            kind = feature["geometry"].get("type")
            problems.add(
                f"a {kind} has no area, so it is no instance; it is kept for writing", file=file, image=image.name, annotation=number
            )
    return item_of(FORMAT, file, image, records, None, problems, {**kept, **({"others": others} if others else {})})


def _image_of(file: Path, name: Any, images: Path | None, finder: ImageFinder) -> Path:
    if isinstance(name, str):
        return Path(finder.find(name))
    folders = [images] if images is not None else [file.parent, file.parent / "images", file.parent.parent / "images"]
    if Path(file.stem).suffix.lower() in IMAGE_SUFFIXES:  # QuPath's "a.tif.geojson".
        return Path(finder.find(file.stem))
    beside = (path for folder in folders for path in sorted(folder.glob(f"{file.stem}.*")) if path.suffix.lower() in IMAGE_SUFFIXES)
    return next(beside, folders[0] / f"{file.stem}.png")


def _is_on_map(features: Sequence[Any], geotransform: Sequence[float], image: Path) -> bool:
    """Return whether coordinates are on the map of a GeoTIFF file: they lie in the image there, and not as pixels."""
    height, width = image_size(image)
    to_pixel = _to_pixel(geotransform)
    points = [point for feature in features if isinstance(feature, Mapping) for point in _positions(feature.get("geometry"))]

    def inside(found: Sequence[Point]) -> int:
        return sum(0 <= x <= width and 0 <= y <= height for x, y in found)

    return inside([to_pixel(x, y) for x, y in points]) > inside(points)


def _positions(value: Any) -> Iterator[Point]:
    """Yield the positions of a geometry at any depth."""
    if isinstance(value, Mapping):
        yield from _positions(value.get("coordinates", value.get("geometries")))
    elif isinstance(value, list) and len(value) >= 2 and all(isinstance(each, (int, float)) for each in value[:2]):
        yield value[0], value[1]
    elif isinstance(value, list):
        for each in value:
            yield from _positions(each)


def _parts(geometry: Mapping[str, Any], to_pixel: Callable[[float, float], Point], limits: Limits) -> list[list[Ring]]:
    kind = geometry.get("type")
    if kind == "GeometryCollection":
        return [part for each in geometry["geometries"] for part in _parts(each, to_pixel, limits)]
    if kind not in ("Polygon", "MultiPolygon"):
        return []
    polygons = [geometry["coordinates"]] if kind == "Polygon" else geometry["coordinates"]
    # A position may have a height as its third number.
    return [[ring_of([to_pixel(*position[:2]) for position in ring], limits) for ring in polygon] for polygon in polygons]


def _record(feature: Mapping[str, Any], number: int, shape: list[list[Ring]], taken: set[int]) -> FileAnnotation:
    properties = dict(feature.get("properties") or {})
    label, label_key = "", None
    classification = properties.get("classification")
    if isinstance(classification, Mapping):
        names = classification.get("names")
        label = str(classification.get("name") or ": ".join(map(str, names or ())))
    elif isinstance(classification, str):
        label, label_key = classification, "classification"
    else:
        keys = (key for kind in (str, int) for key in LABEL_KEYS if type(properties.get(key)) is kind)  # Maps may have only numbers.
        label_key = next(keys, None)
        label = str(properties[label_key]) if label_key else ""
    metadata = properties.get("metadata")
    attributes = dict(metadata) if isinstance(metadata, Mapping) else {}
    score, track = score_of(properties.get("score")), properties.get("track_id")
    track = track if isinstance(track, int) and not isinstance(track, bool) else None
    own = {key: value for key, value in properties.items() if key not in ("metadata", "cdwidget_id", label_key)}
    for key, value in (("score", score), ("track_id", track)):
        if value is not None:
            own.pop(key)
    kept = {**{key: value for key, value in feature.items() if key != "properties"}, "properties": own, "label_key": label_key}
    if label_key:
        kept[LABEL_VALUE] = properties[label_key]
    own_id = instance_id(properties.get("cdwidget_id"), taken)
    return FileAnnotation(str(number), parts_decoder(shape), label, own_id, attributes, score, track, kept)


def _to_pixel(geotransform: Any) -> Callable[[float, float], Point]:
    """Return the conversion of coordinates to pixels."""
    if geotransform is None:
        return lambda x, y: (x, y)
    x0, xc, xr, y0, yc, yr = map(float, geotransform)
    determinant = xc * yr - xr * yc
    if not determinant:
        raise ValueError(f"its geotransform {geotransform} cannot be inverted")
    return lambda x, y: (((x - x0) * yr - (y - y0) * xr) / determinant, ((y - y0) * xc - (x - x0) * yc) / determinant)


# ---- writing ---------------------------------------------------------------------------------------------------------


def _encode(item: Item, folder: Path) -> bytes:
    height, width = item_size(item)
    kept = kept_image(item, FORMAT)
    others = kept.pop("others", [])
    if GEOTRANSFORM not in kept and (place := read_georeference(image_path(item))) is not None:
        kept[GEOTRANSFORM] = list(place.geotransform)
        if place.epsg is not None:
            kept["crs"] = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{place.epsg}"}}
    geotransform = kept.get(GEOTRANSFORM)
    if geotransform is None:
        kept.pop(GEOTRANSFORM, None)
    features = [_feature(each, geotransform) for each in checked_instances(item, height, width) if each.mask.any()]
    image = relative_name(image_path(item), folder)
    content = {"type": "FeatureCollection", IMAGE: image, **kept, "features": features + others}
    return to_json_bytes(content)


def _feature(instance: Instance, geotransform: Any) -> dict[str, Any]:
    kept, shape = kept_fields(instance, FORMAT, ("geometry",))
    properties = dict(kept.pop("properties", {"objectType": "annotation"}))
    label_key, old_label = kept.pop("label_key", None), kept.pop(LABEL_VALUE, None)
    if label_key:
        properties[label_key] = old_label if str(old_label) == instance.label else instance.label
    elif instance.label:
        classification = properties.get("classification")
        same = isinstance(classification, Mapping) and classification.get("name") == instance.label
        properties["classification"] = classification if same else {"name": instance.label}
    else:
        properties.pop("classification", None)
    values: dict[str, Any] = {"cdwidget_id": instance.id, "score": instance.score, "track_id": instance.track_id}
    values |= {"metadata": dict(instance.attributes) or None}
    properties |= {key: value for key, value in values.items() if value is not None}
    return {"type": "Feature", **kept, **(shape or {"geometry": _geometry(instance, geotransform)}), "properties": properties}


def _geometry(instance: Instance, geotransform: Any) -> dict[str, Any]:
    x0, xc, xr, y0, yc, yr = geotransform or (0, 1, 0, 0, 0, 1)
    polygons = []
    for rings in parts(instance.mask):
        closed = [[*ring.tolist(), ring[0].tolist()] for ring in rings]
        polygons.append([[[x0 + x * xc + y * xr, y0 + x * yc + y * yr] for x, y in ring] for ring in closed])
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}
