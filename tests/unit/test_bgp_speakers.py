"""One client over several speakers, each against a pretended relay: who is told what, and what is passed on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from bgp_network import in_processes, network
from waiting import until

from hub.bgp.questions import NotConnectedError
from hub.bgp.reload import ends
from hub.bgp.speakers import Speakers, part_of
from policies.model.announcement import Announcement
from policies.model.events import Event, SessionChanged, SpeakerConnected, SpeakerLost, SpeakerReady
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.view import SessionState
from speaker.bgp.text import Version

HUB = IPv4Network("10.0.0.0/16")
ONE, TWO = TunnelId("b1", "fiber"), TunnelId("b2", "fiber")
SPLIT = in_processes(network(2), {"b2": 2})


class Relay:
    """A Relay is the test's end of the socket of one process."""

    def __init__(self, process: int) -> None:
        self.process = process
        self.writer: asyncio.StreamWriter | None = None
        self.heard: list[str] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The client connected: greet it with sessions that are all up."""
        self.writer = writer
        self.say({"pointsman": 1, "role": "relay", "exabgp_pid": self.process, "exabgp_started": 1})
        for name in ("1", "3"):
            self.say({"memory": memory(f"10.255.{self.process}.{name}")})
        self.say({"ready": True})
        while line := await reader.readline():
            message = json.loads(line)
            if "command" in message:
                self.heard.append(message["command"])
                self.say({"answer": message["id"], "result": "done"})

    def say(self, message: object) -> None:
        """Write a message."""
        assert self.writer is not None
        self.writer.write(json.dumps(message).encode() + b"\n")

    def said_of(self, what: str) -> list[str]:
        """The commands with this in them."""
        return [command for command in self.heard if what in command]


def memory(address: str) -> dict[str, Any]:
    """What a relay remembers of a session that is up and was sent nothing."""
    lists = dict.fromkeys(("sent", "received", "sent_before", "received_before"), ())
    return {
        "neighbor": address,
        "state": "up",
        "at": 1.0,
        "reason": "",
        **lists,
        "sent_end_of_rib": True,
        "received_end_of_rib": True,
    }


def down(address: str) -> dict[str, object]:
    """ExaBGP's word that a session went down."""
    described = {"address": {"local": "10.255.9.0", "peer": address}, "state": "down", "reason": "closed"}
    return {"event": {"exabgp": "5.0.0", "type": "state", "neighbor": described}, "at": 2.0}


Scene = Callable[[Speakers, dict[int, Relay], list[Event]], Awaitable[None]]


def play(
    tmp_path: Path, scene: Scene, intent: Intent = SPLIT, relays: tuple[int, ...] = (1, 2), ready: int | None = None
) -> None:
    """Run a scene when so many of the relays (all of them) are ready."""

    async def whole() -> None:
        events: list[Event] = []
        made = {process: Relay(process) for process in relays}
        servers = [
            await asyncio.start_unix_server(relay.accept, tmp_path / f"{process}.sock")
            for process, relay in made.items()
        ]
        speakers = Speakers(intent, lambda process: tmp_path / f"{process}.sock", events.append, time.monotonic)
        task = asyncio.create_task(speakers.run())
        try:
            await until(lambda: len(of(events, SpeakerReady)) >= (ready or len(made)))
            await asyncio.wait_for(scene(speakers, made, events), 60)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for relay in made.values():
                if relay.writer is not None:
                    relay.writer.close()
            for server in servers:
                server.close()
            await asyncio.sleep(0)

    asyncio.run(whole())


def of(events: list[Event], kind: type) -> list[Any]:
    """The events of a kind."""
    return [event for event in events if isinstance(event, kind)]


def test_a_part_of_an_intent_has_the_tunnels_of_its_process_and_whole_branches_otherwise() -> None:
    intent = in_processes(network(3), {"b2/wireless": 2, "b3": 2})
    first, second = part_of(intent, 1), part_of(intent, 2)
    assert [str(tunnel) for tunnel in first.tunnels()] == ["b1/fiber", "b1/wireless", "b2/fiber"]
    assert [str(tunnel) for tunnel in second.tunnels()] == ["b2/wireless", "b3/fiber", "b3/wireless"]
    assert second.branches["b2"].prefixes == intent.branches["b2"].prefixes
    assert (first.hub, first.network) == (intent.hub, intent.network)


@pytest.mark.parametrize(
    ("after", "names"),
    [
        (network(2), []),
        (network(3), []),
        (network(1), ["b2/fiber", "b2/wireless"]),
        (in_processes(network(2), {"b1/wireless": 2}), ["b1/wireless"]),
    ],
)
def test_a_neighbor_ends_when_its_tunnel_goes_or_is_another_process_s(after: Intent, names: list[str]) -> None:
    assert sorted(map(str, ends(network(2), after))) == names


def test_what_is_wanted_goes_to_the_process_that_holds_the_session(tmp_path: Path) -> None:
    async def scene(speakers: Speakers, relays: dict[int, Relay], _: list[Event]) -> None:
        wanted = {ONE: {HUB: Announcement(1000)}, TWO: {HUB: Announcement(900)}}
        speakers.want(wanted, frozenset({TWO}))
        await until(lambda: relays[1].said_of("announce") and relays[2].said_of("announce"))
        assert all("10.255.1.1" in said and "med 1000" in said for said in relays[1].said_of("announce"))
        assert all("10.255.2.1" in said and "med 900" in said for said in relays[2].said_of("announce"))

    play(tmp_path, scene)


def test_a_session_is_closed_by_its_own_process(tmp_path: Path) -> None:
    async def scene(speakers: Speakers, relays: dict[int, Relay], _: list[Event]) -> None:
        assert speakers.close(TWO)
        assert not speakers.close(TunnelId("b9", "fiber"))
        await until(lambda: relays[2].said_of("teardown"))
        assert relays[1].said_of("teardown") == []
        assert speakers.counters["closed"] == 1

    play(tmp_path, scene)


def test_each_process_tells_its_own_number_and_tunnels(tmp_path: Path) -> None:
    async def scene(_: Speakers, __: dict[int, Relay], events: list[Event]) -> None:
        told = {event.process: {tunnel.branch for tunnel in event.tunnels} for event in of(events, SpeakerConnected)}
        assert told == {1: {"b1"}, 2: {"b2"}}

    play(tmp_path, scene)


def test_what_was_wanted_before_a_process_came_is_told_to_it(tmp_path: Path) -> None:
    async def scene(speakers: Speakers, relays: dict[int, Relay], _: list[Event]) -> None:
        speakers.want({ONE: {HUB: Announcement(1000)}, TWO: {HUB: Announcement(900)}}, frozenset())
        speakers.reconfigure(SPLIT)
        await until(lambda: relays[2].said_of("med 900"))

    play(tmp_path, scene, intent=network(1), ready=1)


def test_problems_name_their_process_where_there_are_several(tmp_path: Path) -> None:
    async def scene(speakers: Speakers, _: dict[int, Relay], __: list[Event]) -> None:
        assert speakers.problems == {}
        speakers.reconfigure(SPLIT)
        await until(lambda: "No such file" in speakers.problems.get("relay-2", ""))
        assert list(speakers.problems) == ["relay-2"]
        assert speakers.problems["relay-2"].startswith("ExaBGP 2: no relay answers at")

    play(tmp_path, scene, intent=network(1), relays=(1,))


def test_a_relay_that_has_told_nothing_yet_is_a_problem(tmp_path: Path) -> None:
    speakers = Speakers(network(1), lambda _: tmp_path / "1.sock", lambda _: None, time.monotonic)
    assert speakers.problems == {
        "relay": "the relay of ExaBGP has not yet told what it remembers: it takes some seconds after its start"
    }


def test_tunnels_that_leave_are_withdrawn_closed_and_then_not_told_of(tmp_path: Path) -> None:
    async def scene(speakers: Speakers, relays: dict[int, Relay], events: list[Event]) -> None:
        mark = len(events)
        leaving = frozenset(part_of(SPLIT, 2).tunnels())
        retiring = asyncio.create_task(speakers.retire(leaving, leaving))
        await until(lambda: len(relays[2].said_of("teardown")) == 2)
        assert not retiring.done()
        for address in ("10.255.2.1", "10.255.2.3"):
            relays[2].say(down(address))
        await retiring
        assert relays[1].heard == []
        assert events[mark:] == []

    play(tmp_path, scene)


def test_a_session_of_a_neighbor_that_goes_is_closed_also_while_others_are_told_of_a_failover(tmp_path: Path) -> None:
    async def scene(speakers: Speakers, _relays: dict[int, Relay], _events: list[Event]) -> None:
        other = TunnelId("b1", "wireless")
        speakers.want({other: {HUB: Announcement(990)}}, frozenset({other}))
        assert not speakers.close(ONE)
        assert speakers.close(ONE, now=True)

    play(tmp_path, scene)


def test_tunnels_that_only_change_are_told_of(tmp_path: Path) -> None:
    async def scene(speakers: Speakers, relays: dict[int, Relay], events: list[Event]) -> None:
        mark = len(events)
        retiring = asyncio.create_task(speakers.retire(frozenset({TWO}), frozenset()))
        await until(lambda: relays[2].said_of("teardown"))
        relays[2].say(down("10.255.2.1"))
        await retiring
        assert [(event.tunnel, event.state) for event in of(events[mark:], SessionChanged)] == [
            (TWO, SessionState.DOWN)
        ]

    play(tmp_path, scene)


def test_a_tunnel_that_moves_from_a_process_that_hangs_is_down_and_one_that_goes_is_not_told_of(tmp_path: Path) -> None:
    async def scene(speakers: Speakers, _: dict[int, Relay], events: list[Event]) -> None:
        mark = len(events)
        speakers.reconfigure(in_processes(network(1), {"b1/fiber": 2}))
        changed = [(event.tunnel, event.state) for event in of(events[mark:], SessionChanged)]
        assert changed == [(ONE, SessionState.DOWN)]

    play(tmp_path, scene)


def test_a_process_that_is_let_go_is_lost_and_its_counters_stay(tmp_path: Path) -> None:
    async def scene(speakers: Speakers, _: dict[int, Relay], events: list[Event]) -> None:
        speakers.reconfigure(network(1))
        assert speakers.processes == (1, 2)
        speakers.let_go(2)
        await until(lambda: of(events, SpeakerLost))
        assert [(event.process, event.tunnels) for event in of(events, SpeakerLost)] == [(2, frozenset())]
        assert speakers.processes == (1,)
        assert speakers.counters["connected"] == 2
        with pytest.raises(NotConnectedError, match="no ExaBGP 2"):
            await speakers.ask(2, Version())

    play(tmp_path, scene)
