"""What is wrong with a configuration, and where: values, never exceptions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

LONGEST_TEXT = 600
"""Characters of what is wrong, and of its mend."""


class Severity(Enum):
    """Whether a configuration with this problem can be used."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A Place is a spot in a file of the configuration; lines and columns count from 1, 0 means the whole file."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """`branches/bogor.yaml:7`: as one message refers to another place."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """A Problem is one thing that is wrong, where, and how to mend it if that is known."""

    severity: Severity
    file: str
    line: int
    column: int
    text: str
    mend: str | None = None

    def __str__(self) -> str:
        """`file:line:column: what is wrong`, and the mend on a line of its own."""
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        mark = "warning: " if self.severity is Severity.WARNING else ""
        mend = f"\n    mend: {self.mend}" if self.mend else ""
        return f"{where}: {mark}{self.text}{mend}"


def error(place: Place, text: str, mend: str | None = None) -> Problem:
    """A problem that must be mended before the configuration can be used."""
    return _problem(Severity.ERROR, place, text, mend)


def warning(place: Place, text: str, mend: str | None = None) -> Problem:
    """A problem that one may live with."""
    return _problem(Severity.WARNING, place, text, mend)


def _problem(severity: Severity, place: Place, text: str, mend: str | None) -> Problem:
    mend = _plain(mend) if mend else mend
    return Problem(severity, _plain(place.file), place.line, place.column, _plain(text), mend)


def _plain(text: str) -> str:
    """One line of a bearable length: texts repeat what stands in a file, and there anything may stand."""
    if len(text) > LONGEST_TEXT:
        text = text[: LONGEST_TEXT - 1] + "…"
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)


def has_errors(problems: Iterable[Problem]) -> bool:
    """Whether one of these is an error."""
    return any(problem.severity is Severity.ERROR for problem in problems)


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """By file, line and column, each once."""
    return tuple(sorted(dict.fromkeys(problems), key=_position))


def _position(problem: Problem) -> tuple[bool, str, int, int, str]:
    return (problem.file != "network.yaml", problem.file, problem.line, problem.column, problem.text)
