"""Where a similarity comes from: the affinity of tokens to those of an example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from cdwidget.examples.affinity import Sources, affinity, branch_weights, normalized_tokens, token_weights
from cdwidget.examples.proposals import Proposal, as_token_predictor, example_mask
from cdwidget.examples.search import TokenPredictor, tile_around
from cdwidget.masks import Bbox, bbox, crop
from cdwidget.predictor import Tokens

if TYPE_CHECKING:
    from cdwidget.plotting import InlineFigure

FIGURE_SIZE_IN = (8.0, 4.0)
MAP_OPACITY = 0.65


@dataclass(frozen=True, eq=False)
class ProposalOrigin:
    """The fraction of a proposal's information that comes from each token of the example.

    The two maps add up to 1. The sum of `foreground` is the similarity of the proposal to the example.

    Attributes:
        foreground: Fraction from each token of the object, float32 (rows, columns).
        background: Fraction from each token of the object's background, float32 (rows, columns).
        box: The part of the example's image that the tokens divide, (x0, y0, x1, y1) in image pixels.
    """

    foreground: np.ndarray
    background: np.ndarray
    box: Bbox

    def figure(self, image: np.ndarray) -> InlineFigure:
        """Return a matplotlib figure with both maps over the image of the example.

        Args:
            image: uint8 (H, W, 3) RGB.
        """
        from matplotlib.ticker import PercentFormatter  # matplotlib takes long to import.

        from cdwidget.plotting import InlineFigure

        x0, y0, x1, y1 = self.box
        gray = cv2.cvtColor(np.ascontiguousarray(crop(image, self.box)), cv2.COLOR_RGB2GRAY)
        figure = InlineFigure(figsize=FIGURE_SIZE_IN, layout="constrained")
        for axes, name in zip(figure.subplots(1, 2, sharex=True, sharey=True), ("foreground", "background")):
            fractions = getattr(self, name)
            axes.imshow(gray, cmap="gray", extent=(x0, x1, y1, y0))
            drawn = axes.imshow(fractions, alpha=MAP_OPACITY, extent=(x0, x1, y1, y0), vmin=0)
            axes.set_title(f"{name} of the example: {fractions.sum():.0%}")
            ticks = [0, float(fractions.max())]
            figure.colorbar(drawn, ax=axes, location="bottom", label="from each token", ticks=ticks, format=PercentFormatter(1, 2))
        return figure


class ExampleAffinity:
    """The affinity of all tokens of an image to those of one of its objects, as FDM with the object as its only source.

    Args:
        predictor: A CDNet, such as `cdwidget.load_predictor` returns. Its image is not changed.
        image: uint8 (H, W, 3) RGB.
        mask: The object, bool (H, W), not empty.

    Attributes:
        similarity: Similarity of each token to the object, float32 (rows, columns) in [0, 1].

    Raises:
        ValueError: If the mask is empty or has another size than the image.
        TypeError: If the predictor has no tokens.
    """

    def __init__(self, predictor: Any, image: np.ndarray, mask: np.ndarray) -> None:
        mask = example_mask(image, mask)
        twin = as_token_predictor(predictor)
        twin.set_image(image)
        tokens = twin.tokens((0, 0, mask.shape[1], mask.shape[0]))
        units = normalized_tokens(tokens, tokens.features.mean((0, 1)))
        self._grid = tokens.features.shape[:2]
        self._fractions = affinity(units, Sources(units, *branch_weights(tokens, mask, ~mask)))  # (2, N, N)
        self.similarity = self._fractions[0].sum(1).reshape(self._grid)

    def origin(self, token: int) -> np.ndarray:
        """Return the fraction of a token's information that comes from each token, float32 (2, rows, columns).

        The first part is of the tokens of the object, the second of its background; together they add up to 1.

        Args:
            token: Number of the token, counted row by row.
        """
        return self._fractions[:, token].reshape(2, *self._grid)


def proposal_origin(
    predictor: Any, image: np.ndarray, mask: np.ndarray, proposal: Proposal, proposal_image: np.ndarray | None = None
) -> ProposalOrigin:
    """Return the tokens of an example that a proposal came from.

    These are the affinities of the proposal's tokens to those of this one example, in tiles like those of the search. The search
    compares more levels of the encoder, and all examples.

    Args:
        predictor: A CDNet, such as `cdwidget.load_predictor` returns. Its image is not changed.
        image: Image of the example, uint8 (H, W, 3) RGB.
        mask: The example, bool (H, W), not empty.
        proposal: The proposal.
        proposal_image: Image of the proposal, uint8 (H, W, 3) RGB; None if it is the image of the example.

    Raises:
        ValueError: If a mask is empty or has another size than its image.
        TypeError: If the predictor has no tokens.

    Example:
        >>> (first, *_) = cdwidget.find_similar(session)
        >>> origin = proposal_origin(session.predictor, session.image, session.mask, first)
        >>> origin.figure(session.image)
    """
    mask = example_mask(image, mask)
    searched = image if proposal_image is None else proposal_image
    if proposal.size != searched.shape[:2]:
        raise ValueError(f"the proposal is of an image of shape {proposal.size}, not {searched.shape[:2]}; give its image")
    side = max(max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in (bbox(mask), proposal.patch.bbox))  # A tile holds either object whole.
    twin = as_token_predictor(predictor)
    twin.set_image(image)
    tokens, units = _tile_tokens(twin, mask, side)
    sources = Sources(units, *branch_weights(tokens, mask, ~mask))
    if searched is not image:
        twin.set_image(searched)
    destination, destination_units = _tile_tokens(twin, proposal.mask, side)
    weights = token_weights(proposal.mask, destination)
    used = weights > 0
    fractions = affinity(destination_units[used], sources)  # (2, n, M)
    foreground, background = np.average(fractions, axis=1, weights=weights[used]).reshape(2, *tokens.features.shape[:2]).astype(np.float32)
    return ProposalOrigin(foreground, background, tokens.box)


def _tile_tokens(predictor: TokenPredictor, mask: np.ndarray, object_side: int) -> tuple[Tokens, np.ndarray]:
    """Return the tokens of the tile that shows an object of the predictor's image, and the same normalized, float32 (N, C)."""
    height, width = mask.shape
    center = predictor.tokens((0, 0, width, height)).features.mean((0, 1))
    tokens = predictor.tokens(tile_around(bbox(mask), height, width, object_side))
    return tokens, normalized_tokens(tokens, center)
