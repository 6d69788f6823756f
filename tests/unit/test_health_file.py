"""What is remembered of health over a restart of the controller: damping, lapses and deaths that were counted."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from small_network import a_branch, a_network
from test_health_watch import BRANCH, FIBER, bad
from test_health_watch import Scene as WatchScene
from waiting import until

from hub.controller.health import HealthWatch
from hub.controller.health_file import HealthFile, wall_ahead
from policies.model.clock import NEVER, Instant
from policies.model.events import Event, LivenessChanged
from policies.model.health import Damping, HealthState, HealthView
from policies.model.view import LivenessState, LivenessView, View
from policies.observe import observe

MINUTES = timedelta(minutes=1)
RULE = Damping(half_life=5 * MINUTES, suppress=3, reuse=1, max_suppress=30 * MINUTES)
DAMPED = a_network(replace(BRANCH, policy=replace(BRANCH.policy, damping=RULE)))


class Controller:
    """A HealthWatch and its file, as a process has them; `written` says that it asked to be written."""

    def __init__(self, path: Path, *, ahead: float = 0.0, intent: object = DAMPED) -> None:
        self.view = View()
        self.said: list[str] = []
        self.watch = HealthWatch(intent, self._take, lambda *_: None, lambda _: ())  # type: ignore[arg-type]
        self.file = HealthFile(path / "health.json", self.watch, self.said.append, lambda: wall_ahead() + ahead)
        self.file.read()

    def _take(self, event: Event) -> None:
        self.view = observe(self.view, event)

    def liveness(self, state: LivenessState, at: float) -> None:
        self.watch.heard(LivenessChanged(FIBER, LivenessView(state, Instant(at))), Instant(at))

    def flap(self, times: int, at: float) -> None:
        for time_ in range(times):
            self.liveness(LivenessState.UP, at + time_)
            self.liveness(LivenessState.DOWN, at + time_ + 0.5)

    def health(self, now: float) -> HealthView:
        self.watch.look(Instant(now))
        return self.view.health_of(FIBER)


def test_a_tunnel_that_is_held_back_is_so_after_a_restart(tmp_path: Path) -> None:
    now = time.monotonic()
    before = Controller(tmp_path)
    before.flap(3, now - 10)
    until = before.health(now).suppressed_until
    before.file.write()
    after = Controller(tmp_path).health(now)
    assert until > now
    assert after.suppressed_until == pytest.approx(until, abs=0.1)
    assert after.penalty == pytest.approx(before.health(now).penalty)


def test_a_restart_of_the_machine_with_its_clock_changes_nothing(tmp_path: Path) -> None:
    """The monotonic clock begins anew: the wall clock is ahead of it by that much more."""
    now = time.monotonic()
    before = Controller(tmp_path, ahead=-50_000.0)
    before.flap(3, now + 50_000 - 10)
    until = before.health(now + 50_000).suppressed_until
    before.file.write()
    after = Controller(tmp_path).health(now)
    assert after.suppressed_until - now == pytest.approx(until - now - 50_000, abs=0.1)


def test_a_death_that_was_counted_is_not_counted_again_by_a_restart(tmp_path: Path) -> None:
    now = time.monotonic()
    before = Controller(tmp_path)
    before.flap(2, now - 10)
    before.file.write()
    after = Controller(tmp_path)
    after.liveness(LivenessState.DOWN, now)
    assert after.health(now).penalty == pytest.approx(before.health(now).penalty)
    after.flap(1, now)
    assert after.health(now).suppressed_until > now


def test_a_tunnel_that_was_degraded_did_not_become_so_by_the_restart(tmp_path: Path) -> None:
    now = time.monotonic()
    scene = WatchScene()
    bad(scene)
    HealthFile(tmp_path / "health.json", scene.watch, print).write()
    since = next(kept.degraded.since for kept in scene.watch.kept.values() if kept.degraded is not None)
    after = Controller(tmp_path).health(now)
    assert after.state is HealthState.DEGRADED
    assert after.since == pytest.approx(since, abs=0.1)
    assert after.penalty == 0.0


def test_a_tunnel_that_was_up_once_is_known_to_have_been_after_a_restart(tmp_path: Path) -> None:
    now = time.monotonic()
    before = Controller(tmp_path)
    before.liveness(LivenessState.DOWN, now)
    assert before.watch.connected == frozenset()
    asked = []
    before.watch.turned = lambda: asked.append("to be written")
    before.liveness(LivenessState.UP, now)
    assert asked == ["to be written"]
    before.file.write()
    after = Controller(tmp_path)
    after.liveness(LivenessState.DOWN, now)
    assert after.watch.connected == {FIBER}


def test_the_hold_after_a_recovery_goes_on_after_a_restart(tmp_path: Path) -> None:
    now = time.monotonic()
    path = tmp_path / "health.json"
    wall = now + wall_ahead()
    path.write_text(json.dumps({str(FIBER): {"usual": {"seconds": 0, "weights": {}}, "recovered_at": wall - 5}}))
    assert Controller(tmp_path).health(now).recovered == pytest.approx(now - 5, abs=0.1)


def test_of_what_a_check_spoke_against_the_hold_begins_with_the_restart(tmp_path: Path) -> None:
    """Of checks a new process knows nothing for some seconds: the tunnel must not be returned to in that time."""
    now = time.monotonic()
    scene = WatchScene()
    scene.failing = {FIBER: ("check backup fails",)}
    scene.watch.look(Instant(now - 100))
    HealthFile(tmp_path / "health.json", scene.watch, print).write()
    after = Controller(tmp_path).health(now)
    assert after.state is not HealthState.DEGRADED
    assert after.recovered == now


@pytest.mark.parametrize("ahead", [-10_000_000.0, 10_000_000.0], ids=["set back", "set ahead"])
def test_a_clock_that_was_set_holds_back_no_longer_than_the_rule_allows(tmp_path: Path, ahead: float) -> None:
    now = time.monotonic()
    before = Controller(tmp_path)
    before.flap(3, now - 10)
    before.file.write()
    after = Controller(tmp_path, ahead=ahead).health(now)
    assert after.suppressed_until <= now + RULE.max_suppress.total_seconds() + 0.1


def test_without_damping_nothing_of_before_holds_back(tmp_path: Path) -> None:
    now = time.monotonic()
    before = Controller(tmp_path)
    before.flap(3, now - 10)
    before.file.write()
    assert Controller(tmp_path, intent=a_network(a_branch())).health(now).suppressed_until == NEVER


def test_a_controller_that_is_killed_has_written_what_damping_counted(tmp_path: Path) -> None:
    async def until_written() -> None:
        now = time.monotonic()
        before = Controller(tmp_path)
        task = asyncio.create_task(before.file.run())
        before.liveness(LivenessState.UP, now)
        await asyncio.sleep(0)
        before.liveness(LivenessState.DOWN, now)
        await until((tmp_path / "health.json").exists)
        text = (tmp_path / "health.json").read_text()
        task.cancel()
        assert json.loads(text)[str(FIBER)]["penalty"]["value"] == 1

    asyncio.run(until_written())


@pytest.mark.parametrize(
    "damage",
    [
        {"penalty": 3},
        {"penalty": {"value": "much", "at": 1, "suppressed_until": 2}},
        {"penalty": {"value": float("nan"), "at": 1, "suppressed_until": 2}},
        {"penalty": {"value": -1, "at": 1, "suppressed_until": 2}},
        {"penalty": {"value": 1}},
        {"recovered_at": "yesterday"},
        {"degraded": "loss", "degraded_at": float("inf")},
    ],
    ids=str,
)
def test_a_spoilt_penalty_is_said_once_and_holds_nothing_back(tmp_path: Path, damage: dict[str, object]) -> None:
    text = json.dumps({str(FIBER): {"usual": {"seconds": 0, "weights": {}}, **damage}})
    (tmp_path / "health.json").write_text(text)
    controller = Controller(tmp_path)
    assert len(controller.said) == 1
    assert controller.health(5.0).suppressed_until == NEVER


def test_a_half_written_file_is_said_once_and_holds_nothing_back(tmp_path: Path) -> None:
    now = time.monotonic()
    before = Controller(tmp_path)
    before.flap(3, now - 10)
    before.file.write()
    path = tmp_path / "health.json"
    path.write_text(path.read_text()[:60])
    controller = Controller(tmp_path)
    assert len(controller.said) == 1
    assert controller.health(now).suppressed_until == NEVER
