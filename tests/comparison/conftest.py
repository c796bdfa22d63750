"""The figures of the labelled corpus are shown at the end of every run that took them."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what `test_corpus.py` has recorded."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, line in getattr(report, "user_properties", []):
                if name == "corpus" and getattr(report, "when", "") == "call":
                    terminalreporter.write_line(line)
