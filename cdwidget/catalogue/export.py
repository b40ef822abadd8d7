"""Export of a catalogue; for COCO, the stored run lengths are written without decoding."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping

from cdwidget.catalogue.images import file_name, image_problem
from cdwidget.catalogue.records import Record, from_json
from cdwidget.catalogue.rows import CatalogueItem, RecordLoader
from cdwidget.catalogue.storage import Database
from cdwidget.formats import FORMATS, coco, coco_writer
from cdwidget.formats.class_ids import Labels
from cdwidget.formats.coco_annotations import EncodedInstance, kept_text
from cdwidget.formats.dataset import Dataset
from cdwidget.formats.image_files import image_path
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.instances import LazyInstances
from cdwidget.formats.io import write_files
from cdwidget.images.remote import fetch, is_url, load_image
from cdwidget.registry import lookup


def export_items(
    items: Iterable[CatalogueItem], format: str, path: Path, rejected: bool, extra: Mapping[str, Any], options: Mapping[str, Any]
) -> Path:  # fmt: skip
    """Write items as a data set.

    Items whose image the format needs and that is not available are omitted with a warning.
    Images of URLs are copied to `images/`, except for COCO, which stores the URLs.

    Args:
        items: The items in their order.
        format: A name of FORMATS.
        path: The file or folder to write.
        rejected: Write rejected instances too.
        extra: Fields of the whole data set, as `Dataset.extra`.
        options: Options of the format.

    Returns:
        The path of the written file or folder.
    """
    kind = lookup(FORMATS, format, "format")
    chosen = items if rejected else map(_without_rejected, items)
    omitted: list[str] = []
    if format == "coco":
        written = _write_coco(chosen, path, omitted, extra, **options)
    else:
        folder = path.parent if path.suffix else path
        available = Dataset(_with_files(chosen, kind.copies_images, folder / "images", omitted), extra=extra)
        written = kind.write(available, path, **options)
    if omitted:
        more = f" and {len(omitted) - 3} more" if len(omitted) > 3 else ""
        warnings.warn(f"{len(omitted)} items were not exported: {'; '.join(omitted[:3])}{more}; check() lists them", UserWarning, 3)
    return written


def dataset_fields(database: Database, format: str) -> dict[str, Any]:
    """Return the fields of all imported data sets of a format; the first value of a field stays, and lists are joined."""
    merged: dict[str, Any] = {}
    for (text,) in database.rows("SELECT extra FROM datasets WHERE format = ? ORDER BY id", (format,)):
        merged = _merged(merged, from_json(text))
    return merged


def _merged(first: Any, second: Any) -> Any:
    if isinstance(first, dict) and isinstance(second, dict):
        return {**second, **{key: _merged(value, second[key]) if key in second else value for key, value in first.items()}}
    if isinstance(first, list) and isinstance(second, list):
        return first + [value for value in second if value not in first]
    return first


def _without_rejected(item: CatalogueItem) -> CatalogueItem:
    kept = [record for record in item.records if record.status != "rejected"]
    if len(kept) == len(item.records) or item.size is None:
        return item
    return replace(item, records=kept, instances=LazyInstances(len(kept), RecordLoader(kept, *item.size, str(item.path))))


def _with_files(items: Iterable[CatalogueItem], copies: bool, images: Path, omitted: list[str]) -> Iterator[CatalogueItem]:
    """Yield the items that can be written, with the images of URLs downloaded.

    Args:
        items: The items.
        copies: Whether the format copies every image.
        images: The folder for downloads.
        omitted: Gets a description of each omitted item.
    """
    names: set[str] = set()
    for item in items:
        path = str(item.path)
        needs_image = copies or not item.records or is_url(path)
        problem = image_problem(path, item.size, decode=copies) if needs_image else None
        if problem is not None:
            omitted.append(f"item {item.id} is {problem}")
            continue
        if is_url(path):
            name = file_name(path)
            if name.casefold() in names:
                name = f"{item.id}-{name}"
            names.add(name.casefold())
            with fetch(path) as file:
                write_files([(images / name, file.read())])
            item = replace(item, path=images / name)
        yield item


def _write_coco(items: Iterable[CatalogueItem], path: Path, omitted: list[str], extra: Mapping[str, Any], labels: Labels = ()) -> Path:
    path = coco.file_of(path)
    return coco_writer.write_images(_coco_images(items, path, omitted), path, labels, extra)


def _coco_images(items: Iterable[CatalogueItem], file: Path, omitted: list[str]) -> Iterator[coco_writer.ImageEntry]:
    finder = ImageFinder(file)
    for item in items:
        try:
            height, width = item.size or load_image(str(item.path)).shape[:2]
        except (OSError, ValueError) as error:
            omitted.append(f"item {item.id}: {error}")
            continue
        name = coco_writer.image_name(item, file, finder)
        annotations = (_coco_annotation(record, height, width) for record in item.records)
        yield coco_writer.ImageEntry(image_path(item), name, height, width, annotations, item.extra)


def _coco_annotation(record: Record, height: int, width: int) -> coco_writer.Annotation:
    text = kept_text(record.counts, height, width, record.extra)
    instance = EncodedInstance(
        record.number, record.label, record.crowd, record.counts,
        from_json(record.attributes), record.confidence, record.track_id, {} if text else from_json(record.extra),
    )  # fmt: skip
    if text:
        return coco_writer.Annotation(instance, {}, {}, text)
    return coco_writer.annotation_of(instance, height, width, record.area, record.bbox)
