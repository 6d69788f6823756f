"""Overrides as rows of controller.db, and back. Pure."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from policies.model.overrides import Author, Drain, Freeze, Override, Switch, Target


@dataclass(frozen=True, slots=True)
class Failback(Override):
    """A Failback is the word for which a branch's policy waits before it goes back; it counts `until` then."""

    branch: str


@dataclass(frozen=True, slots=True)
class Ended:
    """An Ended is an override that no longer counts: since when, by whom (None: by time alone), and why."""

    override: Override
    at: datetime
    by: Author | None
    because: str


class BadRowError(ValueError):
    """A row cannot be understood; the text says which, and what is wrong."""


def row_of(override: Override) -> Mapping[str, object]:
    """The columns of an override, but for its number and its end."""
    return {
        "kind": kind_of(override),
        "target": target_of(override),
        "tunnel": override.to if isinstance(override, Switch) else "",
        "forced": isinstance(override, Drain) and override.forced,
        "rate": override.rate if isinstance(override, Drain) else 0.0,
        "turns": json.dumps(override.turns if isinstance(override, Drain) else ()),
        "uid": override.author.uid,
        "user": override.author.user,
        "made": written(override.made),
        "begins": written(override.begins),
        "until": written(override.until) if override.until is not None else None,
        "reason": override.reason,
    }


def kind_of(override: Override) -> str:
    """The word for it."""
    match override:
        case Drain():
            return "drain"
        case Switch():
            return "switch"
        case Freeze():
            return "freeze"
        case Failback():
            return "failback"
        case _:
            raise TypeError(f"{type(override).__name__} is no override that is kept")


def target_of(override: Override) -> str:
    """What it is about; nothing for a freeze."""
    match override:
        case Drain():
            return override.target.text
        case Switch() | Failback():
            return override.branch
        case _:
            return ""


def override_of(row: sqlite3.Row) -> Override:
    """The override in a row.

    Raises:
        BadRowError: it cannot be understood.
    """
    try:
        return _read(row)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadRowError(f"override {row['number']} cannot be understood: {error}") from error


def ended_of(row: sqlite3.Row) -> Ended:
    """An override in a row, and its end.

    Raises:
        BadRowError: it cannot be understood.
    """
    override = override_of(row)
    try:
        by = Author(int(row["ended_uid"]), str(row["ended_user"])) if row["ended_uid"] is not None else None
        return Ended(override, read(row["ended"]), by, str(row["because"]))
    except (TypeError, ValueError, OverflowError) as error:
        raise BadRowError(f"the end of override {row['number']} cannot be understood: {error}") from error


def written(at: datetime) -> str:
    """A time as it stands in the file: UTC, so that it sorts."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def read(text: object) -> datetime:
    """A time that stands in the file.

    Raises:
        ValueError: it is none, or without a zone.
    """
    at = datetime.fromisoformat(str(text))
    if at.tzinfo is None:
        raise ValueError(f'"{text}" has no zone')
    return at.astimezone(UTC)


def _read(row: sqlite3.Row) -> Override:
    number, author = int(row["number"]), Author(int(row["uid"]), str(row["user"]))
    made, begins = read(row["made"]), read(row["begins"])
    until, reason = (read(row["until"]) if row["until"] is not None else None), str(row["reason"])
    about = str(row["target"])
    match row["kind"]:
        case "drain":
            forced, rate = bool(row["forced"]), float(row["rate"])
            turns = tuple(str(name) for name in json.loads(row["turns"]))
            return Drain(number, author, made, begins, until, reason, Target(about), forced, rate, turns)
        case "switch":
            return Switch(number, author, made, begins, until, reason, about, str(row["tunnel"]))
        case "freeze":
            return Freeze(number, author, made, begins, until, reason)
        case "failback":
            return Failback(number, author, made, begins, until, reason, about)
        case other:
            raise ValueError(f'"{other}" is no kind of override')
