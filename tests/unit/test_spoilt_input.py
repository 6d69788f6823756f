"""Input that is wrong in ways that nobody thinks of first: it is refused whole, in one line, and costs nothing else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from bgp_network import network
from forwarder_fakes import World, a_tunnel, an_order

from hub.bgp.reload import shown_peers
from hub.bgp.speaker import Speaker
from hub.bgp.translate import Translator
from hub.config.problems import LONGEST_TEXT, Place, error
from hub.config.scalars import UnreadableError, read_duration
from hub.control.lines import BadLineError
from hub.controller.forwarder_lines import events_of
from hub.controller.server import ControlServer
from hub.forwarder.classes import LARGEST_EPOCH, ForwardingClass, obey
from hub.forwarder.fib_plan import FIRST_NEXTHOP_ID
from hub.forwarder.fields import FieldError
from hub.forwarder.netlink import routes
from hub.forwarder.netlink.routes import Route
from hub.forwarder.orders import SetOne, SetTunnels, parse
from hub.forwarder.state import SavedState, StateFileError, decode, encode
from speaker.bfd.memory import Memory as BfdMemory
from speaker.bfd.session import Session
from speaker.bfd.timing import NEVER, SessionTimers
from speaker.bgp.commands import Commands
from speaker.bgp.events import BadEventError
from speaker.bgp.memory import Memory
from speaker.bgp.recovery import Recovery
from speaker.bgp.relay import Relay

MS = 1_000_000
HUGE = 10**400


def event(kind: str, **rest: Any) -> dict[str, Any]:
    """One event of ExaBGP's about a branch."""
    return {"exabgp": "5.0.0", "type": kind, "neighbor": {"address": {"peer": "10.255.1.1"}, **rest}}


def received(**update: Any) -> dict[str, Any]:
    """One UPDATE of the branch."""
    return event("update", direction="receive", message={"update": update})


ROUTE = {"ipv4 unicast": {"10.255.1.1": [{"nlri": "10.1.0.0/24"}]}}


@pytest.mark.parametrize(
    "half",
    [
        received(withdraw={"ipv4 unicast": [{"nlri": "10.1.0.0/24"}, {"nlri": 7}]}),
        received(announce={"ipv4 unicast": {"10.255.1.1": [{"nlri": "10.2.0.0/24"}, 7]}}),
        received(withdraw={"ipv4 unicast": ["10.1.0.0/24"]}, attribute=[]),
        event("update", direction="sideways", message={"update": {"withdraw": {"ipv4 unicast": ["10.1.0.0/24"]}}}),
        {"type": "state", "neighbor": {"address": {"peer": 7}, "state": "up"}},
    ],
)
def test_the_relay_takes_an_event_whole_or_not_at_all(half: Any) -> None:
    memory = Memory()
    memory.observe(received(announce=ROUTE), 1.0)
    before = json.dumps(list(memory.lines()))
    memory.observe(half, 2.0)
    assert json.dumps(list(memory.lines())) == before


def test_an_address_that_is_none_becomes_no_command_of_the_relay() -> None:
    commands = Commands()
    recovery = Recovery(Memory(), commands.ask, 0.0)
    recovery.start()
    commands.advance(0.0)
    neighbor = {
        "peer": {"address": "10.0.0.1\nshutdown"},
        "fsm": "established",
        "duration": 1,
        "families": ["ipv4 unicast"],
    }
    commands.heard(json.dumps([neighbor]))
    commands.heard("done")
    commands.advance(0.0)
    assert bytes(commands.output) == b"show neighbor json\n"


@pytest.mark.parametrize("family", ["ipv4 unicast\nshutdown", "ipv4 \u2028", "ipv4 unicast;", {"a": 1}, None, ""])
def test_a_family_that_is_none_becomes_no_command_of_the_relay(family: Any) -> None:
    commands = Commands()
    Recovery(Memory(), commands.ask, 0.0).start()
    commands.advance(0.0)
    shown = {"peer": {"address": "10.255.1.1"}, "fsm": "ESTABLISHED", "duration": 5, "families": [family]}
    commands.heard(json.dumps([shown]))
    commands.output.clear()
    commands.heard("done")
    commands.advance(0.0)
    assert commands.output == b"show adj-rib in json\n"


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '[{"peer": {"address": "10.255.1.1", "as": 1e999}, "local": {"address": "10.255.1.0"}}]',
        "[1]",
        "{",
    ],
    ids=["deep", "infinite", "number", "cut"],
)
def test_an_answer_that_lists_no_neighbors_shows_none(line: str) -> None:
    assert shown_peers((line,)) == frozenset()


def test_an_answer_that_lists_no_neighbors_costs_none_its_memory(tmp_path: Path) -> None:
    relay = Relay(tmp_path / "relay.sock", lambda: 5.0)
    relay._memory.observe(event("state", state="up"), 5.0)
    relay._forget_all_but(["[" * 100_000, "[1]", "{"])
    relay._selector.close()
    assert list(relay._memory.neighbors) == ["10.255.1.1"]


@pytest.mark.parametrize(
    "changes",
    [{"peer": {"address": []}}, {"route": {"nlri": {"prefix": [], "nexthop": "x"}, "attributes": {}}}],
)
def test_a_strange_route_does_not_keep_the_relay_from_the_others(changes: dict[str, Any]) -> None:
    nlri = {"prefix": "10.1.0.0/24", "nexthop": "10.255.1.1"}
    good = {"peer": {"address": "10.255.1.1"}, "route": {"nlri": nlri, "attributes": {}}}
    commands, memory = Commands(), Memory()
    recovery = Recovery(memory, commands.ask, 0.0)
    recovery._awaiting_routes.add("10.255.1.1")
    recovery._told_received("done", [json.dumps(good | changes), json.dumps(good)])
    assert list(memory.neighbors["10.255.1.1"].received) == ["10.1.0.0/24"]


@pytest.mark.parametrize("duration", [HUGE, float("inf"), float("nan")], ids=["huge", "endless", "none"])
def test_a_neighbor_of_no_sensible_age_is_a_new_one(duration: float) -> None:
    memory = Memory()
    recovery = Recovery(memory, lambda _line, _answer: None, 5.0)
    neighbor = {"peer": {"address": "10.255.1.1"}, "fsm": "idle", "duration": duration, "families": []}
    recovery._told_neighbors("done", [json.dumps([neighbor])])
    assert [known.at for known in memory.neighbors.values()] == [5.0]


def test_instants_beyond_every_clock_are_refused() -> None:
    with pytest.raises(BadEventError):
        Translator(network(1)).remembered({"neighbor": "10.255.1.1", "state": "up", "at": HUGE})
    with pytest.raises(BadLineError):
        list(events_of({"path": {"branch": "b1", "tunnel": "b1/fiber", "at": HUGE}}))


def test_a_bad_line_of_the_forwarder_is_told_in_few_words() -> None:
    with pytest.raises(BadLineError) as refused:
        list(events_of({"liveness": {"tunnel": "b1/fiber", "state": "x" * 9999}}))
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    "line",
    [{"event": event("state", state="up"), "at": HUGE}, {"answer": -1, "result": "done", "lines": 7}],
)
def test_a_strange_line_of_the_relay_is_no_reason_to_hang_up(line: dict[str, Any]) -> None:
    assert Speaker(network(1), Path("relay.sock"), lambda _event: None, lambda: 5.0)._take(line)


@pytest.mark.parametrize(
    "content",
    [
        b'{"pointsman": "a\\nb"}',
        b'{"pointsman": 1, "boot": "", "tunnels": [], "classes": [], "interfaces": {}, "ids": {"%s": 0}}'
        % (b"x" * 9999),
    ],
    ids=["line break", "long key"],
)
def test_a_damaged_state_file_is_refused_in_one_short_line(content: bytes) -> None:
    with pytest.raises(StateFileError) as refused:
        decode(content)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) <= 400


@pytest.mark.parametrize(
    "text", ["a\nb", "\x1b[2J", "\u2028", "x" * 10_000], ids=["break", "escape", "separator", "long"]
)
def test_a_problem_of_the_configuration_is_one_line_whatever_the_file_holds(text: str) -> None:
    problem = error(Place("branches/a\nb.yaml", 1, 1), f'"{text}" is no prefix', f'write "{text}"')
    for said in (problem.file, problem.text, problem.mend or ""):
        assert said.isprintable()
        assert len(said) <= LONGEST_TEXT


@pytest.mark.parametrize("text", ["99999999999d", "9999999999d", "99999999999h"])
def test_a_duration_that_no_clock_runs_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError, match=r"longer than any clock runs"):
        read_duration(text)


@pytest.mark.parametrize("destination", [b"", b"\x0a\x01\x00", bytes(16)])
def test_a_route_with_an_address_of_another_size_is_malformed(destination: bytes) -> None:
    assert routes.decode(routes.put(2, Route(destination, 24, 100, 7, 112), 0)[16:]) is None


def test_two_spellings_of_a_prefix_are_one_prefix() -> None:
    first = {"name": "a", "branch": "a", "prefixes": ["2001:db8::/32"], "order": [], "reason": "", "based_on_epoch": 0}
    second = first | {"name": "b", "prefixes": ["2001:DB8:0::/32"]}
    with pytest.raises(FieldError, match="is also in class a"):
        parse({"set": "classes", "classes": [first, second], "unreachable": []})


@pytest.mark.parametrize("question", [{"ask": "x" * 100_000}, {"ask": "why", "branch": "x" * 100_000}, {"ask": []}, {}])
def test_a_question_without_end_is_answered_in_few_words(question: dict[str, Any]) -> None:
    loop = cast(Any, SimpleNamespace(why=lambda _branch, _prefix: None, branches=["bandung"]))
    server = ControlServer(Path("control.sock"), loop, None, print)
    assert len(asyncio.run(server._answer(question, uid=0))["error"]) < 300


def test_an_epoch_that_no_reader_holds_is_never_reached() -> None:
    world = World()
    world.forwarder.obey(SetTunnels((a_tunnel("bandung/fiber", "t1"), a_tunnel("bandung/wireless", "t2"))))
    world.forwarder.obey(SetOne(an_order(epoch=LARGEST_EPOCH)))
    world.engine.say("bandung/wireless", "up")
    world.engine.say("bandung/fiber", "down")
    (moved,) = world.forwarder.classes.values()
    assert moved.active == "bandung/wireless"
    assert decode(encode(world.forwarder.saved("boot"))).classes == (moved,)


def test_classes_never_share_a_nexthop_whatever_the_state_file_says() -> None:
    orders = (an_order("bandung"), an_order("bogor", ("10.2.0.0/24",)))
    classes = tuple(each for order in orders if isinstance(each := obey(order, None, {}, 7), ForwardingClass))
    world = World()
    world.forwarder.restore(SavedState(classes=classes, ids={"bandung": FIRST_NEXTHOP_ID, "bogor": FIRST_NEXTHOP_ID}))
    world.forwarder.adopt(lambda: None)
    world.clock.run(1)
    assert len(set(world.forwarder.fib.ids.values())) == 2


def test_a_restarted_session_stays_silent_where_the_branch_wants_silence() -> None:
    memory = BfdMemory(11, 3, 22, 3, 50 * MS, 0, 50 * MS, 50 * MS)
    session = Session.restore(memory, SessionTimers(50 * MS, 50 * MS, 3), 0, lambda: 0.3)
    assert session.transmit_due == NEVER
