"""The overrides on the disk: those that are in force or scheduled, and of those that are over the last thousand.

Everything here waits for the disk: it is called from a thread, never from the controller's loop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from hub.overrides.database import open_database, reading, writing
from hub.overrides.rows import BadRowError, Ended, Failback, ended_of, override_of, row_of, written
from policies.model.overrides import Author, Drain, Freeze, Override, Overrides, Switch

T = TypeVar("T")

KEPT = 1_000
"""Overrides that are over; the oldest go."""


class Store:
    """A Store is the one who reads and writes overrides. Every method raises StateError when the file does not obey."""

    def __init__(self, path: Path, now: datetime, say: Callable[[str], None]) -> None:
        self._path = path
        self._say = say
        self._connection = open_database(path, now, say)
        self._connection.row_factory = sqlite3.Row
        self._told: set[str] = set()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def standing(self) -> tuple[Override, ...]:
        """All that are in force or scheduled, by number; one that cannot be understood is said, and left out."""
        with reading(self._path):
            rows = self._connection.execute("SELECT * FROM override WHERE ended IS NULL ORDER BY number").fetchall()
        return tuple(override for row in rows if (override := self._understood(row, override_of)) is not None)

    def history(self) -> tuple[Ended, ...]:
        """Those that are over, the newest first."""
        with reading(self._path):
            rows = self._connection.execute(
                "SELECT * FROM override WHERE ended IS NOT NULL ORDER BY ended DESC, number DESC"
            ).fetchall()
        return tuple(ended for row in rows if (ended := self._understood(row, ended_of)) is not None)

    def drains_over(self, wall: datetime) -> tuple[tuple[Drain, datetime], ...]:
        """The drains that were in force before this time and are no more, each with its end."""
        ends = [(ended.override, min(ended.at, ended.override.until or ended.at)) for ended in self.history()]
        ends += [(one, one.until) for one in self.standing() if one.until is not None and one.until <= wall]
        return tuple((override, end) for override, end in ends if isinstance(override, Drain))

    def add(self, override: Override, *, instead_of: Collection[int] = ()) -> Override:
        """Keep a new one, whose number is given here; those that it replaces are over."""
        row = row_of(override)
        columns, places = ", ".join(row), ", ".join(f":{column}" for column in row)
        with writing(self._connection, self._path) as connection:
            made = connection.execute(f"INSERT INTO override ({columns}) VALUES ({places})", row)  # noqa: S608  own names
            added = replace(override, number=int(made.lastrowid or 0))
            self._end(instead_of, override.made, override.author, f"replaced by {added.number}")
        return added

    def end(self, numbers: Collection[int], at: datetime, by: Author | None, because: str) -> None:
        """These are over; by None by time alone."""
        with writing(self._connection, self._path):
            self._end(numbers, at, by, because)

    def extend(self, drain: Drain) -> None:
        """The drain of this number ends then, for this reason."""
        row = {**row_of(drain), "number": drain.number}
        with writing(self._connection, self._path) as connection:
            connection.execute(
                "UPDATE override SET until = :until, reason = :reason, forced = :forced WHERE number = :number", row
            )

    def _end(self, numbers: Collection[int], at: datetime, by: Author | None, because: str) -> None:
        who = (by.uid, by.user) if by is not None else (None, None)
        self._connection.executemany(
            "UPDATE override SET ended = ?, ended_uid = ?, ended_user = ?, because = ?"
            " WHERE number = ? AND ended IS NULL",
            [(written(at), *who, because, number) for number in numbers],
        )
        self._connection.execute(
            "DELETE FROM override WHERE ended IS NOT NULL AND number NOT IN"
            " (SELECT number FROM override WHERE ended IS NOT NULL ORDER BY ended DESC, number DESC LIMIT ?)",
            (KEPT,),
        )

    def _understood(self, row: sqlite3.Row, read: Callable[[sqlite3.Row], T]) -> T | None:
        try:
            return read(row)
        except BadRowError as error:
            if str(error) not in self._told:
                self._told.add(str(error))
                self._say(f"{self._path}: {error}: it does not count")
            return None


def overrides_of(standing: Collection[Override]) -> Overrides:
    """The same as the core knows them."""
    return Overrides(
        tuple(one for one in standing if isinstance(one, Drain)),
        tuple(one for one in standing if isinstance(one, Switch)),
        tuple(one for one in standing if isinstance(one, Freeze)),
        tuple((one.branch, one.until) for one in standing if isinstance(one, Failback) and one.until is not None),
    )
