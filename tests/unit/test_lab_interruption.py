"""A lab's command that is ended by a signal."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.lab import rootless
from hub.lab.interruption import like_an_interrupt
from hub.lab.names import LabPlace

ENDING = (signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _not_this_process() -> Iterator[None]:
    """What the tests send must not end the test run, should nobody catch it."""
    before = {number: signal.signal(number, lambda *_: None) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_each_of_them_is_an_interrupt(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), like_an_interrupt():
        signal.raise_signal(number)


def test_a_second_one_does_not_break_off_the_cleaning_up() -> None:
    cleaned = []
    with pytest.raises(KeyboardInterrupt), like_an_interrupt():
        try:
            signal.raise_signal(signal.SIGHUP)
        finally:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGHUP)
            cleaned.append("all")
    assert cleaned == ["all"]


def test_one_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with like_an_interrupt():
        signal.raise_signal(signal.SIGHUP)


def test_afterwards_they_mean_what_they_meant_before() -> None:
    before = [signal.getsignal(number) for number in ENDING]
    with like_an_interrupt():
        pass
    assert [signal.getsignal(number) for number in ENDING] == before


def test_an_ordinary_users_lab_that_was_interrupted_while_it_was_built_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rootless, "find", lambda place: 1)
    monkeypatch.setattr(rootless, "end", ended.append)
    monkeypatch.setattr(subprocess, "run", interrupted)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    place = LabPlace("lab", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        rootless.run_this_command(place, create=True)
    assert ended == [place]
