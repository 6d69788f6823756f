"""The lines of the sockets: what the relay takes from controllers, and the controller from relay and forwarder."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from draw import Draw, check_message, dumps

from hub.bgp.speaker import Speaker
from hub.control.lines import BadLineError, LineReader, check_greeting, encode
from hub.controller.forwarder import ForwarderLink
from hub.controller.report import Surroundings, network_report
from policies.model.announcement import Announcement
from policies.model.clock import Instant, Now
from policies.model.events import Event
from policies.model.ids import TunnelId
from policies.model.view import View
from policies.observe import observe
from speaker.bgp.commands import MOST_UNWRITTEN, allowed
from speaker.bgp.connection import LONGEST_LINE, Connection
from speaker.bgp.relay import MOST_CONNECTIONS, Relay
from targets.exabgp import EVENTS, INTENT, INTENTS, MORE_EVENTS, NEIGHBORS, loaded
from targets.exabgp import VALUES as BGP_VALUES

_TO_RELAY: list[Any] = [
    {"pointsman": 1, "role": "controller"},
    {"command": "neighbor 10.255.1.1 announce attributes next-hop self med 7 nlri 10.0.0.0/16", "id": 17},
    {"command": "neighbor 10.255.1.1 withdraw attributes next-hop self nlri 10.0.0.0/16", "id": 18},
    {"command": "neighbor 10.255.1.1 teardown 4", "id": -1},
    {"command": "show neighbor json", "id": -2},
    {"command": "version", "id": 0},
    {"command": "reload", "id": -3},
]
_MEMORY = {
    "neighbor": "10.255.1.1",
    "state": "up",
    "at": 1.0,
    "reason": "",
    "sent": [EVENTS[6]["neighbor"]["message"]["update"]],
    "received": [EVENTS[4]["neighbor"]["message"]["update"]],
    "sent_before": [],
    "received_before": [],
    "families": ["ipv4 unicast", "ipv6 unicast"],
    "sent_ends": ["ipv4 unicast"],
    "received_ends": ["ipv4 unicast", "ipv6 unicast"],
    "replaced": [EVENTS[6]["neighbor"]["message"]["update"]],
    "replaced_at": 0.5,
}
_OLDER_MEMORY = {key: value for key, value in _MEMORY.items() if not key.endswith("_ends")} | {
    "sent_end_of_rib": True,
    "received_end_of_rib": False,
}
_SECOND = _MEMORY | {
    "neighbor": "10.255.2.1",
    "sent": [MORE_EVENTS[6]["neighbor"]["message"]["update"]],
    "received": [MORE_EVENTS[5]["neighbor"]["message"]["update"]],
    "replaced": [],
}
_FROM_RELAY: list[Any] = [
    {"memory": _MEMORY},
    {"ready": True},
    {"answer": 17, "result": "done", "lines": ["a"]},
    {"answer": 0, "result": "error"},
    *({"event": event, "at": 12.3} for event in EVENTS),
    {"dropped": True},
    {"gone": "exabgp"},
    {"error": "another controller is connected: stop it first"},
]
_MORE_FROM_RELAY: list[Any] = [
    {"memory": _OLDER_MEMORY},
    {"memory": _SECOND},
    {"ready": True},
    *({"answer": number, "result": "done"} for number in (1, 2, 3, 4, 5, 6, -1)),
    *({"event": event, "at": 50.1} for event in MORE_EVENTS),
]
_PREFIXES = [*INTENT.hub.prefixes, *INTENT.branches["b2"].prefixes]
_WANTED: list[dict[Any, Announcement]] = [
    {},
    {_PREFIXES[0]: Announcement(1000)},
    dict.fromkeys(_PREFIXES, Announcement(7)),
    {prefix: Announcement(4_294_967_295 - number) for number, prefix in enumerate(_PREFIXES)},
]
_LIVENESS = {"tunnel": "b1/fiber", "state": "up", "since": 1.5, "hard": True, "reason": "heard", "rtt_ms": None}
_CLASS = {
    "name": "b1",
    "branch": "b1",
    "active": "b1/fiber",
    "order": ["b1/fiber", "b1/wireless"],
    "prefixes": ["10.1.0.0/24"],
    "epoch": 3,
    "since": 1.5,
    "reason": "first",
    "nexthop": 1347223553,
    "installed": True,
}
_PATH = {"branch": "b1", "tunnel": "b1/fiber", "at": 12.3, "version": 4}
_PROBLEM = {"key": "rp_filter", "text": "strict reverse-path filtering", "mend": "sysctl"}
_SNAPSHOT = {
    "started": 1.0,
    "tunnels": [_LIVENESS],
    "classes": [_CLASS],
    "paths": [_PATH],
    "problems": [_PROBLEM],
    "counters": {"restarts": 1},
}
_FROM_FORWARDER: list[Any] = [
    {"snapshot": _SNAPSHOT},
    {"status": _SNAPSHOT},
    {"problem": _PROBLEM},
    {"cleared": "rp_filter"},
    {"refused": {"class": "b1", "why": "too old", "epoch": 3}},
    {"liveness": _LIVENESS},
    {"class": _CLASS},
    {"gone": "b1"},
    {"path": _PATH},
]
_VALUES = [*BGP_VALUES, *_MEMORY, *_LIVENESS, *_CLASS, *_PATH, "b1/fiber", "command", "id", "answer", "result", "lines"]
WORDS = tuple(dumps(line)[:60] for line in (*_TO_RELAY, *_FROM_RELAY, *_FROM_FORWARDER))


def fuzz(data: bytes) -> None:
    """One run."""
    draw = Draw(data)
    kind = draw.byte()
    match kind % 5:
        case _ if kind >= 192:
            check_talk(draw)
        case 0:
            check_reader(draw)
        case 1:
            check_speaker(draw)
        case 2:
            check_forwarder_lines(draw)
        case _:
            check_relay(draw)


def check_reader(draw: Draw) -> None:
    """Bytes in any pieces are the same messages, or refused in one line; messages that are written are read again."""
    messages = [{"x": loaded(dumps(draw.value(_VALUES), deepest=300))} for _ in range(draw.number(0, 3))]
    written = b"".join(map(encode, messages))
    cut = draw.number(0, 600)
    reader = LineReader()
    read = reader.feed(written[:cut]) + reader.feed(written[cut:])
    assert json.dumps(read) == json.dumps(messages)
    try:
        for message in LineReader().feed(draw.rest() + b"\n"):
            encode(message)
            check_greeting(message)
    except BadLineError as error:
        check_message(str(error))


def check_speaker(draw: Draw) -> None:
    """The controller's end of the relay's socket: no line of any shape raises, and the events can be told."""
    events: list[Any] = []
    speaker = Speaker(INTENT, Path("relay.sock"), events.append, lambda: 50.0)
    for _ in range(12):
        if not draw:
            return
        for message in fed(draw, _FROM_RELAY):
            speaker._take(message)
    for text in speaker.problems.values():
        check_message(text, longest=100_000)


class Pen:
    """The controller's socket to the relay."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> None:
        """All is taken."""
        self.written += data

    def is_closing(self) -> bool:
        """Never."""
        return False

    def close(self) -> None:
        """Nothing is told any more."""


def check_talk(draw: Draw) -> None:
    """A controller that wants things, and a relay that says anything: only commands that are allowed are written."""
    events: list[Any] = []
    now, pen = 50.0, Pen()
    speaker = Speaker(INTENT, Path("relay.sock"), events.append, lambda: now)
    speaker._writer, speaker._ready = cast(Any, pen), True
    speaker._ledger.lost()
    for _ in range(16):
        if not draw:
            break
        now += draw.choice((0.0, 0.1, 6.0))
        match draw.byte() % 8:
            case 0:
                speaker.reconfigure(draw.choice(INTENTS))
            case 1:
                speaker.close(TunnelId("b1", "fiber"))
            case 2 | 3:
                tunnels = draw.choice((("fiber",), ("fiber", "wireless")))
                wanted = {TunnelId(draw.choice(("b1", "b2")), name): draw.choice(_WANTED) for name in tunnels}
                speaker.want(wanted, frozenset(wanted) if draw.flag() else frozenset())
            case _:
                said = draw.either(_FROM_RELAY, _MORE_FROM_RELAY)
                for message in as_read(said if draw.flag() else draw.spoilt(said, _VALUES)):
                    speaker._take(message)
        speaker._say_what_is_due()
    for message in LineReader().feed(bytes(pen.written)):
        assert allowed(message["command"]), message
    check_message("x" + str(dict(speaker.counters)) + str(speaker.refusals), 100_000)


def check_forwarder_lines(draw: Draw) -> None:
    """The controller's end of the forwarder's socket: a line is taken or a bad line, and what was taken can be told."""
    view = View()

    def take(event: Event) -> None:
        nonlocal view
        view = observe(view, event)

    link = ForwarderLink(Path("forwarder.sock"), INTENT, take, lambda: 50.0)
    for _ in range(12):
        if not draw:
            break
        for message in fed(draw, _FROM_FORWARDER):
            try:
                link._receive(message, cast(Any, Pen()))
            except BadLineError as error:
                assert len(str(error)) <= 2000
    around = Surroundings(
        "config", Instant(0.0), problems=link.problems, counters=link.forwarder_counters, measured=link.measured
    )
    json.dumps(network_report(INTENT, view, {}, around, Now(Instant(50.0), datetime(2026, 1, 1, tzinfo=UTC))))


def fed(draw: Draw, lines: list[Any]) -> list[dict[str, Any]]:
    """The messages of a line that is nearly right, as a reader gives them."""
    return as_read(draw.spoilt(draw.choice(lines), _VALUES))


def as_read(line: Any) -> list[dict[str, Any]]:
    """The messages of a line."""
    try:
        return LineReader().feed(dumps(line) + b"\n")
    except BadLineError:
        return []


class Peer:
    """The relay's socket to somebody: what it receives is put in, what is sent is kept."""

    def __init__(self) -> None:
        self.incoming = b""
        self.sent = bytearray()

    def settimeout(self, _seconds: float) -> None:
        """As a socket."""

    def recv(self, size: int) -> bytes:
        """What was put in."""
        taken, self.incoming = self.incoming[:size], self.incoming[size:]
        return taken

    def send(self, data: bytes) -> int:
        """All is taken."""
        self.sent += data
        return len(data)


def check_relay(draw: Draw) -> None:
    """The relay between an ExaBGP that says anything and controllers that say anything."""
    relay = Relay(Path("relay.sock"), lambda: 50.0)
    try:
        peers = [Peer() for _ in range(2)]
        connections = [Connection(cast(Any, peer)) for peer in peers]
        relay._connections = dict(zip(cast(Any, peers), connections, strict=True))
        if draw.flag():
            relay._recovery.finished = True
            relay._become_ready()
            say(relay, connections[0], dumps(_TO_RELAY[0]) + b"\n")
        now = 50.0
        for _ in range(15):
            if not draw:
                break
            now += draw.choice((0.0, 0.1, 31.0))
            step(relay, draw, connections, now)
            check_sides(relay, connections, peers)
    finally:
        relay._selector.close()


def step(relay: Relay, draw: Draw, connections: list[Connection], now: float) -> None:
    """One line from one of the sides."""
    match draw.byte() % 8:
        case 0:
            relay._heard(draw.raw(draw.number(0, 60)).replace(b"\n", b""), now)
        case 1 | 2:
            relay._heard(dumps(draw.spoilt(draw.either(EVENTS, [*MORE_EVENTS, NEIGHBORS]), BGP_VALUES), 300), now)
        case 3:
            relay._heard(draw.choice((b"done", b"error", b"exabgp 5.0.15", b"reload in progress", b"[]")), now)
        case 4:
            say(relay, draw.choice(connections), draw.raw(draw.number(0, 80)) + b"\n")
        case _:
            say(relay, draw.choice(connections), dumps(draw.spoilt(draw.choice(_TO_RELAY), _VALUES)) + b"\n")
    relay._recovery.look(now)
    relay._become_ready()
    relay._commands.advance(now)


def say(relay: Relay, connection: Connection, data: bytes) -> None:
    """A controller writes."""
    cast(Any, connection.sock).incoming = data
    if not connection.closing:
        relay._read_connection(connection)


def check_sides(relay: Relay, connections: list[Connection], peers: list[Peer]) -> None:
    """ExaBGP hears only what it may, controllers hear whole objects, and nothing grows without end."""
    text = bytes(relay._commands.output).decode("ascii")
    assert len(text) <= MOST_UNWRITTEN + LONGEST_LINE
    relay._commands.output.clear()
    assert all(allowed(line) for line in text.split("\n")[:-1]), text[:300]
    assert sum(connection.controller for connection in connections) <= 1
    assert len(relay._connections) <= MOST_CONNECTIONS
    for connection, peer in zip(connections, peers, strict=True):
        connection.flush()
        for message in LineReader().feed(bytes(peer.sent)):
            assert connection.controller or "error" in message, f"a stranger was told {str(message)[:200]}"
            if isinstance(error := message.get("error"), str):
                check_message(error)
        peer.sent.clear()
