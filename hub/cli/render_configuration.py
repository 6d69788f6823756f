"""What becomes of the configuration in force, in one line: for `status`, `plan` and what changes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.cli.durations import day_and_time
from policies.lengths import spoken

Report = Mapping[str, Any]


def configuration_line(report: Report | None) -> str | None:
    """That it waits to be confirmed, or that the files are not what is in force; None if there is nothing to say."""
    if report is None:
        return None
    if report["confirm"] is not None:
        return _awaited(report)
    if report["gone_back"] is not None and report["files_differ"]:
        left, since = configuration_name(report["gone_back"]["from"]), day_and_time(report["at"])
        why = report["gone_back"]["why"]
        return f"gone back from {left} at {since}: {why}; the files are not what is in force: pointsman plan"
    return None


def _awaited(report: Report) -> str:
    name, confirm = configuration_name(report["plan"]), report["confirm"]
    at = day_and_time(confirm["until"])
    if confirm["left"] <= 0:
        return f"{name} was not confirmed by {at}: going back"
    by = f", applied by {report['by']}," if report["by"] else ""
    when = f"{at} (in {spoken(confirm['left'])})"
    return f"{name}{by} goes back at {when} unless confirmed: pointsman confirm (now: pointsman rollback)"


def way_back(report: Report | None) -> str | None:
    """What to do after an apply that must be confirmed."""
    if report is None or report["confirm"] is None:
        return None
    at = day_and_time(report["confirm"]["until"])
    return f"Keep it: pointsman confirm. Otherwise it goes back at {at} (now: pointsman rollback)"


def configuration_name(plan: str) -> str:
    """By the number of the plan that brought it, if one did."""
    return f"configuration {plan}" if plan else "the configuration of a start"
