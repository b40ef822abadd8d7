"""Instances from the outputs of other models: arrays of masks, label maps, torchvision, ultralytics, transformers, segment-anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Union

import numpy as np

from cdwidget.items import Instance
from cdwidget.masks import as_mask
from cdwidget.polygons import fill

ClassNames = Union[Sequence[str], Mapping[int, str]]
_ALLOWED = (
    "instances are cdwidget.Instance(mask, label) in a list, an array of masks (N, H, W), a label map (H, W), "
    "or the result of a detector for one image"
)


def as_instances(found: Any, names: ClassNames | None = None, min_score: float = 0.0) -> list[Instance]:
    """Convert the output of a model for one image to instances.

    Args:
        found: An array or tensor of masks, (N, H, W) or (N, 1, H, W), bool, whole numbers or floats in [0, 1]; a label map, whole
            numbers (H, W), 0 and less for no object; a dict or list of dicts of torchvision, transformers or segment-anything; a result of
            ultralytics; or an iterable of instances and masks (H, W).
        names: Name of each class number; None for the numbers, or the names in the result.
        min_score: Detections with a lower score are left out.

    Returns:
        The instances in the order of the output, with labels and scores if it has any.

    Raises:
        ValueError: If an array has another shape or range, or a class has no name.
        TypeError: If it is something else.

    Example:
        >>> output = maskrcnn([image])[0]
        >>> w = Annotator(photo, instances=as_instances(output, weights.meta["categories"], min_score=0.5))
    """
    return [one for one in iterate_instances(found, names) if one.score is None or one.score >= min_score]


def iterate_instances(found: Any, names: ClassNames | None = None) -> Iterator[Instance]:
    """Yield the instances of `as_instances` one at a time, so that their masks need not be in memory together."""
    if isinstance(found, Mapping) and "masks" in found:
        yield from _from_arrays(_array(found["masks"]), found.get("labels"), found.get("scores"), names)
    elif isinstance(found, Mapping) and "segments_info" in found:
        yield from _from_segments(found, names)
    elif hasattr(found, "boxes") and hasattr(found, "orig_shape"):
        yield from _from_ultralytics(found, names)
    elif hasattr(found, "__array__"):
        yield from _from_arrays(_array(found), None, None, names)
    elif isinstance(found, Iterable) and not isinstance(found, (str, bytes, Mapping)):
        if isinstance(found, list) and len(found) == 1 and hasattr(found[0], "orig_shape"):  # ultralytics returns a list for one image.
            found = _from_ultralytics(found[0], names)
        for element in found:
            yield element if isinstance(element, Instance) else _from_element(element)
    else:
        raise TypeError(f"{_ALLOWED}, not {type(found).__name__}")


def _from_element(element: Any) -> Instance:
    """Return the instance of a mask, (H, W), or of a dict of transformers or segment-anything."""
    if isinstance(element, Mapping):
        mask = element.get("mask", element.get("segmentation"))
        score = element.get("score", element.get("predicted_iou"))
        if mask is not None and np.ndim(mask) == 2:
            return Instance(_mask(_array(mask)), str(element.get("label", "")), score=None if score is None else float(score))
    elif hasattr(element, "__array__") and np.ndim(element) == 2:
        return Instance(_mask(_array(element)))
    if hasattr(element, "orig_shape"):
        raise TypeError("this list holds the results of several images; give the result of one: results[0]")
    raise TypeError(f"{_ALLOWED}; this list holds {type(element).__name__}")


def _from_arrays(masks: np.ndarray, labels: Any, scores: Any, names: ClassNames | None) -> Iterator[Instance]:
    if masks.ndim == 2 and masks.dtype.kind in "iu":
        for value in np.unique(masks[masks > 0]).tolist():
            yield Instance(masks == value, "" if names is None else _name(value, names))
        return
    if masks.ndim == 4 and masks.shape[1] == 1:
        masks = masks[:, 0]
    if masks.ndim == 2:
        masks = masks[None]
    if masks.ndim != 3:
        raise ValueError(f"the masks have shape {masks.shape}; allowed are (N, H, W), (N, 1, H, W), and (H, W) for a label map")
    for name, values in (("labels", labels), ("scores", scores)):
        if values is not None and len(values) != len(masks):
            raise ValueError(f"there are {len(masks)} masks and {len(values)} {name}; give one for each mask")
    for number, mask in enumerate(masks):
        label = "" if labels is None else _name(int(labels[number]), names)
        yield Instance(_mask(mask), label, score=None if scores is None else float(scores[number]))


def _from_segments(found: Mapping[str, Any], names: ClassNames | None) -> Iterator[Instance]:
    """Yield the segments of an instance or panoptic segmentation of transformers."""
    numbers = _array(found["segmentation"])
    for segment in found["segments_info"]:
        yield Instance(numbers == segment["id"], _name(int(segment["label_id"]), names), score=segment.get("score"))


def _from_ultralytics(result: Any, names: ClassNames | None) -> Iterator[Instance]:
    if result.masks is None:
        if len(result.boxes):
            raise ValueError("the result of ultralytics has boxes but no masks; use a segmentation model, such as yolo11n-seg.pt")
        return
    height, width = result.orig_shape
    for outline, number, score in zip(result.masks.xy, _array(result.boxes.cls), _array(result.boxes.conf)):
        yield Instance(fill([outline], height, width), _name(int(number), names or result.names), score=float(score))


def _name(number: int, names: ClassNames | None) -> str:
    if names is None:
        return str(number)
    try:
        if number < 0 and not isinstance(names, Mapping):
            raise IndexError(number)
        return names[number]
    except (IndexError, KeyError):
        raise ValueError(f"class {number} has no name; there are {len(names)} names") from None


def _mask(mask: np.ndarray) -> np.ndarray:
    return as_mask(mask, *mask.shape)


def _array(value: Any) -> np.ndarray:
    """Return an array, a tensor on any device, or a PIL image as an array."""
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
