"""The speaker against a pretended relay: what it writes, and what it makes of misfortune."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from bgp_network import network
from waiting import until

from hub.bgp import speaker as speaker_module
from hub.bgp.questions import NotConnectedError
from hub.bgp.speaker import Speaker
from policies.model.announcement import Announcement
from policies.model.events import AnnouncementsSent, Event, SpeakerConnected, SpeakerLost, SpeakerReady
from policies.model.ids import TunnelId
from speaker.bgp.text import Version

FIBER = TunnelId("b1", "fiber")
HUB = IPv4Network("10.0.0.0/16")
GREETING = {"pointsman": 1, "role": "relay", "exabgp_pid": 7, "exabgp_started": 1}
MEMORY: dict[str, Any] = {
    "neighbor": "10.255.1.1",
    "state": "up",
    "at": 1.0,
    "reason": "",
    "sent": [],
    "received": [],
    "sent_before": [],
    "received_before": [],
    "sent_end_of_rib": False,
    "received_end_of_rib": False,
}


class Relay:
    """A Relay is the test's end of the socket."""

    def __init__(self) -> None:
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter
        self.connected = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The speaker connected."""
        self.reader, self.writer = reader, writer
        self.writers.append(writer)
        assert json.loads(await reader.readline()) == {"pointsman": 1, "role": "controller"}
        self.connected.set()

    def say(self, *messages: object) -> None:
        """Write messages."""
        self.writer.write("".join(json.dumps(message) + "\n" for message in messages).encode())

    async def command(self) -> dict[str, Any]:
        """The next command that is not a sign of life."""
        while True:
            message: dict[str, Any] = json.loads(await asyncio.wait_for(self.reader.readline(), 20))
            if message["id"] != 0:
                return message

    async def hang_up(self) -> None:
        """Close the connection."""
        self.connected.clear()
        self.writer.close()
        await self.writer.wait_closed()


def play(tmp_path: Path, scene: Callable[[Relay, Speaker, list[Event]], Awaitable[None]]) -> None:
    """Run a scene with a connected speaker."""

    async def whole() -> None:
        relay, events = Relay(), list[Event]()
        path = tmp_path / "relay.sock"
        server = await asyncio.start_unix_server(relay.accept, path)
        speaker = Speaker(network(1), path, events.append, time.monotonic)
        task = asyncio.create_task(speaker.run())
        try:
            await asyncio.wait_for(relay.connected.wait(), 20)
            await asyncio.wait_for(scene(relay, speaker, events), 60)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for writer in relay.writers:
                writer.close()
            server.close()
            await asyncio.sleep(0)

    asyncio.run(whole())


def kinds(events: list[Event]) -> list[str]:
    """The names of the events."""
    return [type(event).__name__ for event in events]


def test_nothing_is_said_before_the_relay_is_ready(tmp_path: Path) -> None:
    async def scene(relay: Relay, speaker: Speaker, events: list[Event]) -> None:
        speaker.want({FIBER: {HUB: Announcement(1000)}}, frozenset())
        relay.say(GREETING, {"memory": MEMORY})
        await until(lambda: len(events) == 2)
        assert not speaker.ready
        relay.say({"ready": True})
        assert (await relay.command())["command"].startswith("neighbor 10.255.1.1 announce attributes")
        assert kinds(events) == ["SpeakerConnected", "SessionChanged", "SpeakerReady"]

    play(tmp_path, scene)


def test_urgent_announcements_are_written_before_want_returns(tmp_path: Path) -> None:
    async def scene(relay: Relay, speaker: Speaker, events: list[Event]) -> None:
        relay.say(GREETING, {"memory": MEMORY}, {"ready": True})
        await until(lambda: speaker.ready)
        speaker.want({FIBER: {HUB: Announcement(990)}}, frozenset({FIBER}))
        assert speaker._writer is not None
        assert speaker._writer.transport.get_write_buffer_size() == 0
        assert "med 990" in (await relay.command())["command"]

    play(tmp_path, scene)


def sent(med: int) -> dict[str, Any]:
    """ExaBGP's event of having sent the hub's prefix with this MED."""
    update = {"attribute": {"med": med}, "announce": {"ipv4 unicast": {"10.255.1.0": [{"nlri": str(HUB)}]}}}
    neighbor = {"address": {"peer": "10.255.1.1"}, "direction": "send", "message": {"update": update}}
    return {"event": {"exabgp": "5.0.0", "type": "update", "neighbor": neighbor}, "at": 1.0}


END_OF_RIB_SENT: dict[str, Any] = {
    "event": {
        "exabgp": "5.0.0",
        "type": "update",
        "neighbor": {
            "address": {"peer": "10.255.1.1"},
            "direction": "send",
            "message": {"eor": {"afi": "ipv4", "safi": "unicast"}},
        },
    },
    "at": 1.0,
}


def test_what_was_just_seen_is_decided_on_before_anything_is_said(tmp_path: Path) -> None:
    """What is wanted may follow what was seen sent: said too early, the two would chase each other for ever."""

    async def scene(relay: Relay, speaker: Speaker, events: list[Event]) -> None:
        seen: dict[TunnelId, dict[Any, Announcement]] = {}

        def take(event: Event) -> None:
            if isinstance(event, AnnouncementsSent):
                seen[FIBER] = dict(event.announced)
                asyncio.get_running_loop().call_soon(speaker.want, seen, frozenset())

        speaker._on_event = take
        relay.say(GREETING, {"memory": MEMORY}, {"ready": True})
        await until(lambda: speaker.ready)
        speaker.want({FIBER: {HUB: Announcement(1000)}}, frozenset())
        number = (await relay.command())["id"]
        relay.say(sent(1000), {"answer": number, "result": "done"}, sent(990))
        assert "flush" in (await relay.command())["command"]

    play(tmp_path, scene)


def test_saying_the_same_again_writes_nothing(tmp_path: Path) -> None:
    async def scene(relay: Relay, speaker: Speaker, events: list[Event]) -> None:
        relay.say(GREETING, {"memory": MEMORY}, {"ready": True})
        await until(lambda: speaker.ready)
        for _ in range(3):
            speaker.want({FIBER: {HUB: Announcement(990)}}, frozenset())
        speaker.close(FIBER)
        assert "announce" in (await relay.command())["command"]
        assert "teardown" in (await relay.command())["command"]

    play(tmp_path, scene)


def test_no_session_is_closed_before_all_that_is_urgent_was_sent(tmp_path: Path) -> None:
    async def scene(relay: Relay, speaker: Speaker, events: list[Event]) -> None:
        relay.say(GREETING, {"memory": MEMORY}, {"ready": True})
        await until(lambda: speaker.ready)
        speaker.want({FIBER: {HUB: Announcement(990)}}, frozenset({FIBER}))
        assert not speaker.close(FIBER)
        number = (await relay.command())["id"]
        relay.say({"answer": number, "result": "done"}, sent(990))
        await until(lambda: any(isinstance(event, AnnouncementsSent) for event in events))
        assert not speaker.close(FIBER)
        relay.say(END_OF_RIB_SENT)
        await until(lambda: speaker.close(FIBER))

    play(tmp_path, scene)


def test_what_a_lost_ipv6_link_carried_does_not_keep_the_rest_from_being_said(tmp_path: Path) -> None:
    ipv6 = {"ipv6 unicast": {"fd00:1::": [{"nlri": "2001:db8::/48"}]}}
    held = MEMORY | {
        "families": ["ipv4 unicast", "ipv6 unicast"],
        "sent": [{"attribute": {"med": 7}, "announce": ipv6}],
    }

    async def scene(relay: Relay, speaker: Speaker, events: list[Event]) -> None:
        speaker.reconfigure(network(1, versions=(4, 6)))
        relay.say(GREETING, {"memory": held}, {"ready": True})
        await until(lambda: speaker.ready)
        speaker.reconfigure(network(1))
        speaker.want({FIBER: {HUB: Announcement(7)}}, frozenset())
        assert (await relay.command())["command"] == (
            "neighbor 10.255.1.1 announce attributes next-hop self med 7 nlri 10.0.0.0/16"
        )
        assert speaker.counters["refused"] == 1

    play(tmp_path, scene)


def test_another_exabgp_behind_the_relay_means_that_the_first_died(tmp_path: Path) -> None:
    async def scene(relay: Relay, speaker: Speaker, events: list[Event]) -> None:
        relay.say(GREETING, {"ready": True})
        await until(lambda: speaker.ready)
        await relay.hang_up()
        await asyncio.wait_for(relay.connected.wait(), 20)
        relay.say({**GREETING, "exabgp_pid": 8}, {"ready": True})
        await until(lambda: speaker.ready)
        connected = ["SpeakerConnected", "SpeakerReady"]
        assert kinds(events) == [*connected, "SpeakerLost", "SpeakerLost", *connected]
        assert [event.exabgp_gone for event in events if isinstance(event, SpeakerLost)] == [False, True]

    play(tmp_path, scene)


def test_dropped_events_are_asked_for_again(tmp_path: Path) -> None:
    async def scene(relay: Relay, speaker: Speaker, events: list[Event]) -> None:
        relay.say(GREETING, {"ready": True})
        await until(lambda: speaker.ready)
        relay.connected.clear()
        relay.say({"dropped": True})
        await asyncio.wait_for(relay.connected.wait(), 20)
        assert speaker.counters["dropped"] == 1

    play(tmp_path, scene)


def test_lines_that_make_no_sense_are_counted_and_change_nothing(tmp_path: Path) -> None:
    async def scene(relay: Relay, speaker: Speaker, events: list[Event]) -> None:
        relay.say(
            GREETING,
            {"memory": {}},
            {"memory": {**MEMORY, "neighbor": "10.99.0.1"}},
            {"event": {"type": "state"}, "at": 1.0},
            {"event": {"type": "telepathy"}, "at": 1.0},
            {"event": {}, "at": "noon"},
            {"answer": "x", "result": 7},
            {"answer": 9999, "result": "done"},
            {"ready": True},
        )
        await until(lambda: speaker.ready)
        assert kinds(events) == ["SpeakerConnected", "SpeakerReady"]
        assert dict(speaker.counters) == {"connected": 1, "bad_events": 2, "unknown_neighbors": 1, "unknown_lines": 2}

    play(tmp_path, scene)


@pytest.mark.parametrize(
    "first", [{"error": "another controller is connected"}, {"pointsman": 9, "role": "relay"}, {"hello": 1}, []]
)
def test_a_relay_that_cannot_be_talked_to_is_a_problem_and_not_an_event(tmp_path: Path, first: object) -> None:
    async def scene(relay: Relay, speaker: Speaker, events: list[Event]) -> None:
        relay.say(first)
        await until(lambda: "relay" in speaker.problems)
        assert kinds(events) == []

    play(tmp_path, scene)


def test_a_silent_exabgp_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaker_module, "ALIVE_WITHIN", 0.2)

    async def scene(relay: Relay, speaker: Speaker, events: list[Event]) -> None:
        relay.say(GREETING, {"ready": True})
        await until(lambda: "exabgp" in speaker.problems)
        relay.say({"answer": 0, "result": "done"})
        await until(lambda: "exabgp" not in speaker.problems)
        assert speaker.counters["silent"] == 1

    play(tmp_path, scene)


def test_a_question_to_a_relay_that_goes_away_is_not_waited_for(tmp_path: Path) -> None:
    async def scene(relay: Relay, speaker: Speaker, events: list[Event]) -> None:
        relay.say(GREETING, {"ready": True})
        await until(lambda: speaker.ready)
        question = asyncio.create_task(speaker.ask(Version()))
        await relay.command()
        await relay.hang_up()
        with pytest.raises(NotConnectedError):
            await question

    play(tmp_path, scene)


def test_without_a_relay_it_is_a_problem_that_says_what_to_do(tmp_path: Path) -> None:
    async def scene() -> None:
        speaker = Speaker(network(1), tmp_path / "none.sock", lambda event: None, time.monotonic)
        task = asyncio.create_task(speaker.run())
        await until(lambda: speaker.problems)
        assert speaker.problems["relay"].endswith("(No such file or directory): is ExaBGP running?")
        speaker.want({FIBER: {HUB: Announcement(1)}}, frozenset({FIBER}))
        speaker.close(FIBER)
        with pytest.raises(NotConnectedError):
            await speaker.ask(Version())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scene())


def test_the_events_of_a_connection_come_in_order(tmp_path: Path) -> None:
    async def scene(relay: Relay, speaker: Speaker, events: list[Event]) -> None:
        relay.say(GREETING, {"ready": True})
        await until(lambda: speaker.ready)
        assert isinstance(events[0], SpeakerConnected)
        assert isinstance(events[-1], SpeakerReady)

    play(tmp_path, scene)
