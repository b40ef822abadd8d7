"""Counts of attacks and their results. `make torture` prints them at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

COUNTS: Counter[tuple[str, str]] = Counter()  # by attack and result
PEAK_MB: dict[str, float] = {}  # memory of the processes that made the attacks, by attack


def count(attack: str, result: str, number: int = 1) -> None:
    """Count attacks with one result."""
    COUNTS[attack, result] += number


def merge(counts: Mapping[tuple[str, str], int], peak_mb: dict[str, float]) -> None:
    """Add the counts of another process."""
    COUNTS.update(counts)
    for attack, peak in peak_mb.items():
        PEAK_MB[attack] = max(peak, PEAK_MB.get(attack, 0))


def table() -> list[str]:
    """Return the lines of a table with one attack a line."""
    lines = [f"{'attack':34} {'number':>8} {'peak MB':>8}  results"]
    for attack in dict.fromkeys(attack for attack, _ in COUNTS):
        results = {result: number for (name, result), number in COUNTS.items() if name == attack}
        peak = f"{PEAK_MB[attack]:,.0f}" if attack in PEAK_MB else ""
        text = ", ".join(f"{number:,} {result}" for result, number in results.items())
        lines.append(f"{attack:34} {sum(results.values()):8,} {peak:>8}  {text}")
    return lines
