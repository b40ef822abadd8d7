"""The files of a YOLO data set: `data.yaml` or a list of classes, the images, and the label file of each image."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any, Mapping

import yaml

from cdwidget.formats.dataset import Problems
from cdwidget.formats.image_files import IMAGE_SUFFIXES
from cdwidget.formats.io import by_stem, peek, read_text

DATA_FILE = "data.yaml"
DATA_FILES = (DATA_FILE, "data.yml", "dataset.yaml")
CLASS_FILES = ("classes.txt", "labels/classes.txt", "obj.names")  # Lists of classes of data sets without `data.yaml`.
CLASS_FILE_SUFFIXES = (".txt", ".names")
SPLITS = ("train", "val", "test")
READ_SPLITS = ("train", "val", "valid", "validation", "test")  # Also the names in files of other tools.
MAX_UNNAMED_CLASSES = 10_000  # A larger `nc` is a mistake.
POSE_KEYS = ("kpt_shape", "flip_idx", "kpt_names")
MAX_YAML_DEPTH = 50
LABEL_FOLDERS = ("labels", "Labels", "LABELS")
MAX_EXAMINED_FILES = 20
IS_NUMBER = re.compile(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?,?")
BOX_VALUES = 4  # Center, width and height of a box.


@dataclass(frozen=True)
class Layout:
    """The files of a data set.

    Attributes:
        file: The file with the classes, or the folder if there is none.
        labels: The label of each class id; empty if the classes have no names.
        pairs: Every image with its label file, which need not exist.
        keypoint_values: Numbers of the keypoints at the end of each row of a pose data set, else 0.
        pose: Entries of the `data.yaml` of a pose data set about keypoints.
    """

    file: Path
    labels: Mapping[int, str]
    pairs: Mapping[Path, Path]
    keypoint_values: int = 0
    pose: Mapping[str, Any] = field(default_factory=dict)


def read_layout(path: Path, images: Path | None, problems: Problems) -> Layout:
    """Find the files of a data set.

    Args:
        path: The folder, or its `data.yaml`.
        images: The folder of the images, overriding `data.yaml`.
        problems: Receives the splits that cannot be found.

    Raises:
        FileNotFoundError: If there is no such file or no image.
        ValueError: If `data.yaml` is broken.
    """
    file = data_file(path)
    if file is None:
        return _without_data_file(path, images)
    content = _read_content(file)
    labels = _labels(file, content)
    pairs = _pairs_in(images, file.parent) if images is not None else _pairs_of_splits(file, content, problems)
    if not pairs:
        raise FileNotFoundError(f"{file} lists no image; it needs {', '.join(SPLITS)}: a folder of images or a text file of their paths")
    return Layout(file, labels, pairs, keypoint_values(content), read_pose(file) if keypoint_values(content) else {})


def keypoint_values(content: Mapping[str, Any]) -> int:
    """Return the numbers of the keypoints in each row, by the entries of a `data.yaml`; 0 for a data set without keypoints."""
    shape: Any = content.get(POSE_KEYS[0])
    is_pose = isinstance(shape, list) and all(type(count) is int and count > 0 for count in shape)
    return prod(shape) if is_pose else 0


def read_pose(file: Path) -> dict[str, Any]:
    """Return the entries of a `data.yaml` about keypoints; empty for a data set without keypoints."""
    content = _read_content(file)
    return {key: content[key] for key in POSE_KEYS if key in content} if POSE_KEYS[0] in content else {}


def data_file(path: Path) -> Path | None:
    """Return the `data.yaml` that a path means: itself, or the one in a folder, or None."""
    if path.suffix.lower() in (".yaml", ".yml"):
        return path
    others = sorted(path.glob("*.yaml")) if path.is_dir() else []
    return next((path / name for name in DATA_FILES if (path / name).is_file()), others[0] if len(others) == 1 else None)


def read_labels(path: Path) -> dict[str, int]:
    """Return the class id of each label in a folder or `data.yaml`; of two classes with one name, the first."""
    file = data_file(path)
    labels = _class_list(path)[1] if file is None else _labels(file, _read_content(file))
    return ids_by_label(labels)


def ids_by_label(labels: Mapping[int, str]) -> dict[str, int]:
    """Return the class id of each label; of two classes with one name, the first."""
    ids: dict[str, int] = {}
    for number, label in sorted(labels.items()):
        ids.setdefault(label, number)
    return ids


# ---- classes ---------------------------------------------------------------------------------------------------------


def _read_content(path: Path) -> Mapping[str, Any]:
    """Read `data.yaml`, after checking that it stays small in memory."""
    text = read_text(path)
    depth = 0
    try:
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_YAML_DEPTH or isinstance(event, yaml.AliasEvent):
                problem = "aliases (*name)" if isinstance(event, yaml.AliasEvent) else f"more than {MAX_YAML_DEPTH} levels of nesting"
                raise ValueError(f"{path} has {problem}, which {DATA_FILE} does not need; write the values out")
        content = yaml.safe_load(text)
        names = content.get("names") if isinstance(content, dict) else None
        if isinstance(names, str) and names.strip():
            return {**content, "names": _names_in(names, path)}
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {error}") from error
    count = content.get("nc") if isinstance(content, dict) else None
    if type(count) is int and 0 < count <= MAX_UNNAMED_CLASSES and content.get("names") is None:
        return {**content, "names": [f"class_{number}" for number in range(count)]}
    if not isinstance(content, dict) or not isinstance(content.get("names"), (list, dict)):
        raise ValueError(f"{path} names no classes; it needs names: a list, or a map of numbers to labels")
    return {**content, "names": yaml.load(text, yaml.BaseLoader)["names"]}  # All text: YAML takes the names yes and no for bools.


def _names_in(text: str, path: Path) -> Any:
    """Return the class names in a text in the place of a list: those of the file that it names, or the list or map that it is itself."""
    file = path.parent / text
    if os.path.isfile(file):
        return _class_lines(file)
    if file.suffix in CLASS_FILE_SUFFIXES:
        raise ValueError(f"{path} takes its names from {text}, and there is no file {file}; add it, or list the names")
    names = yaml.load(text, yaml.BaseLoader)
    return names if isinstance(names, (list, dict)) else [names]


def _labels(path: Path, content: Mapping[str, Any]) -> dict[int, str]:
    names = content["names"]
    labels: dict[int, str] = {}
    if isinstance(names, dict) and all(str(number).isdecimal() for number in names.values()):
        names = {number: label for label, number in names.items()} if not all(str(key).isdecimal() for key in names) else names
    for number, label in enumerate(names) if isinstance(names, list) else names.items():
        if not str(number).isdecimal():
            raise ValueError(f"{path} needs a number from 0 for every class; its names are {names}")
        labels[int(number)] = str(label)
    return labels


def _class_list(folder: Path) -> tuple[Path, dict[int, str]]:
    """Return the file with a class per line and its labels, or the folder and none."""
    for name in CLASS_FILES:
        if (folder / name).is_file():
            return folder / name, _class_lines(folder / name)
    return folder, {}


def _class_lines(file: Path) -> dict[int, str]:
    return {number: line.strip() for number, line in enumerate(read_text(file).splitlines()) if line.strip()}


# ---- images and label files ------------------------------------------------------------------------------------------


def _without_data_file(path: Path, images: Path | None) -> Layout:
    """Find the files of a folder with label files and, perhaps, a list of the classes, or of one part of a split."""
    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder {path}, nor a file {path / DATA_FILE} (looked in {Path.cwd()})")
    if not any(file.name not in ("classes.txt", "notes.txt") for file in path.rglob("*.txt")):
        raise FileNotFoundError(f"{path} holds neither {DATA_FILE} nor label files (.txt); give the folder of a YOLO data set")
    file, labels = _class_list(path)
    parent = data_file(path.parent)
    if not labels and parent is not None:
        file, labels = parent, _labels(parent, _read_content(parent))
    pairs = _pairs_in(images or path, path)
    if not pairs:
        raise FileNotFoundError(f"{images or path} holds no image; name the folder of the images: images=...")
    return Layout(file, labels, pairs)


def _pairs_in(images: Path, root: Path) -> dict[Path, Path]:
    """Return the images of a folder with their label files, in `labels/` of the data set or next to it."""
    pairs = {}
    for image in _images_in(images):
        inside = image.parent.relative_to(images) if image.is_relative_to(images) else Path()
        candidates = [root / "labels" / inside / f"{image.stem}.txt", root / "labels" / f"{image.stem}.txt", label_file(image)]
        pairs[image] = next((file for file in candidates if file.is_file()), candidates[-1])
    return pairs


def _pairs_of_splits(file: Path, content: Mapping[str, Any], problems: Problems) -> dict[Path, Path]:
    """Return the images of all splits with their label files; report a split that is not there if another one is."""
    root = file.parent / str(content.get("path") or ".")
    root = root if root.is_dir() else file.parent  # `path` may be relative to a user's folder of data sets instead of this file.
    names = dict.fromkeys((name, split) for split in READ_SPLITS for name in _split_entries(content.get(split)))
    found: dict[str, list[Path]] = {}
    missing: dict[str, tuple[str, FileNotFoundError]] = {}
    for name, split in names:
        try:
            found.setdefault(name, _images_in(_resolve_entry(root, name)))
        except FileNotFoundError as error:
            missing[name] = (split, error)
    if not found and missing:
        raise next(iter(missing.values()))[1]
    for split, problem in missing.values():
        problems.add(str(problem), file=file, annotation=split, advice=f"add it, or remove {split} from {file.name}")
    for name, images in found.items():
        absent = [image for image in images if not os.path.isfile(image)]
        if absent:
            message = f"{len(absent)} of its {len(images)} images are not there, such as {absent[0]}"
            problems.add(message, file=_resolve_entry(root, name), advice="add them, or name the folder of the images: images=...")
    return {image: label_file(image) for images in found.values() for image in images}


def _split_entries(entries: Any) -> list[str]:
    """Return the entries of a split: one, a list of them, or none."""
    return [str(entry) for entry in (entries if isinstance(entries, list) else [entries] if entries else [])]


def _resolve_entry(root: Path, name: str) -> Path:
    """Return the path of an entry of a split, or of an image in a list.

    Roboflow writes `../train/images` for the `train/images` in the same folder, and other tools an absolute path of another machine: then
    the longest end of the path that exists in the folder is meant.
    """
    path = root / name
    if path.exists():
        return path
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    ends = (root / Path(*parts[start:]) for start in range(len(parts)))
    return next((end for end in ends if end.exists()), path)


def _images_in(entry: Path) -> list[Path]:
    """Return the images in a folder and its subfolders, or the images listed in a text file."""
    if entry.is_dir():
        found = (path for path in entry.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."))
        return sorted(found, key=by_stem)
    if entry.suffix != ".txt" or not entry.is_file():
        raise FileNotFoundError(f"there is no folder {entry} of images")
    return [_resolve_entry(entry.parent, line.strip()) for line in read_text(entry).splitlines() if line.strip()]


def label_file(image: Path) -> Path:
    """Return an image's label file: the last folder `images` in its path becomes `labels`."""
    folders = list(image.parent.parts)
    at = max((index for index, name in enumerate(folders) if name.lower() == "images"), default=None)
    found = []
    for name in LABEL_FOLDERS:
        folder = Path(*(folders if at is None else [*folders[:at], name, *folders[at + 1 :]]))
        found += [folder / f"{image.stem}{suffix}" for suffix in (".txt", ".TXT")]
    return next((file for file in found if os.path.isfile(file)), found[0])


def report_unpaired(layout: Layout, problems: Problems) -> None:
    """Report label files without an image, and a data set without label files."""
    files = {file for file in layout.pairs.values() if os.path.isfile(file)}
    if not files:
        image, file = next(iter(layout.pairs.items()))
        problems.add(f"none of its {len(layout.pairs)} images has a label file; the one of {image.name} would be {file}", file=layout.file)
    folders: dict[Path, set[str]] = {}  # The stems of the images that belong to a folder of label files.
    for folder, images in {(file.parent, image.parent) for image, file in layout.pairs.items()}:
        files_there = images.iterdir() if images.is_dir() else ()
        folders.setdefault(folder, set()).update(path.stem for path in files_there if path.suffix.lower() in IMAGE_SUFFIXES)
    for folder, stems in folders.items():
        labels = sorted(folder.glob("*.[tT][xX][tT]"), key=by_stem)
        alone = [file for file in labels if file.stem not in stems and file not in files and _is_label_file(file)]
        if alone:
            message = f"{len(alone)} of its label files have no image, such as {alone[0].name}"
            problems.add(message, file=folder, advice="add the images, or name their folder: images=...")


def has_labels_beside_images(folder: Path) -> bool:
    """Return whether one of the first label files in a folder, or in the folders in it, lies beside its image, as Darknet has them."""
    files = (file for pattern in ("*.txt", "*/*.txt") for file in folder.glob(pattern))
    labels = (file for file in islice(files, MAX_EXAMINED_FILES) if _is_label_file(file))
    return any(os.path.isfile(file.with_suffix(suffix)) for file in labels for suffix in IMAGE_SUFFIXES)


def _is_label_file(file: Path) -> bool:
    """Return whether the first line of a file has a class and the numbers of a box or a polygon."""
    words = next((line for line in peek(file).splitlines() if line.strip()), "").split()
    return len(words) > BOX_VALUES and all(IS_NUMBER.fullmatch(word) for word in words)
