"""A pytest plugin for the guest: nothing is skipped unseen there, and each file's time is told.

On a kernel that is chosen to have everything, a test that skips itself has looked wrongly: it fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

_seconds: Counter[str] = Counter()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report: Any = yield
    _seconds[item.nodeid.partition("::")[0]] += report.duration
    return _strict(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    return _strict((yield))


def _strict(report: Any) -> Any:
    if report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.longrepr = f"In the guest nothing may be skipped. {reason}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("time of each file")
    for name, seconds in _seconds.items():
        terminalreporter.write_line(f"{seconds:6.0f} s  {name}")
