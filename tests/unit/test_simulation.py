"""The core on a virtual clock: what a course of events, described by its changes, comes to."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from small_network import HUB, a_branch, a_tunnel

from policies.model.clock import Instant, Now
from policies.model.events import ForwarderConnected, SpeakerConnected, SpeakerReady
from policies.model.health import Damping, HealthLimits, Limit, Metric
from policies.model.ids import TunnelId
from policies.model.intent import Branch, LivenessMethod, LivenessTimers, ProbeRate
from policies.model.policy import Condition, Failback, FailbackMode, Metered, Rule, RuleChange, TimeWindow
from policies.model.view import LivenessState, LivenessView, View
from policies.simulation.hub import SimulatedHub
from policies.simulation.line import Line
from policies.simulation.play import START, Step, play
from policies.simulation.track import Track

NINE = datetime(2026, 11, 16, 9, tzinfo=ZoneInfo("Asia/Jakarta"))
LIMITS = HealthLimits(
    (
        Limit(Metric.LOSS, 0.03, timedelta(seconds=5)),
        Limit(Metric.LOSS, 0.15, timedelta(seconds=1)),
        Limit(Metric.RTT, 0.2, timedelta(seconds=5)),
    ),
    (Limit(Metric.LOSS, 0.01, timedelta(seconds=60)), Limit(Metric.RTT, 0.1, timedelta(seconds=60))),
)
DAMPING = Damping(timedelta(minutes=5), 3.0, 1.0, timedelta(minutes=30))
FIBER, WIRELESS = Line(rtt=0.004), Line(rtt=0.031)


def branch(**policy: object) -> Branch:
    made = a_branch()
    return replace(made, policy=replace(made.policy, health={"default": LIMITS}, damping=DAMPING, **policy))


def course(*steps: Step, seconds: float = 600.0, of: Branch | None = None) -> Track:
    well = Step(0.0, {"fiber": FIBER, "wireless": WIRELESS})
    return play(HUB, of or branch(), [well, *steps], seconds, NINE)


def moves(track: Track) -> list[tuple[str, str]]:
    return [(moved.after, moved.cause) for moved in track.changes]


def test_while_all_is_well_a_branch_stays_where_it_is() -> None:
    track = course(seconds=86400.0)
    assert [moved.after for moved in track.moves] == ["fiber"]
    assert (track.off_preferred, track.on_metered) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("line", "cause", "within"),
    [
        (Line(loss=0.06, rtt=0.004), "loss", 6.0),
        (Line(loss=0.3, rtt=0.004), "loss", 2.0),
        (Line(rtt=0.3), "rtt", 10.0),
        (Line(up=False), "down", 1.0),
    ],
)
def test_a_bad_tunnel_is_left_and_returned_to_when_it_is_well(line: Line, cause: str, within: float) -> None:
    track = course(Step(60.0, {"fiber": line}), Step(200.0, {"fiber": FIBER}))
    assert moves(track) == [("wireless", cause), ("fiber", "failback")]
    left, returned = track.changes
    assert 60.0 < left.at < 60.0 + within
    assert returned.at > 200.0 + 60.0


def test_a_little_loss_moves_nobody() -> None:
    assert moves(course(Step(60.0, {"fiber": Line(loss=0.002, rtt=0.004)}), seconds=86400.0)) == []


def test_drains_and_switches_move_at_once_and_a_drain_ends_with_a_hold() -> None:
    track = course(
        Step(60.0, drain=frozenset({"fiber"})),
        Step(120.0, undrain=frozenset({"fiber"})),
        Step(200.0, switch="wireless"),
        Step(300.0, unswitch=True),
    )
    assert [(m.after, m.cause, m.at < at + 1.0) for m, at in zip(track.changes, (60, 180, 200, 300), strict=True)] == [
        ("wireless", "drain", True),
        ("fiber", "failback", True),
        ("wireless", "switch", True),
        ("fiber", "failback", True),
    ]


def test_a_flapping_tunnel_makes_few_moves() -> None:
    flaps = [Step(60.0 + 2 * n, {"fiber": Line(up=False) if n % 2 == 0 else FIBER}) for n in range(150)]
    assert len(course(*flaps, seconds=400.0).changes) <= 3


@pytest.mark.parametrize("first_known", [LivenessState.UP, LivenessState.DOWN])
def test_nor_does_one_that_flaps_from_the_start(first_known: LivenessState) -> None:
    """Its session comes back with it at once, so that nothing but the hold keeps traffic away."""
    fiber, wireless = branch().tunnels
    hub = SimulatedHub(HUB, branch(), View())
    hub.take(SpeakerConnected(1, frozenset({fiber.id, wireless.id})))
    hub.take(SpeakerReady(START, 1, frozenset()))
    unheard = LivenessView(LivenessState.UNKNOWN, START)
    hub.take(ForwarderConnected(dict.fromkeys((fiber.id, wireless.id), unheard), {}, {}))
    carried = list[TunnelId | None]()
    for tenth in range(3000):
        now = Instant(START + tenth / 10)
        if tenth == 5:
            hub.comes_up(wireless, now)
            hub.session_up(wireless, now)
        if tenth % 20 == 5 and (first_known is LivenessState.UP) is (tenth % 40 == 5):
            hub.comes_up(fiber, now)
            hub.session_up(fiber, now)
        elif tenth % 20 == 5:
            hub.dies(fiber, now)
        hub.decide(Now(now, NINE + timedelta(seconds=tenth / 10)))
        if hub.active is not None and hub.active != (carried or [None])[-1]:
            carried.append(hub.active)
    assert len(carried) - 1 <= 2, carried


def test_failback_in_a_window_waits_for_it() -> None:

    evening = TimeWindow(frozenset(range(7)), time(18), time(22))
    failback = Failback(FailbackMode.WINDOW, timedelta(seconds=60), (evening,))
    track = course(
        Step(60.0, {"fiber": Line(up=False)}),
        Step(120.0, {"fiber": FIBER}),
        seconds=12 * 3600.0,
        of=branch(failback=failback),
    )
    assert track.changes[-1].after == "fiber"
    assert 9 * 3600.0 <= track.changes[-1].at < 9 * 3600.0 + 60.0


def test_time_on_metered_tunnels_is_counted() -> None:
    lte = a_tunnel("bandung", "wireless", 9, metered=True)
    metered = branch(metered=Metered.LAST_RESORT)
    metered = replace(metered, tunnels=(metered.tunnels[0], lte))
    track = course(Step(60.0, {"fiber": Line(up=False)}), Step(160.0, {"fiber": FIBER}), of=metered)
    assert 100.0 < track.on_metered == track.off_preferred < 250.0
    assert sum(track.carried().values()) == pytest.approx(600.0)


def test_the_same_course_comes_to_the_same() -> None:
    steps = (Step(60.0, {"fiber": Line(loss=0.05, jitter=0.01)}), Step(90.0, {"wireless": Line(up=False)}))
    assert course(*steps) == course(*steps)


def probed(active: timedelta, idle: timedelta) -> Branch:
    rate = ProbeRate(active, idle)
    tunnels = tuple(replace(t, liveness=replace(t.liveness, probe=rate)) for t in branch().tunnels)
    return replace(branch(), tunnels=tunnels)


@pytest.mark.parametrize(("in_use", "interval"), [(True, 0.05), (False, 10.0)])
def test_a_tunnel_is_probed_as_often_as_its_liveness_says(in_use: bool, interval: float) -> None:
    tunnel = probed(timedelta(milliseconds=50), timedelta(seconds=10)).tunnels[0]
    assert FIBER.course(tunnel, in_use=in_use).interval == interval


def test_echoes_of_liveness_that_come_as_often_serve_as_probes() -> None:
    tunnel = probed(timedelta(milliseconds=200), timedelta(seconds=10)).tunnels[0]
    timers = LivenessTimers(LivenessMethod.ICMP, timedelta(milliseconds=100), 3)
    asked = replace(tunnel, liveness=replace(tunnel.liveness, active=timers, idle=timers))
    assert [FIBER.course(asked, in_use=in_use).interval for in_use in (True, False)] == [0.1, 0.1]


def test_a_branch_that_is_probed_less_often_leaves_a_bad_line_later() -> None:
    bad = Step(60.0, {"fiber": Line(loss=0.06)})
    fast, relaxed = (
        course(bad, of=probed(timedelta(seconds=each), timedelta(seconds=5))).changes[0].at for each in (0.05, 1.0)
    )
    assert 60.0 < fast < relaxed


def test_a_line_loses_no_part_of_a_probe() -> None:
    probed, sent, lost = Line(loss=0.05).course(branch().tunnels[0], in_use=True), 0, 0
    for step in range(1000):
        samples = probed.samples(START + step * 0.13, START + (step + 1) * 0.13)
        sent, lost = sent + samples.sent, lost + samples.lost
    assert (sent, lost) == (pytest.approx(1300, abs=1), pytest.approx(65, abs=1))


def test_a_rule_by_night_begins_and_ends_by_itself_also_where_failback_waits_for_a_window() -> None:
    night = TimeWindow(frozenset(range(7)), time(22), time(5))
    evening = TimeWindow(frozenset(range(7)), time(18), time(22))
    rule = Rule("night copies", Condition(times=(night,)), RuleChange(prefer=("wireless", "fiber")))
    failback = Failback(FailbackMode.WINDOW, timedelta(seconds=60), (evening,))
    track = course(seconds=24 * 3600.0, of=branch(failback=failback, rules=(rule,)))
    assert [(moved.after, round(moved.at / 3600)) for moved in track.changes] == [("wireless", 13), ("fiber", 20)]


def test_the_word_for_a_failback_outlives_what_happens_next() -> None:
    manual = branch(failback=Failback(FailbackMode.MANUAL, timedelta(seconds=60)))
    bad = (Step(60.0, {"fiber": Line(up=False)}), Step(90.0, {"fiber": FIBER}))
    word = (Step(300.0, failback=True), Step(300.1, {"wireless": Line(rtt=0.032)}))
    assert moves(course(*bad, of=manual)) == [("wireless", "down")]
    assert moves(course(*bad, *word, of=manual)) == [("wireless", "down"), ("fiber", "failback")]


def test_the_word_for_a_failback_is_over_after_ten_minutes() -> None:
    manual = branch(failback=Failback(FailbackMode.MANUAL, timedelta(seconds=60)))
    early = Step(60.0, failback=True)
    bad = (Step(800.0, {"fiber": Line(up=False)}), Step(810.0, {"fiber": FIBER}))
    assert moves(course(early, *bad, seconds=3600.0, of=manual)) == [("wireless", "down")]


def test_a_rule_that_begins_is_a_cause_of_its_own() -> None:
    at_ten = Condition(times=(TimeWindow(frozenset(range(7)), time(10), time(11)),))
    rule = Rule("coffee", at_ten, RuleChange(prefer=("wireless", "fiber")))
    track = course(seconds=3 * 3600.0, of=branch(rules=(rule,)))
    assert moves(track) == [("wireless", "rank"), ("fiber", "failback")]
    assert track.changes[0].at == pytest.approx(3600.0, abs=1.0)


def test_a_script_is_asked_every_minute() -> None:
    asked = []

    def advise(view: View, active: TunnelId | None, now: Now) -> RuleChange | None:
        asked.append(active)
        return RuleChange(prefer=("wireless", "fiber")) if now.wall.minute >= 20 else None

    well = Step(0.0, {"fiber": FIBER, "wireless": WIRELESS})
    track = play(HUB, branch(), [well], 3000.0, NINE, advise)
    assert moves(track) == [("wireless", "rank")]
    assert 1200.0 <= track.changes[0].at < 1201.0
    assert len(asked) >= 50


def test_seconds_are_counted_over_a_change_of_clocks() -> None:
    berlin = datetime(2026, 3, 29, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    at_four = Condition(times=(TimeWindow(frozenset(range(7)), time(4), time(5)),))
    rule = Rule("early", at_four, RuleChange(prefer=("wireless", "fiber")))
    track = play(HUB, replace(branch(rules=(rule,)), timezone="Europe/Berlin"), [], 4 * 3600.0, berlin)
    assert [round(moved.at) for moved in track.changes] == [7200, 10800]


def test_what_nearly_meets_a_limit_for_days_costs_little() -> None:
    track = course(Step(60.0, {"fiber": Line(loss=0.031, rtt=0.004, jitter=0.0)}), seconds=30 * 86400.0)
    assert len(track.changes) <= 1
