"""The adapter for Segment Anything in the documentation works with the interface of `SamPredictor`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cdwidget import Box, Click, Session, Stroke
from cdwidget.session import Alternative
from support.scripted_predictor import IMAGE, LEFT_HALF, RIGHT_HALF

GUIDE = Path(__file__).parents[1] / "docs" / "guide" / "annotate.md"
LOGITS = np.arange(3)[:, None, None] * np.ones((1, 256, 256), np.float32)


class FakeSamPredictor:
    """Record the arguments that `segment_anything.SamPredictor` receives; the second mask has the highest score."""

    def __init__(self, sam: Any) -> None:
        self.calls: list[dict[str, Any]] = []
        sam.predictor = self

    def set_image(self, image: np.ndarray) -> None:
        assert image.dtype == np.uint8 and image.shape == IMAGE.shape

    def predict(self, **arguments: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self.calls.append(arguments)
        count = 3 if arguments["multimask_output"] else 1
        masks = np.stack([LEFT_HALF & RIGHT_HALF[::-1], LEFT_HALF, LEFT_HALF | RIGHT_HALF]) if count == 3 else RIGHT_HALF[None]
        return masks, np.array([0.5, 0.9, 0.7])[-count:], LOGITS[:count]


@pytest.fixture
def sam(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, FakeSamPredictor]:
    """Return the model of the guide and the predictor that it calls."""
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL) if "class SamModel" in block)
    monkeypatch.setitem(sys.modules, "mobile_sam", SimpleNamespace(SamPredictor=FakeSamPredictor))
    namespace: dict[str, Any] = {}
    exec(code.rpartition("w = ")[0], namespace)
    network = SimpleNamespace()
    return namespace["SamModel"](network), network.predictor


def test_the_first_click_offers_three_masks(sam: tuple[Any, FakeSamPredictor]) -> None:
    session = Session(IMAGE, sam[0], progressive=False)
    session.apply(Click(1, 2))
    assert (session.mask == LEFT_HALF).all()
    (call,) = sam[1].calls
    assert call["point_coords"].tolist() == [[1, 2]] and call["point_labels"].tolist() == [1] and call["mask_input"] is None
    session.apply(Alternative(1))
    assert not (session.mask == LEFT_HALF).all()


def test_later_prompts_refine_the_logits_of_the_prompts_before(sam: tuple[Any, FakeSamPredictor]) -> None:
    session = Session(IMAGE, sam[0], progressive=False)
    session.apply(Box(0, 0, 5, 5))
    session.apply(Stroke([(7, 7), (8, 8), (9, 9)], positive=False))
    box, stroke = sam[1].calls
    assert box["point_coords"] is None and box["box"].tolist() == [0, 0, 5, 5]
    assert stroke["point_coords"].tolist() == [[8, 8]] and stroke["point_labels"].tolist() == [0]
    assert (stroke["mask_input"] == LOGITS[1]).all() and stroke["mask_input"].shape == (1, 256, 256) and not stroke["multimask_output"]
    assert (session.mask == RIGHT_HALF).all()
