"""Tunnels that come and go, each in its own rhythm, and the moves that the hub makes by its own choice meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from dice import Dice
from drawn_networks import LANS, network
from drawn_policies import DAMPING
from drawn_views import NOW, Situation, moment

from policies.health.damping import NO_PENALTY, Penalty, counted
from policies.model.clock import Instant, Now
from policies.model.events import HealthChanged, SessionChanged
from policies.model.health import HealthState, HealthView
from policies.model.ids import TunnelId
from policies.model.intent import Tunnel
from policies.model.policy import Announce, Failback, FailbackMode
from policies.model.view import LivenessState, SessionState, View
from policies.simulation.hub import SimulatedHub, well

HOLDS = (60.0, 15.0, 30.0, 15.0, 15.0)
COURSES = (3, 6, 3)
"""How many holds are played."""
STEP = 0.4
BAD_FOR = 60.0
"""What was once degraded is so for as long as the shortest window of return, but for limits of one's own."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A Trouble comes over a tunnel and goes, again and again: `gone` seconds, then `back` seconds well."""

    tunnel: int
    what: str
    gone: float
    back: float
    first: float

    def turns(self, lasts: float) -> list[tuple[float, Trouble, bool]]:
        """When it comes and goes, in so many seconds."""
        found, at, comes = [], self.first, True
        while at < lasts:
            found.append((at, self, comes))
            at += self.gone if comes else self.back
            comes = not comes
        return found


@dataclass(frozen=True, slots=True)
class Flapping:
    """A Flapping is a network and its troubles, for so many seconds; `most` is how often one tunnel may be moved onto.

    Once for each hold, and once more: with the usual hold sixty-one times an hour.
    """

    situation: Situation
    troubles: tuple[Trouble, ...]
    lasts: float
    most: int


def flapping(dice: Dice) -> Flapping:
    """One trouble at most of each kind for each tunnel; no rules by time, no word of an operator."""
    intent = network(dice, (FailbackMode.AUTOMATIC,), leaving=False)
    (branch,) = intent.branches.values()
    hold, holds = dice.one(*HOLDS), dice.one(*COURSES)
    failback = Failback(FailbackMode.AUTOMATIC, timedelta(seconds=hold))
    announce = Announce(1000, 100, 4000, 8000)
    damping = dice.one(None, DAMPING)
    policy = replace(branch.policy, rules=(), failback=failback, damping=damping, announce=announce)
    branch = replace(branch, policy=policy, prefixes=LANS[:1])
    intent = replace(intent, branches={branch.name: branch})
    troubles = {}
    for _ in range(dice.one(1, 2, 3)):
        what = dice.one("dies", "loses its session", "is bad")
        gone = dice.one(2.0, 3.0, 7.0, 20.0) + (BAD_FOR if what == "is bad" else 0.0)
        tunnel = dice.one(*range(len(branch.tunnels)))
        made = Trouble(tunnel, what, gone, dice.one(2.0, 5.0, 11.0, 30.0, 61.0), dice.one(0.5, 3.0, 20.0))
        troubles[tunnel, what] = made
    return Flapping(Situation(intent, View(), {}, moment(dice)), tuple(troubles.values()), holds * hold, most=holds + 1)


class Course:
    """A Course is one Flapping as it goes; `own` are the targets of moves out of a tunnel that could still carry.

    A degraded one counts as such where what comes and goes is damped: else a flapping one is gone to from it.
    """

    def __init__(self, flaps: Flapping) -> None:
        one = flaps.situation
        self.own: list[tuple[float, TunnelId]] = []
        self._wall, self._branch, self._troubles = one.now.wall, one.branch, flaps.troubles
        self._lasts = flaps.lasts
        self._hub: SimulatedHub = well(one.hub, one.branch, NOW)
        self._penalties: dict[TunnelId, Penalty] = {}

    def run(self) -> Course:
        """To its end."""
        turns = sorted((t for each in self._troubles for t in each.turns(self._lasts)), key=lambda turn: turn[0])
        now = 0.0
        while now < self._lasts:
            while turns and turns[0][0] <= now:
                _, trouble, comes = turns.pop(0)
                self._turn(self._branch.tunnels[trouble.tunnel], trouble.what, comes, Instant(NOW + now))
            before = self._active()
            self._hub.decide(Now(Instant(NOW + now), self._wall))
            after = self._active()
            if before is not None and after != before and after is not None and self._could_carry(before):
                self.own.append((now, after))
            now = max(now + STEP, min(self._next(), turns[0][0] if turns else self._lasts))
        return self

    def _next(self) -> float:
        decision = self._hub.decision
        if decision is None or decision.wake_at is None:
            return self._lasts
        return decision.wake_at - NOW

    def _active(self) -> TunnelId | None:
        return next((each.active for each in self._hub.view.classes_of(self._branch.name)), None)

    def _could_carry(self, tunnel: TunnelId) -> bool:
        view = self._hub.view
        live = view.liveness_of(tunnel).state is LivenessState.UP
        if self._branch.policy.damping is None and view.health_of(tunnel).state is HealthState.DEGRADED:
            return False
        return live and view.session_of(tunnel).state is SessionState.UP

    def _turn(self, tunnel: Tunnel, what: str, comes: bool, at: Instant) -> None:
        match what, comes:
            case "dies", True:
                self._hub.dies(tunnel, at)
                self._penalize(tunnel, at)
            case "dies", False:
                self._hub.comes_up(tunnel, at)
                self._hub.session_up(tunnel, at)
            case "loses its session", True:
                self._hub.take(SessionChanged(tunnel.id, SessionState.DOWN, at, "drawn"))
            case "loses its session", False:
                if self._hub.view.liveness_of(tunnel.id).state is LivenessState.UP:
                    self._hub.session_up(tunnel, at)
            case _:
                if comes:
                    self._penalize(tunnel, at)
                self._health(tunnel, HealthState.DEGRADED if comes else HealthState.UP, at)

    def _penalize(self, tunnel: Tunnel, at: Instant) -> None:
        damping = self._branch.policy.damping
        if damping is not None:
            self._penalties[tunnel.id] = counted(self._penalties.get(tunnel.id, NO_PENALTY), damping, at)
        self._health(tunnel, self._hub.view.health_of(tunnel.id).state, at)

    def _health(self, tunnel: Tunnel, state: HealthState, at: Instant) -> None:
        until = self._penalties.get(tunnel.id, NO_PENALTY).suppressed_until
        self._hub.take(HealthChanged(tunnel.id, HealthView(state, at, "drawn", suppressed_until=until)))
