"""What `why` adds to the report: what is ahead and not before when, and one prefix alone."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import time, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from override_values import NOW, a_drain, a_freeze, a_switch, drains
from rich.console import Console
from small_network import HUB, HUB_PREFIX, a_branch, a_network

from hub.cli.render_why import why_view
from hub.controller.explanation import explanation
from hub.controller.prefix_report import UnknownPrefixError
from hub.controller.report import Surroundings
from policies.decide import decide
from policies.model.announcement import GRACEFUL_SHUTDOWN, Announcement
from policies.model.clock import Instant
from policies.model.health import HealthLimits, HealthState, HealthView, Limit, Metric
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent, Mode
from policies.model.overrides import NO_OVERRIDES, Overrides
from policies.model.policy import Condition, Failback, FailbackMode, Metered, Rule, RuleChange, TimeWindow
from policies.model.view import (
    ClassView,
    Heard,
    LivenessState,
    LivenessView,
    PathSeen,
    SessionState,
    SessionView,
    View,
)
from policies.overrides.schedule import drained_by, in_force_at

BRANCH = a_branch()
FIBER, WIRELESS = (tunnel.id for tunnel in BRANCH.tunnels)
LAN = BRANCH.prefixes[0]
ERP = ip_network("10.0.10.0/24")
DIED = Instant(NOW.monotonic - 130)
LONG_AGO = Instant(1.0)
HOLD = timedelta(seconds=60)
EVENING = TimeWindow(frozenset(range(7)), time(18), time(22))


def network(branch: Branch = BRANCH) -> Intent:
    return replace(a_network(branch), hub=replace(HUB, prefixes=(HUB_PREFIX, ip_network("10.3.0.0/16"))))


def going_back(mode: FailbackMode, *windows: TimeWindow) -> Branch:
    return replace(BRANCH, policy=replace(BRANCH.policy, failback=Failback(mode, HOLD, windows)))


def view_of(
    fiber: LivenessState = LivenessState.DOWN,
    on: TunnelId = WIRELESS,
    *,
    wireless: LivenessState = LivenessState.UP,
    health: Mapping[TunnelId, HealthView] | None = None,
    more: Mapping[str, ClassView] | None = None,
) -> View:
    """Bandung, whose fiber died 130 seconds before noon, and has been in this state since."""
    sent = {HUB_PREFIX: Announcement(1000), ERP: Announcement(900, (GRACEFUL_SHUTDOWN,))}
    up = SessionView(
        SessionState.UP,
        LONG_AGO,
        complete=True,
        sent=sent,
        heard={LAN: Heard(LONG_AGO)},
        end_of_rib=True,
        sent_at=DIED,
    )
    gone = replace(up, state=SessionState.DOWN, since=DIED, complete=False, heard={LAN: Heard(LONG_AGO, DIED)})
    order = (WIRELESS, FIBER) if on == WIRELESS else (FIBER, WIRELESS)
    return View(
        liveness={
            FIBER: LivenessView(fiber, DIED if fiber is LivenessState.DOWN else Instant(DIED + 5), "silent"),
            WIRELESS: LivenessView(wireless, LONG_AGO, "BFD up"),
        },
        sessions={FIBER: gone if fiber is LivenessState.DOWN else up, WIRELESS: up},
        classes={"bandung": ClassView("bandung", "bandung", on, order, (LAN,), 1, DIED, "dead"), **(more or {})},
        paths={("bandung", 4): PathSeen(on, DIED, NOW.monotonic)},
        health=health or {},
        forwarder=True,
        speakers=frozenset({1}),
    )


def explained(
    view: View, branch: Branch = BRANCH, standing: Overrides = NO_OVERRIDES, prefix: str | None = None
) -> dict[str, Any]:
    intent = network(branch)
    view = replace(view, in_force=in_force_at(standing, intent, NOW.wall))
    decision, _ = decide(intent, view, {}, NOW)
    around = Surroundings(
        "/", LONG_AGO, overrides=standing.at(NOW.wall), drained=drained_by(standing, intent, NOW.wall)
    )
    report = explanation(intent, branch, view, decision.verdicts["bandung"], around, standing, NOW, prefix)
    assert json.loads(json.dumps(report)) == report
    return report


def ahead(report: dict[str, Any]) -> list[str]:
    """`what` and, where there is one, the time of the day."""
    return [one["what"] + (f" @{one['at'][11:19]}" if one["at"] else "") for one in report["outlook"]]


def text_of(report: dict[str, Any]) -> str:
    out = io.StringIO()
    Console(file=out, width=400).print(why_view(report))
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


PAID = replace(BRANCH.tunnels[1], uplink=replace(BRANCH.tunnels[1].uplink, metered=True))
LAST_RESORT = replace(
    BRANCH, tunnels=(BRANCH.tunnels[0], PAID), policy=replace(BRANCH.policy, metered=Metered.LAST_RESORT)
)
BY_WORD = 'and is told to: "pointsman failback bandung"'
LIMITS = HealthLimits((), (Limit(Metric.LOSS, 0.01, timedelta(seconds=60)),))
JUDGED = replace(BRANCH, policy=replace(BRANCH.policy, health={"default": LIMITS}))
BAD = {FIBER: HealthView(HealthState.DEGRADED, Instant(NOW.monotonic - 20), "loss 6 %")}
HELD = {FIBER: HealthView(HealthState.UP, suppressed_until=Instant(NOW.monotonic + 600))}
UP, DOWN = LivenessState.UP, LivenessState.DOWN


@pytest.mark.parametrize(
    ("view", "branch", "standing", "expected"),
    [
        (view_of(), BRANCH, NO_OVERRIDES, "fiber may carry again once it has answered for 60 s @12:01:00"),
        (
            view_of(),
            going_back(FailbackMode.MANUAL),
            NO_OVERRIDES,
            f"fiber may carry again once it has answered for 60 s, {BY_WORD} @12:01:00",
        ),
        (
            view_of(),
            going_back(FailbackMode.WINDOW, EVENING),
            NO_OVERRIDES,
            "fiber may carry again once it has answered for 60 s, inside a window @18:00:00",
        ),
        (
            view_of(health=HELD),
            BRANCH,
            NO_OVERRIDES,
            "fiber may carry again once it has answered for 60 s @12:10:00",
        ),
        (
            view_of(UP, health=BAD),
            JUDGED,
            NO_OVERRIDES,
            "fiber may carry again once it was within its limits for 60 s, and then for a hold of 60 s @12:01:40",
        ),
        (
            view_of(UP, health=HELD),
            BRANCH,
            NO_OVERRIDES,
            "fiber may carry again when it has been calm for long enough @12:10:00",
        ),
        (
            view_of(UP),
            going_back(FailbackMode.MANUAL),
            NO_OVERRIDES,
            'fiber carries again when told to: "pointsman failback bandung"',
        ),
        (
            view_of(UP),
            going_back(FailbackMode.NEVER),
            NO_OVERRIDES,
            'fiber carries again when wireless gets worse, or by "pointsman failback bandung"',
        ),
        (
            view_of(UP),
            going_back(FailbackMode.WINDOW, EVENING),
            NO_OVERRIDES,
            "the window opens, and fiber may carry again @18:00:00",
        ),
        (view_of(LivenessState.UNKNOWN), BRANCH, NO_OVERRIDES, "fiber may carry once it is known to live"),
        (
            view_of(UP),
            BRANCH,
            drains(a_drain(4, "bandung/fiber", until=60)),
            "fiber may carry again when its drain has ended, and then for a hold of 60 s @13:01:00",
        ),
        (
            view_of(UP),
            BRANCH,
            drains(a_drain(4, "bandung/fiber", until=60), a_drain(5, "isp:isp-fiber")),
            'fiber may carry again after "pointsman undrain 5", and then for a hold of 60 s',
        ),
        (
            view_of(UP),
            BRANCH,
            Overrides(freezes=(a_freeze(4, until=30),)),
            "freeze 4 ends: traffic may move again @12:30:00",
        ),
        (
            view_of(UP),
            BRANCH,
            Overrides(freezes=(a_freeze(4),)),
            'fiber carries again when moves are not frozen any more: "pointsman unfreeze"',
        ),
        (
            view_of(UP),
            BRANCH,
            Overrides(switches=(a_switch(4, "bandung", "wireless", until=30),)),
            "switch 4 to wireless ends: the policy decides again @12:30:00",
        ),
        (
            view_of(UP, FIBER),
            BRANCH,
            drains(a_drain(4, "isp:isp-fiber", begins=20)),
            "drain 4 of isp:isp-fiber begins: fiber is left @12:20:00",
        ),
        (view_of(UP, FIBER), BRANCH, NO_OVERRIDES, "should fiber die or become degraded, wireless carries"),
        (view_of(), BRANCH, NO_OVERRIDES, "should wireless die, no tunnel is left"),
        (view_of(UP, FIBER), LAST_RESORT, NO_OVERRIDES, "should fiber die, wireless carries"),
        (
            view_of(),
            BRANCH,
            Overrides(freezes=(a_freeze(4),)),
            "fiber may carry again once it has answered for 60 s, and moves are not frozen any more @12:01:00",
        ),
        (
            view_of(UP),
            BRANCH,
            Overrides(switches=(a_switch(4, "bandung", "wireless"),)),
            'the policy decides again by "pointsman unswitch bandung"',
        ),
        (view_of(wireless=DOWN), BRANCH, NO_OVERRIDES, "whichever tunnel answers first carries at once"),
        (
            view_of(health={WIRELESS: HealthView(HealthState.DEGRADED)}),
            going_back(FailbackMode.MANUAL),
            NO_OVERRIDES,
            "fiber may carry again once it has answered for 10 s @12:00:10",
        ),
        (
            view_of(),
            BRANCH,
            drains(a_drain(4, "bandung/wireless")),
            "fiber may carry again once it has answered @12:00:00",
        ),
        (
            view_of(UP, FIBER, health={WIRELESS: HealthView(HealthState.DEGRADED)}),
            BRANCH,
            NO_OVERRIDES,
            "should fiber die, wireless carries",
        ),
        (
            replace(view_of(UP), forwarder=False),
            BRANCH,
            NO_OVERRIDES,
            "the forwarder answers again: until then nothing is changed",
        ),
    ],
)
def test_what_is_ahead(view: View, branch: Branch, standing: Overrides, expected: str) -> None:
    assert expected in ahead(explained(view, branch, standing))


def test_what_a_clock_brings_comes_first_by_time() -> None:
    standing = drains(a_drain(4, "bandung/wireless", begins=20, until=60))
    assert ahead(explained(view_of(), BRANCH, standing)) == [
        "fiber may carry again once it has answered for 60 s @12:01:00",
        "drain 4 of bandung/wireless begins: wireless is left @12:20:00",
        "should wireless die, no tunnel is left",
    ]


def test_on_the_preferred_tunnel_nothing_is_awaited() -> None:
    assert ahead(explained(view_of(UP, FIBER))) == ["should fiber die or become degraded, wireless carries"]


def test_an_observed_branch_is_not_ours_to_move() -> None:
    report = explained(view_of(), replace(BRANCH, mode=Mode.OBSERVE))
    assert ahead(report) == ["nothing: bandung is observed only (mode: observe)"]


def test_a_time_of_a_rule_is_ahead() -> None:
    rule = Rule("evenings", Condition(times=(EVENING,)), RuleChange(metered=Metered.ALLOWED))
    branch = replace(BRANCH, policy=replace(BRANCH.policy, rules=(rule,)))
    assert "a time of day that rules or failback name begins or ends @18:00:00" in ahead(
        explained(view_of(UP, FIBER), branch)
    )


def test_the_tree_goes_from_what_is_seen_to_what_is_next() -> None:
    lines = text_of(explained(view_of())).splitlines()
    assert lines[0] == "bandung -> wireless since 11:57:50.000 +07:00 (2m 10s): only usable"
    heads = [line[4:].split()[0] for line in lines if line.startswith(("├── ", "└── "))]
    assert list(dict.fromkeys(heads)) == ["fiber", "wireless", "ranking", "told", "uses", "hears", "kernel", "next"]
    text = "\n".join(lines)
    assert "policy standard: fiber, then wireless" in text
    assert "told       wireless: 10.0.10.0/24 med 900 with 65535:0" in text
    assert ", sent 11:57:50.000" in text
    assert "next       fiber may carry again once it has answered for 60 s: not before 12:01:00 +07:00" in text


def test_the_tree_names_what_keeps_it_off_a_better_tunnel() -> None:
    text = text_of(explained(view_of(UP), going_back(FailbackMode.MANUAL)))
    assert (
        "off        not on fiber, which is well, for 2m 5s: failback is manual and waits for a word "
        "(a fault from 2026-11-22 12:58 on)" in text
    )
    assert "mend: pointsman failback bandung" in text


STEERED = replace(
    BRANCH,
    policy=replace(
        BRANCH.policy, rules=(Rule("ERP", Condition(hub_prefixes=(ERP,)), RuleChange(prefer=("wireless",))),)
    ),
)
OWN = ClassView(
    "bandung:from 10.0.10.0/24", "bandung", WIRELESS, (WIRELESS, FIBER), (LAN,), 3, DIED, "", sources=(ERP,)
)
BOTH = view_of(UP, FIBER, more={OWN.name: OWN})


@pytest.mark.parametrize("asked", ["10.0.10.0/24", "10.0.10.7", "10.0.10.7/24"])
def test_a_hub_prefix_that_a_rule_names_is_explained_by_its_rule(asked: str) -> None:
    report = explained(BOTH, STEERED, prefix=asked)
    assert (report["on"], report["rule"], report["reason"]) == ("wireless", "ERP", "preferred")
    assert report["prefix"]["from"] == ["10.0.10.0/24"]
    assert report["preference"] == ["wireless", "fiber"]
    assert [one["class"] for one in report["kernel"]] == [OWN.name]
    told = {one["prefix"] for tunnel in report["tunnels"] for one in tunnel["told"]}
    assert told == {"10.0.10.0/24"}
    assert ahead(report) == ["should wireless die or become degraded, fiber carries"]
    text = text_of(report)
    assert "steered by itself -> wireless" in text.splitlines()[0]
    assert "policy standard, rule ERP: wireless, then fiber" in text
    assert "uses       not watched: of the traffic that a rule steers by itself no return path is probed" in text
    assert "kernel     ip rule 11208: from 10.0.10.0/24 (a table of its own)" in text
    assert f"from 10.0.10.0/24: 10.1.0.0/24 -> class {OWN.name}" in text


def test_an_address_is_shown_as_one() -> None:
    text = text_of(explained(BOTH, STEERED, prefix="10.0.10.7"))
    assert text.startswith("bandung, traffic from 10.0.10.7, inside 10.0.10.0/24, steered by itself -> wireless")


def test_a_hub_prefix_that_no_rule_names_goes_as_all_else() -> None:
    report = explained(BOTH, STEERED, prefix="10.0.99.0/24")
    assert (report["on"], report["rule"], report["by_hub_prefix"]) == ("fiber", "", [])
    assert [one["class"] for one in report["kernel"]] == ["bandung"]
    assert text_of(report).startswith("bandung, traffic from 10.0.99.0/24, inside 10.0.0.0/16 -> fiber since")


def test_a_hub_prefix_whose_rule_has_no_class_yet_goes_as_all_else_does() -> None:
    report = explained(view_of(UP, FIBER), STEERED, prefix="10.0.10.0/24")
    assert (report["on"], [one["class"] for one in report["kernel"]]) == ("fiber", ["bandung"])


def test_a_prefix_of_the_branch_has_every_class_that_forwards_it() -> None:
    report = explained(BOTH, STEERED, prefix="10.1.0.128/25")
    assert [one["class"] for one in report["kernel"]] == ["bandung", OWN.name]
    assert [one["prefix"] for one in report["hears"]] == ["10.1.0.0/24"]
    assert text_of(report).startswith("bandung, traffic to 10.1.0.128/25, inside 10.1.0.0/24 -> fiber since")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            "10.2.0.0/24",
            "10.2.0.0/24 is neither the branch's nor one that the hub tells it of at bandung: near are 10.3.0.0/16",
        ),
        ("10.1.7.0/24", "near are 10.1.0.0/24"),
        ("10.0.0.0/8", "10.0.0.0/8 is wider than what is steered at bandung: ask for one of 10.0.0.0/16, 10.3.0.0/16"),
        ("erp", '"erp" is no prefix: write one, as 10.0.10.0/24, or an address'),
        ("2001:db8::/48", "near are"),
    ],
)
def test_a_prefix_that_is_not_known_is_refused_with_the_near_ones(asked: str, said: str) -> None:
    with pytest.raises(UnknownPrefixError) as refused:
        explained(view_of(), prefix=asked)
    assert said in str(refused.value)


def test_before_anything_is_decided_there_is_nothing_ahead() -> None:
    report = explanation(network(), BRANCH, View(), None, Surroundings("/", LONG_AGO), NO_OVERRIDES, NOW, "10.0.0.0/16")
    assert (report["outlook"], report["reason"]) == ([], "not decided yet")
    assert "next       nothing is due" in text_of(report)
