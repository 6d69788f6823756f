"""What is looked at beside the probes: sizes of packets that do not pass, handshakes, the BGP session."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from small_network import a_branch, a_network

from hub.controller.health import HealthWatch
from hub.controller.report import Surroundings, branch_report
from hub.controller.signs import Gap, TunnelSigns
from policies.health.signs import hints, too_large
from policies.model.clock import Instant, Now
from policies.model.events import Event
from policies.model.health import HealthLimits, HealthState, Hint
from policies.model.path_mtu import PathMtu
from policies.model.view import LivenessState, LivenessView, SessionState, SessionView, View
from policies.observe import observe

BRANCH = a_branch()
BRANCH = replace(BRANCH, policy=replace(BRANCH.policy, health={"default": HealthLimits(full_size=True)}))
INTENT = a_network(BRANCH)
FIBER, WIRELESS = (tunnel.id for tunnel in BRANCH.tunnels)
NOW = Now(Instant(1000.0), datetime(2026, 11, 21, 12, tzinfo=UTC))
UP, DOWN = LivenessView(LivenessState.UP, Instant(100.0)), LivenessView(LivenessState.DOWN, Instant(800.0))
SESSION = SessionView(SessionState.UP, Instant(100.0))
TOO_LARGE = {"size": 1420, "ok": False, "works": 1380, "looks": 2}


class Hub:
    """What the controller makes of what the forwarder measured."""

    def __init__(self) -> None:
        self.view = View(liveness={FIBER: UP, WIRELESS: UP}, forwarder=True)
        self.signs = TunnelSigns()
        self.watch = HealthWatch(INTENT, self._take, lambda *_: None, self.signs.failing, self.signs.hints)
        self.told = 0

    def _take(self, event: Event) -> None:
        self.told += 1
        self.view = observe(self.view, event)

    def look(self, fiber: dict[str, Any], at: float = 1000.0) -> None:
        self.signs.look(INTENT, self.view, {str(FIBER): fiber}, replace(NOW, monotonic=Instant(at)))
        self.watch.look(Instant(at))


@pytest.mark.parametrize(
    ("mtu", "words"),
    [
        (None, ()),
        (PathMtu(1420, ok=True), ()),
        (PathMtu(1420, ok=None), ()),
        (PathMtu(1420, ok=False, works=1380, looks=1), ()),
        (
            PathMtu(1420, ok=False, works=1380, looks=2),
            ("full-size packets of 1420 bytes do not pass: largest that does 1380",),
        ),
        (PathMtu(1420, ok=False, looks=5), ("full-size packets of 1420 bytes do not pass",)),
    ],
)
def test_two_looks_that_say_so_speak_against_a_tunnel(mtu: PathMtu | None, words: tuple[str, ...]) -> None:
    assert too_large(mtu) == words


def test_a_tunnel_that_does_not_pass_full_size_packets_is_degraded_until_it_does() -> None:
    hub = Hub()
    hub.look({"mtu": TOO_LARGE | {"looks": 1}})
    assert hub.view.health_of(FIBER).state is HealthState.UNKNOWN
    hub.look({"mtu": TOO_LARGE}, 1010.0)
    bad = hub.view.health_of(FIBER)
    assert (bad.state, bad.since) == (HealthState.DEGRADED, 1010.0)
    assert bad.reason == "full-size packets of 1420 bytes do not pass: largest that does 1380"
    assert hub.view.health_of(WIRELESS).state is HealthState.UNKNOWN
    hub.look({"mtu": {"size": 1420, "ok": True, "works": None, "looks": 0}}, 1070.0)
    healed = hub.view.health_of(FIBER)
    assert healed.state is not HealthState.DEGRADED
    assert healed.recovered == 1070.0


@pytest.mark.parametrize("liveness", [UP, DOWN], ids=["lives", "dead"])
def test_an_old_handshake_is_named_and_changes_nothing(liveness: LivenessView) -> None:
    hub = Hub()
    hub.view = replace(hub.view, liveness={FIBER: liveness})
    hub.look({"wg": {"handshake_at": NOW.wall.timestamp() - 240, "endpoint": None, "roamed": None}})
    health = hub.view.health_of(FIBER)
    assert health.hints == (Hint("no WireGuard handshake", Instant(760.0)),)
    assert health.state is HealthState.UNKNOWN


@pytest.mark.parametrize("age", [0.0, 120.0, 180.0])
def test_a_handshake_that_is_young_enough_is_no_hint(age: float) -> None:
    assert hints(UP, SESSION, Instant(1000.0 - age), Instant(1000.0)) == ()


def test_a_handshake_that_was_never_read_is_no_hint() -> None:
    assert hints(UP, SESSION, None, Instant(1000.0)) == ()


def test_without_a_forwarder_nobody_knows_of_handshakes() -> None:
    hub = Hub()
    hub.view = replace(hub.view, forwarder=False)
    hub.look({"wg": {"handshake_at": NOW.wall.timestamp() - 240, "endpoint": None, "roamed": None}})
    assert hub.view.health_of(FIBER).hints == ()


def test_a_session_that_is_missing_on_a_live_tunnel_is_a_hint_since_both_are_so() -> None:
    missing = SessionView(SessionState.DOWN, Instant(700.0), "hold timer expired")
    assert hints(UP, missing, None, Instant(1000.0)) == (Hint("no BGP session", Instant(700.0)),)
    assert hints(DOWN, missing, None, Instant(1000.0)) == ()
    assert hints(UP, SESSION, None, Instant(1000.0)) == ()


def test_a_hint_that_goes_on_is_told_once() -> None:
    hub = Hub()
    for second in range(5):
        wall = NOW.wall.timestamp() - 240 - second * 1.001
        hub.look({"wg": {"handshake_at": wall, "endpoint": None, "roamed": None}}, 1000.0 + second)
    assert hub.told == len(INTENT.tunnels())
    assert hub.view.health_of(FIBER).hints == (Hint("no WireGuard handshake", Instant(760.0)),)


def test_the_report_has_the_hints_with_since_when() -> None:
    hub = Hub()
    hub.look({"wg": {"handshake_at": NOW.wall.timestamp() - 240, "endpoint": None, "roamed": None}})
    report = branch_report(BRANCH, hub.view, None, Surroundings("/", Instant(0.0)), NOW)
    fiber = next(tunnel for tunnel in report["tunnels"] if tunnel["tunnel"] == "fiber")
    assert [(hint["hint"], hint["since"]["ago"]) for hint in fiber["health"]["hints"]] == [
        ("no WireGuard handshake", 240.0)
    ]


def test_a_time_without_an_answer_is_remembered_when_it_is_over() -> None:
    hub = Hub()
    for state, since in ((LivenessState.DOWN, 1001.0), (LivenessState.UP, 1003.5)):
        hub.view = replace(hub.view, liveness={**hub.view.liveness, FIBER: LivenessView(state, Instant(since), "")})
        hub.look({}, since + 0.5)
    assert hub.signs.gaps == {FIBER: Gap(Instant(1001.0), Instant(1003.5))}
