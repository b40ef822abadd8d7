"""Write the tables of docs/benchmarks.md from the JSON files of `cdwidget benchmark --out` and `cdwidget ablate --out`.

python benchmarks/table.py            # rewrites the tables between the two markers
python benchmarks/table.py --check    # fails if the page is out of date
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Iterable

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- results: written by benchmarks/table.py -->", "<!-- /results -->"
BOUNDARY_KEYS = {"iou": "mIoU", "2%": "2 %", "2px": "2 px"}  # key in the JSON file -> column


def main(arguments: list[str] | None = None) -> None:
    """Rewrite or check the page."""
    parser = argparse.ArgumentParser(description="Write the tables of docs/benchmarks.md from the JSON files of the benchmarks.")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results", help="folder of the JSON files")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    options = parser.parse_args(arguments)
    old = options.page.read_text()
    new = with_tables(old, [json.loads(path.read_text()) for path in sorted(options.results.glob("*.json"))])
    if options.check and new != old:
        sys.exit(f"{options.page} is older than {options.results}; run python benchmarks/table.py")
    if not options.check:
        options.page.write_text(new)


def with_tables(page: str, contents: Iterable[dict[str, Any]]) -> str:
    """Return the page with the tables of all result files between its markers; raise SystemExit if it has no markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        sys.exit(f"the page needs the lines {BEGIN} and {END} around its tables")
    sections = [section(content) for content in contents]
    return f"{before}{BEGIN}\n" + "\n".join(sections) + f"{END}{after}"


def section(content: dict[str, Any]) -> str:
    """Return the tables of one JSON file."""
    tables = [table(content) for table in (figures, sets, tolerant, boundary, spread, latency)]
    return "".join(f"{table}\n\n" for table in tables if table)


def figures(content: dict[str, Any]) -> str:
    """Return one row per method; for an ablation also the difference to the first method."""
    methods = content["methods"]
    if not methods:
        return ""
    compare = content["kind"] == "ablation"
    header = ["NoC85", "NoC90 (95 %)", "NoC95", "NoF90", "mIoU@1", "mIoU@3", "mIoU@5", "best@1", "drops", "SPC s", "click p50/p95 ms"]
    rows = []
    for name, m in methods.items():
        low, high = m["noc_interval"]["0.9"]
        row = [
            name,
            f"{m['noc']['0.85']:.2f}",
            f"**{m['noc']['0.9']:.2f}** ({low:.2f}–{high:.2f})",
            f"{m['noc']['0.95']:.2f}",
            f"{m['never_reached']['0.9']}+{m['reached_at_last_click']['0.9']}",
            *(f"{m['miou_at'][k]:.3f}" for k in ("1", "3", "5")),
            decimals(m["best_at_1"]),
            f"{100 * m['drop_share']:.1f} %",
            f"{m['seconds_per_click']:.2f}",
            milliseconds(m["predict_ms"]),
        ]
        if compare:
            difference = m["noc90_difference_to_first"]
            low, high = difference["interval"]
            row.append("" if not rows else f"{difference['mean']:+.2f} ({low:+.2f} to {high:+.2f})")
        rows.append(row)
    return markdown([title(content), *header, *(["NoC90 difference"] if compare else [])], rows)


def sets(content: dict[str, Any]) -> str:
    """Return NoC85/NoC90 per data set if there are several; not for ablations, whose sets hold too few objects to compare."""
    methods = content["methods"]
    groups = next(iter(methods.values()))["noc_by_set"] if methods else {}
    if len(groups) < 2 or content["kind"] == "ablation":
        return ""
    rows = [
        [group, str(first["objects"]), *("{0[0.85]:.2f}/{0[0.9]:.2f}".format(m["noc_by_set"][group]) for m in methods.values())]
        for group, first in groups.items()
    ]
    return markdown(["NoC85/NoC90 by set", "objects", *methods], rows)


def tolerant(content: dict[str, Any]) -> str:
    """Return NoC85/NoC90 of tolerant objects, of all and per data set; nothing for files without these figures."""
    methods = content["methods"]
    first = next(iter(methods.values()), {}).get("tolerant")
    if not first or not first["objects"]:
        return ""
    counts = {"all sets": first["objects"]}
    if len(first["noc_by_set"]) > 1 and content["kind"] != "ablation":
        counts |= {group: part["objects"] for group, part in first["noc_by_set"].items()}
    nocs = [{"all sets": m["tolerant"]["noc"], **m["tolerant"]["noc_by_set"]} for m in methods.values()]
    rows = [[group, str(count), *("{0[0.85]:.2f}/{0[0.9]:.2f}".format(noc[group]) for noc in nocs)] for group, count in counts.items()]
    return markdown(["NoC85/NoC90 of tolerant objects", "objects", *methods], rows)


def boundary(content: dict[str, Any]) -> str:
    """Return boundary IoU after 5 clicks and after the last one; nothing for files without it."""
    methods = content["methods"]
    counts = next(iter(methods.values()), {}).get("boundary_iou_at")
    if not counts:
        return ""
    rows = [[name, *(decimals(m["boundary_iou_at"][k][key]) for k in counts for key in BOUNDARY_KEYS)] for name, m in methods.items()]
    return markdown(["IoU and boundary IoU", *(f"{name}@{k}" for k in counts for name in BOUNDARY_KEYS.values())], rows)


def spread(content: dict[str, Any]) -> str:
    """Return mean, standard deviation and spread of NoC over repeated runs; nothing for files of one run."""
    rows = [
        [name, *(f"{noc['mean']:.2f} ± {noc['standard_deviation']:.2f} ({100 * noc['spread']:.1f} %)" for noc in nocs.values())]
        for name, nocs in content.get("spread", {}).items()
    ]
    return markdown([f"{content['repeats']} runs, mean ± SD (spread)", "NoC85", "NoC90", "NoC95"], rows) if rows else ""


def latency(content: dict[str, Any]) -> str:
    """Return latency and memory."""
    rows = [
        [
            m["method"],
            f"{m['width']}×{m['height']}",
            *(milliseconds(m.get(key)) for key in ("encode_ms", "click_ms", "focus_click_ms", "predict_ms")),
            "–" if m["peak_bytes"] is None else f"{m['peak_bytes'] / 2**20:.0f} ({m['loaded_bytes'] / 2**20:.0f})",
        ]
        for m in content["latency"]
    ]
    header = ["p50/p95 in ms", "size", "encode", "click", "focus click", "predict", "peak memory MB (after loading)"]
    return markdown(header, rows) if rows else ""


def title(content: dict[str, Any]) -> str:
    """Return the title of a table: the measurement and the number of objects."""
    first = next(iter(content["methods"].values()))
    name = content["title"] or ", ".join(first["noc_by_set"])
    return f"{name}, {first['objects']} objects" + ("" if content["mode"] == "click" else f", {content['mode']} mode")


def decimals(value: float | None) -> str:
    """Return an IoU with three decimals, or a dash if it was not measured."""
    return "–" if value is None else f"{value:.3f}"


def milliseconds(figures: dict[str, float] | None) -> str:
    """Return p50/p95, or a dash if it was not measured."""
    return f"{figures['p50']:.0f}/{figures['p95']:.0f}" if figures else "–"


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table, the first column aligned to the left, the figures to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows))


if __name__ == "__main__":
    main()
