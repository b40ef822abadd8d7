"""What one instance says of every pixel: whether it is in the mask, who decided that, and how much of the pixel is the instance's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cdwidget.masks import EMPTY_PATCH, Bbox, Patch, as_mask, bbox, pack, unpack
from cdwidget.tools.canvas import Painted, crop

# In journals a source is its number here: new ones go to the end.
SOURCES = ("nobody", "model", "brush", "superpixel", "lasso", "polygon", "wand", "command", "matte", "import")
HUMAN = np.array([source not in ("nobody", "model", "import") for source in SOURCES])  # by the number in `sources`: may be locked
IMPORT = SOURCES.index("import")


@dataclass(frozen=True, eq=False)
class Pixels:
    """The pixels of one instance; the arrays are replaced, never written to.

    mask: bool (H, W). sources: uint8 (H, W), numbers of SOURCES, "nobody" only outside the mask. alpha: uint8 (H, W), or None
    where there is no more to say than 255 in the mask and 0 outside.
    """

    mask: np.ndarray
    sources: np.ndarray
    alpha: np.ndarray | None = None

    @classmethod
    def blank(cls, height: int, width: int) -> Pixels:
        """Return what a new instance says: nothing."""
        return cls(np.zeros((height, width), bool), np.zeros((height, width), np.uint8))

    @classmethod
    def given(cls, height: int, width: int, mask: object, alpha: object = None) -> Pixels:
        """Return what comes from outside; ValueError when it does not fit the image."""
        pixels = as_mask(mask, height, width)
        if alpha is None:
            return cls(pixels, pixels * np.uint8(IMPORT))
        soft = np.array(alpha)
        if soft.dtype != np.uint8 or soft.shape != pixels.shape:
            raise ValueError(f"the alpha is {soft.dtype} {soft.shape}; it must be uint8 ({height}, {width}): 0 outside, 255 inside")
        return cls(pixels, (pixels | (soft > 0)) * np.uint8(IMPORT), soft)

    @property
    def soft(self) -> np.ndarray:
        """The alpha, uint8, also where there is none beside the mask."""
        return self.mask * np.uint8(255) if self.alpha is None else self.alpha

    def crop(self, box: Bbox) -> Pixels:
        """Return views of the pixels in `box`."""
        return Pixels(crop(self.mask, box), crop(self.sources, box), None if self.alpha is None else crop(self.alpha, box))

    def patch(self) -> Patch:
        """Return all of it, packed, in the smallest box that holds what is said."""
        box = bbox(self.sources)
        return self.crop(box).packed(box)

    def paste(self, patch: Patch) -> Pixels:
        """Return fresh pixels with a patch written into them."""
        if not patch.bits:
            return self
        x0, y0, x1, y1 = patch.bbox
        mask, sources, alpha = self.mask.copy(), self.sources.copy(), None
        if patch.alpha is not None:
            alpha = self.soft.copy()
            crop(alpha, patch.bbox)[:] = unpack(patch.alpha, y1 - y0, x1 - x0)
        patch.paste(mask)
        crop(sources, patch.bbox)[:] = unpack(patch.sources, y1 - y0, x1 - x0)
        return Pixels(mask, sources, alpha)

    def paint(self, done: Painted, source: str) -> tuple[Patch, Patch]:
        """Return what a tool or a predictor decided, as one box of these pixels before and after; nothing is changed yet."""
        old = self.crop(done.bbox)
        mask = np.where(done.where, done.pixels, old.mask)
        sources = np.where(done.where, np.uint8(SOURCES.index(source)), old.sources)
        alpha = None
        if old.alpha is not None or done.alpha is not None:
            alpha = np.where(done.where, mask * np.uint8(255) if done.alpha is None else done.alpha, old.soft)
        return old.become(Pixels(mask, sources, alpha), done.bbox[:2])

    def become(self, new: Pixels, corner: tuple[int, int] = (0, 0)) -> tuple[Patch, Patch]:
        """Return what differs between these pixels and others of the same box, whose corner is (x, y): the box before and after."""
        different = (self.mask != new.mask) | (self.sources != new.sources)
        if self.alpha is not None or new.alpha is not None:
            different |= self.soft != new.soft
        x0, y0, x1, y1 = inner = bbox(different)
        outer = x0 + corner[0], y0 + corner[1], x1 + corner[0], y1 + corner[1]
        return self.crop(inner).packed(outer), new.crop(inner).packed(outer)

    def packed(self, box: Bbox) -> Patch:
        """Return all of these pixels as a patch of a box of their size."""
        if not self.mask.size:
            return EMPTY_PATCH
        sources = pack(self.sources) if self.sources.any() else b""
        return Patch(box, np.packbits(self.mask).tobytes(), sources, None if self.alpha is None else pack(self.alpha))
