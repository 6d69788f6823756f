"""The log: a disk that is full ends nothing, and lines come again when there is room."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub.control.log import Log, say_at_once
from hub.controller.record import Record


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    """A log's file, whose disk the tests fill and empty."""
    opened = os.open(tmp_path / "log", os.O_CREAT | os.O_RDWR)
    yield opened
    os.close(opened)


def fill_the_disk(descriptor: int) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, descriptor)
    os.close(full)


def make_room(descriptor: int, file: Path) -> None:
    again = os.open(file, os.O_WRONLY | os.O_APPEND)
    os.dup2(again, descriptor)
    os.close(again)


def test_lines_come_in_order_after_their_prefix(descriptor: int, tmp_path: Path) -> None:
    log = Log("forwarder: ", descriptor)
    log("one")
    log("two\nhalves")
    log.close()
    assert (tmp_path / "log").read_text() == "forwarder: one\nforwarder: two halves\n"


def test_a_full_disk_costs_the_lines_that_it_did_not_take_and_no_more(descriptor: int, tmp_path: Path) -> None:
    log = Log("", descriptor)
    fill_the_disk(descriptor)
    log("lost")
    log("lost too")
    wait_for(lambda: log.lost == 2)
    make_room(descriptor, tmp_path / "log")
    log("there again")
    log("and again")
    log.close()
    assert (tmp_path / "log").read_text() == "there again (2 lines before it were lost)\nand again\n"


def test_lines_that_have_to_wait_too_long_are_counted(descriptor: int) -> None:
    log = Log("", descriptor, most_waiting=0)
    log("no room")
    assert log.lost == 1
    log.close()


def test_the_controllers_record_counts_what_its_log_lost(monkeypatch: pytest.MonkeyPatch, descriptor: int) -> None:
    fill_the_disk(descriptor)
    monkeypatch.setattr("hub.controller.record.Log", lambda: Log("", descriptor))
    record = Record()
    assert "log lines lost" not in record.counters
    record.say("lost")
    wait_for(lambda: record.counters["log lines lost"] == 1)


def test_what_cannot_be_said_at_once_ends_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    say_at_once("there")
    assert capfd.readouterr().err == "there\n"
    kept = os.dup(2)
    fill_the_disk(2)
    try:
        say_at_once("lost")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
