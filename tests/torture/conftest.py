from typing import Any

from support.attack_counts import COUNTS, table


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the number of attacks and their results."""
    if COUNTS:
        terminalreporter.section("attacks")
        for line in table():
            terminalreporter.write_line(line)
