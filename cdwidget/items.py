"""Items of data sets: an image file and its instances."""

from __future__ import annotations

import os
from dataclasses import astuple, dataclass, field, replace
from typing import Any, Mapping, Sequence, TypeVar

import numpy as np

from cdwidget.images.remote import load_image
from cdwidget.images.window import Window, WindowLike, to_window
from cdwidget.masks import Bbox, bbox

Self = TypeVar("Self", bound="Item")
OWN_FIELDS, WINDOW_FIELD = "cdwidget", "window"  # Keys of the window in `Item.extra`.


@dataclass(frozen=True, eq=False)
class Instance:
    """One object of an image.

    Args:
        mask: bool (H, W).
        label: Its class; "" for none.
        id: Its id in a session; None for none.
        alpha: Opacity of each pixel, uint8 (H, W), 0 to 255; None if only the mask is known.
        attributes: The user's own values, as a JSON object: {"occluded": True}.
        score: Confidence of the model that predicted it, 0 to 1; None for none.
        track_id: Number of the same object in the images of a sequence; None for none.
        extra: Fields of its file that cdwidget does not use, as one JSON object per format; `write` of that format writes them back.
        confirmed: False for an object that was followed into an image, until a person edits or accepts it.

    Example:
        >>> instance = Instance(mask, "cat", attributes={"occluded": True})
        >>> instance.area, instance.bbox
        (1200, (10, 20, 50, 50))
    """

    mask: np.ndarray
    label: str = ""
    id: int | None = None
    alpha: np.ndarray | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    score: float | None = None
    track_id: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    confirmed: bool = True

    @property
    def area(self) -> int:
        """Number of pixels in the mask."""
        return int(np.count_nonzero(self.mask))

    @property
    def bbox(self) -> Bbox:
        """Bounding box of the mask, (x0, y0, x1, y1) in pixels, half-open."""
        return bbox(self.mask)

    def __repr__(self) -> str:
        size = "x".join(map(str, reversed(np.shape(self.mask))))
        optional = {"id": self.id, "score": self.score, "track_id": self.track_id, "attributes": self.attributes or None}
        optional["confirmed"] = None if self.confirmed else False
        given = "".join(f", {name}={value!r}" for name, value in optional.items() if value is not None)
        return f"{type(self).__name__}({self.label!r}, {self.area} of {size} pixels{given})"


@dataclass(frozen=True, eq=False)
class Item:
    """One image file of a data set with its instances.

    Args:
        path: The image file; `read_image()` reads it.
        instances: Its objects, in painting order.
        extra: Fields of the image in its file that cdwidget does not use, as one JSON object per format; `write` of that format writes
            them back.
    """

    path: str | os.PathLike[str]
    instances: Sequence[Instance] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def window(self) -> Window | None:
        """Intensity window through which the image is read; None for an automatic one."""
        return window_of(self.extra)

    def with_window(self: Self, window: WindowLike) -> Self:
        """Return the item with an intensity window for its image.

        Args:
            window: (low, high), (low, high, gamma) or a `Window`; None for the one that `read_image` chooses.

        Raises:
            ValueError: If the window is empty.

        Example:
            >>> Item("scan.tif").with_window((200, 1800)).read_image()
        """
        return replace(self, extra=with_window(self.extra, window))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({os.fspath(self.path)!r}, {len(self.instances)} instances)"

    def read_image(self) -> np.ndarray:
        """Return the image, uint8 (H, W, 3), RGB, read through its window.

        Each call reads the file, so that a long list of items needs little memory.
        """
        return load_image(os.fspath(self.path), self.window)


def window_of(extra: Mapping[str, Any]) -> Window | None:
    """Return the window in the `extra` of an item; None if it has none that can be used."""
    own = extra.get(OWN_FIELDS)
    try:
        found = to_window(own[WINDOW_FIELD])  # type: ignore[index]
    except (TypeError, KeyError, ValueError):  # No window, or one that another program wrote.
        return None
    return found if isinstance(found, Window) else None


def with_window(extra: Mapping[str, Any], window: WindowLike) -> dict[str, Any]:
    """Return the `extra` of an item with a window; raise ValueError if it is empty."""
    chosen = to_window(window)
    if isinstance(chosen, str):
        raise ValueError(f"the window of an item is (low, high) or (low, high, gamma), not {chosen!r}; None chooses it")
    others = {name: value for name, value in extra.items() if name != OWN_FIELDS}
    return others if chosen is None else {**others, OWN_FIELDS: {WINDOW_FIELD: list(astuple(chosen))}}
