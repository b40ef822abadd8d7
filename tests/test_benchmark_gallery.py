"""The gallery benchmark, on a small catalogue."""

import json
import runpy
from pathlib import Path

import pytest

from cdwidget import Catalogue

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "gallery.py"))


def test_every_order_and_filter_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    SCRIPT["main"](["--instances", "600", "--catalogue", str(tmp_path / "labels.db"), "--out", str(tmp_path / "found.json")])
    found = json.loads((tmp_path / "found.json").read_text())
    assert found == json.loads(capsys.readouterr().out)
    assert found["orders"].keys() == set(SCRIPT["ORDERS"]) and all(one["rows"] == 600 for one in found["orders"].values())
    rows = {name: one["rows"] for name, one in found["filters"].items()}
    assert rows["text in all paths"] == 600 and rows["text in few paths"] == 0 and 0 < rows["new"] < rows["new or skipped"] < 600
    for one in (found["decision_ms"], found["thumbnails_ms"], found["orders"]["-score"]["page_ms"]["last"]):
        assert 0 < one["p50"] <= one["p95"] <= one["max"]
    catalogue = Catalogue(tmp_path / "labels.db")
    assert catalogue.count(of="instances") == 600 and len(catalogue.labels()) > 10
    assert [one.error for one in catalogue.thumbnails(range(1, 601, 50))] == [""] * 12
