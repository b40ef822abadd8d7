"""The error for an unknown keyword of a widget."""

from __future__ import annotations

from difflib import get_close_matches
from inspect import signature
from typing import Collection

SYNONYMS = {  # Words of other tools for a keyword.
    **dict.fromkeys(("classes", "class_names", "label_names", "categories", "category_names", "names"), "labels"),
    **dict.fromkeys(("images", "path", "paths", "file", "files", "img"), "image"),
    **dict.fromkeys(("masks", "objects", "annotations", "detections"), "instances"),
    **dict.fromkeys(("model", "segmenter"), "predictor"),
    **dict.fromkeys(("save", "output"), "autosave"),
    **dict.fromkeys(("readonly", "read_only"), "view_only"),
    **dict.fromkeys(("alpha",), "opacity"),
    **dict.fromkeys(("keys", "hotkeys", "keybindings"), "shortcuts"),
}


def unknown_keyword(widget: type, name: str, traits: Collection[str]) -> TypeError:
    """Return the error for an unknown keyword of a widget; it suggests the one that was probably meant, and lists all."""
    names = sorted({*traits, *list(signature(widget).parameters)} - {"traits"})
    similar = [found for found in (SYNONYMS.get(name), *get_close_matches(name, names, n=1)) if found in names]
    hint = f" (did you mean {similar[0]!r}?)" if similar else ""
    return TypeError(f"{widget.__name__} has no keyword {name!r}{hint}; there are: {', '.join(names)}")
