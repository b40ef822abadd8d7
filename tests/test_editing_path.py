"""The code that a click runs through stays small enough to read."""

import runpy
from pathlib import Path

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "editing_path.py"))
MAX_FILES = 10
MAX_LINES_OF_CODE = 1500


def test_a_click_passes_few_files_and_lines() -> None:
    functions = SCRIPT["trace_click"]()
    assert {"apply"} <= functions[Path("session/editor.py")] and {"merge"} <= functions[Path("session/merge.py")]
    code = sum(SCRIPT["count_lines"](SCRIPT["PACKAGE"] / path)[1] for path in functions)
    assert len(functions) <= MAX_FILES and code <= MAX_LINES_OF_CODE, sorted(map(str, functions))
