"""What ExaBGP says becomes events of the model; a controller that comes later is told what the first one saw."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from bgp_network import network
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.bgp.translate import MOST_REFUSALS_TOLD, MOST_REFUSED_KEPT, Reconfigured, Translator
from policies.model.announcement import HIGHEST_MED, Announcement
from policies.model.clock import Instant
from policies.model.events import (
    AnnouncementsSent,
    EndOfRibHeard,
    Event,
    LivenessChanged,
    RouteRefused,
    RoutesHeard,
    RoutesWithdrawn,
    SessionChanged,
)
from policies.model.ids import TunnelId
from policies.model.view import LivenessState, LivenessView, SessionState, SessionView, View
from policies.observe import observe
from speaker.bgp.announced import announced
from speaker.bgp.events import BadEventError, Direction, EndOfRibSeen, Route, StateChanged, Updated, parse
from speaker.bgp.memory import Memory

FIBER = TunnelId("b1", "fiber")
BRANCH = IPv4Address("10.255.1.1")
OWN, PART, HUB = IPv4Network("10.1.0.0/24"), IPv4Network("10.1.0.128/25"), IPv4Network("10.0.0.0/16")
NOW = Instant(50.0)


def heard(*prefixes: IPv4Network, as_path: tuple[int, ...] = (65001,)) -> Updated:
    """An UPDATE of the branch."""
    return Updated(BRANCH, Direction.RECEIVED, tuple(Route(prefix, BRANCH, as_path) for prefix in prefixes), ())


def test_good_routes_are_heard_and_bad_ones_refused() -> None:
    events = Translator(network(1)).updated(heard(OWN, HUB), NOW)
    assert events == [
        RoutesHeard(FIBER, (OWN,), NOW),
        RouteRefused(FIBER, "10.0.0.0/16", "the prefix is the hub's own, or overlaps it", NOW),
    ]


def test_a_route_that_turns_bad_is_withdrawn() -> None:
    translator = Translator(network(1))
    translator.updated(heard(OWN), NOW)
    assert translator.updated(heard(OWN, as_path=(65001, 65000)), NOW)[0] == RoutesWithdrawn(FIBER, (OWN,), NOW)


def test_a_withdrawal_counts_even_of_what_an_earlier_session_announced() -> None:
    update = Updated(BRANCH, Direction.RECEIVED, (), (OWN,))
    assert Translator(network(1)).updated(update, NOW) == [RoutesWithdrawn(FIBER, (OWN,), NOW)]


def test_a_flood_of_bad_routes_is_told_in_few_words() -> None:
    alien = list(IPv4Network("172.16.0.0/12").subnets(new_prefix=24))[:1000]
    events = Translator(network(1)).updated(heard(*alien), NOW)
    assert len(events) == MOST_REFUSALS_TOLD + 1
    assert isinstance(events[-1], RouteRefused)
    assert events[-1].prefix == f"{1000 - MOST_REFUSALS_TOLD} more"


def test_down_is_told_once() -> None:
    translator = Translator(network(1))
    assert translator.state(BRANCH, SessionState.DOWN, "hold timer", NOW) == [
        SessionChanged(FIBER, SessionState.DOWN, NOW, "hold timer")
    ]
    assert translator.state(BRANCH, SessionState.DOWN, "closing connection", NOW) == []
    assert translator.state(BRANCH, SessionState.DOWN, "hold timer", NOW) == []


def test_a_missing_med_is_the_lowest() -> None:
    update = Updated(BRANCH, Direction.SENT, (Route(HUB, None),), ())
    assert Translator(network(1)).updated(update, NOW) == [AnnouncementsSent(FIBER, {HUB: Announcement(0)}, (), NOW)]


def test_another_intent_tells_which_neighbors_went() -> None:
    translator = Translator(network(2))
    assert translator.reconfigure(network(1), NOW).gone == {IPv4Address("10.255.2.1"), IPv4Address("10.255.2.3")}
    assert translator.address_of(TunnelId("b2", "fiber")) is None


def test_a_tunnel_with_another_address_has_no_session_until_one_comes_up_there() -> None:
    translator, intent = Translator(network(1)), network(1)
    branch = intent.branches["b1"]
    translator.state(BRANCH, SessionState.UP, "", NOW)
    link = replace(branch.tunnels[0].link, branch=IPv4Address("10.255.7.1"))
    moved = replace(branch, tunnels=(replace(branch.tunnels[0], link=link), *branch.tunnels[1:]))
    changed = translator.reconfigure(replace(intent, branches={"b1": moved}), NOW)
    assert changed.events == (SessionChanged(FIBER, SessionState.DOWN, NOW, "configured anew"),)


def test_refused_routes_beyond_those_that_are_kept_are_not_counted_again_and_again() -> None:
    translator = Translator(network(1))
    many = [IPv4Network(f"10.{9 + n // 256}.{n % 256}.0/24") for n in range(MOST_REFUSED_KEPT + 100)]
    for _ in range(3):
        translator.updated(heard(*many), NOW)
    assert sum(translator.refusals()[FIBER].values()) == MOST_REFUSED_KEPT
    translator.updated(Updated(BRANCH, Direction.RECEIVED, (), tuple(many)), NOW)
    assert translator.refusals() == {}


def test_where_more_routes_are_refused_than_are_kept_that_is_said_and_all_is_told_anew_for_another_intent() -> None:
    translator = Translator(network(1))
    many = [IPv4Network(f"10.{9 + n // 256}.{n % 256}.0/24") for n in range(MOST_REFUSED_KEPT + 100)]
    translator.state(BRANCH, SessionState.UP, "", NOW)
    translator.updated(heard(*many), NOW)
    translator.updated(Updated(BRANCH, Direction.RECEIVED, (), (many[0],)), NOW)
    alien = "the prefix is not one of this branch's prefixes; there are more, which are not counted"
    assert translator.refusals() == {FIBER: {alien: MOST_REFUSED_KEPT - 1}}
    assert translator.reconfigure(network(1), NOW).resync


def test_a_prefix_that_a_new_intent_allows_counts_at_once() -> None:
    translator, intent = Translator(network(1)), network(1)
    new = IPv4Network("10.7.0.0/24")
    translator.state(BRANCH, SessionState.UP, "", NOW)
    translator.updated(heard(OWN, new), NOW)
    assert translator.refusals() == {FIBER: {"the prefix is not one of this branch's prefixes": 1}}
    wider = replace(intent.branches["b1"], prefixes=(OWN, new))
    assert translator.reconfigure(replace(intent, branches={"b1": wider}), NOW).events == (
        RoutesHeard(FIBER, (new,), NOW),
    )
    assert translator.refusals() == {}
    taken_back = translator.reconfigure(intent, NOW).events
    assert taken_back == (
        RoutesWithdrawn(FIBER, (new,), NOW),
        RouteRefused(FIBER, "10.7.0.0/24", "the prefix is not one of this branch's prefixes", NOW),
    )
    assert translator.reconfigure(intent, NOW) == Reconfigured(frozenset())


def test_a_renamed_tunnel_of_the_same_addresses_must_be_told_anew() -> None:
    translator, intent = Translator(network(1)), network(1)
    branch = intent.branches["b1"]
    fiber = replace(branch.tunnels[0], id=TunnelId("b1", "glass"))
    renamed = replace(intent, branches={"b1": replace(branch, tunnels=(fiber, *branch.tunnels[1:]))})
    assert not translator.reconfigure(renamed, NOW).resync
    translator.state(BRANCH, SessionState.UP, "", NOW)
    assert translator.reconfigure(intent, NOW).resync


def test_refused_routes_are_counted_until_they_are_withdrawn() -> None:
    translator = Translator(network(1))
    translator.updated(heard(HUB, IPv4Network("10.2.0.0/24"), IPv4Network("10.3.0.0/24")), NOW)
    translator.updated(heard(HUB), NOW)
    alien, hubs = "the prefix is not one of this branch's prefixes", "the prefix is the hub's own, or overlaps it"
    assert translator.refusals() == {FIBER: {hubs: 1, alien: 2}}
    translator.updated(Updated(BRANCH, Direction.RECEIVED, (), (HUB, IPv4Network("10.3.0.0/24"))), NOW)
    assert translator.refusals() == {FIBER: {alien: 1}}
    translator.state(BRANCH, SessionState.UP, "", NOW)
    assert translator.refusals() == {}


def test_the_end_of_rib_is_heard_when_all_that_the_session_carries_ended() -> None:
    translator = Translator(network(1, versions=(4, 6)))
    translator.opened(BRANCH, frozenset({4, 6}))
    translator.state(BRANCH, SessionState.UP, "", NOW)
    assert translator.missing() == {}
    assert translator.end_of_rib_heard(BRANCH, NOW, 6) == []
    assert translator.end_of_rib_heard(BRANCH, NOW, 4) == [EndOfRibHeard(FIBER, NOW)]


def test_a_version_that_the_branch_does_not_offer_is_missing_and_not_waited_for() -> None:
    translator = Translator(network(1, versions=(4, 6)))
    translator.opened(BRANCH, frozenset({4}))
    translator.state(BRANCH, SessionState.UP, "", NOW)
    assert translator.missing() == {FIBER: (6,)}
    assert translator.end_of_rib_heard(BRANCH, NOW, 4) == [EndOfRibHeard(FIBER, NOW)]
    translator.state(BRANCH, SessionState.DOWN, "", NOW)
    assert translator.missing() == {}


def test_a_branch_that_connects_again_before_its_old_session_has_ended_keeps_what_it_offers() -> None:
    translator = Translator(network(1, versions=(4, 6)))
    translator.opened(BRANCH, frozenset({4, 6}))
    translator.state(BRANCH, SessionState.DOWN, "the old connection", NOW)
    translator.state(BRANCH, SessionState.UP, "", NOW)
    assert translator.versions_of(BRANCH) == {4, 6}
    assert translator.missing() == {}


def test_what_a_new_session_offers_replaces_what_the_one_before_did() -> None:
    translator = Translator(network(1, versions=(4, 6)))
    translator.opened(BRANCH, frozenset({4, 6}))
    translator.state(BRANCH, SessionState.UP, "", NOW)
    translator.state(BRANCH, SessionState.DOWN, "", NOW)
    translator.opened(BRANCH, frozenset({4}))
    translator.state(BRANCH, SessionState.UP, "", NOW)
    assert translator.versions_of(BRANCH) == {4}


def test_the_memory_keeps_the_offer_of_a_connection_that_came_before_the_old_one_ended() -> None:
    memory = Memory()
    for event in (opened(), said('"state": "down"', "state"), said('"state": "up"', "state")):
        memory.observe(event, 1.0)
    assert memory.neighbors[str(BRANCH)].families == ["ipv4 unicast", "ipv6 unicast"]


def test_a_session_whose_open_nobody_saw_carries_what_exabgp_says() -> None:
    memory = Memory()
    memory.observe(said('"state": "up"', "state"), 1.0)
    memory.presume(str(BRANCH), up=True, since=0.0, settled=False, families=["ipv4 unicast", "ipv6 unicast"])
    assert memory.neighbors[str(BRANCH)].families == ["ipv4 unicast", "ipv6 unicast"]


def test_what_an_ibgp_session_sent_is_read_back_from_its_local_preference() -> None:
    update = Updated(BRANCH, Direction.SENT, (Route(HUB, None, med=990, local_preference=HIGHEST_MED - 980),), ())
    assert announced(update) == {HUB: Announcement(980)}


def test_the_communities_that_were_sent_are_read_back_in_order() -> None:
    route = Route(HUB, None, med=990, communities=((65535, 0), (65000, 7)), large_communities=((65000, 1, 2),))
    wanted = Announcement.marked(990, [(65000, 7), (65535, 0)], [(65000, 1, 2)])
    assert announced(Updated(BRANCH, Direction.SENT, (route,), ())) == {HUB: wanted}


def test_the_memory_of_both_ip_versions_comes_back() -> None:
    memory = Memory()
    memory.observe(opened(), 1.0)
    memory.observe(said('"state": "up"', "state"), 1.0)
    nlri = '[{"nlri": "2001:db8:1::/48"}]'
    six = f'"announce": {{"ipv6 unicast": {{"fd00:1::1": {nlri}, "fe80::1": {nlri}}}}}'
    path = '"as-path": {"0": {"element": "as-sequence", "value": [65001]}}'
    memory.observe(update("receive", f'"attribute": {{ {path} }}, {six}'), 1.0)
    memory.observe(announcing("receive", OWN, 0), 1.0)
    memory.observe(ending("receive"), 1.0)
    memory.observe(ending("send"), 1.0)
    (line,) = json.loads(json.dumps(list(memory.lines())))
    translator = Translator(network(1, versions=(4, 6)))
    remembered = translator.remembered(line["memory"])
    assert remembered is not None
    assert not remembered.end_of_rib
    assert translator.versions_of(BRANCH) == {4, 6}
    heard_prefixes = {str(p) for event in remembered.events if isinstance(event, RoutesHeard) for p in event.prefixes}
    assert heard_prefixes == {"10.1.0.0/24", "2001:db8:1::/48"}
    assert not any(isinstance(event, EndOfRibHeard | RouteRefused) for event in remembered.events)


def test_of_two_local_preferences_the_higher_must_be_beaten() -> None:
    memory = Memory()
    for preference in (999_000, 999_010, 999_005):
        memory.observe(said('"state": "up"', "state"), 1.0)
        sent = f'"attribute": {{"med": 5, "local-preference": {preference}}}'
        nlri = '"announce": {"ipv4 unicast": {"10.255.1.0": [{"nlri": "10.0.0.0/16"}]}}'
        memory.observe(update("send", f"{sent}, {nlri}"), 1.0)
    memory.observe(said('"state": "down"', "state"), 1.0)
    (line,) = json.loads(json.dumps(list(memory.lines())))
    remembered = Translator(network(1)).remembered(line["memory"])
    assert remembered is not None
    assert believed(list(remembered.events)).session_of(FIBER).lowest_held == 990


@pytest.mark.parametrize("damage", [{"neighbor": "x"}, {"at": None}, {"state": "?"}, {"sent": 7}, {"received": [[]]}])
def test_a_damaged_memory_is_a_bad_event(damage: dict[str, Any]) -> None:
    memory = Memory()
    memory.observe(said('"state": "up"', "state"), 1.0)
    (line,) = memory.lines()
    with pytest.raises(BadEventError):
        Translator(network(1)).remembered({**line["memory"], **damage})


def said(rest: str, kind: str = "update") -> Any:
    """One event of ExaBGP's."""
    where = '"address": { "local": "10.255.1.0", "peer": "10.255.1.1" }'
    return json.loads(f'{{ "exabgp": "5.0.0", "type": "{kind}", "neighbor": {{ {where}, {rest} }} }}')


def opened() -> Any:
    """An OPEN of the branch that offers both IP versions."""
    families = '{"families": ["ipv4/unicast", "ipv6/unicast"]}'
    return said(f'"direction": "receive", "open": {{"capabilities": {{"1": {families}}}}}', "open")


def update(direction: str, body: str) -> Any:
    """An UPDATE of one of the two directions."""
    return said(f'"direction": "{direction}", "message": {{ "update": {{ {body} }} }}')


def announcing(direction: str, prefix: IPv4Network, med: int) -> Any:
    """One announced prefix."""
    path = '"as-path": {"0": {"element": "as-sequence", "value": [65001]}}'
    entry = f'"announce": {{"ipv4 unicast": {{"10.255.1.1": [{{"nlri": "{prefix}"}}]}}}}'
    return update(direction, f'"attribute": {{ {path}, "med": {med} }}, {entry}')


def withdrawing(direction: str, prefix: IPv4Network) -> Any:
    """One withdrawn prefix."""
    return update(direction, f'"withdraw": {{"ipv4 unicast": [{{"nlri": "{prefix}"}}]}}')


def ending(direction: str) -> Any:
    """An End-of-RIB."""
    return said(f'"direction": "{direction}", "message": {{ "eor": {{ "afi": "ipv4", "safi": "unicast" }} }}')


directions = st.sampled_from(["send", "receive"])
prefixes = st.sampled_from([OWN, PART, HUB])
happenings = st.one_of(
    st.builds(announcing, directions, prefixes, st.sampled_from([10, 20])),
    st.builds(withdrawing, directions, prefixes),
    st.builds(ending, directions),
    st.just(said('"state": "up"', "state")),
    st.builds(
        lambda reason: said(f'"state": "down", "reason": "{reason}"', "state"),
        st.sampled_from(["notification sent (4,0)", "notification sent (2,2)", "closing connection", ""]),
    ),
)


def directly(translator: Translator, event: Any, at: Instant) -> list[Event]:
    """The events of a controller that is there when it happens."""
    match parse(event):
        case StateChanged(neighbor, up, reason):
            return translator.state(neighbor, SessionState.UP if up else SessionState.DOWN, reason, at)
        case Updated() as update:
            return translator.updated(update, at)
        case EndOfRibSeen(neighbor, Direction.RECEIVED):
            return translator.end_of_rib_heard(neighbor, at)
        case EndOfRibSeen(neighbor, _):
            return translator.set_sent(neighbor, at)
    raise AssertionError(event)


def believed(events: list[Event]) -> View:
    """The view after these events, where the tunnel lives."""
    view = View()
    for event in (LivenessChanged(FIBER, LivenessView(LivenessState.UP)), *events):
        view = observe(view, event)
    return view


def comparable(session: SessionView) -> object:
    """What must be the same for a controller that came late: all but the times before the present session."""
    held = {prefix: route.held_since is not None for prefix, route in session.heard.items()}
    return session.state, session.complete, session.end_of_rib, session.sent, held, session.replaced


@settings(deadline=None)
@given(st.lists(happenings, max_size=25))
def test_a_controller_that_comes_late_believes_the_same(history: list[Any]) -> None:
    # Nothing is sent or heard outside of a session.
    events = [said('"state": "up"', "state"), *history]
    there, memory, translator = [], Memory(), Translator(network(1))
    up = True
    for number, event in enumerate(events, 1):
        up = event["neighbor"].get("state", "up" if up else "down") == "up"
        if up or event["type"] == "state":
            there += directly(translator, event, Instant(float(number)))
            memory.observe(event, float(number))
    (line,) = json.loads(json.dumps(list(memory.lines())))
    remembered = Translator(network(1)).remembered(line["memory"])
    assert remembered is not None
    first, late = believed(there).session_of(FIBER), believed(list(remembered.events)).session_of(FIBER)
    if first.state is SessionState.UP:
        assert comparable(late) == comparable(first)
        assert remembered.sent == first.sent
    else:
        ended = (first.state, first.since, first.reason, first.heard.keys())
        assert (late.state, late.since, late.reason, late.heard.keys()) == ended
        assert remembered.sent == {}
    assert late.lowest_held == first.lowest_held
