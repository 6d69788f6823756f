"""What ExaBGP says: its events through the parser, the relay's memory and recovery, and the controller's translator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bgp_network import branch, network
from draw import Draw, check_message, dumps

from hub.bgp.reload import shown_peers
from hub.bgp.translate import Translator
from policies.model.clock import Instant
from policies.model.events import Event, RouteRefused, RoutesHeard, SessionChanged
from policies.model.ids import lies_within
from policies.model.intent import Session, SessionKind
from policies.model.view import SessionState, View
from policies.observe import observe
from speaker.bgp.commands import Commands, allowed
from speaker.bgp.events import (
    LONGEST_TEXT,
    BadEventError,
    Direction,
    EndOfRibSeen,
    Ignored,
    Message,
    Notified,
    Opened,
    ShuttingDown,
    StateChanged,
    Updated,
    parse,
)
from speaker.bgp.memory import Memory
from speaker.bgp.recovery import DEADLINE, Recovery

_IBGP = Session(SessionKind.IBGP)
_NARROW, _WIDE = network(2), network(3, versions=(4, 6))
INTENT = replace(_WIDE, branches={**_NARROW.branches, "b2": branch(2, versions=(4, 6), session=_IBGP)})
INTENTS = (INTENT, _NARROW, _WIDE, replace(_WIDE, branches={"b9": _WIDE.branches["b1"]}), network(1, versions=(6,)))
"""The first is that of the start: b1 by eBGP, b2 by iBGP with both IP versions."""
_PATH = {"0": {"element": "as-sequence", "value": [65001]}}


def said(kind: str, rest: Mapping[str, Any]) -> dict[str, Any]:
    """One event about the first branch."""
    who = {"local": "10.255.1.0", "peer": "10.255.1.1"}
    return {"exabgp": "5.0.0", "type": kind, "neighbor": {"address": who, **rest}}


def update(direction: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """One UPDATE."""
    return said("update", {"direction": direction, "message": {"update": dict(body)}})


_ROUTES = {"ipv4 unicast": {"10.255.1.1": [{"nlri": "10.1.0.0/24"}, {"nlri": "10.1.0.128/25"}, {"nlri": "0.0.0.0/0"}]}}
EVENTS: list[dict[str, Any]] = [
    said("state", {"state": "up"}),
    said("state", {"state": "down", "reason": "hold timer"}),
    said("state", {"state": "down", "reason": "peer reset, message [removed]"}),
    said("state", {"state": "connected"}),
    update("receive", {"attribute": {"origin": "igp", "as-path": _PATH, "med": 7}, "announce": _ROUTES}),
    update("receive", {"withdraw": {"ipv4 unicast": [{"nlri": "10.1.0.0/24"}, "10.1.0.128/25"]}}),
    update(
        "send", {"attribute": {"med": 1000}, "announce": {"ipv4 unicast": {"10.255.1.0": [{"nlri": "10.0.0.0/16"}]}}}
    ),
    update("send", {"withdraw": {"ipv4 unicast": [{"nlri": "10.0.0.0/16"}]}}),
    update(
        "receive",
        {"attribute": {"as-path": _PATH}, "announce": {"ipv6 unicast": {"2001:db8::1": [{"nlri": "2001:db8:1::/48"}]}}},
    ),
    said("update", {"direction": "send", "message": {"eor": {"afi": "ipv4", "safi": "unicast"}}}),
    said("update", {"direction": "receive", "message": {"eor": {"afi": "ipv4", "safi": "unicast"}}}),
    said("notification", {"direction": "receive", "notification": {"code": 6, "subcode": 2, "message": "bye"}}),
    {"exabgp": "5.0.0", "type": "notification", "notification": "shutdown"},
]
_BOTH_NEXT_HOPS = {"fd00:2::1": [{"nlri": "2001:db8:2::/48"}], "fe80::1": [{"nlri": "2001:db8:2::/48"}]}
_IBGP_SAID = {"local-preference": 4294966295, "origin": "igp"}
_FAMILIES = {"capabilities": {"1": {"name": "multiprotocol", "families": ["ipv4/unicast", "ipv6/unicast"]}}}


def of_second(event: dict[str, Any]) -> dict[str, Any]:
    """The same of the second branch."""
    who = {"local": "10.255.2.0", "peer": "10.255.2.1"}
    return {**event, "neighbor": {**event["neighbor"], "address": who}}


MORE_EVENTS: list[dict[str, Any]] = [
    said("open", {"direction": "receive", "open": _FAMILIES}),
    said("open", {"direction": "send", "open": _FAMILIES}),
    of_second(said("open", {"direction": "receive", "open": _FAMILIES})),
    of_second(said("state", {"state": "up"})),
    of_second(said("state", {"state": "down", "reason": "hold timer"})),
    of_second(update("receive", {"attribute": _IBGP_SAID, "announce": {"ipv6 unicast": _BOTH_NEXT_HOPS}})),
    of_second(update("send", {"attribute": _IBGP_SAID, "announce": {"ipv6 unicast": _BOTH_NEXT_HOPS}})),
    of_second(update("receive", {"attribute": {"as-path": _PATH}, "announce": _ROUTES})),
    of_second(said("update", {"direction": "receive", "message": {"eor": {"afi": "ipv6", "safi": "unicast"}}})),
    of_second(said("update", {"direction": "send", "message": {"eor": {"afi": "ipv6", "safi": "unicast"}}})),
    update("send", {"attribute": {"med": 7}, "announce": {"ipv4 unicast": {"10.255.1.0": [{"nlri": "10.0.0.0/16"}]}}}),
    update("send", {"attribute": {}, "announce": {"ipv4 unicast": {"10.255.1.0": [{"nlri": "10.0.0.0/16"}]}}}),
    update("receive", {"attribute": {"as-path": {}}, "announce": _ROUTES}),
    said("open", {"direction": "receive", "open": {"asn": 23456, "capabilities": {"65": {"asn4": 65009}}}}),
    said("state", {"state": "down", "reason": "notification sent (2,2)"}),
    said("state", {"state": "down", "reason": "notification received (6,2)"}),
    said("state", {"state": "down", "reason": "closing connection"}),
]
NEIGHBORS = [
    {
        "peer": {"address": f"10.255.{number}.1", "as": 65001},
        "local": {"address": f"10.255.{number}.0", "as": 65000},
        "fsm": "ESTABLISHED",
        "duration": 9 * number,
        "families": ["ipv4 unicast", "ipv6 unicast"],
    }
    for number in (1, 2)
]
_RIB = {
    "peer": {"address": "10.255.1.1"},
    "route": {"nlri": {"prefix": "10.1.0.0/24", "nexthop": "10.255.1.1"}, "attributes": {"as-path": _PATH, "med": 7}},
}
VALUES: list[Any] = [
    "type", "neighbor", "address", "peer", "state", "direction", "message", "update", "announce", "withdraw", "nlri",
    "ipv4 unicast", "attribute", "as-path", "value", "med", "eor", "notification", "code", "up", "down", "send",
    "receive", "10.255.1.1", "10.255.1.3", "10.9.9.9", "10.1.0.0/24", "10.1.0.7/24", "null", "self", 65000, 65001,
    "route", "fsm", "duration", "prefix", "nexthop", "attributes", "established", "done", "error",
    "families", "open", "capabilities", "1", "local-preference", "ipv6 unicast", "10.255.2.1", "ESTABLISHED", "as",
]  # fmt: skip
WORDS = tuple(json.dumps(word).encode() for word in VALUES)


def fuzz(data: bytes) -> None:
    """One run."""
    draw = Draw(data)
    match draw.byte() % 8:
        case 0:
            check_event(loaded(draw.rest()))
        case 1 | 2:
            check_recovery(draw)
        case _:
            check_history(draw)


def loaded(line: bytes) -> Any:
    """What the JSON parser makes of a line; None if it makes nothing."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def check_event(event: Any) -> Message | None:
    """An event becomes a message, whose texts are fit to be shown, or is a bad event in one line."""
    try:
        message = parse(event)
    except BadEventError as error:
        assert len(str(error)) <= 1000
        return None
    match message:
        case StateChanged(reason=text) | Notified(text=text):
            assert text == "" or text.isprintable()
            assert len(text) <= LONGEST_TEXT
        case Opened(asn=asn):
            assert asn is None or 0 <= asn < 2**32
        case Updated() | EndOfRibSeen() | ShuttingDown() | Ignored():
            pass
    return message


class WatchedMemory(Memory):
    """A memory that checks its own promise: an event that it does not take changes nothing."""

    def _observe(self, event: Mapping[str, Any], at: float) -> None:
        before = json.dumps(list(self.lines()))
        try:
            super()._observe(event, at)
        except BaseException:
            assert json.dumps(list(self.lines())) == before, f"half an event was taken: {str(event)[:300]}"
            raise


def check_history(draw: Draw) -> None:
    """Events one after the other: what the relay remembers of them tells a controller what it would have seen."""
    memory, translator, view, clean = WatchedMemory(), Translator(INTENT), View(), True
    for number in range(20):
        if not draw:
            break
        template = draw.either(EVENTS, MORE_EVENTS)
        event = loaded(dumps(template if draw.flag() else draw.spoilt(template, VALUES)))
        message = check_event(event)
        if isinstance(event, dict):
            memory.observe(event, float(number))
        clean = clean and message is not None and not isinstance(message, Ignored)
        told = heard(translator, message, Instant(float(number)))
        if draw.byte() % 16 == 15:
            told += checked([*translator.reconfigure(draw.choice(INTENTS), Instant(float(number))).events])
        for each in told:
            view = observe(view, each)
        check_message(str(translator.refusals()), 100_000)
        translator.not_carried()
    retell(memory, clean=clean)


def heard(translator: Translator, message: Message | None, at: Instant) -> list[Event]:
    """The events of a message of a neighbor that is ours: only a branch's own prefixes are heard."""
    if isinstance(message, ShuttingDown | Ignored | None) or not translator.knows(message.neighbor):
        return []
    match message:
        case StateChanged(neighbor, up, reason):
            return translator.state(neighbor, SessionState.UP if up else SessionState.DOWN, reason, at)
        case Opened(neighbor, versions, asn):
            translator.opened(neighbor, versions, asn)
            return []
        case EndOfRibSeen(neighbor, Direction.RECEIVED, version):
            return translator.end_of_rib_heard(neighbor, at, version)
        case EndOfRibSeen(neighbor):
            return translator.set_sent(neighbor, at)
        case Updated():
            return checked(translator.updated(message, at))
        case Notified():
            return []


def checked(events: list[Event]) -> list[Event]:
    """The same: what is heard are prefixes of that branch, and refusals can be shown."""
    for told in events:
        if isinstance(told, RoutesHeard):
            own = [
                each for intent in INTENTS if (of := intent.branches.get(told.tunnel.branch)) for each in of.prefixes
            ]
            assert all(lies_within(prefix, own) for prefix in told.prefixes), told
        if isinstance(told, RouteRefused):
            check_message(f"{told.prefix} {told.reason}")
    return events


def retell(memory: Memory, *, clean: bool) -> None:
    """A controller that comes later reads the memory; what only whole events made, it understands."""
    translator = Translator(INTENT)
    for line in memory.lines():
        remembered = loaded(json.dumps(line).encode())
        assert isinstance(remembered, dict)
        try:
            found = translator.remembered(remembered["memory"])
        except BadEventError as error:
            assert len(str(error)) <= 1000
            assert not clean, f"whole events made a memory that is not understood: {error}"
            continue
        for event in found.events if found else ():
            if isinstance(event, SessionChanged):
                assert len(event.reason) <= 10_000


def check_recovery(draw: Draw) -> None:
    """A relay that asks ExaBGP what was before it: any answers and events, and it is finished in time."""
    memory, commands = WatchedMemory(), Commands()
    recovery, now = Recovery(memory, commands.ask, 0.0), 0.0
    recovery.start()
    for _ in range(30):
        if not draw:
            break
        commands.advance(now)
        check_output(commands)
        match draw.byte() % 4:
            case 0:
                event = loaded(dumps(draw.spoilt(draw.either(EVENTS, MORE_EVENTS), VALUES)))
                if isinstance(event, dict):
                    memory.observe(event, now)
                    recovery.saw(event)
            case 1:
                commands.heard(draw.choice(("done", "error")))
            case 2:
                answer = dumps(draw.spoilt(draw.choice((NEIGHBORS, _RIB)), VALUES)).decode("ascii", "replace")
                shown_peers((answer,))
                commands.heard(answer)
            case _:
                commands.heard(dumps(draw.choice((NEIGHBORS, _RIB))).decode())
        now += draw.choice((0.0, 0.1, 31.0))
        recovery.look(now)
    recovery.look(max(now, DEADLINE) + 1)
    assert recovery.finished
    retell(memory, clean=False)


def check_output(commands: Commands) -> None:
    """What goes to ExaBGP is whole lines of ASCII that it may be told."""
    text = bytes(commands.output).decode("ascii")
    commands.output.clear()
    assert text == "" or text.endswith("\n")
    assert all(allowed(line) for line in text.splitlines()), text[:300]
