"""The JSON of logs: the initial document and all actions. `journal_json` holds the changes that they made."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from cdwidget.items import Instance
from cdwidget.limits import DEFAULT_LIMITS
from cdwidget.masks import pack, unpack
from cdwidget.prompts import Action
from cdwidget.rle import decode_uncompressed, encode_uncompressed
from cdwidget.session.actions import PREDICTOR_ACTIONS, action_from_json, action_to_json
from cdwidget.session.document import Document, Entry
from cdwidget.session.opening import open_document

LOG_VERSION = 3  # Version 1 had no alpha and ordered instances by id; version 2 had no `selected`.
READABLE_VERSIONS = (1, 2, 3)


def write_log(initial: Document, applied: Sequence[tuple[Action, bool]], progressive: bool) -> dict[str, Any]:
    """Return the log of a session.

    Args:
        initial: The document that the session started with.
        applied: The actions, oldest first, and whether the prediction for each was merged progressively.
        progressive: Whether the next prediction would be.

    Returns:
        version, width, height, progressive; mask: the initial mask of the new instance as uncompressed COCO run lengths, null if
        it was empty; instances: the others, in painting order, each {id, label, mask, alpha}, alpha null or base64 of `masks.pack`;
        selected: id of the instance that was selected first, null for the new one; actions: as JSON, and for prompts and
        alternatives `progressive`.
    """
    height, width = initial.mask.shape
    is_new = initial.initial_selected is None
    instances = (initial.instance(entry) for entry in initial.state.entries if entry.id != initial.state.selected or not is_new)
    return {
        "version": LOG_VERSION,
        "width": width,
        "height": height,
        "progressive": progressive,
        "mask": encode_uncompressed(initial.mask) if is_new and initial.mask.any() else None,
        "instances": [
            {
                **{"id": one.id, "label": one.label, "mask": encode_uncompressed(one.mask), "alpha": _alpha_to_json(one.alpha)},
                **details_to_json(one),
            }
            for one in instances
        ],
        "selected": initial.initial_selected,
        "actions": actions_to_json(applied),
    }


def actions_to_json(applied: Iterable[tuple[Action, bool]]) -> list[dict[str, Any]]:
    """Return the `actions` of a log."""
    return [
        {**action_to_json(action), "progressive": merged} if isinstance(action, PREDICTOR_ACTIONS) else action_to_json(action)
        for action, merged in applied
    ]


def details_to_json(of: Instance | Entry) -> dict[str, Any]:
    """Return attributes, score, track id, extra fields and `confirmed` of an instance or entry, without their usual values."""
    found = {"attributes": dict(of.attributes), "score": of.score, "track_id": of.track_id, "extra": dict(of.extra)}
    found["confirmed"] = None if of.confirmed else False
    return {name: value for name, value in found.items() if value is not None and value != {}}


def details_from_json(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `details_to_json` wrote, as fields of an instance or entry."""
    return {name: data[name] for name in ("attributes", "score", "track_id", "extra", "confirmed") if name in data}


def read_log(log: Mapping[str, Any]) -> tuple[Document, list[tuple[Action, bool]], bool]:
    """Return the arguments that `write_log` received; raise ValueError if the log is not valid."""
    if not isinstance(log, Mapping) or log.get("version") not in READABLE_VERSIONS:
        found = log.get("version") if isinstance(log, Mapping) else type(log).__name__
        versions = ", ".join(map(str, READABLE_VERSIONS))
        raise ValueError(f"this is not a log of version {versions} ({found!r}); give the result of Session.log()")
    try:
        height, width, progressive = _size(log["height"]), _size(log["width"]), _flag(log["progressive"])
        DEFAULT_LIMITS.check("max_pixels", height * width, "the image of the log")
        mask = None if log["mask"] is None else _decode(log["mask"], height, width)
        instances = (_logged_instance(entry, height, width) for entry in log["instances"])
        actions = actions_from_json(log["actions"])
        return open_document(height, width, mask, instances, log.get("selected")), actions, progressive
    except KeyError as error:
        raise ValueError(f"the log is not valid: {error} is missing; give the result of Session.log()") from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(f"the log is not valid: {error}") from error


def _alpha_to_json(alpha: np.ndarray | None) -> str | None:
    return None if alpha is None else b64encode(pack(alpha)).decode()


def _alpha_from_json(value: Any, height: int, width: int) -> np.ndarray | None:
    if value is None:
        return None
    try:
        return unpack(b64decode(value), height, width)
    except Exception as error:  # binascii.Error, zlib.error, or ValueError for another size.
        raise ValueError(f"the alpha of an instance cannot be read ({type(error).__name__}: {error})") from error


def actions_from_json(data: Any) -> list[tuple[Action, bool]]:
    """Return what `actions_to_json` received; raise ValueError or TypeError if an action is not valid."""
    return [_logged_action(entry) for entry in data]


def _logged_action(entry: Mapping[str, Any]) -> tuple[Action, bool]:
    fields = dict(entry)
    progressive = _flag(fields.pop("progressive", True))
    return action_from_json(fields), progressive


def _logged_instance(entry: Mapping[str, Any], height: int, width: int) -> Instance:
    alpha = _alpha_from_json(entry.get("alpha"), height, width)
    return Instance(_decode(entry["mask"], height, width), entry["label"], entry["id"], alpha, **details_from_json(entry))


def _decode(mask: Mapping[str, Any], height: int, width: int) -> np.ndarray:
    """Decode a mask, whose size is checked first: a short text may ask for any amount of memory."""
    if isinstance(mask, Mapping) and "size" in mask and mask["size"] != [height, width]:
        raise ValueError(f"the run lengths are of shape {mask['size']}, the image needs {[height, width]}")
    return decode_uncompressed(mask)


def _size(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"the size of the image must be whole numbers from 1, not {value!r}")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"progressive must be true or false, not {value!r}")
    return value
