"""The controller's lines, read strictly: a bad one is named by its field and changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.forwarder import messages
from hub.forwarder.classes import Order
from hub.forwarder.fields import FieldError
from hub.forwarder.health.burst import BurstOrder
from hub.forwarder.liveness.model import ProbeRate, Timers
from hub.forwarder.orders import (
    CountForwarded,
    GetStatus,
    Look,
    Probe,
    SendBurst,
    SetClasses,
    SetOne,
    SetTunnels,
    StopPlanned,
    parse,
)
from hub.forwarder.tracing import TraceOrder

TIMERS = {"method": "bfd", "interval_ms": 50, "multiplier": 3}
TUNNEL = {
    "name": "bandung/fiber",
    "branch": "bandung",
    "interface": "wg-bandung",
    "local": "10.255.0.0",
    "remote": "10.255.0.1",
    "isp": "telkom",
    "hub_uplink": "telkom",
    "active": TIMERS,
    "idle": {"method": "bfd", "interval_ms": 1000, "multiplier": 5},
}
CLASS = {
    "name": "bandung",
    "branch": "bandung",
    "prefixes": ["10.1.0.0/24"],
    "order": ["bandung/fiber", "bandung/wireless"],
    "active": "bandung/fiber",
    "reason": "first choice",
    "based_on_epoch": 4,
}

SOURCES = ["10.0.10.0/24", "2001:db8:0:10::/64"]


def tunnels(**changes: object) -> dict[str, Any]:
    return {"set": "tunnels", "tunnels": [TUNNEL | changes]}


def trace(**changes: object) -> dict[str, Any]:
    return {"trace": {"tunnel": "b/x", "to": "198.18.1.2", "mark": 7, "source": None} | changes}


def classes(*extra: dict[str, Any], **changes: object) -> dict[str, Any]:
    probe = {"prefixes": ["10.0.0.0/16"], "prefer": "10.0.0.1"}
    return {"set": "classes", "classes": [CLASS | changes, *extra], "unreachable": ["10.1.0.0/24"], "probe": probe}


def test_tunnels_are_read() -> None:
    command = parse(tunnels())
    assert isinstance(command, SetTunnels)
    (spec,) = command.tunnels
    assert (spec.active, spec.idle) == (Timers("bfd", 50_000_000, 3), Timers("bfd", 1_000_000_000, 5))


def test_a_tunnel_says_how_often_its_health_is_probed() -> None:
    command = parse(tunnels(probe={"active_ms": 100, "idle_ms": 1000}))
    assert isinstance(command, SetTunnels)
    assert command.tunnels[0].probe == ProbeRate(100_000_000, 1_000_000_000)


@pytest.mark.parametrize("more", [{}, {"probe": {"active_ms": 100, "idle_ms": 1000}}])
def test_a_tunnel_is_written_as_it_is_read(more: dict[str, Any]) -> None:
    command = parse(tunnels(**more))
    assert isinstance(command, SetTunnels)
    written = json.loads(json.dumps(messages.tunnel(command.tunnels[0])))
    assert parse({"set": "tunnels", "tunnels": [written]}) == command


def test_classes_are_read() -> None:
    command = parse(classes())
    order = Order(
        "bandung",
        "bandung",
        ("10.1.0.0/24",),
        ("bandung/fiber", "bandung/wireless"),
        "bandung/fiber",
        "first choice",
        4,
    )
    assert command == SetClasses((order,), ("10.1.0.0/24",), Probe(("10.0.0.0/16",), "10.0.0.1"))
    assert parse({"order": CLASS}) == SetOne(order)


@pytest.mark.parametrize(("sources", "read"), [(SOURCES, tuple(SOURCES)), ([], ()), (None, ())])
def test_a_prefix_may_be_in_a_class_of_a_source_and_in_one_for_packets_from_everywhere(
    sources: list[str] | None, read: tuple[str, ...]
) -> None:
    prefixes = CLASS["prefixes"] if sources else ["10.2.0.0/24"]
    command = parse(classes(CLASS | {"name": "b", "sources": sources, "prefixes": prefixes}))
    assert isinstance(command, SetClasses)
    assert [each.sources for each in command.classes] == [(), read]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ({"look": ["bandung"]}, Look(frozenset({"bandung"}))),
        ({"look": []}, Look(frozenset())),
        (
            {"burst": {"tunnel": "bandung/fiber", "count": 50, "interval_ms": 10}},
            SendBurst(BurstOrder("bandung/fiber", 50, 10_000_000)),
        ),
        ({"count": ["b/x", "b/y"]}, CountForwarded(("b/x", "b/y"))),
        ({"count": []}, CountForwarded(())),
        (
            {"trace": {"tunnel": "b/x", "to": "2001:DB8::1", "mark": 7, "source": None}},
            TraceOrder("b/x", "2001:db8::1", 7, None),
        ),
        ({"get": "status"}, GetStatus()),
        ({"stop": "planned"}, StopPlanned()),
    ],
)
def test_the_short_commands_are_read(line: dict[str, Any], command: object) -> None:
    assert parse(line) == command


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ({}, "no such command"),
        (trace(to="bandung.example"), "trace.to: an address"),
        (trace(to="fe80::1%eth0"), "trace.to: the address of one machine"),
        (trace(to="224.0.0.1"), "trace.to: the address of one machine"),
        (trace(source="2001:db8::1"), "trace.source: an address of the same version"),
        (trace(mark=-1), "trace.mark"),
        (trace(port=53), "trace: unknown field"),
        ({"set": "routes"}, "set:"),
        ({"set": "tunnels"}, "tunnels:"),
        ({"set": "tunnels", "tunnels": [TUNNEL, TUNNEL]}, 'tunnels: "bandung/fiber" is there twice'),
        (tunnels(name=""), "tunnels[0].name"),
        (tunnels(name=7), "tunnels[0].name"),
        (tunnels(name="a\nb"), "tunnels[0].name"),
        (tunnels(interface="wg-bandung-wireless"), "tunnels[0].interface"),
        (tunnels(interface="../all"), "tunnels[0].interface"),
        (tunnels(interface=".."), "tunnels[0].interface"),
        (tunnels(local="10.255.0.0/31"), "tunnels[0].local"),
        (tunnels(remote="2001:db8::1"), "tunnels[0].remote"),
        (tunnels(active=None), "tunnels[0].active"),
        (tunnels(active=TIMERS | {"method": "ping"}), "tunnels[0].active.method"),
        (tunnels(active=TIMERS | {"interval_ms": 1}), "tunnels[0].active.interval_ms"),
        (tunnels(active=TIMERS | {"interval_ms": float("nan")}), "tunnels[0].active.interval_ms"),
        (tunnels(active=TIMERS | {"interval_ms": True}), "tunnels[0].active.interval_ms"),
        (tunnels(idle=TIMERS | {"multiplier": 0}), "tunnels[0].idle.multiplier"),
        (tunnels(idle=TIMERS | {"multiplier": 3.5}), "tunnels[0].idle.multiplier"),
        (tunnels(colour="red"), "tunnels[0]: unknown field 'colour'"),
        (classes(CLASS), 'classes: "bandung" is there twice'),
        (classes(CLASS | {"name": "b"}), "classes[1].prefixes: 10.1.0.0/24 is also in class bandung"),
        (classes(prefixes=["10.1.0.1/24"]), "classes[0].prefixes[0]"),
        (classes(prefixes=["10.1.0.0/24"] * 2), "classes[0].prefixes"),
        (classes(sources=["10.0.10.1/24"]), "classes[0].sources[0]"),
        (classes(sources=["10.0.10.0/24"] * 2), 'classes[0].sources: "10.0.10.0/24" is there twice'),
        (classes(sources="10.0.10.0/24"), "classes[0].sources: a list is needed"),
        (classes(sources=[f"10.0.{number}.0/24" for number in range(201)]), "classes[0].sources: 200 at most"),
        (
            classes(
                CLASS | {"name": "b", "sources": [f"10.0.{number}.0/24" for number in range(150)]},
                sources=[f"10.9.{number}.0/24" for number in range(51)],
            ),
            "classes: 200 different sources at most",
        ),
        (
            classes(CLASS | {"name": "b", "sources": SOURCES}, CLASS | {"name": "c", "sources": SOURCES[:1]}),
            "classes[2].prefixes: 10.1.0.0/24 is also in class b",
        ),
        (classes(prefixes=["2001:db8::1/48"]), "bits set behind its length"),
        (classes(prefixes="10.1.0.0/24"), "classes[0].prefixes: a list is needed"),
        (classes(order=["a/b", "a/b"]), "classes[0].order"),
        (classes(active="bandung/lte"), "classes[0].active"),
        (classes(based_on_epoch=-1), "classes[0].based_on_epoch"),
        (classes() | {"unreachable": ["x"]}, "unreachable[0]"),
        (classes() | {"probe": {"prefixes": [], "prefer": "hub"}}, "probe.prefer"),
        ({"order": None}, "no such command"),
        ({"order": {"name": "x"}}, "order.order"),
        ({"look": ["bandung", 7]}, "look[1]"),
        ({"stop": "now"}, "no such command"),
        (tunnels(probe={"active_ms": 1, "idle_ms": 1000}), "tunnels[0].probe.active_ms"),
        (tunnels(probe={"active_ms": 100}), "tunnels[0].probe.idle_ms"),
        (tunnels(probe=7), "tunnels[0].probe"),
        ({"burst": {"tunnel": "b/x", "count": 0, "interval_ms": 10}}, "burst.count"),
        ({"burst": {"tunnel": "b/x", "count": 50, "interval_ms": 0}}, "burst.interval_ms"),
        ({"burst": {"tunnel": 7, "count": 50, "interval_ms": 10}}, "burst.tunnel"),
        ({"count": ["b/x", "b/x"]}, 'count: "b/x" is there twice'),
        ({"count": "b/x"}, "count: a list is needed"),
        ({"burst": {}, "stop": "planned"}, "unknown field 'stop'"),
    ],
)
def test_a_bad_line_is_named_by_its_field(line: dict[str, Any], place: str) -> None:
    with pytest.raises(FieldError) as refused:
        parse(line)
    assert place in str(refused.value)
    assert "\n" not in str(refused.value)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)


@given(JSON)
def test_no_json_whatever_is_worse_than_refused(line: object) -> None:
    with pytest.raises(FieldError):
        parse(line)


@given(st.sampled_from([tunnels(), classes(), {"order": CLASS}, {"look": ["a"]}]), st.data())
def test_no_single_spoiled_field_is_worse_than_refused(line: dict[str, Any], data: st.DataObject) -> None:
    spoiled = json.loads(json.dumps(line))
    place: Any = spoiled
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(JSON)
            break
        place = place[key]
    try:
        parse(spoiled)
    except FieldError as error:
        assert "\n" not in str(error)
