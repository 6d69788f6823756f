"""What the doctor says: values, worst first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

_SHOWN = 3
"""Of many alike, how many are named."""


class Severity(Enum):
    """How bad a finding is, the worst first."""

    WRONG = "wrong"
    WARNING = "warning"
    UNSEEN = "not looked at"
    FINE = "fine"


_RANK = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Finding:
    """A Finding is one thing that was looked at: `place` groups it, `key` names its check for programs.

    What is wrong spoils the work of the hub; a warning may be lived with; what was not looked at says what it takes.
    """

    severity: Severity
    place: str
    key: str
    text: str
    mend: str | None = None

    def __str__(self) -> str:
        """`place: what is wrong`, and the mend on a line of its own."""
        mark = "" if self.severity is Severity.WRONG else f"{self.severity.value}: "
        mend = f"\n    mend: {self.mend}" if self.mend else ""
        return f"{self.place}: {mark}{self.text}{mend}"


def wrong(place: str, key: str, text: str, mend: str) -> Finding:
    """It spoils the work of the hub."""
    return Finding(Severity.WRONG, place, key, text, mend)


def warning(place: str, key: str, text: str, mend: str) -> Finding:
    """One may live with it."""
    return Finding(Severity.WARNING, place, key, text, mend)


def unseen(place: str, key: str, what: str, why: str) -> Finding:
    """It could not be looked at; `why` says what it takes."""
    return Finding(Severity.UNSEEN, place, key, f"{what}: {why}")


def fine(place: str, key: str, text: str) -> Finding:
    """It was looked at and is as it should be."""
    return Finding(Severity.FINE, place, key, text)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each once, grouped by place, the place with the worst finding first, and within it the worst first."""
    each = tuple(dict.fromkeys(findings))
    worst: dict[str, int] = {}
    for finding in each:
        worst[finding.place] = min(worst.get(finding.place, len(_RANK)), _RANK[finding.severity])
    order = {place: number for number, place in enumerate(worst)}
    return tuple(sorted(each, key=lambda one: (worst[one.place], order[one.place], _RANK[one.severity])))


def named(names: Sequence[str]) -> str:
    """`wg1, wg2, wg3 and 4 more`."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
