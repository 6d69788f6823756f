"""A branch that stays on a lesser tunnel while a better one is well: why, what it costs, and what ends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from ipaddress import ip_network

import pytest
from override_values import NOW, a_drain, a_freeze, a_switch, drains
from small_network import HUB_PREFIX, a_branch, a_network, a_tunnel

from policies.model.announcement import Announcement
from policies.model.clock import NEVER, Instant, Now
from policies.model.health import Figures, HealthState, HealthView
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Mode
from policies.model.overrides import NO_OVERRIDES, Overrides
from policies.model.policy import Condition, Failback, FailbackMode, Rule, RuleChange, TimeWindow
from policies.model.view import ClassView, Heard, LivenessState, LivenessView, SessionState, SessionView, View
from policies.off_preferred import Carried, OffPreferred, cost, fault_of, off_preferred
from policies.overrides.schedule import drained_by, in_force_at

BRANCH = a_branch()
FIBER, WIRELESS = (tunnel.id for tunnel in BRANCH.tunnels)
HOUR = 3600.0
BACK = NOW.monotonic
"""When fiber was back, ten minutes after the branch had left it."""
HOLD = timedelta(seconds=60)


def later(seconds: float) -> Now:
    return Now(Instant(NOW.monotonic + seconds), NOW.wall + timedelta(seconds=seconds))


def going_back(mode: FailbackMode, *windows: TimeWindow, after: timedelta | None = timedelta(hours=1)) -> Branch:
    return replace(BRANCH, policy=replace(BRANCH.policy, failback=Failback(mode, HOLD, windows, after)))


def view_of(
    on: TunnelId = WIRELESS,
    *,
    health: Mapping[TunnelId, HealthView] | None = None,
    fiber: LivenessState = LivenessState.UP,
    session: SessionState = SessionState.UP,
    complete: bool = True,
) -> View:
    """Bandung was moved ten minutes before fiber was back."""
    order = (WIRELESS, FIBER) if on == WIRELESS else (FIBER, WIRELESS)
    prefix = BRANCH.prefixes[0]
    up = SessionView(SessionState.UP, Instant(1.0), complete=True, heard={prefix: Heard(Instant(1.0))}, end_of_rib=True)
    known = {HUB_PREFIX: Announcement(1000)}
    return View(
        liveness={
            FIBER: LivenessView(fiber, BACK, known_since=Instant(1.0)),
            WIRELESS: LivenessView(LivenessState.UP, Instant(1.0), after_death=False),
        },
        sessions={FIBER: replace(up, state=session, complete=complete, sent=known), WIRELESS: up},
        classes={"bandung": ClassView("bandung", "bandung", on, order, (prefix,), 1, Instant(BACK - 600), "dead")},
        health=health or {},
        forwarder=True,
        speakers=frozenset({1}),
    )


def found_by(
    branch: Branch, view: View, seconds: float, overrides: Overrides = NO_OVERRIDES
) -> tuple[OffPreferred, ...]:
    now, intent = later(seconds), a_network(branch)
    view = replace(view, in_force=in_force_at(overrides, intent, now.wall))
    in_force = overrides.at(now.wall)
    return tuple(off_preferred(branch, view, in_force, drained_by(in_force, intent, now.wall), now))


def only(branch: Branch, view: View, seconds: float, overrides: Overrides = NO_OVERRIDES) -> OffPreferred:
    (found,) = found_by(branch, view, seconds, overrides)
    return found


def is_fault(found: OffPreferred, seconds: float) -> bool:
    return found.is_fault(later(seconds).monotonic)


MANUAL = going_back(FailbackMode.MANUAL)
EVENING = TimeWindow(frozenset(range(7)), time(18), time(22))


def test_manual_failback_is_a_fault_when_the_limit_is_over_the_hold_not_counted() -> None:
    almost, after = HOUR + 59, HOUR + 60
    assert not is_fault(only(MANUAL, view_of(), almost), almost)
    found = only(MANUAL, view_of(), after)
    assert is_fault(found, after)
    assert (found.on, found.better, found.since) == (WIRELESS, FIBER, BACK)
    assert found.kept.mend == "pointsman failback bandung"
    text = "bandung is on wireless since 12:00, though fiber, the better one, is well: failback is manual and waits"
    assert found.text((), later(after)).startswith(text)


def test_no_reminder_is_wanted_where_the_policy_says_off() -> None:
    found = only(going_back(FailbackMode.MANUAL, after=None), view_of(), 100 * HOUR)
    assert not is_fault(found, 100 * HOUR)


def test_a_window_says_when_it_opens() -> None:
    found = only(going_back(FailbackMode.WINDOW, EVENING), view_of(), 2 * HOUR)
    assert is_fault(found, 2 * HOUR)
    assert "failback waits for its window: the next one opens 18:00" in found.text((), later(2 * HOUR))
    assert found.kept.mend == "wait, or now: pointsman failback bandung"


def test_never_says_so() -> None:
    found = only(going_back(FailbackMode.NEVER), view_of(), 2 * HOUR)
    assert (found.kept.because, found.kept.mend) == ("failback is never", "pointsman failback bandung")


def test_damping_says_until_when() -> None:
    held = {FIBER: HealthView(HealthState.UP, suppressed_until=Instant(NOW.monotonic + 3 * HOUR))}
    found = only(going_back(FailbackMode.AUTOMATIC), view_of(health=held), 2 * HOUR)
    assert found.kept.because == "fiber came and went too often, and is held back until 15:00"
    assert is_fault(found, 2 * HOUR)


def test_within_its_hold_it_is_told_and_no_fault() -> None:
    found = only(going_back(FailbackMode.AUTOMATIC), view_of(), 30)
    assert "not for long enough until 12:01" in found.kept.because
    assert not is_fault(found, 30)


def test_a_branch_that_does_not_follow_is_a_fault_of_its_router() -> None:
    found = only(going_back(FailbackMode.AUTOMATIC), view_of(), 2 * HOUR)
    assert found.kept.because == "it is told to move, and is not seen to follow"
    assert "the branch's router" in found.kept.mend


def test_a_session_that_never_has_all_is_named() -> None:
    found = only(going_back(FailbackMode.AUTOMATIC), view_of(complete=False), 2 * HOUR)
    assert found.kept.because == "its BGP session has not sent all yet"


@pytest.mark.parametrize(
    ("overrides", "because", "mend"),
    [
        (
            Overrides(switches=(a_switch(4, "bandung", "wireless"),)),
            "switch 4 of root prefers wireless",
            "unswitch bandung",
        ),
        (drains(a_drain(5, "isp:isp-fiber")), "drain 5 of root keeps fiber out of service", "undrain 5"),
        (Overrides(freezes=(a_freeze(6),)), "freeze 6 of root stops all moves", "unfreeze 6"),
    ],
)
def test_what_an_operator_said_without_an_end_is_a_fault_after_a_while(
    overrides: Overrides, because: str, mend: str
) -> None:
    found = only(going_back(FailbackMode.AUTOMATIC), view_of(), 2 * HOUR, overrides)
    assert (found.kept.because, found.kept.mend) == (f"{because} without an end", f"pointsman {mend}")
    assert is_fault(found, 2 * HOUR)
    assert not is_fault(found, HOUR)


@pytest.mark.parametrize(
    "overrides",
    [
        Overrides(switches=(a_switch(4, "bandung", "wireless", until=600),)),
        drains(a_drain(5, "bandung/fiber", until=600)),
        Overrides(freezes=(a_freeze(6, until=600),)),
    ],
)
def test_what_an_operator_said_with_an_end_is_told_and_no_fault_before_that(overrides: Overrides) -> None:
    found = only(going_back(FailbackMode.AUTOMATIC), view_of(), 9 * HOUR, overrides)
    assert found.kept.because.endswith("until 22:00")
    assert not is_fault(found, 9 * HOUR)


def test_of_several_drains_the_last_end_counts() -> None:
    both = drains(a_drain(5, "bandung/fiber", until=600), a_drain(6, "bandung"))
    assert "drain 6" in only(BRANCH, view_of(), 2 * HOUR, both).kept.because


def test_what_a_rule_prefers_is_told_and_no_fault() -> None:
    rule = Rule("nights", Condition(), RuleChange(prefer=("wireless",)))
    branch = replace(BRANCH, policy=replace(BRANCH.policy, rules=(rule,)))
    found = only(branch, view_of(), 9 * HOUR)
    assert found.kept.because == 'the rule "nights" prefers wireless'
    assert not is_fault(found, 9 * HOUR)


def test_what_a_script_prefers_is_told_and_no_fault() -> None:
    branch = replace(BRANCH, policy=replace(BRANCH.policy, script="even_out.py"))
    view = replace(view_of(), adjustments={"bandung": RuleChange(prefer=("wireless",))})
    found = only(branch, view, 9 * HOUR)
    assert found.kept.because == "the script even_out.py prefers wireless"
    assert not is_fault(found, 9 * HOUR)


def test_a_failback_that_a_rule_sets_is_named_with_the_rule() -> None:
    failback = Failback(FailbackMode.MANUAL, HOLD, remind_after=timedelta(hours=5))
    rule = Rule("by word", Condition(), RuleChange(failback=failback))
    branch = replace(BRANCH, policy=replace(BRANCH.policy, rules=(rule,)))
    found = only(branch, view_of(), 2 * HOUR)
    assert found.kept.because == 'failback is manual (rule "by word") and waits for a word'
    assert not is_fault(found, 2 * HOUR)
    assert is_fault(found, 6 * HOUR)


def test_traffic_that_a_rule_steers_by_itself_is_judged_by_its_rule() -> None:
    copies = ip_network("10.0.90.0/24")
    rule = Rule("copies", Condition(hub_prefixes=(copies,)), RuleChange(prefer=("wireless",)))
    branch = replace(BRANCH, policy=replace(MANUAL.policy, rules=(rule,)))
    own = ClassView(
        "c", "bandung", FIBER, (FIBER, WIRELESS), BRANCH.prefixes, 1, Instant(BACK - 600), "", sources=(copies,)
    )
    main = view_of(on=FIBER)
    view = replace(main, classes={**main.classes, "c": own})
    found = only(branch, view, 2 * HOUR)
    assert (found.sources, found.on, found.better) == ((copies,), FIBER, WIRELESS)
    assert found.key == "off-preferred:bandung from 10.0.90.0/24"
    aside = replace(own, active=WIRELESS)
    assert not found_by(branch, replace(view, classes={**main.classes, "c": aside}), 2 * HOUR)


def test_what_is_not_meant_is_told_before_what_is() -> None:
    """Fiber is drained for long, and cable waits for a word: the second is what somebody forgot."""
    branch = replace(MANUAL, tunnels=(*MANUAL.tunnels, a_tunnel("bandung", "cable", 20, kind="fiber")))
    cable = TunnelId("bandung", "cable")
    view = view_of()
    view = replace(
        view,
        liveness={**view.liveness, cable: LivenessView(LivenessState.UP, BACK)},
        sessions={**view.sessions, cable: view.sessions[FIBER]},
    )
    found = only(branch, view, 2 * HOUR, drains(a_drain(5, "bandung/cable", until=600)))
    assert (found.better, found.kept.mend) == (FIBER, "pointsman failback bandung")


DEGRADED = {FIBER: HealthView(HealthState.DEGRADED)}


@pytest.mark.parametrize(
    "view",
    [
        view_of(on=FIBER),
        view_of(fiber=LivenessState.DOWN),
        view_of(fiber=LivenessState.UNKNOWN),
        view_of(health=DEGRADED),
        view_of(session=SessionState.DOWN),
        replace(view_of(), forwarder=False),
        replace(view_of(), classes={}),
    ],
    ids=["on it", "dead", "not known", "degraded", "without a session", "no forwarder", "no class"],
)
def test_nothing_is_said_where_no_better_tunnel_is_well(view: View) -> None:
    assert not found_by(MANUAL, view, 2 * HOUR)


def test_nothing_is_said_of_a_branch_that_is_only_observed() -> None:
    assert not found_by(replace(MANUAL, mode=Mode.OBSERVE), view_of(), 2 * HOUR)


def test_it_is_counted_from_when_the_better_tunnel_was_well_again() -> None:
    recovered = {FIBER: HealthView(HealthState.UP, recovered=Instant(BACK + HOUR))}
    found = only(MANUAL, view_of(health=recovered), 2 * HOUR)
    assert found.since == BACK + HOUR
    assert not is_fault(found, 2 * HOUR)


MEASURED = {
    FIBER: HealthView(HealthState.UP, figures=Figures(0.0, 0.004)),
    WIRELESS: HealthView(HealthState.UP, figures=Figures(0.004, 0.031)),
}


def metered(branch: Branch) -> Branch:
    fiber, wireless = branch.tunnels
    return replace(branch, tunnels=(fiber, replace(wireless, uplink=replace(wireless.uplink, metered=True))))


def test_the_cost_is_what_was_measured() -> None:
    branch, view, now = metered(MANUAL), view_of(health=MEASURED), later(2 * HOUR)
    found = only(branch, view, 2 * HOUR)
    assert cost(found, branch, view, Carried(BACK, 3_140_000_000), now) == (
        "3.14 GB over the metered wireless since 12:00",
        "a round trip of 31 ms instead of 4 ms",
        "a loss of 0.4 % instead of 0.0 %",
    )


def test_what_was_not_measured_is_not_told() -> None:
    found = only(MANUAL, view_of(), 2 * HOUR)
    assert cost(found, MANUAL, view_of(), Carried(BACK, 10**9), later(2 * HOUR)) == ()
    assert cost(found, metered(MANUAL), view_of(), None, later(2 * HOUR)) == ("wireless is metered",)


def test_a_better_tunnel_that_is_slower_costs_nothing() -> None:
    swapped = {FIBER: MEASURED[WIRELESS], WIRELESS: MEASURED[FIBER]}
    view = view_of(health=swapped)
    assert cost(only(MANUAL, view, 2 * HOUR), MANUAL, view, None, later(2 * HOUR)) == ()


def test_the_fault_has_reason_cost_and_mend() -> None:
    branch, view = metered(MANUAL), view_of(health=MEASURED)
    found = only(branch, view, 2 * HOUR)
    fault = fault_of(found, branch, view, Carried(BACK, 999_499), later(2 * HOUR))
    assert fault.key == "off-preferred:bandung"
    assert fault.text == (
        "bandung is on wireless since 12:00, though fiber, the better one, is well: "
        "failback is manual and waits for a word; it costs: 999 kB over the metered wireless since 12:00, "
        "a round trip of 31 ms instead of 4 ms, "
        "a loss of 0.4 % instead of 0.0 %"
    )
    assert fault.mend == "pointsman failback bandung"


def test_times_are_of_another_day_where_they_are() -> None:
    found = only(MANUAL, view_of(), 24 * HOUR)
    assert "since 2026-11-22 12:00" in found.text((), later(24 * HOUR))


def test_the_moment_is_not_changed_by_the_zone() -> None:
    now = later(2 * HOUR)
    utc = Now(now.monotonic, now.wall.astimezone(UTC))
    (one,) = off_preferred(going_back(FailbackMode.WINDOW, EVENING), view_of(), NO_OVERRIDES, {}, utc)
    assert one.kept.until == datetime(2026, 11, 22, 11, tzinfo=UTC)
    assert one.fault_at is not None
    assert one.fault_at > NEVER
