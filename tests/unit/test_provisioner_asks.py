"""What the provisioner is asked, over its socket too, and what it remembers of what was wanted."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from piled_slice import WANTED, Pile

from hub.control.client import RefusedError, ask_controller
from hub.control.lock import AlreadyRunningError, hold
from hub.control.plain import to_plain
from hub.provisioner.asks import AGAIN_SECONDS, Asks
from hub.provisioner.changes import Finding, Planned
from hub.provisioner.provisioner import Provisioner
from hub.provisioner.remembered import Remembered
from hub.provisioner.server import Server
from hub.provisioner.wanted import Wanted


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@pytest.fixture
def pile() -> Pile:
    return Pile("first", ("a",))


@pytest.fixture
def asks(pile: Pile, tmp_path: Path, lock: Path) -> Asks:
    return Asks(Provisioner([pile], lock), Remembered(tmp_path / "provisioner.json"), lambda _: None, wall=lambda: 7.0)


def wanted_as(ask: str, **more: Any) -> dict[str, Any]:
    return {"ask": ask, "wanted": to_plain(WANTED), **more}


@pytest.fixture
def served(asks: Asks, tmp_path: Path) -> Iterator[Path]:
    with _serving(asks, tmp_path) as (path, _):
        yield path


@contextmanager
def _serving(asks: Asks, tmp_path: Path) -> Iterator[tuple[Path, _Pipe]]:
    path, stop, wakeup = tmp_path / "p.sock", threading.Event(), _Pipe()
    server = Server(path, asks, lambda _: None, lambda: None)
    thread = threading.Thread(target=server.run, args=(stop.is_set, wakeup.end))
    thread.start()
    wakeup.until(path.is_socket)
    yield path, wakeup
    stop.set()
    wakeup.wake()
    thread.join()
    server.close()
    wakeup.close()


class _Pipe:
    """What wakes the server."""

    def __init__(self) -> None:
        self.end, self._told = os.pipe()

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.01)

    def wake(self) -> None:
        os.write(self._told, b"x")

    def close(self) -> None:
        os.close(self.end)
        os.close(self._told)


def test_apply_does_what_plan_showed(asks: Asks, pile: Pile) -> None:
    planned = asks.answer(wanted_as("plan"))["answer"]
    applied = asks.answer(wanted_as("apply", plan=planned["id"]))["answer"]
    assert applied["done"] == planned["changes"] and pile.there == {"a"}


def test_apply_refuses_what_is_no_longer_what_plan_showed(asks: Asks, pile: Pile) -> None:
    planned = asks.answer(wanted_as("plan"))["answer"]
    pile.wanted = ("a", "b")
    assert "no longer what" in asks.answer(wanted_as("apply", plan=planned["id"]))["error"]
    assert not pile.there


def test_the_number_is_compared_when_nobody_else_can_change_anything_any_more(
    asks: Asks, pile: Pile, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = asks.answer(wanted_as("plan"))["answer"]
    real = pile.plan

    def another_apply_is_quicker(wanted: Wanted) -> Planned:
        found = real(wanted)
        with suppress(AlreadyRunningError):
            os.close(hold(lock, "another apply"))
            pile.there.add("a")
        return found

    monkeypatch.setattr(pile, "plan", another_apply_is_quicker)
    asks.answer(wanted_as("apply", plan=planned["id"]))
    assert pile.log == ["first put a"]


def test_what_was_refused_is_not_what_a_boot_makes(asks: Asks, tmp_path: Path, lock: Path) -> None:
    held = hold(lock, "another change of tunnels")
    assert "is running already" in asks.answer(wanted_as("apply"))["error"]
    os.close(held)
    assert "no longer what" in asks.answer(wanted_as("apply", plan="12345678"))["error"]
    assert not (tmp_path / "provisioner.json").exists()


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"ask": "rm -rf"}, '"rm -rf" is no question: ask one of plan, apply, status'),
        ({"ask": "plan"}, "what is wanted cannot be read: Wanted: no object: are both of one version?"),
        ({"ask": "plan", "wanted": {**to_plain(WANTED), "more": 1}}, "more is missing or unknown"),
        ({"ask": "plan", "wanted": {**to_plain(WANTED), "ipv6": 1}}, "Wanted.ipv6: 1 where bool is wanted"),
        ({"ask": "plan", "wanted": {**to_plain(WANTED), "management": "10.0.0.0/8"}}, "Wanted.management: no list"),
    ],
)
def test_a_request_that_is_none_changes_nothing(asks: Asks, pile: Pile, message: dict[str, Any], text: str) -> None:
    assert text in asks.answer(message)["error"]
    assert not pile.there


@pytest.mark.parametrize(("ask", "allowed"), [("plan", False), ("status", True), ("apply", False)])
def test_who_is_neither_root_nor_the_controller_may_only_look(asks: Asks, pile: Pile, ask: str, allowed: bool) -> None:
    assert ("answer" in asks.answer(wanted_as(ask), uid=54321)) is allowed
    assert not pile.there


def test_after_a_start_what_was_wanted_last_is_made_again(pile: Pile, tmp_path: Path, lock: Path, asks: Asks) -> None:
    asks.answer(wanted_as("apply"))
    pile.there.clear()
    remembered = Remembered(tmp_path / "provisioner.json")
    assert remembered.read() is None
    Asks(Provisioner([pile], lock), remembered, lambda _: None).make_again(0.0)
    assert pile.there == {"a"}


def test_what_could_not_be_made_after_a_start_is_made_when_its_time_has_come(
    pile: Pile, tmp_path: Path, lock: Path
) -> None:
    remembered, said = Remembered(tmp_path / "provisioner.json"), list[str]()
    remembered.keep(WANTED)
    asks = Asks(Provisioner([pile], lock), remembered, said.append)
    held = hold(lock, "another change of tunnels")
    asks.make_again(100.0)
    asks.look_again(100.0 + AGAIN_SECONDS)
    assert [text.partition(":")[0] for text in said] == ["what was wanted last is not made yet"] * 2
    os.close(held)
    asks.look_again(100.0 + 2 * AGAIN_SECONDS - 0.1)
    assert not pile.there
    asks.look_again(100.0 + 2 * AGAIN_SECONDS)
    assert pile.there == {"a"}
    pile.there.clear()
    asks.look_again(1000.0)
    assert not pile.there


def test_a_provisioner_makes_what_was_wanted_last_once_nobody_else_changes_tunnels(
    pile: Pile, tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.provisioner.asks.AGAIN_SECONDS", 0.0)
    remembered = Remembered(tmp_path / "provisioner.json")
    remembered.keep(WANTED)
    asks = Asks(Provisioner([pile], lock), remembered, lambda _: None)
    held = hold(lock, "another change of tunnels")
    asks.make_again(time.monotonic())
    with _serving(asks, tmp_path) as (_, wakeup):
        os.close(held)
        wakeup.until(lambda: pile.there == {"a"})
    assert pile.there == {"a"}


def test_a_memory_that_cannot_be_written_is_said_and_the_tunnels_are_made(
    pile: Pile, tmp_path: Path, lock: Path
) -> None:
    asks = Asks(Provisioner([pile], lock), Remembered(tmp_path / "absent" / "p.json"), lambda _: None)
    answer = asks.answer(wanted_as("apply"))["answer"]
    assert pile.there == {"a"} and "make room there" in answer["problems"][0]


def test_what_verification_finds_is_told_with_its_time(asks: Asks, pile: Pile) -> None:
    asks.answer(wanted_as("apply"))
    pile.findings = (Finding("first", "a", "a leans", "push it"),)
    asks.verify()
    status = asks.answer({"ask": "status"})["answer"]
    assert status["verified_at"] == 7.0
    assert [each["text"] for each in status["findings"]] == ["a leans"]
    assert status["targets"] == {"a": {"first": "there"}}


def test_a_request_that_hits_a_fault_of_ours_ends_nothing(asks: Asks, pile: Pile) -> None:
    pile.plan = None  # type: ignore[assignment,method-assign]
    assert "a fault of Pointsman itself" in asks.answer(wanted_as("plan"))["error"]


def test_requests_come_over_a_socket_and_are_answered(served: Path, pile: Pile) -> None:
    answer = ask_controller(served, wanted_as("apply"), 10)
    assert [each["target"] for each in answer["done"]] == ["a"] and pile.there == {"a"}


def test_a_refused_request_is_answered_with_why(served: Path) -> None:
    with pytest.raises(RefusedError, match="is no question"):
        ask_controller(served, {"ask": "x"}, 10)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"network": 3}'])
def test_a_damaged_memory_is_said_and_harms_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "provisioner.json"
    file.write_text(text)
    remembered = Remembered(file)
    assert str(file) in (remembered.read() or "")
    assert remembered.wanted is None


def test_a_memory_that_others_may_have_written_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "provisioner.json"
    assert Remembered(file).keep(WANTED) is None
    file.chmod(0o666)
    remembered = Remembered(file)
    assert "not ours alone" in (remembered.read() or "")
    assert remembered.wanted is None
