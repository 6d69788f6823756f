"""The record of the runs, summed into the table of docs/reference/fuzzing.md: one row a target."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import dropwhile
from pathlib import Path
from typing import Any

HEAD = "| target | from | to | runs | minutes | CPU minutes | executions | edges | crashes |"
_RULE = "|---|---|---|---|---|---|---|---|---|"
_NUMBERS = ("seconds", "cpu_seconds", "executions", "edges", "crashes")


class RecordError(ValueError):
    """The record cannot be summed: it is not there, or a line of it is no line of a record."""


def report(record: Path, page: Path) -> None:
    """Write the sums of a record in the place of the page's table. Raises `RecordError`."""
    runs = read(record)
    text = page.read_text(encoding="utf-8")
    before, head, table = text.partition(HEAD)
    if not head:
        raise RecordError(f"{page} has no line to write the table under; give it back this one: {HEAD}")
    after = list(dropwhile(lambda line: line.startswith("|"), table.lstrip("\n").splitlines()))
    rows = [_row(target, runs[target]) for target in sorted(runs)]
    page.write_text("\n".join([before + HEAD, _RULE, *rows, *after]) + "\n", encoding="utf-8")


def read(record: Path) -> dict[str, list[dict[str, Any]]]:
    """The lines of a record for each target. Raises `RecordError`."""
    try:
        lines = record.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RecordError(f"no record at {record}: {error.strerror}; fuzz first, or get the file from git") from None
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number, text in enumerate(lines, 1):
        try:
            line = json.loads(text)
            found[line["target"]].append({"date": line["date"], "runs": line.get("runs", 1)})
            found[line["target"]][-1] |= {key: int(line[key]) for key in _NUMBERS}
        except (ValueError, TypeError, KeyError) as error:
            raise RecordError(f"{record} line {number} is no line of a record ({error!r}): mend or remove it") from None
    return found


def _row(target: str, runs: list[dict[str, Any]]) -> str:
    def total(key: str) -> int:
        return sum(run[key] for run in runs)

    dates = sorted(run["date"] for run in runs)
    cells = [
        target,
        dates[0],
        dates[-1],
        f"{total('runs'):,}",
        f"{total('seconds') / 60:.0f}",
        f"{total('cpu_seconds') / 60:.0f}",
        f"{total('executions'):,}",
        f"{max(run['edges'] for run in runs):,}",
        str(total("crashes")),
    ]
    return "| " + " | ".join(cells) + " |"
