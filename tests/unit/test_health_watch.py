"""Health in the controller: samples in, events out; what is remembered over a restart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import pytest
from small_network import a_branch, a_network

from hub.controller.health import HealthWatch, Kept
from hub.controller.health_file import HealthFile
from policies.health.usual import NO_USUAL, learnt
from policies.model.clock import Instant
from policies.model.events import Event, HealthChanged, LivenessChanged, SamplesTaken
from policies.model.health import Damping, HealthLimits, HealthState, Limit, Metric, Samples
from policies.model.ids import TunnelId
from policies.model.view import LivenessState, LivenessView

LIMITS = HealthLimits(
    (Limit(Metric.LOSS, 0.03, timedelta(seconds=5)),), (Limit(Metric.LOSS, 0.01, timedelta(seconds=60)),)
)
BRANCH = replace(a_branch(), policy=replace(a_branch().policy, health=MappingProxyType({"default": LIMITS})))
INTENT = a_network(BRANCH)
FIBER = TunnelId("bandung", "fiber")


class Scene:
    """A HealthWatch with what it says and asks for."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.bursts: list[tuple[TunnelId, int]] = []
        self.failing: dict[TunnelId, tuple[str, ...]] = {}
        self.watch = HealthWatch(
            INTENT,
            self.events.append,
            lambda tunnel, probes: self.bursts.append((tunnel, probes)),
            lambda tunnel: self.failing.get(tunnel, ()),
        )

    def sample(self, at: float, sent: int, lost: int, *, burst: bool = False) -> None:
        samples = Samples(Instant(at - 1), Instant(at), sent, lost, (0.01,) * (sent - lost), burst)
        self.watch.heard(SamplesTaken({FIBER: (samples,)}), Instant(at))

    @property
    def states(self) -> list[HealthState]:
        found = [event.health.state for event in self.events if isinstance(event, HealthChanged)]
        return [state for place, state in enumerate(found) if place == 0 or state is not found[place - 1]]


def test_the_first_seconds_of_a_tunnel_are_not_measured() -> None:
    scene = Scene()
    scene.watch.heard(LivenessChanged(FIBER, LivenessView(LivenessState.UP, Instant(1.0))), Instant(1.0))
    for second in range(2, 7):
        scene.sample(float(second), 10, 5)
    assert (scene.states, scene.bursts) == ([HealthState.UNKNOWN], [])
    scene.sample(8.0, 10, 0)
    assert scene.states[-1] is HealthState.UP


def bad(scene: Scene) -> None:
    """Fiber answers, loses some, and the burst that is asked for says the same."""
    scene.watch.heard(LivenessChanged(FIBER, LivenessView(LivenessState.UP, Instant(1.0))), Instant(1.0))
    scene.sample(10.0, 10, 0)
    for second in range(11, 14):
        scene.sample(float(second), 10, 2)
        scene.sample(second + 0.5, 50, 8, burst=True)


def test_a_loss_asks_for_a_burst_and_the_burst_decides() -> None:
    scene = Scene()
    bad(scene)
    assert scene.bursts[0][0] == FIBER
    assert scene.states[-2:] == [HealthState.UP, HealthState.DEGRADED]


def test_a_check_that_fails_degrades_without_samples() -> None:
    scene = Scene()
    scene.failing = {FIBER: ("target erp does not answer",)}
    scene.watch.look(Instant(5.0))
    changed = [e for e in scene.events if isinstance(e, HealthChanged) and e.tunnel == FIBER]
    assert changed[-1].health.state is HealthState.DEGRADED
    assert "target erp" in changed[-1].health.reason


def test_a_tunnel_that_is_not_configured_is_not_judged() -> None:
    scene = Scene()
    scene.watch.heard(
        SamplesTaken({TunnelId("bogor", "fiber"): (Samples(Instant(1.0), Instant(2.0), 5, 0),)}), Instant(2.0)
    )
    assert scene.events == []


def test_what_is_degraded_is_so_after_a_restart_until_it_is_measured_well(tmp_path: Path) -> None:
    before, after = Scene(), Scene()
    bad(before)
    HealthFile(tmp_path / "health.json", before.watch, print).write()
    HealthFile(tmp_path / "health.json", after.watch, print).read()
    after.watch.look(Instant(100.0))
    fiber = [e.health for e in after.events if isinstance(e, HealthChanged) and e.tunnel == FIBER]
    assert fiber[-1].state is HealthState.DEGRADED
    assert fiber[-1].reason.startswith("loss")


def test_what_is_usual_is_kept_also_of_a_tunnel_that_is_gone() -> None:
    scene = Scene()
    usual = learnt(NO_USUAL, 0.02, 700.0)
    scene.watch.recall({FIBER: Kept(usual)})
    scene.watch.look(Instant(1.0))
    scene.watch.reconfigure(a_network())
    assert scene.watch.kept[FIBER] == Kept(usual)


def test_a_tunnel_that_is_removed_and_added_anew_has_never_connected() -> None:
    scene = Scene()
    scene.watch.heard(LivenessChanged(FIBER, LivenessView(LivenessState.UP, Instant(1.0))), Instant(1.0))
    assert scene.watch.connected == {FIBER}
    assert scene.watch.never_up == INTENT.tunnels().keys() - {FIBER}
    scene.watch.reconfigure(a_network())
    assert not scene.watch.kept[FIBER].connected
    scene.watch.reconfigure(INTENT)
    scene.watch.look(Instant(2.0))
    assert scene.watch.connected == frozenset()


def test_one_that_was_removed_while_nobody_ran_has_never_connected_when_it_comes_back() -> None:
    scene = Scene()
    scene.watch.reconfigure(a_network())
    scene.watch.recall({FIBER: Kept(NO_USUAL, connected=True)})
    scene.watch.reconfigure(INTENT)
    assert scene.watch.connected == frozenset()
    scene.watch.recall({FIBER: Kept(NO_USUAL, connected=True)})
    assert scene.watch.connected == {FIBER}


def test_a_tunnel_that_goes_and_comes_back_is_held_back_as_after_a_restart() -> None:
    scene, rule = Scene(), Damping(timedelta(minutes=5), 3.0, 1.0, timedelta(minutes=30))
    damped = a_network(replace(BRANCH, policy=replace(BRANCH.policy, damping=rule)))
    scene.watch.reconfigure(damped)
    bad(scene)
    scene.watch.heard(LivenessChanged(FIBER, LivenessView(LivenessState.DOWN, Instant(20.0))), Instant(20.0))
    before = scene.watch.kept[FIBER]
    scene.watch.reconfigure(a_network())
    scene.watch.reconfigure(damped)
    scene.watch.look(Instant(21.0))
    assert before.penalty.value > 0
    assert before.degraded is not None
    assert scene.watch.kept[FIBER] == replace(before, connected=False)


def test_a_tunnel_that_comes_back_asks_for_its_burst_though_the_instant_is_that_of_before() -> None:
    scene, asked = Scene(), list[int]()
    for _ in range(2):
        scene.watch.heard(LivenessChanged(FIBER, LivenessView(LivenessState.UP, Instant(1.0))), Instant(1.0))
        scene.sample(10.0, 10, 0)
        scene.sample(11.0, 10, 4)
        asked.append(len(scene.bursts))
        scene.watch.reconfigure(a_network())
        scene.watch.reconfigure(INTENT)
    assert asked[1] == 2 * asked[0] > 0


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"bandung/fiber": {}}', '{"fiber": {"usual": {}}}', '{"bandung/fiber": 3}']
)
def test_a_damaged_file_is_said_and_nothing_else_happens(tmp_path: Path, text: str) -> None:
    scene, said = Scene(), list[str]()
    (tmp_path / "health.json").write_text(text)
    HealthFile(tmp_path / "health.json", scene.watch, said.append).read()
    assert len(said) == 1
    assert "learnt anew" in said[0]
    assert scene.watch.kept == {}
