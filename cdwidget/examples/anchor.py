"""An object in the image where its mask was edited last, and its pixels in a later frame.

Flow from frame to frame drifts, and an object that was hidden does not come back. Therefore each frame is also compared with that image,
starting from the flow of the frames between. (Neoral et al., "MFT: Long-term tracking of every pixel", WACV 2024, choose between
flows over several distances in the same way.) Where neither shows the same, such as in front of an occluder, the pixels are hidden, and
their sources continue the motion of the pixels around.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cdwidget.examples.appearance import correlate, without_specks
from cdwidget.examples.flow import Flow, is_inside, move_mask, pixel_grid, warp
from cdwidget.examples.motion import continue_motion
from cdwidget.masks import bbox

MARGIN = 0.3  # Width of the surroundings that are compared with the anchor's image, as a fraction of the side of the object's box.
MIN_MARGIN_PX = 24  # Smallest width of these surroundings, in the small image.
MIN_WINDOW_SHARE = 0.5  # If less of the object is visible, its surroundings are the whole image.
MIN_SEEN_SHARE = 0.5  # If less of the object is visible, all pixels around give the motion.
MIN_CORRELATION = 0.5  # Pixels with at least this correlation with the anchor's image are visible.
MAX_MISMATCH = 0.0  # Pixels that the flow moves are hidden if their correlation with the last frame is at most this.
MIN_EXPECTED_SHARE = 0.5  # A mask with less than this fraction inside the moved mask shows that the object is elsewhere.
MAX_ANCHOR_FLOW_ERROR = 1.5  # px, disagreement of the flows to and from the anchor's image.


@dataclass(eq=False)
class Anchor:
    """An object in the image where its mask was edited last, and its pixels in the current frame.

    Attributes:
        image: The small image, uint8 (h, w, 3). Hidden parts of the object show as they were seen before.
        mask: The whole object there, float32 (H, W) in [0, 1].
        sources: Column and row in `image` of each pixel of the current small image, float32 (h, w, 2).
        is_visible: Whether the pixel of the current small image shows its source, bool (h, w).
    """

    image: np.ndarray
    mask: np.ndarray
    sources: np.ndarray
    is_visible: np.ndarray

    @staticmethod
    def of(image: np.ndarray, mask: np.ndarray) -> Anchor:
        """Return the anchor of an object, bool (H, W), in a small image, uint8 (h, w, 3)."""
        return Anchor(image, mask.astype(np.float32), pixel_grid(*image.shape[:2]), np.ones(image.shape[:2], bool))

    def renewed(self, image: np.ndarray, mask: np.ndarray) -> Anchor:
        """Return the anchor of the object in the current frame, in which the parts that are hidden now keep their appearance.

        Nothing is hidden if the object turns out to be elsewhere: the part that was taken for hidden was left behind.

        Args:
            image: The current small image, uint8 (h, w, 3).
            mask: The visible part of the object, bool (H, W).
        """
        moved = self.moved_mask() > 0.5
        if np.count_nonzero(mask & moved) < MIN_EXPECTED_SHARE * np.count_nonzero(mask):
            return Anchor.of(image, mask)
        is_hidden = without_specks(~self.is_visible & ~resize_mask(mask, *image.shape[:2]) & is_inside(self.sources, image.shape[:2]))
        remembered = np.where(is_hidden[..., None], warp(self.image, self.sources), image)
        hidden = moved & resize_mask(is_hidden, *mask.shape) & ~mask
        return Anchor(remembered, (mask | hidden).astype(np.float32), pixel_grid(*image.shape[:2]), ~is_hidden)

    def moved_mask(self) -> np.ndarray:
        """Return the object in the current frame with its hidden parts, continued into new pixels, float32 (H, W) in [0, 1]."""
        height, width = self.image.shape[:2]
        return move_mask(self.mask, np.clip(self.sources, 0, np.array([width - 1, height - 1], np.float32)))

    def visible_pixels(self) -> np.ndarray:
        """Return whether each pixel of the current image shows its source, bool (H, W)."""
        return resize_mask(self.is_visible, *self.mask.shape)

    def new_pixels(self) -> np.ndarray:
        """Return whether the anchor's image does not reach to each pixel of the current image, bool (H, W)."""
        return resize_mask(~is_inside(self.sources, self.image.shape[:2]), *self.mask.shape)

    def advance(self, image: np.ndarray, flow: Flow) -> None:
        """Find the pixels in the next frame.

        Args:
            image: The small image of the next frame, uint8 (h, w, 3).
            flow: The flow to it, as `flow_of_frames` returns it.
        """
        followed = flow.is_consistent & (warp(self.is_visible.astype(np.float32), flow.sources) > 0.5)
        self.sources, self.is_visible = warp(self.sources, flow.sources), followed
        window = self._window()
        later, followed = image[window], followed[window]
        expected = self._continued(self.sources[window], followed)
        direct = Flow.between(warp(self.image, expected), later, MAX_ANCHOR_FLOW_ERROR)
        sources = warp(expected, direct.sources)
        is_trusted = direct.is_consistent & self._matches(sources, later, followed)
        is_visible = followed | is_trusted | without_specks(self._matches(expected, later, followed))
        self.sources[window] = self._continued(np.where(is_trusted[..., None], sources, expected), is_visible)
        self.is_visible[window] = is_visible

    def _matches(self, sources: np.ndarray, later: np.ndarray, followed: np.ndarray) -> np.ndarray:
        """Return whether pixels of a later image look like their sources, bool (h, w)."""
        match = correlate(warp(self.image, sources), later, followed)
        return is_inside(sources, self.image.shape[:2]) & (match >= MIN_CORRELATION)

    def _window(self) -> tuple[slice, slice]:
        """Return the rows and columns of the object and its surroundings in the current small image."""
        height, width = self.image.shape[:2]
        moved = self._object_at(self.sources)
        if np.count_nonzero(self.is_visible[moved]) <= MIN_WINDOW_SHARE * np.count_nonzero(moved):
            return slice(0, height), slice(0, width)
        x0, y0, x1, y1 = bbox(moved)
        margin = max(MIN_MARGIN_PX, round(MARGIN * max(x1 - x0, y1 - y0)))
        return slice(max(0, y0 - margin), y1 + margin), slice(max(0, x0 - margin), x1 + margin)

    def _object_at(self, sources: np.ndarray) -> np.ndarray:
        """Return whether sources, float32 (h, w, 2), belong to the object, bool (h, w)."""
        return warp(resize_mask(self.mask > 0.5, *self.image.shape[:2]).view(np.uint8), sources) > 0

    def _continued(self, sources: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Return sources of the window; those that are not known continue the motion of the object, or if it is hidden of all pixels."""
        is_object = self._object_at(sources)
        of_object = known & is_object
        is_seen = of_object.any() and np.count_nonzero(of_object) >= MIN_SEEN_SHARE * np.count_nonzero(is_object)
        return continue_motion(sources, known, of_object if is_seen else known)


def flow_of_frames(current: np.ndarray, image: np.ndarray) -> Flow:
    """Return the flow from one small image to the next; it is consistent only where they look alike, too."""
    flow = Flow.between(current, image)
    is_alike = correlate(warp(current, flow.sources), image, flow.is_consistent) > MAX_MISMATCH
    return Flow(flow.sources, flow.is_consistent & is_alike)


def resize_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a mask, bool (h, w), resized to another image, bool (height, width)."""
    return cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
