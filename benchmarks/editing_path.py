"""Print the Python files that one click passes, from the page's request to the reply.

The click is a real one: the message that the page sends to an Annotator. The network and autosave are left out: the predictor is a
stand-in that implements the protocol, and the image is an array, which has no journal.

Usage: python benchmarks/editing_path.py
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

import cdwidget
from cdwidget.predictor import Prediction
from cdwidget.prompts import Prompt
from cdwidget.widget import Annotator

PACKAGE = Path(cdwidget.__file__).parent
IMAGE = np.zeros((80, 100, 3), np.uint8)
CLICKS = [(30, 30, True), (70, 40, True), (71, 41, False)]  # The last one is traced, so that the mask and prompts are not empty.


class SquarePredictor:
    """Predicts a square around the newest click."""

    def set_image(self, image: np.ndarray) -> None:
        """Keep the size of the image."""
        self.shape = image.shape[:2]

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        """Return the square."""
        row, column = prompts[-1].pixel  # type: ignore[union-attr]
        mask = np.zeros(self.shape, bool)
        mask[row - 10 : row + 10, column - 10 : column + 10] = True
        return Prediction(mask, mask.astype(np.float32))


def trace_click() -> dict[Path, set[str]]:
    """Return the files of the package that a click passes, and the functions that run."""
    widget = Annotator(IMAGE, SquarePredictor())
    send_request(widget, {"op": "document"})  # As the page does when it opens: this starts encoding the image.
    for x, y, positive in CLICKS[:-1]:
        send_request(widget, click_request(x, y, positive))
    functions: dict[Path, set[str]] = {}

    def profile(frame: FrameType, event: str, _argument: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            functions.setdefault(path.relative_to(PACKAGE), set()).add(frame.f_code.co_name)

    sys.setprofile(profile)
    try:
        send_request(widget, click_request(*CLICKS[-1]))
    finally:
        sys.setprofile(None)
    return functions


def send_request(widget: Annotator, request: dict[str, Any]) -> None:
    """Deliver a message of the page to a widget, as ipywidgets does."""
    replies: list[dict[str, Any]] = []
    widget.send, send = lambda content, buffers=None: replies.append(content), widget.send
    widget._handle_custom_msg({"id": "1", **request}, [])
    widget.send = send
    assert replies[-1]["ok"], replies[-1]


def click_request(x: float, y: float, positive: bool) -> dict[str, Any]:
    """Return the message of the page for a click."""
    return {"op": "apply", "action": {"type": "click", "x": x, "y": y, "positive": positive}}


def count_lines(path: Path) -> tuple[int, int]:
    """Return the lines of a file, and those without blank lines, comments and docstrings."""
    text = path.read_text()
    lines = text.splitlines()
    code = {number for number, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            code -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(lines), len(code)


def main() -> None:
    """Print the files of the path and their lines."""
    counts = {path: count_lines(PACKAGE / path) for path in trace_click()}
    print(f"{'lines':>6} {'code':>6}  file")
    for path, (lines, code) in sorted(counts.items()):
        print(f"{lines:6} {code:6}  {path}")
    lines, code = (sum(column) for column in zip(*counts.values()))
    print(f"{lines:6} {code:6}  {len(counts)} files")


if __name__ == "__main__":
    main()
