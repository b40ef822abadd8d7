"""A cut-out object takes no color of its old background to the new one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdwidget import Instance, composite

SIDE = 64
RED, GREEN, BLUE = (np.array(color, float) for color in ((220, 40, 30), (20, 200, 60), (30, 60, 230)))
DISTANCE = np.hypot(*(np.indices((SIDE, SIDE)) - SIDE / 2))
ALPHA = np.rint(np.clip((24 - DISTANCE) / 8, 0, 1) * 255).astype(np.uint8)  # A disk with a soft border 8 px wide.
COVER = ALPHA[..., None] / 255
PHOTO = np.rint(RED * COVER + GREEN * (1 - COVER)).astype(np.uint8)
ON_BLUE = RED * COVER + BLUE * (1 - COVER)


def error(image: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean absolute difference in gray levels along the border."""
    return float(np.abs(image[..., :3].astype(float) - truth)[(ALPHA > 0) & (ALPHA < 255)].mean())


def test_no_halo_of_the_old_background_remains() -> None:
    found = composite(PHOTO, ALPHA, (30, 60, 230))
    assert found.dtype == np.uint8 and found.shape == (SIDE, SIDE, 3)
    naive = PHOTO * COVER + BLUE * (1 - COVER)
    assert error(found, ON_BLUE) < 2 < 20 < error(naive, ON_BLUE)
    assert error(composite(PHOTO, ALPHA > 127, (30, 60, 230)), ON_BLUE) > 20


def test_the_alpha_of_a_mask_is_estimated_along_its_border() -> None:
    found = composite(PHOTO, Instance(ALPHA > 127), (30, 60, 230), border=6)
    assert error(found, ON_BLUE) < 8
    cut_out = composite(PHOTO, ALPHA > 127, border=6)
    assert np.abs(cut_out[..., 3].astype(float) - ALPHA).mean() < 4


def test_a_cut_out_has_the_alpha_and_no_background() -> None:
    found = composite(PHOTO, Instance(ALPHA > 127, alpha=ALPHA))
    assert found.shape == (SIDE, SIDE, 4) and (found[..., 3] == ALPHA).all()
    assert error(found, np.broadcast_to(RED, PHOTO.shape)) < 6 and not found[ALPHA == 0].any()


def test_backgrounds(tmp_path: Path) -> None:
    outside = ALPHA == 0
    path = tmp_path / "beach.png"
    Image.new("RGB", (200, 90), "#1e3ce6").save(path)
    for background in ("#1e3ce6", (30, 60, 230), path, str(path), Image.open(path), np.full((9, 9, 3), BLUE, np.uint8)):
        assert (composite(PHOTO, ALPHA, background)[outside] == BLUE).all()
    blurred = composite(PHOTO, ALPHA, "blur")
    assert error(blurred, PHOTO) < 3 and (np.abs(blurred[outside] - GREEN) < 1).all()  # No red glows around the object.
    with pytest.raises(ValueError, match="the background is 'beach.pgn'; allowed are a color"):
        composite(PHOTO, ALPHA, "beach.pgn")


def test_a_shadow_lies_below_the_object() -> None:
    plain, shaded = composite(PHOTO, ALPHA, "white"), composite(PHOTO, ALPHA, "white", shadow=0.5)
    assert (shaded[ALPHA == 255] == plain[ALPHA == 255]).all()
    darker = plain.astype(int).sum(2) - shaded.astype(int).sum(2)
    assert darker.min() >= 0 and darker.max() > 100 and darker[:, : SIDE // 2].sum() < darker[:, SIDE // 2 :].sum()
    assert composite(PHOTO, ALPHA, shadow=0.5)[..., 3].sum() > ALPHA.sum()
    with pytest.raises(ValueError, match="shadow is 50; it is an opacity from 0 to 1"):
        composite(PHOTO, ALPHA, "white", shadow=50)


def test_an_empty_mask_leaves_the_background() -> None:
    empty = np.zeros((SIDE, SIDE), bool)
    assert (composite(PHOTO, empty, "white", border=4, shadow=0.5) == 255).all() and not composite(PHOTO, empty).any()
    with pytest.raises(ValueError, match="the mask has shape"):
        composite(PHOTO, empty[:9], "white")
