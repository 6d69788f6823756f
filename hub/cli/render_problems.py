"""What is wrong as a list, worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from hub.cli.problems import DOWN, ISOLATED, KINDS, NEW, Problem

_STYLES = {ISOLATED: "bold red", DOWN: "red", NEW: "yellow", "degraded": "yellow", "drained": "cyan", "fault": "red"}


def problems_view(found: Sequence[Problem], report: Mapping[str, Any]) -> RenderableType:
    """A line for each, what helps below it, and how many there are above all."""
    if not found:
        return Text(f"nothing is wrong: {_branches(len(report.get('branches', ())))}")
    counts = Counter(problem.kind for problem in found)
    head = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])
    lines: list[RenderableType] = [Text(head, overflow="fold")]
    for problem in found:
        place = f"{problem.place} " if problem.place else ""
        text = Text(f"{problem.kind:<14} {place}{problem.text}", overflow="fold", style=_STYLES.get(problem.kind, ""))
        lines += [text, *([Text(f"    mend: {problem.mend}", overflow="fold")] if problem.mend else [])]
    return Group(*lines)


def _branches(count: int) -> str:
    return "1 branch" if count == 1 else f"{count} branches"
