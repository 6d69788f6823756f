"""controller.db: the controller's state directory's one SQLite file. Opened, brought forward, set aside when damaged.

One process and one of its threads use it; a write is on the disk before it returns (WAL, synchronous=FULL).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

_OVERRIDES = """
CREATE TABLE override (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    tunnel TEXT NOT NULL,
    forced INTEGER NOT NULL,
    rate REAL NOT NULL,
    uid INTEGER NOT NULL,
    user TEXT NOT NULL,
    made TEXT NOT NULL,
    begins TEXT NOT NULL,
    until TEXT,
    reason TEXT NOT NULL,
    ended TEXT,
    ended_uid INTEGER,
    ended_user TEXT,
    because TEXT
);
CREATE INDEX override_ended ON override (ended);
"""
_TURNS = "ALTER TABLE override ADD COLUMN turns TEXT NOT NULL DEFAULT '[]';"
MIGRATIONS: Sequence[str] = (_OVERRIDES, _TURNS)
"""What brings a file from each version to the next; a file's version (PRAGMA user_version) is how many it has had."""
BUSY_SECONDS = 2.0
"""How long another program may hold the file before a command is refused."""
_UNWRITABLE = "{path} cannot be opened for writing: is its directory there, and the controller's own?"
_DAMAGED = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}


class StateError(Exception):
    """The file could not be read or written, and is as it was; the text says which, why, and the mend."""


def open_database(path: Path, now: datetime, say: Callable[[str], None]) -> sqlite3.Connection:
    """The file, made when it is not there, in the newest version.

    A damaged one is set aside beside it, which is said, and a new one made.

    Raises:
        StateError: it cannot be opened, or is of a later version than this program knows.
    """
    _make(path)
    try:
        return _opened(path)
    except sqlite3.Error as error:
        if _code(error) not in _DAMAGED:
            raise described(error, path) from error
    aside = _set_aside(path, now)
    say(f"{path} was damaged and is set aside as {aside.name}: say anew what it held (drains, switches, freezes)")
    _make(path)
    try:
        return _opened(path)
    except sqlite3.Error as error:
        raise described(error, path) from error


def _make(path: Path) -> None:
    """The file where there is none, for its owner and group alone; SQLite gives those beside it the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))
    except OSError as error:
        raise StateError(_UNWRITABLE.format(path=path)) from error


def described(error: sqlite3.Error, path: Path) -> StateError:
    """The library's error in words: the file, what is wrong, the mend."""
    match _code(error):
        case sqlite3.SQLITE_FULL:
            return StateError(f"{path}: its disk is full: make room there")
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return StateError(f"{path} is damaged: restart the controller, which sets it aside")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StateError(f"{path} is held by another program: end that (fuser {path} names it)")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return StateError(_UNWRITABLE.format(path=path))
        case _:
            return StateError(f"{path}: {error}: look at its disk")


@contextlib.contextmanager
def writing(connection: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """All of the block is written, or nothing of it.

    Raises:
        StateError: it was not written.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise described(error, path) from error


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Errors of the block in words.

    Raises:
        StateError: it could not be read.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise described(error, path) from error


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return _connected(path, exclusive=False)
    except sqlite3.Error as error:
        if _code(error) in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN}:
            # On a full disk there is no room for the file beside it that programs share; alone it is not needed.
            return _connected(path, exclusive=True)
        raise


def _connected(path: Path, *, exclusive: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        if exclusive:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        version = _known_version(connection, path)
        connection.execute("PRAGMA synchronous = FULL")
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL")
        _bring_forward(connection, version)
        for table in ("override", "sqlite_sequence"):
            connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  names of our own; a look for damage
    except BaseException:
        connection.close()
        raise
    return connection


def _known_version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(MIGRATIONS):
        raise StateError(
            f"{path} is of version {version}, this controller knows {len(MIGRATIONS)} at most: "
            "install the later release again, or move the file away"
        )
    return version


def _bring_forward(connection: sqlite3.Connection, version: int) -> None:
    """Each step in a transaction of its own: a file is of one version or of the next, never between."""
    for reached, step in enumerate(MIGRATIONS[version:], version + 1):
        try:
            connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {reached}; COMMIT;")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _set_aside(path: Path, now: datetime) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%S}")
    try:
        for ending in ("-wal", "-shm", ""):
            part = path.with_name(path.name + ending)
            if part.exists():
                part.rename(aside.with_name(aside.name + ending))
    except OSError as error:
        raise StateError(f"{path} is damaged, and cannot be set aside ({error.strerror}): move it away") from error
    return aside


def _code(error: sqlite3.Error) -> int:
    """The primary result code (sqlite.org/rescode.html): the low byte of the extended one."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
