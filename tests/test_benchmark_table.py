"""The script that writes the tables of docs/benchmarks.md."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from cdwidget.benchmark import Latency, Result, Run, write_json

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "table.py"))
main: Callable[[list[str]], None] = SCRIPT["main"]


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    results = tmp_path / "results"
    results.mkdir()
    runs = (Run("a", (0.8, 0.91, 0.96), 3.0, "one", predict=(0.1, 0.3), best=0.9), Run("b", (0.86, 0.85), 1.0, "two", predict=(0.2,)))
    fine = Result("cdnet", 20, runs)
    other = Result("other", 20, tuple(Run(run.name, (1.0,), 1.0, run.group) for run in runs))
    common = {"kind": "benchmark", "mode": "edit", "title": "held out"}
    write_json(results / "a.json", [fine, other], **common)
    write_json(results / "b.json", [], [Latency("cdnet", 1000, 800, (0.1,), (0.05,), (0.04,), 2**20, 2**21, (0.09,))], **common)
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n{SCRIPT['BEGIN']}\nold\n{SCRIPT['END']}\nafter\n")
    return ["--results", str(results), "--page", str(page)]


def test_the_page_shows_the_figures(arguments: list[str], tmp_path: Path) -> None:
    main(arguments)
    text = (tmp_path / "benchmarks.md").read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    tables = {row[0]: row for row in cells}
    assert tables["held out, 2 objects, edit mode"][1:3] == ["NoC85", "NoC90 (95 %)"]
    assert cells[2][:6] == ["cdnet", "1.50", "**11.00** (2.00–20.00)", "11.50", "1+0", "0.830"]
    assert tables["one"] == ["one", "1", "2.00/2.00", "1.00/1.00"]
    assert cells[-1] == ["cdnet", "1000×800", "100/100", "50/50", "90/90", "40/40", "2 (1)"]


def test_the_page_shows_tolerant_objects_boundary_and_spread(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    runs = (
        Run("a", (0.96,), 1.0, "one", boundary_ious=(0.8,), narrow_boundary_ious=(0.6,), grown_iou=0.95),
        Run("b", (0.5, 0.6), 1.0, "two", boundary_ious=(0.1, 0.4), narrow_boundary_ious=(0.1, 0.2), grown_iou=0.7),
    )
    spread = {"cdnet": {q: {"mean": 2.5, "standard_deviation": 0.71, "spread": 0.4} for q in ("0.85", "0.9", "0.95")}}
    about = {"kind": "benchmark", "mode": "human", "title": "held out", "repeats": 2, "spread": spread}
    write_json(results / "a.json", [Result("cdnet", 20, runs)], **about)
    page = tmp_path / "benchmarks.md"
    page.write_text(f"{SCRIPT['BEGIN']}\n{SCRIPT['END']}\n")
    main(["--results", str(results), "--page", str(page)])
    lines = page.read_text().splitlines()
    assert "| NoC85/NoC90 of tolerant objects | objects | cdnet |" in lines and "| all sets | 1 | 1.00/1.00 |" in lines
    assert "| IoU and boundary IoU | mIoU@5 | 2 %@5 | 2 px@5 | mIoU@20 | 2 %@20 | 2 px@20 |" in lines
    assert "| cdnet | 0.780 | 0.600 | 0.400 | 0.780 | 0.600 | 0.400 |" in lines
    assert "| 2 runs, mean ± SD (spread) | NoC85 | NoC90 | NoC95 |" in lines
    assert "| cdnet | 2.50 ± 0.71 (40.0 %) | 2.50 ± 0.71 (40.0 %) | 2.50 ± 0.71 (40.0 %) |" in lines


def test_files_without_the_new_figures_are_read(arguments: list[str], tmp_path: Path) -> None:
    file = tmp_path / "results" / "a.json"
    content = json.loads(file.read_text())
    for method in content["methods"].values():
        del method["tolerant"], method["boundary_iou_at"]
    file.write_text(json.dumps(content))
    main(arguments)
    text = (tmp_path / "benchmarks.md").read_text()
    assert "NoC90 (95 %)" in text and "tolerant" not in text and "boundary" not in text and "spread" not in text


def test_check_fails_for_an_outdated_page(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="run python benchmarks/table.py"):
        main([*arguments, "--check"])
    main(arguments)
    main([*arguments, "--check"])
    content = json.loads((tmp_path / "results" / "a.json").read_text())
    (tmp_path / "results" / "a.json").write_text(json.dumps({**content, "kind": "ablation"}))
    with pytest.raises(SystemExit):
        main([*arguments, "--check"])


def test_the_page_of_the_project_shows_its_results() -> None:
    main(["--check"])


def test_an_ablation_is_compared_with_its_first_method_over_all_sets(arguments: list[str], tmp_path: Path) -> None:
    file = tmp_path / "results" / "a.json"
    content = json.loads(file.read_text())
    for method in content["methods"].values():
        method["noc90_difference_to_first"] = {"mean": -1.5, "interval": [-2.0, -1.0]}
    file.write_text(json.dumps({**content, "kind": "ablation"}))
    main(arguments)
    text = (tmp_path / "benchmarks.md").read_text()
    assert "| NoC90 difference |" in text and "-1.50 (-2.00 to -1.00)" in text
    assert "NoC85/NoC90 by set" not in text


def test_a_page_without_markers(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "benchmarks.md").write_text("nothing")
    with pytest.raises(SystemExit, match="needs the lines"):
        main(arguments)
