"""Adding a tool needs one file and one line in `cdwidget.tools`: everything else derives from its declaration."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cdwidget

TOOL = '''
"""Dot: add or remove one pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cdwidget.tools.canvas import Canvas, PixelEdit, Tool, ToolAction, set_pixels


@dataclass(frozen=True)
class OneDot(ToolAction):
    """Add one pixel to the mask, or remove it."""

    column: int
    row: int
    add: bool = True


def set_dot(canvas: Canvas, action: OneDot) -> PixelEdit:
    """Set the pixel; raise ValueError if it is outside the image."""
    if not (0 <= action.row < canvas.mask.shape[0] and 0 <= action.column < canvas.mask.shape[1]):
        raise ValueError("the dot lies outside the image")
    box = (action.column, action.row, action.column + 1, action.row + 1)
    return set_pixels(box, np.ones((1, 1), bool), action.add)


DOT = Tool("dot", "Dot", OneDot, set_dot, source="dot", key="N")
'''
IMPORT = "from cdwidget.tools.dot import DOT\n"
EXAMPLE = {"tool": "dot", "action": {"type": "one_dot", "column": 3, "row": 2, "add": True}}
EARLIER_SOURCES = ["nobody", "model", "brush", "superpixel", "lasso", "polygon", "wand", "command", "matte", "import"]

PROGRAM = """
import json, sys
import numpy as np
from cdwidget.session import SOURCES, Session, action_from_json, action_to_json
from cdwidget.session.autosave import FileJournal
from cdwidget.widget import Annotator

image, data = np.zeros((6, 8, 3), np.uint8), json.loads(sys.argv[1])["action"]
action = action_from_json(data)
assert action_to_json(action) == data

session = Session(image)
FileJournal("dot.jsonl").resume(session)
change = session.apply(action)
assert change.bbox == (3, 2, 4, 3) and session.mask.sum() == 1 and SOURCES[session.sources[2, 3]] == "dot"
session.undo()
assert not session.mask.any()
session.redo()
session.journal.close()

replayed = Session.replay(image, None, json.loads(json.dumps(session.log())))
restored = Session(image)
FileJournal("dot.jsonl").resume(restored)
for other in (replayed, restored):
    assert other.state == session.state and (other.mask == session.mask).all() and (other.sources == session.sources).all()

widget = Annotator(image, tool="dot")
print(json.dumps({"sources": SOURCES, "tools": widget._tools, "keys": widget.shortcuts["dot"]}))
"""


def test_a_new_tool_needs_its_file_and_one_line(tmp_path: Path) -> None:
    package = tmp_path / "cdwidget"
    shutil.copytree(Path(cdwidget.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    (package / "tools" / "dot.py").write_text(TOOL)
    registry = package / "tools" / "__init__.py"
    text = registry.read_text()
    assert text.count("    MATTE,\n") == 1
    registry.write_text(
        text.replace("from cdwidget.tools.matte", IMPORT + "from cdwidget.tools.matte").replace("    MATTE,\n", "    MATTE,\n    DOT,\n")
    )

    command = [sys.executable, "-c", PROGRAM, json.dumps(EXAMPLE)]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["sources"] == [*EARLIER_SOURCES, "dot"], "journals store these numbers"
    assert {"name": "dot", "label": "Dot", "source": "dot", "key": "N"} in found["tools"] and found["keys"] == ["N"]
