"""What one instance says of every pixel: whether it is in the mask, who decided that, and how much of the pixel is the instance's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cdwidget.masks import EMPTY_PATCH, NOWHERE, Bbox, Patch, as_mask, bbox, join, pack, unpack
from cdwidget.tools.canvas import Painted

# In journals a source is its number here: new ones go to the end.
SOURCES = ("nobody", "model", "brush", "superpixel", "lasso", "polygon", "wand", "command", "matte", "import")
HUMAN = np.array([source not in ("nobody", "model", "import") for source in SOURCES])  # by the number in `sources`: may be locked
MODEL, IMPORT = SOURCES.index("model"), SOURCES.index("import")  # those after MODEL are somebody's


@dataclass(frozen=True, eq=False)
class Pixels:
    """The pixels of one instance in a box of the image, outside of which it says nothing; the arrays are replaced, never written to.

    mask: bool (h, w). sources: uint8 (h, w), numbers of SOURCES, "nobody" only outside the mask. alpha: uint8 (h, w), or None
    where there is no more to say than 255 in the mask and 0 outside.
    """

    box: Bbox
    mask: np.ndarray
    sources: np.ndarray
    alpha: np.ndarray | None = None

    @classmethod
    def given(cls, height: int, width: int, mask: object, alpha: object = None) -> Pixels:
        """Return what comes from outside; ValueError when it does not fit the image."""
        pixels, everywhere = as_mask(mask, height, width), (0, 0, width, height)
        if alpha is None:
            return cls(everywhere, pixels, pixels * np.uint8(IMPORT)).trimmed()
        soft = np.array(alpha)
        if soft.dtype != np.uint8 or soft.shape != pixels.shape:
            raise ValueError(f"the alpha is {soft.dtype} {soft.shape}; it must be uint8 ({height}, {width}): 0 outside, 255 inside")
        return cls(everywhere, pixels, (pixels | (soft > 0)) * np.uint8(IMPORT), soft).trimmed()

    @classmethod
    def of(cls, patch: Patch) -> Pixels:
        """Return the pixels of a patch."""
        mask = patch.pixels()
        sources = unpack(patch.sources, *mask.shape)
        return cls(patch.bbox, mask, sources, None if patch.alpha is None else unpack(patch.alpha, *mask.shape))

    @cached_property
    def models_own(self) -> bool:
        """Whether nobody but the model has decided any of them."""
        return not (self.sources > MODEL).any()

    @property
    def soft(self) -> np.ndarray:
        """The alpha, uint8, also where there is none beside the mask."""
        return self.mask * np.uint8(255) if self.alpha is None else self.alpha

    def crop(self, box: Bbox) -> Pixels:
        """Return fresh pixels of another box, which may reach out of this one."""
        alpha = None if self.alpha is None else _moved(self.alpha, self.box, box)
        return Pixels(box, _moved(self.mask, self.box, box), _moved(self.sources, self.box, box), alpha)

    def trimmed(self) -> Pixels:
        """Return the pixels in the smallest box that holds what is said."""
        x0, y0, x1, y1 = inner = bbox(self.sources)
        return self.crop(NOWHERE if inner == NOWHERE else (x0 + self.box[0], y0 + self.box[1], x1 + self.box[0], y1 + self.box[1]))

    def patch(self) -> Patch:
        """Return the pixels, packed."""
        if not self.mask.size:
            return EMPTY_PATCH
        sources = pack(self.sources) if self.sources.any() else b""
        return Patch(self.box, np.packbits(self.mask).tobytes(), sources, None if self.alpha is None else pack(self.alpha))

    def paste(self, patch: Patch) -> Pixels:
        """Return fresh pixels with a patch written into them; also all the others have an alpha afterwards if, and only if, it has."""
        if not patch.bits:
            return self
        new, all = Pixels.of(patch), self.crop(join(self.box, patch.bbox))
        x0, y0 = all.box[:2]
        inside = np.s_[patch.bbox[1] - y0 : patch.bbox[3] - y0, patch.bbox[0] - x0 : patch.bbox[2] - x0]
        alpha = None
        if new.alpha is not None:
            alpha = all.soft
            alpha[inside] = new.alpha
        all.mask[inside] = new.mask
        all.sources[inside] = new.sources
        return Pixels(all.box, all.mask, all.sources, alpha)

    def paint(self, done: Painted, source: str) -> tuple[Patch, Patch]:
        """Return what a tool or a predictor decided, as one box of these pixels before and after; nothing is changed yet."""
        old = self.crop(done.bbox)
        mask = np.where(done.where, done.pixels, old.mask)
        sources = np.where(done.where, np.uint8(SOURCES.index(source)), old.sources)
        alpha = None
        if old.alpha is not None or done.alpha is not None:
            alpha = np.where(done.where, mask * np.uint8(255) if done.alpha is None else done.alpha, old.soft)
        return old.become(Pixels(done.bbox, mask, sources, alpha))

    def become(self, new: Pixels) -> tuple[Patch, Patch]:
        """Return what differs between these pixels and others, in one box before and after."""
        box = join(self.box, new.box)
        old, new = (pixels if pixels.box == box else pixels.crop(box) for pixels in (self, new))
        different = (old.mask != new.mask) | (old.sources != new.sources)
        if old.alpha is not None or new.alpha is not None:
            different |= old.soft != new.soft
        x0, y0, x1, y1 = inner = bbox(different)
        if inner == NOWHERE:
            return EMPTY_PATCH, EMPTY_PATCH
        inner = x0 + box[0], y0 + box[1], x1 + box[0], y1 + box[1]
        return old.crop(inner).patch(), new.crop(inner).patch()


NO_PIXELS = Pixels.of(EMPTY_PATCH)


def _moved(values: np.ndarray, old: Bbox, new: Bbox) -> np.ndarray:
    """Return the values of a box in another one, 0 where they are not known."""
    moved = np.zeros((new[3] - new[1], new[2] - new[0]), values.dtype)
    x0, y0, x1, y1 = max(old[0], new[0]), max(old[1], new[1]), min(old[2], new[2]), min(old[3], new[3])
    if x0 < x1 and y0 < y1:
        part = values[y0 - old[1] : y1 - old[1], x0 - old[0] : x1 - old[0]]
        moved[y0 - new[1] : y1 - new[1], x0 - new[0] : x1 - new[0]] = part
    return moved
