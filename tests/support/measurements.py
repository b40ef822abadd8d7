"""Measured times of browser tests, printed for comparison, not asserted, so that a busy machine does not fail a test."""

from __future__ import annotations

import statistics

import pytest


def percentile_95(values: list[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]


def report(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Print a line, although pytest captures the output."""
    with capsys.disabled():
        print(f"\n{text}")
