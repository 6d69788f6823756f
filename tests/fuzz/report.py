"""The record of the runs, summed into the table of docs/reference/fuzzing.md: one row a day and target."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

SEEDS = 1_000_000
"""What follows a crash within one run has its seed plus a multiple of this."""
HEAD = "| date | target | runs | minutes | CPU minutes | executions | edges | seeds of the runs | crashes |"
_RULE = "|---|---|---|---|---|---|---|---|---|"


def report(record: Path, page: Path) -> None:
    """Write the sums of a record into the page; rows of other days and targets stay."""
    text = page.read_text(encoding="utf-8")
    before, _, table = text.partition(HEAD)
    rows = {tuple(_cells(row)[:2]): row for row in table.splitlines()[2:] if row.startswith("|")}
    lines: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in map(json.loads, record.read_text().splitlines()):
        lines[line["date"], line["target"]].append(line)
    rows |= {key: _row(*key, runs) for key, runs in lines.items()}
    page.write_text("\n".join([before + HEAD, _RULE, *(rows[key] for key in sorted(rows))]) + "\n", encoding="utf-8")


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def _row(date: str, target: str, runs: list[dict[str, Any]]) -> str:
    def total(key: str) -> int:
        return sum(run[key] for run in runs)

    seeds = sorted(run["seed"] % SEEDS for run in runs)
    cells = [
        date,
        target,
        str(len(runs)),
        f"{total('seconds') / 60:.0f}",
        f"{total('cpu_seconds') / 60:.0f}",
        f"{total('executions'):,}",
        f"{max(run['edges'] for run in runs):,}",
        f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}",
        str(total("crashes")),
    ]
    return "| " + " | ".join(cells) + " |"
