"""Whatever targets answer: nothing follows from one outcome, a target's own failure, or less than a quorum."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from small_network import HUB, a_branch

from policies.model.clock import Instant
from policies.model.events import ChecksTaken
from policies.model.ids import TunnelId
from policies.model.targets import (
    NOT_ASKED,
    Check,
    CheckKey,
    CheckResult,
    CheckView,
    Outcome,
    Ping,
    TargetStanding,
    Timing,
    Via,
)
from policies.model.view import LivenessState, LivenessView, View
from policies.observe import observe
from policies.targets import branch_checks, failing_tunnels, step
from policies.uplinks import UplinkState, uplink_views

INTERVAL = 10.0
NAMES = ("1.1.1.1", "8.8.8.8", "9.9.9.9", "4.2.2.2", "208.67.222.222")
outcomes = st.lists(st.sampled_from(Outcome), max_size=40)
timings = st.builds(
    lambda fall, rise: Timing(timedelta(seconds=INTERVAL), timedelta(seconds=2), fall, rise),
    st.integers(2, 5),
    st.integers(1, 5),
)


def walked(series: list[Outcome], timing: Timing) -> list[CheckView]:
    """The view after each outcome, the one before the first included."""
    views = [NOT_ASKED]
    for turn, outcome in enumerate(series):
        at = Instant(100.0 + INTERVAL * turn)
        views.append(step(views[-1], CheckResult(CheckKey("bandung", "erp"), outcome, at, timing)))
    return views


@given(outcomes, timings)
def test_a_standing_changes_only_after_enough_alike(series: list[Outcome], timing: Timing) -> None:
    views = walked(series, timing)
    for turn in range(1, len(views)):
        if views[turn].standing is not views[turn - 1].standing:
            outcome = series[turn - 1]
            needed = timing.rise if outcome is Outcome.ANSWERED else timing.fall
            assert series[turn - needed : turn] == [outcome] * needed


@given(outcomes, timings)
def test_one_failure_among_answers_changes_nothing(series: list[Outcome], timing: Timing) -> None:
    fine = [Outcome.ANSWERED] * 5
    assert walked([*series, *fine, Outcome.FAILED, *fine], timing)[-6].standing is TargetStanding.OK


@given(outcomes, timings)
def test_what_goes_on_long_enough_counts_whatever_was_before(series: list[Outcome], timing: Timing) -> None:
    assert walked([*series, *[Outcome.FAILED] * timing.fall], timing)[-1].standing is TargetStanding.FAILING
    assert walked([*series, *[Outcome.ANSWERED] * timing.rise], timing)[-1].standing is TargetStanding.OK


@given(
    phases=st.lists(st.floats(0, 0.99), min_size=2, max_size=4),
    lasts=st.lists(st.floats(60, 200), min_size=1, max_size=6),
    timing=timings,
)
def test_a_targets_own_failure_is_never_held_against_a_tunnel(
    phases: list[float], lasts: list[float], timing: Timing
) -> None:
    """The target is there and away by turns; all tunnels ask the same target, each at its own phase."""
    names = tuple(f"t{number}" for number in range(len(phases)))
    branch = replace(a_branch("bandung", names), targets=(Check("erp", Ping(ip_address("10.1.0.10")), timing),))
    up = LivenessView(LivenessState.UP, Instant(1.0))
    view = View(liveness={TunnelId("bandung", name): up for name in names}, forwarder=True)
    changes = [100.0 + sum(lasts[: turn + 1]) for turn in range(len(lasts))]
    asked = sorted(
        (100.0 + INTERVAL * (turn + phase), name)
        for name, phase in zip(names, phases, strict=True)
        for turn in range(int((changes[-1] - 100.0) / INTERVAL))
    )
    for at, name in asked:
        there = sum(change <= at for change in changes) % 2 == 0
        outcome = Outcome.ANSWERED if there else Outcome.FAILED
        taken = ChecksTaken((CheckResult(CheckKey("bandung", "erp", name), outcome, Instant(at), timing),))
        view = observe(view, taken)
        assert failing_tunnels(branch, view, Instant(at)) == {}


@given(st.lists(st.tuples(st.sampled_from(["fiber", "wireless", "lte"]), st.sampled_from(Outcome)), max_size=60))
def test_some_tunnel_is_never_blamed(series: list[tuple[str, Outcome]]) -> None:
    timing = Timing()
    names = ("fiber", "wireless", "lte")
    branch = replace(a_branch("bandung", names), targets=(Check("erp", Ping(ip_address("10.1.0.10")), timing),))
    view = View()
    for turn, (name, outcome) in enumerate(series):
        result = CheckResult(CheckKey("bandung", "erp", name), outcome, Instant(100.0 + turn), timing)
        view = observe(view, ChecksTaken((result,)))
        for known in branch_checks(branch, view, result.at):
            assert len(known.blamed) < len(names)
            assert not (known.blamed and known.fails_everywhere)


@given(
    outcome_of=st.lists(st.sampled_from(Outcome), min_size=2, max_size=5),
    quorum=st.integers(2, 5),
    order=st.randoms(use_true_random=False),
)
def test_an_uplink_is_out_exactly_when_a_quorum_is_silent(
    outcome_of: list[Outcome], quorum: int, order: object
) -> None:
    timing = Timing()
    names = NAMES[: len(outcome_of)]
    quorum = min(quorum, len(names))
    checks = tuple(Check(name, Ping(ip_address(name)), timing, Via.ACTIVE) for name in names)
    hub = replace(HUB, uplinks={"telkom": replace(HUB.uplinks["telkom"], targets=checks, quorum=quorum)})
    results = [
        CheckResult(CheckKey("hub:hq/telkom", name), outcome, Instant(100.0 + 10 * turn), timing)
        for name, outcome in zip(names, outcome_of, strict=True)
        for turn in range(3)
    ]
    order.shuffle(results)  # type: ignore[attr-defined]
    view = View()
    for number, result in enumerate(results):
        view = observe(view, ChecksTaken((replace(result, at=Instant(100.0 + number)),)))
    (known,) = uplink_views(hub, view, Instant(130.0)).values()
    silent, answering = outcome_of.count(Outcome.FAILED), outcome_of.count(Outcome.ANSWERED)
    if silent >= quorum:
        assert known.state is UplinkState.OUT
    elif answering > len(names) - quorum:
        assert known.state is UplinkState.UP
    else:
        assert known.state is UplinkState.UNKNOWN
