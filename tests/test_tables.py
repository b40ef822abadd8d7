"""Tables for spreadsheets."""

import csv
from pathlib import Path

from cdwidget.tables import write_csv


def test_cells_that_would_be_formulas_are_text(tmp_path: Path) -> None:
    cells = ["=cmd|' /C calc'!A1", "+1+cmd", "-2.5", -2.5, "@sum(A1)", "\t=1", 'cat, "dog"\n', "", "1e-3", "\udcff"]
    write_csv(tmp_path / "a.csv", ["name"], [[cell] for cell in cells])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        found = [row[0] if row else "" for row in csv.reader(file)]
    assert found == ["name", "'=cmd|' /C calc'!A1", "'+1+cmd", "-2.5", "-2.5", "'@sum(A1)", "'\t=1", 'cat, "dog"\n', "", "1e-3", "\\udcff"]
