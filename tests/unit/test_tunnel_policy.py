"""A tunnel that is announced and damped by a word of its own, and the others as the policy says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from small_network import HUB, HUB_PREFIX, POLICY, a_branch, a_network, moment

from hub.controller.health import HealthWatch
from policies.model.announcement import GRACEFUL_SHUTDOWN, Announcement
from policies.model.clock import Instant, Now
from policies.model.events import Event, HealthChanged, InForceChanged, LivenessChanged
from policies.model.health import Damping, HealthState, HealthView
from policies.model.ids import TunnelId
from policies.model.intent import Branch
from policies.model.overrides import InForce
from policies.model.policy import Marks
from policies.model.view import LivenessState, LivenessView
from policies.simulation.hub import SimulatedHub, well

FIBER, WIRELESS = TunnelId("bandung", "fiber"), TunnelId("bandung", "wireless")
OWN = replace(
    POLICY.announce, add_degraded=6000, add_drained=9000, up=Marks(((65000, 7),)), degraded=Marks(((65000, 2),))
)
START = 1000.0


def with_own(**own: object) -> Branch:
    """Bandung, whose wireless tunnel has this for itself."""
    branch = a_branch()
    fiber, wireless = branch.tunnels
    return replace(branch, tunnels=(fiber, replace(wireless, **own)))  # type: ignore[arg-type]


def told(hub: SimulatedHub) -> dict[TunnelId, Announcement]:
    """What is announced over each tunnel in the end."""
    for second in range(0, 60, 5):
        hub.decide(Now(Instant(START + second), moment(START).wall))
    return {tunnel: hub.view.session_of(tunnel).sent[HUB_PREFIX] for tunnel in (FIBER, WIRELESS)}


def running(branch: Branch) -> SimulatedHub:
    return well(HUB, branch, Instant(START))


def test_it_is_announced_with_the_marks_of_its_own_state() -> None:
    assert told(running(with_own(announce=OWN))) == {
        FIBER: Announcement(1000),
        WIRELESS: Announcement(1100, ((65000, 7),)),
    }


def test_degraded_it_has_its_own_addition_and_marks() -> None:
    hub = running(with_own(announce=OWN))
    hub.take(HealthChanged(WIRELESS, HealthView(HealthState.DEGRADED, Instant(START))))
    assert told(hub) == {FIBER: Announcement(1000), WIRELESS: Announcement(7100, ((65000, 2),))}


def test_drained_it_has_its_own_addition() -> None:
    hub = running(with_own(announce=OWN))
    hub.take(InForceChanged({"bandung": InForce(frozenset({WIRELESS}))}, Instant(START)))
    assert told(hub)[WIRELESS] == Announcement(10100, (GRACEFUL_SHUTDOWN,))


def test_the_others_are_announced_as_the_policy_says() -> None:
    hub = running(with_own(announce=OWN))
    hub.take(HealthChanged(FIBER, HealthView(HealthState.DEGRADED, Instant(START))))
    assert told(hub)[FIBER] == Announcement(5000)


def test_it_may_be_withdrawn_where_others_are_not() -> None:
    branch = with_own(announce=replace(POLICY.announce, degraded=Marks(withdraw=True)))
    hub = running(branch)
    told(hub)
    hub.take(HealthChanged(WIRELESS, HealthView(HealthState.DEGRADED, Instant(START))))
    for second in range(60, 120, 5):
        hub.decide(Now(Instant(START + second), moment(START).wall))
    assert hub.view.session_of(WIRELESS).sent == {}
    assert HUB_PREFIX in hub.view.session_of(FIBER).sent


STRICT = Damping(timedelta(minutes=5), 0.9, 0.5, timedelta(minutes=30))


@pytest.mark.parametrize(
    ("policy", "own", "held"),
    [
        (None, STRICT, {WIRELESS}),
        (STRICT, "off", {FIBER}),
        (STRICT, None, {FIBER, WIRELESS}),
        (None, None, set()),
    ],
)
def test_it_is_held_back_by_its_own_damping(policy: Damping | None, own: object, held: set[TunnelId]) -> None:
    branch = with_own(damping=own)
    branch = replace(branch, policy=replace(branch.policy, damping=policy))
    events: list[Event] = []
    watch = HealthWatch(a_network(branch), events.append, lambda *_: None, lambda _: ())
    for tunnel in (FIBER, WIRELESS):
        for at, state in ((START, LivenessState.UP), (START + 60, LivenessState.DOWN)):
            watch.heard(LivenessChanged(tunnel, LivenessView(state, Instant(at))), Instant(at))
    found = {e.tunnel for e in events if isinstance(e, HealthChanged) and e.health.suppressed_until > START + 60}
    assert found == held
