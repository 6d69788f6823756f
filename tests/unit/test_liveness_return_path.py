"""The return-path probe, with a socket that only writes down what it is asked."""

import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from hub.forwarder.liveness.icmp import Answer, EchoSocket
from hub.forwarder.liveness.return_path import LOOKING, LOOKING_EACH, ReturnPath, Way
from hub.forwarder.loop import Loop

FIBER, WIRELESS = Way("solo/fiber", 3, "10.9.0.1", live=True), Way("solo/wireless", 4, "10.9.0.3", live=True)
DEAD = Way("solo/fiber", 3, "10.9.0.1", live=False)


class Recorder(EchoSocket):
    """An EchoSocket that sends nothing."""

    def __init__(self, loop: Loop) -> None:
        super().__init__(loop, Counter())
        self.asked: list[tuple[str, int]] = []

    def ask(self, asker: int, *, source: bytes, destination: str, interface: int, now: int) -> bool:
        assert source == socket.inet_aton("10.0.0.1")
        self.asked.append((destination, interface))
        return True


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


def run(loop: Loop, echo: Recorder, requests: int) -> None:
    """Until so many requests went out."""
    while len(echo.asked) < requests:
        loop.step()


def probing(loop: Loop, *ways: Way) -> tuple[ReturnPath, Recorder, list[tuple[str, str]]]:
    """A probe of one branch with these tunnels, looked at closely."""
    echo, seen = Recorder(loop), list[tuple[str, str]]()
    paths = ReturnPath(loop, echo, lambda _: ways, lambda branch, tunnel, _at, _version: seen.append((branch, tunnel)))
    paths.set_source("10.0.0.1")
    paths.set_branches(frozenset({"solo"}))
    paths.look(frozenset({"solo"}))
    return paths, echo, seen


def test_live_tunnels_are_asked_in_turn(loop: Loop) -> None:
    _, echo, _ = probing(loop, FIBER, WIRELESS)
    run(loop, echo, 4)
    assert echo.asked == [("10.9.0.1", 3), ("10.9.0.3", 4)] * 2


def test_a_dead_tunnel_is_not_asked_through(loop: Loop) -> None:
    _, echo, _ = probing(loop, DEAD, WIRELESS)
    run(loop, echo, 3)
    assert echo.asked == [("10.9.0.3", 4)] * 3


def test_a_branch_without_a_live_tunnel_is_not_asked(loop: Loop) -> None:
    _, echo, _ = probing(loop, DEAD)
    loop.call_at(loop.now() + 3 * LOOKING, loop.stop)
    loop.run()
    assert echo.asked == []


def test_the_interface_of_the_answer_is_the_path(loop: Loop) -> None:
    paths, _, seen = probing(loop, FIBER, WIRELESS)
    paths._answered("solo", Answer("10.9.0.1", 4, 1, 0))
    assert seen == [("solo", "solo/wireless")]


def test_an_answer_by_no_tunnel_of_the_branch_says_nothing(loop: Loop) -> None:
    paths, _, seen = probing(loop, FIBER, WIRELESS)
    paths._answered("solo", Answer("10.9.0.1", 99, 1, 0))
    assert seen == []


def test_without_a_source_nothing_is_asked(loop: Loop) -> None:
    paths, echo, _ = probing(loop, FIBER)
    paths.set_source(None)
    loop.call_at(loop.now() + 3 * LOOKING, loop.stop)
    loop.run()
    assert echo.asked == []


def many(loop: Loop, branches: int) -> tuple[ReturnPath, Recorder, frozenset[str]]:
    """A probe of so many branches, whose first requests have gone out."""
    echo = Recorder(loop)
    paths = ReturnPath(loop, echo, lambda _: (FIBER,), lambda *_: None)
    names = frozenset(f"branch-{number}" for number in range(branches))
    paths.set_source("10.0.0.1")
    paths.set_branches(names)
    return paths, echo, names


def test_a_close_look_at_many_branches_is_spread_over_time(loop: Loop) -> None:
    paths, _, names = many(loop, 400)
    paths.look(names)
    timers = [probe.alarm._timer for probe in paths._probes.values()]
    due = sorted(timer.when for timer in timers if timer is not None)
    assert len(set(due)) == len(names)
    assert paths._closely == 400 * LOOKING_EACH


def test_asking_for_the_same_look_again_and_again_sends_no_more(loop: Loop) -> None:
    paths, echo, names = many(loop, 1)
    run(loop, echo, 1)
    start = loop.now()
    while loop.now() - start < 2 * LOOKING:
        paths.look(names)
        loop.call_at(loop.now(), lambda: None)
        loop.step()
    assert len(echo.asked) <= 2 + (loop.now() - start) // LOOKING


def test_each_ip_version_is_asked_from_its_own_address(loop: Loop) -> None:
    seen: list[int] = []
    echo = EchoSocket(loop, Counter(), 6)
    paths = ReturnPath(loop, echo, lambda _: (FIBER,), lambda _branch, _tunnel, _at, version: seen.append(version))
    paths.set_source("2001:db8::1")
    paths.set_branches(frozenset({"solo"}))
    paths._answered("solo", Answer("fd00::1", 3, 1, 0))
    assert seen == [6]
    assert paths._source == socket.inet_pton(socket.AF_INET6, "2001:db8::1")
