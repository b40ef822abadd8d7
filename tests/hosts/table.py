"""Write the table of hosts and features in docs/hosts.md from the results of the last `make test-hosts`."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from hosts.apps import HOSTS  # noqa: E402

RESULTS = ROOT / "test-results" / "hosts.json"
PAGE = ROOT / "docs" / "hosts.md"
START, END = "<!-- hosts: written by tests/hosts/table.py -->\n", "<!-- end of hosts -->\n"
FEATURES = ("renders", "click", "keys", "hand tools", "gallery with editor", "inspector", "map", "export", "restart")
MARKS = {True: "yes", False: "**no**", None: "–"}


def record(host: str, browser: str, test: str, has_passed: bool) -> None:
    """Keep the result of a test of a host, with the versions of the host and of its browser."""
    results = read_results()
    found = results.setdefault(host, {"features": {}})
    found["version"], found["browser"] = version(HOSTS[host].package), browser
    found["features"][test.removeprefix("test_").replace("_", " ")] = has_passed
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1))


def read_results() -> dict[str, Any]:
    """Return the results of all hosts: {host: {version, browser, features: {feature: passed}}}."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def table(results: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    rows = [("host", "browser", *FEATURES), ("---",) * (len(FEATURES) + 2)]
    for name, host in HOSTS.items():
        found = results.get(name, {"version": "", "browser": "–", "features": {}})
        rows.append(
            (f"{host.title} {found['version']}", found["browser"], *(MARKS[found["features"].get(feature)] for feature in FEATURES))
        )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    before, start, rest = PAGE.read_text().partition(START)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{PAGE} has no place for the table; add these lines to it:\n{START}{END}")
    PAGE.write_text(before + start + table(read_results()) + end + after)
