"""Counting forwarded packets, with a kernel that says what it is told to say."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from forwarder_fakes import FakeClock

from hub.forwarder.health.counting import EVERY, FAILED, PROBLEM, Counting
from hub.forwarder.health.packets import AGAIN, PacketCounters, Reading
from hub.forwarder.netlink import nftables, wire
from hub.forwarder.netlink.sockets import Failure
from hub.interface_counters import InterfaceCounters

A, B = "b/fiber", "b/lte"


class AtOnce:
    """Does in the loop what belongs into a thread."""

    def do(self, work: Callable[[], Callable[[], None]], failed: Callable[[Exception], None]) -> None:
        try:
            found = work()
        except ValueError as error:
            failed(error)
        else:
            found()


class Scene:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.packets: dict[str, tuple[int, int]] = {"wg0": (0, 0), "wg1": (0, 0)}
        self.trouble: str | None = None
        self.raised: Exception | None = None
        self.read: list[frozenset[str]] = []
        self.told: list[dict[str, Any]] = []
        self.problems: dict[str, str] = {}
        clock: Any = self.clock
        aside: Any = AtOnce()
        self.counting = Counting(clock, aside, self._read, self._tell, self._problem)

    def _read(self, interfaces: frozenset[str]) -> Reading:
        self.read.append(interfaces)
        if self.raised is not None:
            raise self.raised
        return Reading({name: self.packets[name] for name in interfaces if name in self.packets}, self.trouble)

    def _tell(self, message: dict[str, Any]) -> None:
        self.told.append({one["tunnel"]: one for one in message["counted"]})

    def _problem(self, key: str, text: str | None, mend: str | None) -> None:
        self.problems.pop(key, None)
        if text is not None:
            self.problems[key] = text

    def run(self, **counts: tuple[int, int]) -> dict[str, Any]:
        """What is told after the kernel has counted this."""
        self.packets |= counts
        self.clock.run(EVERY / 1e9)
        return self.told[-1]


def test_packets_are_counted_from_when_they_are_watched() -> None:
    scene = Scene()
    scene.packets["wg0"] = (100, 200)
    scene.counting.watch({A: "wg0"})
    scene.clock.run()
    told = scene.run(wg0=(103, 200))
    assert (told[A]["in"], told[A]["out"], told[A]["last_out"]) == (3, 0, None)
    assert told[A]["last_in"] > told[A]["since"] == 1.0
    assert scene.run()[A]["last_in"] == told[A]["last_in"]


def test_counting_that_fails_is_a_problem_until_it_works_again_and_goes_on() -> None:
    scene = Scene()
    scene.counting.watch({A: "wg0"})
    scene.clock.run()
    scene.raised = UnicodeDecodeError("ascii", b"\xff", 0, 1, "ordinal not in range(128)")
    before = len(scene.read)
    scene.run(wg0=(7, 0))
    scene.run()
    assert len(scene.read) == before + 2
    assert scene.problems[FAILED].startswith("counting forwarded packets failed: UnicodeDecodeError: ")
    scene.raised = None
    assert scene.run()[A]["in"] == 7
    assert not scene.problems


def test_counting_that_failed_is_no_problem_once_nobody_watches() -> None:
    scene = Scene()
    scene.raised = ValueError("spoilt")
    scene.counting.watch({A: "wg0"})
    scene.clock.run()
    assert scene.problems.keys() == {FAILED}
    scene.counting.watch({})
    scene.clock.run(5)
    assert not scene.problems


def test_a_kernel_that_begins_anew_takes_nothing_back() -> None:
    scene = Scene()
    scene.counting.watch({A: "wg0"})
    scene.clock.run()
    scene.run(wg0=(50, 50))
    told = scene.run(wg0=(2, 60))
    assert (told[A]["in"], told[A]["out"]) == (52, 60)


def test_other_counters_than_before_count_from_where_they_are() -> None:
    scene = Scene()
    scene.counting.watch({A: "wg0"})
    scene.clock.run()
    scene.run(wg0=(5, 5))
    scene.trouble = "Operation not permitted"
    told = scene.run(wg0=(100_000, 100_000))
    assert (told[A]["in"], told[A]["exact"]) == (5, False)
    assert "operation not permitted" in scene.problems[PROBLEM]
    assert scene.run(wg0=(100_001, 100_000))[A]["in"] == 6
    scene.trouble = None
    scene.run(wg0=(0, 0))
    assert scene.problems == {}


def test_a_tunnel_that_goes_on_being_watched_goes_on_being_counted() -> None:
    scene = Scene()
    scene.counting.watch({A: "wg0"})
    scene.clock.run()
    scene.run(wg0=(5, 5))
    scene.counting.watch({A: "wg0", B: "wg1"})
    told = scene.run(wg0=(7, 5))
    assert (told[A]["in"], told[B]["in"]) == (7, 0)


def test_when_nothing_is_watched_the_kernel_is_told_so_and_then_left_alone() -> None:
    scene = Scene()
    scene.counting.watch({A: "wg0"})
    scene.run()
    scene.counting.watch({})
    scene.clock.run(5)
    assert scene.read[-1] == frozenset()
    assert scene.read.count(frozenset()) == 1


def test_an_interface_that_is_missing_is_told_with_what_was_counted() -> None:
    scene = Scene()
    scene.counting.watch({A: "wg0"})
    scene.clock.run()
    scene.run(wg0=(5, 0))
    del scene.packets["wg0"]
    assert scene.run()[A]["in"] == 5


def test_an_interface_that_is_missing_is_not_read_and_counted_anew_when_it_is_back() -> None:
    scene = Scene()
    scene.counting.watch({A: "wg0"})
    scene.clock.run()
    before = scene.run(wg0=(5, 0))[A]
    del scene.packets["wg0"]
    for _ in range(8):
        assert scene.run()[A]["read"] == before["read"]
    after = scene.run(wg0=(0, 0))[A]
    assert after["since"] == after["read"] > before["read"]
    assert scene.run()[A]["since"] == after["since"]


def test_what_is_counted_begins_with_the_first_reading() -> None:
    scene = Scene()
    del scene.packets["wg0"]
    scene.counting.watch({A: "wg0"})
    scene.clock.run()
    assert scene.run()[A]["read"] is None
    told = scene.run(wg0=(5, 0))[A]
    assert told["since"] == told["read"] > 1.0


def test_a_reading_that_hangs_is_no_older_than_when_it_was_asked_for() -> None:
    scene = Scene()
    hangs: list[Callable[[], Callable[[], None]]] = []
    scene.counting.watch({A: "wg0"})
    scene.clock.run()
    read = scene.told[-1][A]["read"]
    aside: Any = scene.counting._aside
    aside.do = lambda work, failed: hangs.append(work)
    scene.clock.run(5)
    asked = read + EVERY / 1e9
    assert len(scene.told) == 1
    (work,) = hangs
    work()()
    assert scene.told[-1][A]["read"] == asked
    aside.do = AtOnce().do
    after = scene.run()[A]
    assert after["since"] == after["read"] == scene.clock.now() / 1e9


class Refusing:
    """A netlink socket whose kernel refuses what it is told to."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.sent: list[list[bytes]] = []
        self.closed = 0

    def send_together(self, begin: bytes, requests: Sequence[bytes], end: bytes) -> list[Failure]:
        self.sent.append(list(requests))
        code = self.codes.pop(0) if self.codes else 0
        return [Failure(0, code, "")] if code else []

    def whole(self, request: bytes) -> list[tuple[int, bytes]]:
        return []

    def close(self) -> None:
        self.closed += 1


def test_where_nftables_is_missing_the_interfaces_counters_are_used_and_it_is_tried_again() -> None:
    kernel: Any = Refusing(errno.EPROTONOSUPPORT)
    counters = PacketCounters(lambda: kernel, lambda: {"wg0": InterfaceCounters(1, 7, 2, 9)})
    assert counters.read(frozenset({"wg0"})) == Reading({"wg0": (7, 9)}, "Protocol not supported")
    assert kernel.closed == 1
    for _ in range(AGAIN):
        assert counters.read(frozenset({"wg0"})).trouble
    assert counters.read(frozenset({"wg0"})).trouble is None


def test_a_kernel_that_knows_no_owner_gets_a_plain_table() -> None:
    kernel: Any = Refusing(errno.EOPNOTSUPP)
    PacketCounters(lambda: kernel).read(frozenset({"wg0"}))
    assert [sent == nftables.make(flags) for sent, flags in zip(kernel.sent, (nftables.OWNED, 0), strict=False)] == [
        True,
        True,
    ]


def test_a_table_that_is_there_already_is_replaced() -> None:
    kernel: Any = Refusing(errno.EEXIST)
    PacketCounters(lambda: kernel).read(frozenset({"wg0"}))
    made = nftables.make(nftables.OWNED)
    assert kernel.sent[:3] == [made, nftables.remove(), made]


def test_only_what_changed_is_sent() -> None:
    kernel: Any = Refusing()
    counters = PacketCounters(lambda: kernel)
    counters.read(frozenset({"wg0"}))
    kernel.sent.clear()
    counters.read(frozenset({"wg0"}))
    assert kernel.sent == []
    counters.read(frozenset({"wg1"}))
    assert kernel.sent == [nftables.ignore({"wg0"}) + nftables.count({"wg1"})]


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_an_answer_that_is_cut_short_is_read_as_far_as_it_goes(cut: int) -> None:
    whole = nftables.count(["wg0", "wg1"])[0][wire.HEADER.size :]
    assert list(nftables.decode(whole)) == [("wg0", 0), ("wg1", 0)]
    assert set(nftables.decode(whole[:cut])) <= {("wg0", 0), ("wg1", 0)}
