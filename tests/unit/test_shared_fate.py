"""Tunnels of a branch that seem to be independent and are seen not to be: by where they arrive from, and how they die.

bandung: fiber (isp-fiber, to telkom), wireless (isp-wireless, to biznet); bogor: the same.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console
from small_network import FAST, a_branch, a_network, moment

from hub.cli.problems import problems
from hub.cli.render_why import why_view
from hub.controller.fates import FateWatch, endpoints_in
from hub.controller.report import Surroundings, network_report
from policies.arrivals import ARRIVING_FOR, PATH_LASTS, Ways, address_of
from policies.model.clock import Instant, Now
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent, Liveness
from policies.model.outer_path import OuterPath, Trace
from policies.model.view import LivenessState, LivenessView, View
from policies.shared_fate import Fates, SharedFate, look, shared_fates

BANDUNG, BOGOR = a_branch(), a_branch("bogor", number=2)
NETWORK = a_network(BANDUNG, BOGOR)
FIBER, WIRELESS = (tunnel.id for tunnel in BANDUNG.tunnels)
BOGOR_FIBER, BOGOR_WIRELESS = (tunnel.id for tunnel in BOGOR.tunnels)
ALL = (FIBER, WIRELESS, BOGOR_FIBER, BOGOR_WIRELESS)
ELSEWHERE = {BOGOR_FIBER: "192.0.2.1:51820", BOGOR_WIRELESS: "198.51.100.77:51820"}
START = moment(1000.0)


def at(seconds: float) -> Now:
    return Now(Instant(START.monotonic + seconds), START.wall + timedelta(seconds=seconds))


def view_of(dead: Mapping[TunnelId, float], *, forwarder: bool = True) -> View:
    """All live but these, which died so many seconds after the start."""
    live = {each: LivenessView(LivenessState.UP, Instant(1.0)) for each in ALL}
    died = {each: LivenessView(LivenessState.DOWN, at(seconds).monotonic) for each, seconds in dead.items()}
    return View(liveness={**live, **died}, forwarder=forwarder)


def arriving(endpoints: Mapping[TunnelId, str], seconds: float = 61.0, network: Intent = NETWORK) -> list[SharedFate]:
    fates = look(Fates(), network, view_of({}), Ways(endpoints), at(0))
    fates = look(fates, network, view_of({}), Ways(endpoints), at(seconds))
    return list(shared_fates(fates, network, at(seconds)))


def from_(fiber: str, wireless: str) -> dict[TunnelId, str]:
    return {FIBER: fiber, WIRELESS: wireless, **ELSEWHERE}


def test_primary_and_backup_from_one_address_are_told() -> None:
    (found,) = arriving(from_("203.0.113.7:51820", "203.0.113.7:1024"))
    assert found.text == (
        "fiber and wireless of bandung both arrive from 203.0.113.7, though their ISPs are isp-fiber and isp-wireless, "
        "since 12:00: one outage takes both"
    )
    assert found.key == "shared-fate:bandung:from 203.0.113.7"
    assert found.mend


def test_from_one_network_too() -> None:
    (found,) = arriving(from_("203.0.113.7:51820", "203.0.113.9:51820"))
    assert "both arrive from one network, 203.0.113.0/24, though" in found.text


def of_one_isp(branch: Branch) -> Branch:
    tunnels = tuple(replace(tunnel, uplink=replace(tunnel.uplink, isp="telkom")) for tunnel in branch.tunnels)
    return replace(branch, tunnels=tunnels)


def over_one_uplink(branch: Branch) -> Branch:
    tunnels = tuple(replace(tunnel, uplink=branch.tunnels[0].uplink) for tunnel in branch.tunnels)
    return replace(branch, tunnels=tunnels)


@pytest.mark.parametrize(
    ("endpoints", "branch"),
    [
        (from_("203.0.113.7:1", "203.0.114.7:1"), BANDUNG),
        (from_("[2001:db8:1::1]:1", "[2001:db8:2::1]:1"), BANDUNG),
        (from_("203.0.113.7:1", "[2001:db8:2::1]:1"), BANDUNG),
        (from_("10.9.0.7:1", "10.9.0.8:1"), BANDUNG),
        (from_("203.0.113.7:1", "(none)"), BANDUNG),
        ({FIBER: "203.0.113.7:1"}, BANDUNG),
        (dict.fromkeys(ALL, "203.0.113.7:1"), BANDUNG),
        (from_("203.0.113.7:1", "203.0.113.9:1"), of_one_isp(BANDUNG)),
        (from_("203.0.113.7:1", "203.0.113.7:1"), over_one_uplink(BANDUNG)),
    ],
    ids=["another /24", "another /48", "another version", "private", "none", "one alone", "the hub's own NAT",
         "one ISP, as written", "one uplink, as written"],
)  # fmt: skip
def test_what_says_nothing_is_not_told(endpoints: dict[TunnelId, str], branch: Branch) -> None:
    assert arriving(endpoints, network=a_network(branch, BOGOR)) == []


def test_one_address_is_told_though_the_isp_is_one() -> None:
    (found,) = arriving(from_("203.0.113.7:1", "203.0.113.7:2"), network=a_network(of_one_isp(BANDUNG), BOGOR))
    assert (
        found.text == "fiber and wireless of bandung both arrive from 203.0.113.7, since 12:00: one outage takes both"
    )


def test_ipv6_from_one_48_is_told() -> None:
    (found,) = arriving(from_("[2001:db8:1::1]:1", "[2001:db8:1:ffff::1]:1"))
    assert "2001:db8:1::/48" in found.text


def test_a_tunnel_that_re_homes_has_time_to_come_back() -> None:
    assert arriving(from_("203.0.113.7:1", "203.0.113.7:1"), seconds=ARRIVING_FOR.total_seconds() - 1) == []


def test_where_a_dead_tunnel_once_was_says_nothing() -> None:
    endpoints = from_("203.0.113.7:1", "203.0.113.7:1")
    fates = look(Fates(), NETWORK, view_of({WIRELESS: 0}), Ways(endpoints), at(0))
    fates = look(fates, NETWORK, view_of({WIRELESS: 0}), Ways(endpoints), at(100))
    assert shared_fates(fates, NETWORK, at(100)) == ()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7:51820", "203.0.113.7"),
        ("[2001:db8::1]:51820", "2001:db8::1"),
        ("[fe80::1%eth0]:51820", "fe80::1"),
        ("[::ffff:203.0.113.7]:1", "203.0.113.7"),
        ("(none)", None),
        ("", None),
    ],
)
def test_the_address_of_an_endpoint(text: str, address: str | None) -> None:
    found = address_of(text)
    assert (None if found is None else str(found)) == address


def days(times: int, dead: Mapping[TunnelId, float], network: Intent = NETWORK, apart: float = 86400.0) -> Fates:
    """So many times these die, and live again."""
    fates = Fates()
    for number in range(times):
        begin = number * apart
        died = {tunnel: begin + seconds for tunnel, seconds in dead.items()}
        fates = look(fates, network, view_of({}), Ways(), at(begin - 1))
        for seconds in (2.0, 4.0, 20.0):
            so_far = {tunnel: died_at for tunnel, died_at in died.items() if died_at <= begin + seconds}
            fates = look(fates, network, view_of(so_far), Ways(), at(begin + seconds))
    return fates


def told(fates: Fates, seconds: float, network: Intent = NETWORK) -> list[str]:
    return [each.text for each in shared_fates(fates, network, at(seconds))]


def test_tunnels_that_went_down_together_three_times_in_a_month_are_told() -> None:
    (text,) = told(days(3, {FIBER: 0.0, WIRELESS: 1.9}), 3 * 86400.0)
    assert text == (
        "fiber and wireless of bandung went down together 3 times in 30 days (last 2026-11-23 12:00), while other "
        "tunnels stayed up: they share something, though their ISPs are isp-fiber and isp-wireless"
    )


def test_twice_is_chance() -> None:
    assert told(days(2, {FIBER: 0.0, WIRELESS: 0.0}), 3 * 86400.0) == []


def test_what_was_more_than_a_month_ago_is_forgotten() -> None:
    assert told(days(3, {FIBER: 0.0, WIRELESS: 0.0}), 32 * 86400.0) == []


SLOW = Liveness(FAST, replace(FAST, interval=timedelta(seconds=1), multiplier=5))


def with_slow_backup(branch: Branch) -> Branch:
    fiber, wireless = branch.tunnels
    return replace(branch, tunnels=(fiber, replace(wireless, liveness=SLOW)))


def with_slow_primary(branch: Branch) -> Branch:
    fiber, wireless = branch.tunnels
    return replace(branch, tunnels=(replace(fiber, liveness=SLOW), wireless))


@pytest.mark.parametrize(
    ("dead", "network", "number"),
    [
        ({FIBER: 0.0, WIRELESS: 1.0}, NETWORK, 1),
        ({FIBER: 0.0, WIRELESS: 3.5}, NETWORK, 0),
        ({FIBER: 0.0, WIRELESS: 3.5}, a_network(with_slow_backup(BANDUNG), BOGOR), 1),
        ({WIRELESS: 0.0, FIBER: 3.5}, a_network(with_slow_primary(BANDUNG), BOGOR), 1),
        ({FIBER: 0.0}, NETWORK, 0),
        ({FIBER: 0.0, BOGOR_WIRELESS: 0.0}, NETWORK, 0),
        (dict.fromkeys(ALL, 0.0), NETWORK, 0),
        ({FIBER: 0.0, WIRELESS: 0.0}, a_network(of_one_isp(BANDUNG), BOGOR), 0),
        ({FIBER: 0.0, WIRELESS: 0.0, BOGOR_FIBER: 0.0}, NETWORK, 1),
    ],
    ids=["at once", "one after the other", "one is watched slowly", "the other is", "one", "two branches",
         "the whole hub", "one ISP", "an ISP under two branches"],
)  # fmt: skip
def test_what_counts_as_going_down_together(dead: dict[TunnelId, float], network: Intent, number: int) -> None:
    assert len(told(days(3, dead, network), 3 * 86400.0, network)) == number


def test_an_uplink_of_the_hub_that_fails_is_not_the_branch_s() -> None:
    """All tunnels over it die, and some over another one live on."""
    telkom = NETWORK.hub.uplinks["telkom"]
    here = replace(BANDUNG, tunnels=tuple(replace(tunnel, hub_uplink=telkom) for tunnel in BANDUNG.tunnels))
    biznet = NETWORK.hub.uplinks["biznet"]
    there = replace(BOGOR, tunnels=tuple(replace(tunnel, hub_uplink=biznet) for tunnel in BOGOR.tunnels))
    network = a_network(here, there)
    assert told(days(3, {FIBER: 0.0, WIRELESS: 0.0}, network), 3 * 86400.0, network) == []


def test_while_the_forwarder_is_not_there_nothing_is_learnt() -> None:
    fates = look(Fates(), NETWORK, view_of({}), Ways(), at(0))
    assert look(fates, NETWORK, view_of({FIBER: 1, WIRELESS: 1}, forwarder=False), Ways(), at(2)) == fates


def test_how_often_outlives_the_process(tmp_path: Path) -> None:
    file, said = tmp_path / "fates.json", list[str]()
    for number in range(3):
        watch = FateWatch(file, said.append)
        begin = number * 86400.0
        watch.judge(NETWORK, view_of({}), Ways(), at(begin))
        found = watch.judge(NETWORK, view_of({FIBER: begin + 1, WIRELESS: begin + 1}), Ways(), at(begin + 20))
    assert [each.key for each in found] == ["shared-fate:bandung:fiber with wireless"]
    assert said == []


@pytest.mark.parametrize("text", ["{", '[{"tunnels": ["bandung/fiber"], "at": []}]', json.dumps([{"tunnels": 1}])])
def test_a_damaged_file_is_said_and_counted_anew(tmp_path: Path, text: str) -> None:
    said = list[str]()
    (tmp_path / "fates.json").write_text(text)
    FateWatch(tmp_path / "fates.json", said.append)
    assert len(said) == 1
    assert "counted anew" in said[0]


def test_endpoints_are_those_of_peers_that_are_known() -> None:
    measured = {
        "bandung/fiber": {"wg": {"endpoint": "203.0.113.7:1"}},
        "bandung/wireless": {"wg": {"endpoint": None}},
        "bogor/fiber": {"rtt_ms": 3},
    }
    assert endpoints_in(measured) == {FIBER: "203.0.113.7:1"}


def by_one_router(seconds: float = 901.0, **changes: object) -> list[SharedFate]:
    """Both paths end in 192.0.2.9; of that of the wireless tunnel something else is changed."""
    ends = {FIBER: "203.0.113.7", WIRELESS: "198.51.100.7"}
    fiber = Trace(ends[FIBER], ("198.18.1.1", "192.0.2.9"), reached=True)
    wireless = OuterPath(Trace(ends[WIRELESS], ("198.18.2.1", "192.0.2.9"), reached=True), "biznet", START.monotonic)
    changed = replace(wireless, **changes)  # type: ignore[arg-type]
    paths = {FIBER: OuterPath(fiber, "telkom", START.monotonic), WIRELESS: changed}
    ways = Ways({tunnel: f"{to}:51820" for tunnel, to in ends.items()}, paths)
    fates = look(look(Fates(), NETWORK, view_of({}), ways, at(0)), NETWORK, view_of({}), ways, at(seconds))
    return list(shared_fates(fates, NETWORK, at(seconds)))


def test_tunnels_that_come_through_one_router_are_told_after_a_quarter_of_an_hour() -> None:
    (found,) = by_one_router()
    assert found.key == "shared-fate:bandung:through 192.0.2.9"
    assert found.text == (
        "fiber and wireless of bandung both arrive through the same router 192.0.2.9, the last before both, though "
        "their ISPs are isp-fiber and isp-wireless, since 12:00: one outage takes both"
    )
    assert by_one_router(899.0) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"hub_uplink": "telkom"},
        {"trace": Trace("198.51.100.8", ("198.18.2.1", "192.0.2.9"), reached=True)},
        {"at": Instant(START.monotonic - PATH_LASTS.total_seconds())},
    ],
    ids=["it went by another uplink then", "it was elsewhere then", "from long ago"],
)
def test_the_path_of_a_tunnel_as_it_was_says_nothing(changes: dict[str, object]) -> None:
    assert by_one_router(**changes) == []


def test_who_is_three_from_one_place_is_told_once() -> None:
    """Of three tunnels two and two share a router: all are named, each with how far it is from its end."""
    branch = a_branch(tunnels=("fiber", "wireless", "lte"))
    addresses = ("203.0.113.7", "198.51.100.7", "198.18.9.7")
    ends = {tunnel.id: to for tunnel, to in zip(branch.tunnels, addresses, strict=True)}
    hops = ("198.18.1.1", "192.0.2.9"), ("198.18.2.1", "192.0.2.9"), ("198.18.3.1", "192.0.2.9", "198.18.3.2")
    paths = {
        tunnel: OuterPath(Trace(to, way), uplink, START.monotonic)
        for (tunnel, to), way, uplink in zip(ends.items(), hops, ("a", "b", "c"), strict=True)
    }
    uplinks = {name: replace(NETWORK.hub.uplinks["telkom"], name=name) for name in "abc"}
    tunnels = tuple(
        replace(tunnel, hub_uplink=uplinks[name]) for tunnel, name in zip(branch.tunnels, "abc", strict=True)
    )
    network = a_network(replace(branch, tunnels=tunnels))
    view = View(liveness={each: LivenessView(LivenessState.UP, Instant(1.0)) for each in ends}, forwarder=True)
    ways = Ways({tunnel: f"{to}:51820" for tunnel, to in ends.items()}, paths)
    fates = look(look(Fates(), network, view, ways, at(0)), network, view, ways, at(901))
    (found,) = shared_fates(fates, network, at(901))
    assert found.text.startswith(
        "fiber, wireless and lte of bandung all arrive through the same router 192.0.2.9, the last before fiber and "
        "the last before wireless and the last but one before lte, though"
    )


TOLD = {"shared-fate:bandung:from 203.0.113.7": ("fiber and wireless both arrive", "see by which line")}


def test_status_and_why_tell_it_of_the_branch_it_is_of() -> None:
    around = Surroundings("", Instant(0.0), problems=TOLD)
    report = network_report(NETWORK, view_of({}), {}, around, START)
    assert [branch["shared_fate"] for branch in report["branches"]] == [
        [{"text": "fiber and wireless both arrive", "mend": "see by which line"}],
        [],
    ]
    assert [(problem.kind, problem.text) for problem in problems(report) if problem.kind == "fault"] == [
        ("fault", "fiber and wireless both arrive")
    ]
    out = io.StringIO()
    Console(file=out, width=160).print(why_view({**report["branches"][0], "at": "", "preference": [], "outlook": []}))
    assert "shared     fiber and wireless both arrive" in out.getvalue()
    assert "mend: see by which line" in out.getvalue()


def test_the_way_to_each_tunnel_is_in_the_report_as_it_was_traced_last() -> None:
    trace = Trace("203.0.113.7", ("198.51.100.1", None), reached=True)
    around = Surroundings("", Instant(0.0), paths={FIBER: OuterPath(trace, "biznet", Instant(940.0))})
    report = network_report(NETWORK, view_of({}), {}, around, START)
    fiber, wireless = report["branches"][0]["tunnels"]
    path = {"to": "203.0.113.7", "hops": ["198.51.100.1", None], "reached": True}
    assert fiber["path"] == {**path, "traced": {"at": "2026-11-21T11:59:00.000+00:00", "ago": 60.0}}
    assert wireless["path"] is None
