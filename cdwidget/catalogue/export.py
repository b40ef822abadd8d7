"""Data sets out of a catalogue: COCO with the run lengths as they are, the other formats as `cdwidget.write` does them."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping
from uuid import uuid4

from cdwidget.catalogue.images import fault, fetch, file_name, is_url, read
from cdwidget.catalogue.rows import CatalogueItem, Decoder
from cdwidget.formats import FORMATS, coco
from cdwidget.formats.io import Classes, Labels, Lazy, relative, write_files
from cdwidget.registry import lookup


def export(items: Iterable[CatalogueItem], format: str, path: Path, rejected: bool, options: Mapping[str, Any]) -> Path:
    """Write items in a format; what needs an image that cannot be had is left out with a warning.

    Images of URLs are copied to `images/`, except for COCO, which names the URLs.
    """
    kind = lookup(FORMATS, format, "format")
    chosen = items if rejected else map(_without_rejected, items)
    left_out: list[str] = []
    if format == "coco":
        written = _write_coco(chosen, path, left_out, **options)
    else:
        home = path.parent if path.suffix else path
        written = kind.write(list(_at_hand(chosen, kind.copies, home / "images", left_out)), path, **options)
    if left_out:
        more = f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""
        warnings.warn(f"{len(left_out)} items were left out: {'; '.join(left_out[:3])}{more}; check() lists them", UserWarning, 3)
    return written


def _without_rejected(item: CatalogueItem) -> CatalogueItem:
    kept = [record for record in item.records if record.status != "rejected"]
    if len(kept) == len(item.records) or item.size is None:
        return item
    return replace(item, records=kept, instances=Lazy(len(kept), Decoder(kept, *item.size)))


def _at_hand(items: Iterable[CatalogueItem], copies: bool, images: Path, left_out: list[str]) -> Iterator[CatalogueItem]:
    """The items whose images are files now, as far as the format needs them; copies: it keeps a copy of each."""
    names: set[str] = set()
    for item in items:
        path = str(item.path)
        needed = copies or not item.records or is_url(path)
        wrong = fault(path, item.size, decode=copies) if needed else None
        if wrong is not None:
            left_out.append(f"item {item.id} is {wrong}")
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


def _write_coco(items: Iterable[CatalogueItem], path: Path, left_out: list[str], labels: Labels = ()) -> Path:
    """Write a COCO file item by item, the masks as compressed run lengths; URLs stay what they are. It is there when all of it is."""
    path = coco.file_of(path)
    classes = Classes(labels, coco.read_labels(path) if path.is_file() else None)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft, later = (path.with_name(f".{uuid4().hex}.tmp") for _ in range(2))
    ids = coco.Ids()
    first = True
    try:
        with open(draft, "w+", encoding="utf-8") as file, open(later, "w+", encoding="utf-8") as images:
            file.write('{"info": {}, "licenses": [], "annotations": [')
            number = 0
            for item in items:
                try:
                    height, width = item.size or read(str(item.path)).shape[:2]
                except (OSError, ValueError) as error:
                    left_out.append(f"item {item.id}: {error}")
                    continue
                number += 1
                name = str(item.path) if is_url(str(item.path)) else relative(Path(item.path), path.parent)
                _put(images, {"id": number, "file_name": name, "height": height, "width": width}, number == 1)
                for record in item.records:
                    x0, y0, x1, y1 = record.bbox
                    annotation = {
                        "id": ids.take(record.number),
                        "image_id": number,
                        "category_id": classes.number(record.label),
                        "segmentation": {"size": [height, width], "counts": record.counts},
                        "area": record.area,
                        "bbox": [x0, y0, x1 - x0, y1 - y0],
                        "iscrowd": int(record.crowd),
                    }
                    _put(file, annotation, first)
                    first = False
            file.write('],\n"images": [')
            images.seek(0)
            while text := images.read(1 << 20):
                file.write(text)
            file.write(f'],\n"categories": {json.dumps(coco.categories(classes), ensure_ascii=False)}}}')
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
        later.unlink(missing_ok=True)
    return path


def _put(file: Any, record: Mapping[str, Any], first: bool) -> None:
    file.write("" if first else ",\n")
    file.write(json.dumps(record, ensure_ascii=False))
