"""Overrides on the disk: they outlive the process, and a file that is damaged, full, old or foreign ends nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from override_values import NOON, ROOT, a_drain, a_freeze, a_switch, minutes

from hub.overrides import database, store
from hub.overrides.database import StateError
from hub.overrides.rows import Ended, Failback, row_of
from hub.overrides.store import Store, overrides_of
from policies.model.overrides import Author, Override, Overrides

ANNA = Author(1001, "anna")
FAILBACK = Failback(0, ROOT, NOON, NOON, NOON + minutes(10), "", "solo")
SAID: list[str] = []
OPEN: list[Store] = []


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    SAID.clear()
    yield tmp_path / "controller.db"
    while OPEN:
        OPEN.pop().close()


def opened(path: Path) -> Store:
    OPEN.append(Store(path, NOON, SAID.append))
    return OPEN[-1]


@pytest.mark.parametrize(
    "override",
    [
        a_drain(0, "bandung/fiber", 5, 60, rate=2.5, reason="splice, ticket 4411 ü"),
        replace(a_drain(0, "isp:telkom", rate=2.5), turns=("bandung", "solo")),
        replace(a_drain(0, "isp:telkom"), forced=True, author=ANNA),
        a_switch(0, "solo", "wireless", 60),
        a_switch(0, "solo", "wireless"),
        a_freeze(0, 60),
        FAILBACK,
    ],
)
def test_what_was_said_is_there_again_after_a_restart(path: Path, override: Override) -> None:
    first = opened(path)
    added = first.add(override)
    assert added == replace(override, number=1)
    first.close()
    assert opened(path).standing() == (added,)


def test_the_file_is_for_its_owner_and_group_alone(path: Path) -> None:
    opened(path).add(a_freeze(0))
    assert {file.stat().st_mode & 0o007 for file in path.parent.iterdir()} == {0}


def test_a_process_that_was_killed_loses_nothing(path: Path, tmp_path: Path) -> None:
    running = opened(path)
    added = running.add(a_drain(0, "solo"))
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in tmp_path.glob("controller.db*"):  # what is on the disk while it still runs
        if not file.name.endswith("-shm"):
            (copy / file.name).write_bytes(file.read_bytes())
    assert opened(copy / "controller.db").standing() == (added,)


def test_a_number_is_given_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "KEPT", 0)
    kept = opened(path)
    kept.end([kept.add(a_drain(0, "solo")).number], NOON, ROOT, "undrained")
    assert kept.history() == ()
    assert kept.add(a_drain(0, "solo")).number == 2


def test_what_is_over_is_kept_with_its_end(path: Path) -> None:
    kept = opened(path)
    one, other = kept.add(a_drain(0, "solo")), kept.add(a_freeze(0, 5))
    kept.end([one.number], NOON + minutes(1), ANNA, "undrained")
    kept.end([other.number], NOON + minutes(5), None, "over")
    assert kept.standing() == ()
    assert opened(path).history() == (
        Ended(other, NOON + minutes(5), None, "over"),
        Ended(one, NOON + minutes(1), ANNA, "undrained"),
    )


def test_what_is_over_cannot_end_again(path: Path) -> None:
    kept = opened(path)
    one = kept.add(a_drain(0, "solo"))
    kept.end([one.number], NOON, ANNA, "undrained")
    kept.end([one.number], NOON + minutes(9), None, "over")
    assert kept.history() == (Ended(one, NOON, ANNA, "undrained"),)


def test_only_so_many_that_are_over_are_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "KEPT", 3)
    kept = opened(path)
    for minute in range(5):
        kept.end([kept.add(a_drain(0, "solo")).number], NOON + minutes(minute), ROOT, "undrained")
    standing = kept.add(a_drain(0, "solo"))
    assert [ended.override.number for ended in kept.history()] == [5, 4, 3]
    assert kept.standing() == (standing,)


def test_a_new_one_takes_the_place_of_others_at_once(path: Path) -> None:
    kept = opened(path)
    old = kept.add(a_switch(0, "solo", "wireless"))
    new = kept.add(a_switch(0, "solo", "lte"), instead_of=[old.number])
    assert kept.standing() == (new,)
    assert kept.history()[0].because == "replaced by 2"


def test_a_drain_is_extended(path: Path) -> None:
    kept = opened(path)
    drain = kept.add(a_drain(0, "solo", 0, 30))
    kept.extend(replace(drain, until=NOON + minutes(90)))
    assert kept.standing() == (replace(drain, until=NOON + minutes(90)),)


def test_the_core_is_told_each_kind_by_itself() -> None:
    drain, switch, freeze = a_drain(1, "solo"), a_switch(2, "solo", "lte"), a_freeze(3)
    assert overrides_of([drain, switch, freeze, FAILBACK]) == Overrides(
        (drain,), (switch,), (freeze,), (("solo", NOON + minutes(10)),)
    )


@pytest.mark.parametrize(
    "content", [b"not a database at all, but text\n" * 200, b"\x00" * 8192, b"SQLite format 3\x00" * 300]
)
def test_a_damaged_file_is_set_aside_and_said(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    kept = opened(path)
    assert kept.standing() == ()
    assert kept.add(a_drain(0, "solo")).number == 1
    aside = path.with_name("controller.db.damaged-20261122T050000")
    assert aside.read_bytes() == content
    assert [
        f"{path} was damaged and is set aside as {aside.name}: say anew what it held (drains, switches, freezes)"
    ] == SAID


def test_a_file_with_a_spoilt_page_is_set_aside(path: Path) -> None:
    kept = opened(path)
    for _ in range(200):
        kept.add(a_drain(0, "solo", reason="x" * 100))
    kept.close()
    content = bytearray(path.read_bytes())
    content[4096:20480] = b"\xff" * 16384
    path.write_bytes(content)
    assert opened(path).standing() == ()
    assert "set aside" in SAID[0]


def test_a_full_disk_refuses_and_changes_nothing(path: Path) -> None:
    kept = opened(path)
    drain = kept.add(a_drain(0, "solo", 0, 30))
    pages = kept._connection.execute("PRAGMA page_count").fetchone()[0]
    kept._connection.execute(f"PRAGMA max_page_count = {pages}")  # sqlite then says what it says on a full disk
    with pytest.raises(StateError, match=r"controller\.db: its disk is full: make room there$"):
        kept.add(a_drain(0, "tegal", reason="x" * 20_000), instead_of=[drain.number])
    assert kept.standing() == (drain,)
    assert kept.add(a_freeze(0)).number == 2


def test_a_file_that_another_program_holds_refuses(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    kept = opened(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateError, match="is held by another program"):
        kept.add(a_drain(0, "solo"))
    other.execute("ROLLBACK")
    other.close()
    assert kept.add(a_drain(0, "solo")).number == 1


def test_an_older_file_is_brought_forward_with_all_that_it_holds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = opened(path)
    drain = kept.add(a_drain(0, "solo"))
    kept.close()
    later = (*database.MIGRATIONS, "ALTER TABLE override ADD COLUMN note TEXT NOT NULL DEFAULT '';")
    monkeypatch.setattr(database, "MIGRATIONS", later)
    assert opened(path).standing() == (drain,)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT note FROM override").fetchall() == [("",)]
        assert connection.execute("PRAGMA user_version").fetchone() == (len(later),)


def test_a_drain_of_a_file_before_turns_were_kept_goes_by_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        before.setattr(database, "MIGRATIONS", database.MIGRATIONS[:1])
        kept = opened(path)
        row = dict(row_of(a_drain(0, "isp:telkom", rate=2.5)))
        del row["turns"]
        kept._connection.execute(
            f"INSERT INTO override ({', '.join(row)}) VALUES ({', '.join(f':{column}' for column in row)})",  # noqa: S608
            row,
        )
        kept.close()
    assert opened(path).standing() == (a_drain(1, "isp:telkom", rate=2.5),)


def test_a_step_forward_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = opened(path)
    drain = kept.add(a_drain(0, "solo"))
    kept.close()
    broken = "ALTER TABLE override ADD COLUMN note TEXT; INSERT INTO missing VALUES (1);"
    with monkeypatch.context() as patched:
        patched.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, broken))
        with pytest.raises(StateError, match="no such table: missing"):
            opened(path)
    assert opened(path).standing() == (drain,)


def test_a_file_of_a_later_release_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE later (x)")
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(StateError, match=r"is of version 99, this controller knows 2 at most: install the later"):
        opened(path)
    assert path.read_bytes() == before


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be opened for writing: is its directory there"):
        opened(tmp_path / "gone" / "controller.db")


@pytest.mark.parametrize(
    ("column", "value", "error"),
    [
        ("kind", "wish", '"wish" is no kind of override'),
        ("made", "yesterday", "Invalid isoformat string: 'yesterday'"),
        ("begins", "2026-11-22T12:00:00", "has no zone"),
        ("uid", "x", "invalid literal"),
        ("turns", "bandung", "Expecting value"),
    ],
)
def test_a_row_that_cannot_be_understood_is_said_once_and_left_out(
    path: Path, column: str, value: str, error: str
) -> None:
    kept = opened(path)
    good = kept.add(a_freeze(0))
    kept.add(a_drain(0, "solo"))
    kept._connection.execute(f"UPDATE override SET {column} = ? WHERE number = 2", (value,))  # noqa: S608
    assert kept.standing() == kept.standing() == (good,)
    assert len(SAID) == 1
    assert error in SAID[0]
    assert SAID[0].startswith(f"{path}: override 2 cannot be understood: ")
