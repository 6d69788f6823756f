"""Overrides as lines and as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hub.cli.durations import day_and_time

Report = Mapping[str, Any]
_STYLES = {"scheduled": "cyan", "over": "dim"}


def overrides_view(report: Report, *, every: bool) -> RenderableType:
    """All overrides that stand, and `every` one that is over too."""
    rows = report["overrides"]
    if not rows:
        more = "" if every else ' ("pointsman overrides --all" has those that are over)'
        return Text(f"nothing is drained, switched or frozen{more}")
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in ("NO", "WHAT", "STATE", "FROM", "UNTIL", "WHO", "WHY"):
        table.add_column(column, no_wrap=column in ("NO", "STATE", "WHO"), overflow="fold")
    for row in rows:
        cells = (
            str(row["number"]),
            what(row),
            _state(row),
            day_and_time(row["begins"], report["at"]),
            _until(row, report["at"]),
            row["by"]["user"],
            row["reason"],
        )
        table.add_row(*map(Text, cells), style=_STYLES.get(row["state"], ""))
    return Group(table, Text(f"times are of {report['zone']}", style="dim"))


def override_words(override: Report, now: str | None = None) -> str:
    """One override in a line: its number, what, until when, who, when, why; `now` is the time of the report."""
    until = f" until {day_and_time(override['until'], now)}" if override["until"] else ""
    forced = ", forced" if override["forced"] else ""
    why = f": {override['reason']}" if override["reason"] else ""
    said = f"said {day_and_time(override['made'], now)} by {override['by']['user']}{forced}{why}"
    return f"{override['number']} {what(override)}{until}, {said}"


def what(override: Report) -> str:
    """`drain bandung/fiber`, `switch solo to wireless`, `freeze`."""
    to = f" to {override['to']}" if override["to"] else ""
    rate = f" ({override['rate']:g} branches a minute)" if override["rate"] else ""
    return " ".join(filter(None, (override["kind"], override["target"]))) + to + rate


def named(override: Report) -> str:
    """`drain 5 of bandung/fiber`."""
    of = f" of {override['target']}" if override["target"] else ""
    to = f" to {override['to']}" if override["to"] else ""
    return f"{override['kind']} {override['number']}{of}{to}"


def listed(names: Iterable[str], most: int = 4) -> str:
    """`a, b, c`, cut short when there are many."""
    every = list(names)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")


def _state(row: Report) -> str:
    forced = ", forced" if row["forced"] else ""
    if row["kind"] == "drain" and not row["tunnels"] and row["state"] != "over":
        return "means no tunnel now"
    return f"{row['state']}{forced}"


def _until(row: Report, now: str) -> str:
    """When it ends or ended; and how, where it was not by its time."""
    if row["ended"] is None:
        return day_and_time(row["until"], now) if row["until"] else ""
    how = "" if row["because"] == "over" else f" {row['because']}"
    by = f" by {row['ended_by']['user']}" if row["ended_by"] and row["ended_by"] != row["by"] else ""
    return f"{day_and_time(row['ended'], now)}{how}{by}"
