"""A plan foresees what the core would do: health by the new limits, steering by rules, overrides, holds and windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from ipaddress import ip_network

import pytest
from small_network import HUB_PREFIX, a_branch, a_network, a_tunnel, moment, with_failback

from policies.health.course import Course, advance
from policies.health.memory import NOTHING_REMEMBERED, HealthMemory
from policies.model.announcement import Announcement
from policies.model.clock import Instant, Now
from policies.model.health import HealthLimits, HealthState, Limit, Metric
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Mode
from policies.model.overrides import InForce
from policies.model.policy import Condition, FailbackMode, Metered, Rule, RuleChange, TimeWindow
from policies.model.view import ClassView, Heard, LivenessState, LivenessView, PathSeen, SessionState, SessionView, View
from policies.plan import BranchPlan, Plan, plan
from policies.planning.outlook import PlannedMove

FIBER, WIRELESS = TunnelId("semarang", "fiber"), TunnelId("semarang", "wireless")
NOW = moment(1000.0)
ERP = ip_network("10.0.10.0/24")


def limits(loss: float) -> HealthLimits:
    return HealthLimits(
        (Limit(Metric.LOSS, loss, timedelta(seconds=5)),), (Limit(Metric.LOSS, loss / 2, timedelta(seconds=60)),)
    )


def judged_by(loss: float, branch: Branch) -> Branch:
    return replace(branch, policy=replace(branch.policy, health={"default": limits(loss)}))


SEMARANG = judged_by(0.03, a_branch("semarang"))
METERED = replace(
    SEMARANG, tunnels=(a_tunnel("semarang", "fiber", 8), a_tunnel("semarang", "wireless", 9, metered=True))
)


def session(med: int, branch: Branch) -> SessionView:
    return SessionView(
        SessionState.UP,
        Instant(2.0),
        complete=True,
        sent={HUB_PREFIX: Announcement(med)},
        heard={prefix: Heard(Instant(2.0)) for prefix in branch.prefixes},
        end_of_rib=True,
    )


def live(branch: Branch = SEMARANG, on: TunnelId = FIBER, **more: object) -> View:
    """Both tunnels live and have their sessions, the branch is on one of them, and answers over it."""
    up = LivenessView(LivenessState.UP, Instant(1.0), after_death=False)
    order = (on, *(t.id for t in branch.tunnels if t.id != on))
    view = View(
        liveness={tunnel.id: up for tunnel in branch.tunnels},
        sessions={tunnel.id: session(1000 + 100 * n, branch) for n, tunnel in enumerate(branch.tunnels)},
        classes={branch.name: ClassView(branch.name, branch.name, on, order, branch.prefixes, 1, Instant(1.0), "")},
        paths={(branch.name, 4): PathSeen(on, Instant(1.0), Instant(999.5))},
        forwarder=True,
        speakers=frozenset({1}),
    )
    return replace(view, **more)  # type: ignore[arg-type]


def measured(loss: float, by: HealthLimits | None = None) -> HealthMemory:
    """A tunnel that has lost so much for minutes, judged by limits of 3 % unless others are said."""
    memory, at = NOTHING_REMEMBERED, Instant(600.0)
    while at < NOW.monotonic:
        memory, at = advance(memory, Course(loss), by or limits(0.03), None, (), now=at, until=NOW.monotonic)
    return memory


def planned(
    before: Branch,
    after: Branch,
    view: View,
    memories: Mapping[TunnelId, HealthMemory] | None = None,
    now: Now = NOW,
    daily: Mapping[str, float] | None = None,
) -> Plan:
    return plan(a_network(before), a_network(after), view, now, memories, daily)


def of_semarang(found: Plan) -> BranchPlan:
    (branch,) = found.branches
    return branch


def moves(found: Plan) -> list[tuple[str | None, str]]:
    return [(move.on, move.to) for move in of_semarang(found).moves]


def only_move(found: Plan) -> PlannedMove:
    (move,) = of_semarang(found).moves
    return move


LOSSY = {FIBER: measured(0.024), WIRELESS: measured(0.0)}


def test_a_tunnel_that_passes_the_new_limit_is_left_which_is_expected_and_not_certain() -> None:
    found = planned(SEMARANG, judged_by(0.02, SEMARANG), live(), LOSSY)
    move = only_move(found)
    assert (move.on, move.to, move.because, move.expected, move.at_once) == (
        "fiber",
        "wireless",
        "2.4 % loss",
        True,
        False,
    )
    assert (move.gentle, move.confirms) == (True, "a burst of probes must confirm it")
    assert of_semarang(found).to is None


def test_a_limit_that_no_tunnel_passes_changes_nothing_but_its_words() -> None:
    found = planned(SEMARANG, judged_by(0.029, SEMARANG), live(), LOSSY)
    assert (found.branches, found.unchanged, found.empty) == ((), 1, False)
    assert [change.what for change in found.silent[0].policy] == [
        "health default loss",
        "health default loss to return",
    ]


def test_a_tunnel_found_too_bad_already_is_left_at_once() -> None:
    bad = {FIBER: measured(0.08, limits(0.1)), WIRELESS: measured(0.0)}
    degraded = {FIBER: measured(0.08), WIRELESS: measured(0.0)}
    stays = with_failback(judged_by(0.1, SEMARANG), FailbackMode.NEVER)
    assert moves(planned(stays, judged_by(0.03, stays), live(), bad)) == [("fiber", "wireless")]
    ignoring = with_rule(SEMARANG, RuleChange(ignore_degraded=True))
    move = only_move(planned(ignoring, SEMARANG, live(health={FIBER: degraded[FIBER].view}), degraded))
    assert (move.to, move.because, move.at_once) == ("wireless", "8 % loss", True)


def test_a_looser_limit_brings_the_preferred_tunnel_back_after_the_hold() -> None:
    degraded = measured(0.04)
    assert degraded.view.state is HealthState.DEGRADED
    on_wireless = live(on=WIRELESS, health={FIBER: degraded.view})
    move = only_move(planned(SEMARANG, judged_by(0.2, SEMARANG), on_wireless, {FIBER: degraded, WIRELESS: measured(0)}))
    assert (move.on, move.to, move.at_once) == ("wireless", "fiber", False)
    assert move.confirms == ""
    assert move.after is not None
    assert 60 <= move.after <= 75


def test_a_tunnel_that_has_just_become_bad_comes_back_only_once_it_is_measured_to_be_well() -> None:
    memories = {FIBER: later(measured(0.0), 0.04, 40), WIRELESS: later(measured(0.0), 0.0, 40)}
    on_wireless = live(on=WIRELESS, health={FIBER: memories[FIBER].view})
    move = only_move(planned(SEMARANG, judged_by(0.2, SEMARANG), on_wireless, memories, moment(1040.0)))
    assert (move.to, move.confirms) == ("fiber", "it must be measured well until then")
    assert move.after is not None
    assert 75 <= move.after <= 125


def with_rule(branch: Branch, sets: RuleChange, **when: object) -> Branch:
    rule = Rule("nights", Condition(**when), sets)  # type: ignore[arg-type]
    return replace(branch, policy=replace(branch.policy, rules=(rule,)))


def test_a_rule_for_a_hub_prefix_moves_its_traffic_alone() -> None:
    ruled = with_rule(SEMARANG, RuleChange(prefer=("wireless", "fiber")), hub_prefixes=(ERP,))
    found = planned(SEMARANG, ruled, live())
    move = only_move(found)
    assert (move.sources, move.rule, move.on, move.to) == ((ERP,), "nights", "fiber", "wireless")
    assert of_semarang(found).to is None
    assert any(
        change.what.startswith("route") and "from 10.0.10.0/24" in change.what for change in of_semarang(found).routes
    )


def test_a_rule_for_the_night_moves_when_the_night_comes() -> None:
    at_21 = moment(1000.0, datetime(2026, 11, 21, 14, tzinfo=UTC))
    night = TimeWindow(frozenset(range(7)), time(22), time(5))
    ruled = with_rule(SEMARANG, RuleChange(prefer=("wireless", "fiber")), times=(night,))
    there, back = of_semarang(planned(SEMARANG, ruled, live(), now=at_21)).moves
    assert (there.to, there.after) == ("wireless", pytest.approx(3600.0, abs=1))
    assert (back.to, back.after) == ("fiber", pytest.approx(8 * 3600.0, abs=1))


def test_what_would_come_without_the_change_as_well_is_not_of_the_plan() -> None:
    at_21 = moment(1000.0, datetime(2026, 11, 21, 14, tzinfo=UTC))
    night = TimeWindow(frozenset(range(7)), time(22), time(5))
    ruled = with_rule(SEMARANG, RuleChange(prefer=("wireless", "fiber")), times=(night,))
    found = planned(ruled, replace(ruled, prefix_limit=7), live(), now=at_21)
    assert of_semarang(found).moves == ()


PREFERS_WIRELESS = replace(SEMARANG, policy=replace(SEMARANG.policy, prefer=("wireless", "fiber")))


def test_another_preference_moves_at_once_made_before_broken() -> None:
    found = planned(SEMARANG, PREFERS_WIRELESS, live())
    move = only_move(found)
    assert (move.to, move.at_once, move.gentle) == ("wireless", True, True)
    assert [(c.what, c.was, c.now) for c in of_semarang(found).announcements] == [
        ("fiber tells 10.0.0.0/16", "med 1000", "med 1100"),
        ("wireless tells 10.0.0.0/16", "med 1100", "med 1000"),
    ]
    assert [(c.was, c.now) for c in of_semarang(found).ranking] == [("fiber, wireless", "wireless, fiber")]


def test_nothing_is_promised_of_a_branch_that_is_not_seen_to_follow() -> None:
    assert not only_move(planned(SEMARANG, PREFERS_WIRELESS, live(paths={}))).gentle


def test_what_is_drained_is_not_moved_to() -> None:
    drained = live(in_force={"semarang": InForce(drained=frozenset({WIRELESS}))})
    assert of_semarang(planned(SEMARANG, PREFERS_WIRELESS, drained)).moves == ()


def test_an_operators_switch_stands_above_another_preference() -> None:
    switched = live(in_force={"semarang": InForce(switched=FIBER)})
    found = planned(SEMARANG, PREFERS_WIRELESS, switched)
    assert (found.branches, found.unchanged) == ((), 1)


def test_a_freeze_is_waited_for() -> None:
    found = planned(SEMARANG, PREFERS_WIRELESS, live(in_force={"semarang": InForce(frozen=True)}))
    move = only_move(found)
    assert found.blast.moved == ()
    assert (move.to, move.after, move.waits) == ("wireless", None, "when the freeze ends")


def died_lately(view: View, tunnel: TunnelId) -> View:
    back = LivenessView(LivenessState.UP, Instant(970.0), known_since=Instant(1.0))
    return replace(view, liveness={**view.liveness, tunnel: back})


def test_a_tunnel_that_has_just_come_back_is_moved_to_after_its_hold() -> None:
    move = only_move(planned(SEMARANG, PREFERS_WIRELESS, died_lately(live(), WIRELESS)))
    assert (move.to, move.after) == ("wireless", pytest.approx(30.0, abs=0.5))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (FailbackMode.AUTOMATIC, [("wireless", "")]),
        (FailbackMode.MANUAL, [("wireless", "when told to (pointsman failback)")]),
        (FailbackMode.NEVER, []),
    ],
)
def test_the_new_way_of_going_back_counts(mode: FailbackMode, expected: list[tuple[str, str]]) -> None:
    """It had died after the branch came to the tunnel that it is on: going there is going back."""
    before = with_failback(PREFERS_WIRELESS, FailbackMode.NEVER)
    found = planned(
        before, replace(with_failback(PREFERS_WIRELESS, mode), prefix_limit=7), died_lately(live(), WIRELESS)
    )
    assert [(move.to, move.waits) for move in of_semarang(found).moves] == expected


def test_a_metered_line_is_counted_with_its_bytes_a_day() -> None:
    prefers = replace(METERED, policy=replace(METERED.policy, prefer=("wireless",), metered=Metered.ALLOWED))
    found = planned(METERED, prefers, live(METERED), daily={"semarang": 3.1e9})
    assert only_move(found).metered
    assert (found.blast.metered, found.blast.bytes_a_day, found.blast.unknown) == (("semarang",), 3.1e9, ())


def test_a_branch_that_is_only_observed_moves_nowhere() -> None:
    found = planned(SEMARANG, replace(PREFERS_WIRELESS, mode=Mode.OBSERVE), live())
    assert (of_semarang(found).moves, of_semarang(found).announcements) == ((), ())


def scripted(branch: Branch, script: str) -> Branch:
    return replace(branch, policy=replace(branch.policy, script=script))


def test_the_last_answer_of_a_script_counts_and_that_is_said() -> None:
    said = live(adjustments={"semarang": RuleChange(prefer=("fiber",))})
    before, after = scripted(SEMARANG, "even_out.py"), scripted(PREFERS_WIRELESS, "even_out.py")
    branch = plan(a_network(before), a_network(replace(after, prefix_limit=7)), said, NOW).branches[0]
    assert (branch.moves, branch.script) == ((), "by the last answer of even_out.py")


def test_of_another_script_nothing_is_known() -> None:
    said = live(adjustments={"semarang": RuleChange(prefer=("wireless",))}, classes=live(on=WIRELESS).classes)
    before, after = scripted(SEMARANG, "even_out.py"), scripted(SEMARANG, "other.py")
    branch = of_semarang(planned(before, after, said))
    assert branch.script == "without other.py, which has not been asked yet"
    assert [move.to for move in branch.moves] == ["fiber"]


def test_without_the_forwarder_nothing_is_foreseen_and_that_is_said() -> None:
    found = planned(SEMARANG, PREFERS_WIRELESS, live(forwarder=False))
    assert found.blind
    assert of_semarang(found).moves == ()


def test_a_plan_changes_no_view() -> None:
    view = live()
    before = repr(view)
    planned(SEMARANG, judged_by(0.02, PREFERS_WIRELESS), view, LOSSY)
    assert repr(view) == before


def later(memory: HealthMemory, loss: float, seconds: float, by: HealthLimits | None = None) -> HealthMemory:
    at, until = NOW.monotonic, Instant(NOW.monotonic + seconds)
    while at < until:
        memory, at = advance(memory, Course(loss), by or limits(0.03), None, (), now=at, until=until)
    return memory


def test_the_number_stays_while_only_figures_change() -> None:
    after = judged_by(0.02, SEMARANG)
    first = planned(SEMARANG, after, live(), LOSSY, daily={"semarang": 1e9}).id
    moved_on = {FIBER: later(LOSSY[FIBER], 0.026, 7), WIRELESS: later(LOSSY[WIRELESS], 0.0, 7)}
    seen = {("semarang", 4): PathSeen(FIBER, Instant(1.0), Instant(1006.5))}
    assert planned(SEMARANG, after, live(paths=seen), moved_on, moment(1007.0), daily={"semarang": 2e9}).id == first


def test_the_number_is_another_when_health_by_the_new_limits_is() -> None:
    after = judged_by(0.02, SEMARANG)
    well = {FIBER: measured(0.0), WIRELESS: measured(0.0)}
    worse = {FIBER: measured(0.024), WIRELESS: measured(0.024)}
    ids = {planned(SEMARANG, after, live(), each).id for each in (LOSSY, well, worse)}
    assert len(ids) == 3


@pytest.mark.parametrize(
    "said",
    [
        InForce(drained=frozenset({WIRELESS})),
        InForce(switched=FIBER),
        InForce(switched=WIRELESS),
        InForce(frozen=True),
    ],
)
def test_the_number_is_another_when_overrides_are(said: InForce) -> None:
    first = planned(SEMARANG, PREFERS_WIRELESS, live()).id
    assert planned(SEMARANG, PREFERS_WIRELESS, live(in_force={"semarang": said})).id != first


def test_the_number_is_another_when_overrides_are_though_nothing_else_would_be_done() -> None:
    after, frozen = replace(SEMARANG, prefix_limit=7), live(in_force={"semarang": InForce(frozen=True)})
    first, then = planned(SEMARANG, after, live()), planned(SEMARANG, after, frozen)
    assert of_semarang(first).moves == of_semarang(then).moves == ()
    assert first.id != then.id
