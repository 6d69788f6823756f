"""The controller's end of the forwarder's socket, against a forwarder of another version."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forwarder_link_rig import GREETING, SNAPSHOT, STATUS, Refusing, line
from small_network import a_branch, a_network

from hub.control.lines import BadLineError
from hub.controller import refusals
from hub.controller.forwarded import Forwarded
from hub.controller.forwarder import ForwarderLink
from hub.controller.forwarder_lines import tunnels_line
from hub.controller.refusals import Refusals, mend_of
from hub.forwarder.fields import FieldError
from hub.forwarder.orders import parse
from hub.overrides.counters import Counted
from policies.model.clock import Instant
from policies.model.desired import Desired
from policies.model.events import Event
from policies.model.ids import TunnelId
from policies.model.view import View

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def beside(forwarder: Serve, path: Path, link: ForwarderLink, over: asyncio.Event) -> None:
    """Run the link against this forwarder until it is over."""
    server = await asyncio.start_unix_server(forwarder, str(path))
    task = asyncio.create_task(link.run())
    await asyncio.wait_for(over.wait(), 20)
    for _ in range(50):
        await asyncio.sleep(0)  # what was said is on its way: both ends are in this loop
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    server.close()
    await server.wait_closed()


def talk(tmp_path: Path, *lines: object) -> ForwarderLink:
    """What the link holds after a forwarder has said these lines."""
    events: list[Event] = []
    path = tmp_path / "forwarder.sock"
    link = ForwarderLink(path, a_network(a_branch()), events.append, time.monotonic)

    async def whole() -> None:
        said = asyncio.Event()

        async def forwarder(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.close()
            said.set()

        await beside(forwarder, path, link, said)

    asyncio.run(whole())
    return link


def test_a_forwarder_of_another_protocol_is_a_clear_no(tmp_path: Path) -> None:
    link = talk(tmp_path, {"pointsman": 7, "role": "forwarder"})
    assert "7" in link.error
    assert "version" in link.error


def test_what_an_older_forwarder_does_not_understand_is_told_with_its_mend(tmp_path: Path) -> None:
    greeting = {"pointsman": 1, "role": "forwarder"}
    link = talk(tmp_path, greeting, {"snapshot": SNAPSHOT}, {"error": "tunnels[0].local6: no such field"})
    text, mend = link.problems["forwarder refuses"]
    assert "tunnels[0].local6: no such field" in text
    assert "restart it" in mend


@pytest.mark.parametrize(
    "line",
    [
        {"snapshot": {**SNAPSHOT, "problems": [{"key": "a"}]}},
        {"liveness": {"tunnel": ["x"]}},
        {"status": {"tunnels": [], "counters": None}},
    ],
)
def test_a_line_of_another_shape_ends_the_connection_and_not_the_controller(tmp_path: Path, line: object) -> None:
    link = talk(tmp_path, GREETING, line)
    assert link.error.startswith("a line of the forwarder that cannot be understood")


@pytest.mark.parametrize(
    "odd",
    [
        {"status": {"tunnels": [], "counters": None}},
        {"status": {"tunnels": [], "counters": {"restarts": "many"}}},
        {"status": {"tunnels": [{"tunnel": "bandung/fiber", "rtt_ms": "3.1"}], "counters": {}}},
        {
            "status": {
                "tunnels": [{"tunnel": "bandung/fiber", "wg": {"handshake_at": "x", "endpoint": None}}],
                "counters": {},
            }
        },
        {"status": {"tunnels": [{"tunnel": "bandung/fiber", "mtu": {"size": 1, "ok": 1, "works": 2}}], "counters": {}}},
        {
            "status": {
                "tunnels": [{"tunnel": "a/b", "wg": {"handshake_at": 1, "endpoint": None, "roamed": {"from": 1}}}],
                "counters": {},
            }
        },
        {"counted": [{"tunnel": "bandung/fiber"}]},
        {"traced": {"tunnel": "bandung/fiber", "to": "198.18.1.2", "hops": "198.51.100.1", "reached": True}},
        {"traced": {"tunnel": "bandung/fiber", "to": "198.18.1.2", "hops": [7], "reached": True}},
        {"traced": {"tunnel": "bandung/fiber", "to": "198.18.1.2", "hops": [], "reached": None}},
        {"samples": [{"tunnel": "bandung/fiber"}]},
        {"problem": {"key": 7, "text": "a", "mend": "b"}},
        {"cleared": 7},
        {"liveness": {"tunnel": "bandung/fiber", "state": "up", "since": 1e999, "reason": "", "hard": True}},
        {"liveness": {"tunnel": "bandung/fiber", "state": "up", "since": 1e300, "reason": "", "hard": True}},
        {"class": None},
    ],
)
def test_a_line_of_another_shape_is_a_problem_with_its_mend_and_changes_nothing(tmp_path: Path, odd: object) -> None:
    problem = {"key": "known", "text": "something", "mend": "do something"}
    link = talk(tmp_path, GREETING, {"snapshot": {**SNAPSHOT, "problems": [problem]}}, odd)
    assert link.counters["lines of the forwarder that were not understood"] == 1
    text, mend = link.problems["forwarder not understood"]
    assert "cannot be understood" in text
    assert "restart it" in mend
    assert link.problems.keys() - {"forwarder not understood"} == {"known"}
    assert link.measured == link.forwarder_counters == {}


def test_what_was_not_understood_is_a_problem_until_a_question_is_answered(tmp_path: Path) -> None:
    link = ForwarderLink(tmp_path / "forwarder.sock", a_network(a_branch()), lambda _: None, lambda: 0.0)
    pen: Any = Unread()
    link.bad_line(BadLineError("a line of the forwarder that cannot be understood"))
    link._receive({"snapshot": SNAPSHOT}, pen)
    assert "forwarder not understood" in link.problems
    link._receive(STATUS, pen)
    assert not link.problems


def test_tunnels_that_come_between_greeting_and_snapshot_are_told(tmp_path: Path) -> None:
    path, heard = tmp_path / "forwarder.sock", list[int]()
    link = ForwarderLink(path, a_network(), lambda _: None, time.monotonic)

    async def scene() -> None:
        whole = asyncio.Event()

        async def forwarder(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            heard.append(len(json.loads(await reader.readline())["tunnels"]))
            link.reconfigure(a_network(a_branch()))
            writer.write(line(GREETING) + line({"snapshot": SNAPSHOT}))
            heard.append(len(json.loads(await reader.readline())["tunnels"]))
            whole.set()
            writer.close()

        await beside(forwarder, path, link, whole)

    asyncio.run(scene())
    assert heard == [0, len(a_branch().tunnels)]


class Unread:
    """A connection that takes everything, and that nobody reads."""

    def __init__(self) -> None:
        self.written = 0
        self.transport = self
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written += len(data)

    def is_closing(self) -> bool:
        return self.aborted

    def get_write_buffer_size(self) -> int:
        return self.written

    def abort(self) -> None:
        self.aborted = True


@pytest.mark.parametrize(
    "why",
    ['no such command: one of "set", "order" or "get" ("status") is needed', "trace.source: no such field"],
    ids=["it knows none", "it knows another kind"],
)
def test_a_forwarder_that_makes_no_traces_is_asked_once_a_connection(why: str, tmp_path: Path) -> None:
    asked, kinds = list[str](), list[object]()

    async def older(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line(GREETING) + line({"snapshot": SNAPSHOT}))
        while said := await reader.readline():
            if "trace" in json.loads(said):
                asked.append(why)
                writer.write(line({"error": why}))
            if "look" in json.loads(said):
                break
        writer.close()

    async def scene() -> None:
        server = await asyncio.start_unix_server(older, str(tmp_path / "forwarder.sock"))
        link = ForwarderLink(tmp_path / "forwarder.sock", a_network(a_branch()), lambda _: None, time.monotonic)
        task = asyncio.create_task(link.run())
        for _ in range(2):
            while (answer := link.trace(TunnelId("bandung", "fiber"), "198.18.1.2", 0, None)) is None:
                link.refresh()
                await asyncio.sleep(0.01)
            kinds.append(await asyncio.wait_for(answer, 20))
            kinds.append(link.trace(TunnelId("bandung", "wireless"), "198.18.2.2", 0, None))
            link.want(replace(Desired(), look=frozenset({"bandung"})), View())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()
        await asyncio.sleep(0.01)  # the other end hears it

    asyncio.run(scene())
    assert kinds == [None] * 4
    assert len(asked) == 2


def test_a_refused_set_is_sent_again_and_the_problem_goes_when_it_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "FIRST_PAUSE", 0.05)
    path, forwarder = tmp_path / "forwarder.sock", Refusing()
    link = ForwarderLink(path, a_network(a_branch()), lambda _: None, time.monotonic)

    async def until(holds: Callable[[], object]) -> None:
        while not holds():
            link.want(Desired(), View())
            link.refresh()
            await asyncio.sleep(0.01)

    async def scene() -> None:
        server = await asyncio.start_unix_server(forwarder, str(path))
        task = asyncio.create_task(link.run())
        await until(lambda: "forwarder refuses" in link.problems)
        await until(lambda: forwarder.heard.count("classes") > 2)
        assert "not now" in link.problems["forwarder refuses"][0]
        sets = forwarder.heard.count("tunnels"), forwarder.heard.count("classes")
        forwarder.well = True
        await until(lambda: not link.problems)
        assert (forwarder.heard.count("tunnels"), forwarder.heard.count("classes")) > sets
        once = forwarder.heard.count("classes")
        await until(lambda: forwarder.heard[-30:].count("status") == 30)
        assert forwarder.heard.count("classes") == once
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()

    asyncio.run(asyncio.wait_for(scene(), 30))


def test_all_is_said_again_at_longer_and_longer_intervals() -> None:
    stands = Refusals()
    said = []
    stands.refused(0.0)
    for now in range(1, 400):
        if stands.is_due(now):
            stands.said_all(now)
            said.append(now)
            stands.refused(now)
    assert said == [2, 6, 14, 30, 62, 122, 182, 242, 302, 362]


def test_an_answer_to_a_question_from_before_proves_nothing() -> None:
    stands = Refusals()
    stands.asked()
    stands.refused(0.0)
    stands.said_all(2.0)
    stands.asked()
    assert not stands.answered()
    assert stands.answered()
    assert not stands.is_due(1000.0)


COUNTED = {"tunnel": "bandung/fiber", "since": 1.0, "read": 2.1, "in": 3, "out": 4, "last_in": 2.0, "last_out": None}
COUNTED |= {"exact": True}


def test_what_is_counted_is_asked_for_again_on_a_new_connection_and_kept_as_last_told(tmp_path: Path) -> None:
    fiber = TunnelId("bandung", "fiber")
    link = ForwarderLink(tmp_path / "forwarder.sock", a_network(a_branch()), lambda _: None, lambda: 0.0)
    link.count(frozenset({fiber}))
    pen: Any = Unread()
    link._receive({"snapshot": SNAPSHOT}, pen)
    asked = pen.written
    assert asked >= len(line({"count": ["bandung/fiber"]})) - 2
    link._receive({"counted": [COUNTED]}, pen)
    assert link.counted["bandung/fiber"]["out"] == 4
    link.count(frozenset({fiber}))
    assert pen.written == asked
    anew: Any = Unread()
    link._receive({"snapshot": SNAPSHOT}, anew)
    assert (anew.written, link.counted) == (asked, {})
    pen = anew
    link.count(frozenset())
    assert link.counted == {}
    assert pen.written > asked


def counted_by(**told: Any) -> Counted | None:
    """What a drain is told of, where the forwarder tells this."""
    link = ForwarderLink(Path("forwarder.sock"), a_network(a_branch()), lambda _: None, lambda: 0.0)
    pen: Any = Unread()
    link._receive({"counted": [{key: value for key, value in (COUNTED | told).items() if value != "absent"}]}, pen)
    return Forwarded(link).counted(TunnelId("bandung", "fiber"))


def test_a_drain_is_told_since_when_and_until_when_its_tunnel_is_counted() -> None:
    assert counted_by() == Counted(Instant(1.0), Instant(2.1), None, Instant(2.0))


@pytest.mark.parametrize("told", [{"exact": False}, {"read": None}, {"read": "absent"}])
def test_what_was_never_read_or_has_ours_among_it_is_not_counted(told: dict[str, Any]) -> None:
    assert counted_by(**told) is None


def test_a_burst_is_ordered_only_of_a_forwarder_that_is_there(tmp_path: Path) -> None:
    link = ForwarderLink(tmp_path / "forwarder.sock", a_network(a_branch()), lambda _: None, lambda: 0.0)
    link.burst(TunnelId("bandung", "fiber"), 50)
    pen: Any = Unread()
    link._receive({"snapshot": SNAPSHOT}, pen)
    before = pen.written
    link.burst(TunnelId("bandung", "fiber"), 50)
    assert pen.written > before


def test_what_is_looked_at_now_and_then_stays_known_while_liveness_changes(tmp_path: Path) -> None:
    link = ForwarderLink(tmp_path / "forwarder.sock", a_network(a_branch()), lambda _: None, lambda: 0.0)
    pen: Any = Unread()
    mtu = {"size": 1420, "ok": False, "works": 1380, "looks": 2}
    peer = {"handshake_at": None, "endpoint": "1.2.3.4:5", "roamed": {"from": "6.7.8.9:5", "at": 7.25}}
    tunnel = {"tunnel": "bandung/fiber", "rtt_ms": 3.1, "wg": peer, "mtu": mtu}
    link._receive({"status": {"tunnels": [tunnel], "counters": {}}}, pen)
    died = {"tunnel": "bandung/fiber", "state": "down", "since": 7.5, "hard": True, "reason": "silent", "rtt_ms": None}
    link._receive({"liveness": died}, pen)
    assert link.measured["bandung/fiber"] == {"rtt_ms": None, "wg": peer, "mtu": mtu}


def test_one_interface_of_two_tunnels_is_mended_in_the_files() -> None:
    fiber, wireless = a_branch().tunnels
    same = a_network(replace(a_branch(), tunnels=(fiber, replace(wireless, interface=fiber.interface))))
    with pytest.raises(FieldError) as refused:
        parse(tunnels_line(same))
    assert str(refused.value) == f'tunnels: "{fiber.interface}" is there twice'
    assert "the files name one interface for two tunnels: pointsman check" in mend_of(str(refused.value))
    assert "told again by itself" in mend_of("not now")


def test_the_mend_of_what_is_refused_is_told_with_it(tmp_path: Path) -> None:
    link = ForwarderLink(tmp_path / "forwarder.sock", a_network(a_branch()), lambda _: None, time.monotonic)
    over = asyncio.Event()

    async def until(holds: Callable[[], object]) -> None:
        while not holds():
            link.refresh()
            await asyncio.sleep(0.01)

    async def forwarder(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line(GREETING) + line({"snapshot": SNAPSHOT}) + line({"error": 'tunnels: "wg0" is there twice'}))
        await until(lambda: "forwarder refuses" in link.problems)
        over.set()
        writer.close()

    asyncio.run(beside(forwarder, tmp_path / "forwarder.sock", link, over))
    text, mend = link.problems["forwarder refuses"]
    assert text == 'the forwarder refuses an order: tunnels: "wg0" is there twice'
    assert "pointsman check" in mend
