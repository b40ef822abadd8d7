"""Measure the bytes that one page of an Annotator and the kernel exchange: when it opens, per click, and per brush stroke.

The image is a mosaic of sharp photographs, so a reduced image of it needs as many bytes as that of a detailed photograph. The click's
mask has a ragged outline and covers 40 % of the image; its predictor is a stand-in. Bytes are those of the messages' JSON and of their
binary parts, both ways, as they travel from a remote kernel without the compression of a proxy.

Usage: python benchmarks/wire.py [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from threading import Condition
from typing import Any, ClassVar

import comm
import numpy as np
import skimage.data
from comm.base_comm import BaseComm

from cdwidget.predictor import Prediction
from cdwidget.prompts import Prompt
from cdwidget.widget import Annotator

SIZES = {"1 MP": (1152, 864), "12 MP": (4000, 3000), "48 MP": (8000, 6000)}  # Width, height.
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")
CODE_TRAITS = ("_esm", "_css")  # The page's program, which a notebook loads once for all widgets of a kind.


class RecordingComm(BaseComm):
    """A comm without a page, which counts the bytes that it would send."""

    sent = 0
    code = 0
    replied = Condition()
    replies: ClassVar[dict[str, bool]] = {}  # Request -> whether it succeeded.

    def publish_msg(self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any) -> None:
        """Count a message."""
        state = dict((data or {}).get("state") or {})
        code = sum(len(state.pop(name, "")) for name in CODE_TRAITS)
        RecordingComm.code += code
        RecordingComm.sent += len(json.dumps(data)) - code + sum(memoryview(one).nbytes for one in buffers or ())
        content = (data or {}).get("content") or {}
        if content.get("id"):
            with self.replied:
                self.replies[content["id"]] = content["ok"]
                self.replied.notify_all()


class RaggedPredictor:
    """Predicts a large disk with a ragged outline."""

    def set_image(self, image: np.ndarray) -> None:
        """Keep the size of the image."""
        self.shape = image.shape[:2]

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        """Return the disk."""
        height, width = self.shape
        y, x = np.ogrid[:height, :width]
        dy, dx = (y - height / 2) / height, (x - width / 2) / width
        angle, radius = np.arctan2(dy, dx), np.hypot(dy, dx)
        ragged = 0.012 * np.sin(97 * angle) + 0.008 * np.sin(389 * angle)
        mask = radius < 0.36 + ragged
        return Prediction(mask, mask.astype(np.float32))


def mosaic(width: int, height: int) -> np.ndarray:
    """Return photographs next to each other at full resolution, uint8 (height, width, 3)."""
    photographs = [getattr(skimage.data, name)()[:300, :400] for name in PHOTOGRAPHS]
    rows = []
    for row in range(-(-height // 300)):
        tiles = [photographs[(row * 7 + column) % len(photographs)] for column in range(-(-width // 400))]
        rows.append(np.hstack(tiles))
    return np.ascontiguousarray(np.vstack(rows)[:height, :width])


class Page:
    """The page of an Annotator without a browser."""

    def __init__(self, image: np.ndarray) -> None:
        self.widget = Annotator(image, RaggedPredictor())
        self.count = 0

    def request(self, op: str, **fields: Any) -> None:
        """Send a request to the kernel, and count it and its reply, which a thread may send."""
        self.count += 1
        message = {"id": f"page-{self.count}", "op": op, **fields}
        RecordingComm.sent += len(json.dumps(message))
        self.widget._handle_custom_msg(message, [])
        with RecordingComm.replied:
            RecordingComm.replied.wait_for(lambda: message["id"] in RecordingComm.replies)
        assert RecordingComm.replies.pop(message["id"]), op


def measure(width: int, height: int) -> dict[str, int]:
    """Return the bytes of each step for an image of a size."""
    image = mosaic(width, height)
    steps: dict[str, int] = {}

    def step(name: str, act: Any) -> None:
        RecordingComm.sent = RecordingComm.code = 0
        act()
        steps[name] = RecordingComm.sent

    pages: list[Page] = []

    def open_page() -> None:
        pages.append(Page(image))
        pages[0].request("document")
        pages[0].request("image")

    step("open", open_page)
    steps["code"] = RecordingComm.code
    page = pages[0]
    step("click", lambda: page.request("apply", action={"type": "click", "x": width / 2, "y": height / 2, "positive": True}, key=1))
    t = np.linspace(0, 3, 120)
    line = np.stack([width * (0.15 + 0.2 * t), height * (0.5 + 0.1 * np.sin(4 * t))], 1).round(2).tolist()
    step("stroke", lambda: page.request("apply", action={"type": "brush", "points": line, "radius": width / 100, "add": True}, key=1))
    step("zoomed-in tile", lambda: page.request("tile", box=[512, 256, 1024, 768], width=512, height=512))
    page.widget.close()
    return steps


def main() -> None:
    """Print the table, and write it to a file if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the figures to this JSON file")
    options = parser.parse_args()
    comm.create_comm = RecordingComm
    table = {name: measure(*size) for name, size in SIZES.items()}
    steps = list(next(iter(table.values())))
    print("| kB | " + " | ".join(steps) + " |\n|---|" + "---:|" * len(steps))
    for name, row in table.items():
        print(f"| {name} | " + " | ".join(f"{row[one] / 1000:,.1f}" for one in steps) + " |")
    if options.out:
        options.out.write_text(json.dumps({"bytes": table}, indent=2) + "\n")


if __name__ == "__main__":
    main()
