"""The Parquet files of Hugging Face data sets, which hold the images."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from PIL import Image

from cdwidget.formats.dataset import Problems
from cdwidget.formats.image_files import IMAGE_SUFFIXES
from cdwidget.formats.io import write_files

PARQUET_SUFFIX = ".parquet"
IMAGE_KEYS = ("image", "pixel_values", "img")
OBJECT_KEYS = ("objects", "annotations", "instances")
MASK_KEYS = ("mask", "label", "labels", "annotation", "segmentation_mask", "semantic_mask")
DIGEST_BYTES = 8


class Row(NamedTuple):
    """A row: its name in messages, its image file, and its values without the image."""

    name: str
    image: str | Path
    values: dict[str, Any]


def read_rows(file: Path, problems: Problems) -> tuple[dict[int, str], Iterator[Row]]:
    """Return the names of the classes in a file's schema, and its rows; images are saved to a folder next to it.

    Args:
        file: The Parquet file.
        problems: Receives rows without an image that can be read.

    Raises:
        ValueError: If a row group is too large, or pyarrow is not installed.
    """
    try:
        import pyarrow.parquet as arrow
    except ImportError:
        raise ValueError(f"{file} needs pyarrow: pip install 'cdwidget[parquet]'") from None
    table = arrow.ParquetFile(file)
    for number in range(table.num_row_groups):  # One is in memory at a time.
        problems.limits.check("max_file_bytes", table.metadata.row_group(number).total_byte_size, f"{file}: its row group {number + 1}")
    features = json.loads((table.schema_arrow.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    # The classes of the whole image, such as its scene, name no objects.
    objects = [feature for key, feature in features.items() if key in OBJECT_KEYS]
    return _feature_names(objects), _saved_rows(file, table, problems)


def _saved_rows(file: Path, table: Any, problems: Problems) -> Iterator[Row]:
    """Yield the rows of a Parquet file, with their images saved to a folder next to it."""
    folder = file.with_suffix("")
    names: set[str] = set()
    values: dict[str, Any]
    for number, values in enumerate((row for batch in table.iter_batches(16) for row in batch.to_pylist()), 1):
        key = next((key for key in IMAGE_KEYS if _is_image(values.get(key))), None)
        with problems.skipping(file, annotation=f"row {number}"):
            if key is None:
                raise ValueError(f"it has no image; its columns are {', '.join(values)}")
            image = _save(values.pop(key), folder, f"{number:06d}", names)
            for column in [key for key in values if _is_image(values[key])]:
                value = values.pop(column)
                if column in MASK_KEYS:
                    values[column] = _save(value, folder / column, image.stem, set())
            yield Row(image.name, image, values)


def _is_image(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes)


def _save(value: Mapping[str, Any], folder: Path, stem: str, names: set[str]) -> Path:
    """Save the bytes of an image and return its path; other files in the folder stay as they are.

    Args:
        value: The bytes, and the path that the image had.
        folder: The folder to save it in.
        stem: Its name if its own is taken or is no name of an image.
        names: The names of earlier rows in lower case; gets the name of this one.
    """
    data = value["bytes"]
    own = Path(str(value.get("path") or "").replace("\\", "/")).name
    names_to_try = [own] if Path(own).suffix.lower() in IMAGE_SUFFIXES else []
    with suppress(OSError), Image.open(io.BytesIO(data)) as image:  # Own names do not need it.
        suffix = (image.format or "png").lower()
        names_to_try += [f"{stem}.{suffix}", f"{stem}-{blake2b(data, digest_size=DIGEST_BYTES).hexdigest()}.{suffix}"]
    for name in names_to_try:
        path = folder / name
        if name.casefold() in names or (path.exists() and not (path.is_file() and path.read_bytes() == data)):
            continue
        names.add(name.casefold())
        if not path.exists():
            write_files([(path, data)])
        return path
    raise ValueError("it has an image that cannot be read, or whose name is taken")


def _feature_names(features: Any) -> dict[int, str]:
    """Return the names of the first feature of classes in the schema that `datasets` writes."""
    if isinstance(features, Mapping):
        if features.get("_type") == "ClassLabel":
            return dict(enumerate(features["names"]))
        features = list(features.values())
    return next((found for each in features if (found := _feature_names(each))), {}) if isinstance(features, list) else {}


def encode_rows(rows: Sequence[tuple[Path, Mapping[str, Any]]]) -> bytes:
    """Return a Parquet file of images and their columns; raise ValueError if pyarrow is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ValueError("Parquet needs pyarrow: pip install 'cdwidget[parquet]'") from None
    columns = list(dict.fromkeys(key for _, row in rows for key in row))
    images = [{"bytes": image.read_bytes(), "path": image.name} for image, _ in rows]
    table = pyarrow.table({**{key: [row.get(key) for _, row in rows] for key in columns}, "image": images})
    info = json.dumps({"info": {"features": {"image": {"_type": "Image"}}}})
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table.replace_schema_metadata({"huggingface": info}), buffer)
    return buffer.getvalue()
