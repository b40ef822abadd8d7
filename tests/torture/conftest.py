from typing import Any

import pytest

from support import attack_counts


def pytest_sessionfinish(session: Any) -> None:
    """Send the counts of a worker of pytest-xdist to the process that prints them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["attacks"] = dict(attack_counts.COUNTS), attack_counts.PEAK_MB


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the counts of a worker; one that crashed has sent none."""
    if hasattr(node, "workeroutput"):
        attack_counts.merge(*node.workeroutput["attacks"])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the number of attacks and their results."""
    if attack_counts.COUNTS:
        terminalreporter.section("attacks")
        for line in attack_counts.table():
            terminalreporter.write_line(line)
