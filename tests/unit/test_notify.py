"""What systemd is told, by whom, and that nobody minds where there is no systemd."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub.controller.notifying import Notifying
from speaker.bgp.pulse import Pulse
from speaker.notify import Systemd


class Manager:
    """A Manager listens as systemd does."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": address.replace("\0", "@"), "WATCHDOG_USEC": "8000000"}

    def told(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.socket.close()


def test_each_thing_is_one_datagram(manager: Manager) -> None:
    systemd = Systemd(manager.environment)
    systemd.ready("serves")
    systemd.alive()
    systemd.status("does\nthis")
    systemd.stopping()
    assert manager.told() == ["READY=1\nSTATUS=serves", "WATCHDOG=1", "STATUS=does this", "STOPPING=1"]


def test_an_abstract_socket_is_written_with_an_at() -> None:
    made = Manager(f"\0pointsman-notify-{os.getpid()}")
    Systemd(made.environment).ready()
    assert made.told() == ["READY=1"]
    made.socket.close()


@pytest.mark.parametrize("address", ["", "@", "relative", "/there/is/none"])
def test_where_nobody_listens_nothing_happens(address: str) -> None:
    systemd = Systemd({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "8000000"})
    systemd.ready("serves")
    systemd.alive()
    systemd.stopping()


def test_a_manager_that_does_not_read_is_not_waited_for(manager: Manager) -> None:
    systemd = Systemd(manager.environment)
    for _ in range(10_000):
        systemd.alive()
    assert manager.told()


@pytest.mark.parametrize(
    ("given", "every"),
    [
        ({"WATCHDOG_USEC": "8000000"}, 2.0),
        ({"WATCHDOG_USEC": "8000000", "WATCHDOG_PID": "77"}, 2.0),
        ({"WATCHDOG_USEC": "8000000", "WATCHDOG_PID": "78"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_signs_of_life_are_given_as_often_as_this_process_is_asked_for(
    given: dict[str, str], every: float | None
) -> None:
    assert Systemd({"NOTIFY_SOCKET": "/run/systemd/notify", **given}, pid=77).every == every


def test_where_no_sign_of_life_is_wanted_none_is_given(manager: Manager) -> None:
    del manager.environment["WATCHDOG_USEC"]
    Systemd(manager.environment).alive()
    assert manager.told() == []


class Asked:
    """What ExaBGP was asked, and how to answer."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.answer: Callable[[str, list[str]], None] = lambda _result, _lines: None

    def __call__(self, line: str, answer: Callable[[str, list[str]], None]) -> None:
        self.lines.append(line)
        self.answer = answer


def test_exabgp_lives_while_it_says_something(manager: Manager) -> None:
    asked = Asked()
    pulse = Pulse(asked, Systemd(manager.environment))
    for second in range(6):
        pulse.heard()
        pulse.look(float(second))
    assert manager.told() == ["WATCHDOG=1"] * 3
    assert asked.lines == []


def test_a_quiet_exabgp_is_asked_once_and_lives_when_it_answers(manager: Manager) -> None:
    asked = Asked()
    pulse = Pulse(asked, Systemd(manager.environment))
    for second in (0.0, 2.0, 4.0, 6.0):
        pulse.look(second)
    assert (manager.told(), asked.lines) == (["WATCHDOG=1"], ["version"])
    pulse.heard()
    asked.answer("done", [])
    pulse.look(8.0)
    assert (manager.told(), asked.lines) == (["WATCHDOG=1"], ["version"])
    pulse.look(10.0)
    assert asked.lines == ["version", "version"]


def test_an_exabgp_that_never_answers_is_given_up(manager: Manager) -> None:
    asked = Asked()
    pulse = Pulse(asked, Systemd(manager.environment))
    pulse.look(0.0)
    manager.told()
    for second in range(2, 100, 2):
        pulse.look(float(second))
    assert manager.told() == []


def test_nobody_is_asked_where_systemd_does_not_watch() -> None:
    asked = Asked()
    pulse = Pulse(asked, Systemd({}))
    for second in range(10):
        pulse.look(float(second))
    assert asked.lines == []


def test_the_controller_is_ready_once_somebody_answers_at_its_socket(manager: Manager, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"

    async def told(until: int) -> list[str]:
        found: list[str] = []
        async with asyncio.timeout(20):
            while len(found) < until:
                found += manager.told()
                await asyncio.sleep(0.01)
        return found

    async def watch() -> None:
        notifying = Notifying(path, Systemd({**manager.environment, "WATCHDOG_USEC": "40000"}))
        running = asyncio.create_task(notifying.run())
        await asyncio.sleep(0.2)
        assert manager.told() == []
        server = await asyncio.start_unix_server(lambda _reader, writer: writer.close(), path)
        first, *more = await told(3)
        assert first.startswith("READY=1\nSTATUS=")
        assert set(more) == {"WATCHDOG=1"}
        running.cancel()
        notifying.stopping()
        assert "STOPPING=1" in await told(1)
        server.close()

    asyncio.run(watch())
