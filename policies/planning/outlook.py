"""outlook: what the core would do with a branch from now on, by a configuration. Pure, and changes nothing.

The real decisions are made on a virtual clock: the live view is taken, orders are carried out as they are given, and
the branch follows at once (policies.simulation.hub). Health is what it would be called; beside that all stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from policies.decide import BranchDecision
from policies.forwarding import carrying
from policies.model.clock import Instant, Now
from policies.model.events import HealthChanged
from policies.model.health import HealthState
from policies.model.ids import Prefix, TunnelId
from policies.model.intent import Branch, Hub, Mode
from policies.model.verdicts import Reason, Verdict
from policies.model.view import ClassView, LivenessState, SessionState, View
from policies.planning.health import Foreseen
from policies.simulation.hub import SimulatedHub
from policies.steering import EVERYWHERE

HORIZON = 24 * 3600.0
"""Seconds that are looked ahead."""
MOST_STEPS = 64
"""Decisions on the virtual clock; what would go to and fro for ever is not told to its end."""
SETTLES = 0.1
"""Seconds until what was ordered and announced has been."""
IT_GOES = "it goes"
AFTER_ITS_HOLD = "after its hold"
_WAITING = {
    Reason.HELD_BACK: AFTER_ITS_HOLD,
    Reason.DAMPED: "when it has been calm for long enough",
    Reason.LEAST_BAD: "if it is still less bad",
    Reason.OUTSIDE_WINDOW: "in the next window",
    Reason.WAITING_FOR_SESSION: "once its session is complete",
    Reason.WAITING_FOR_WORD: "when told to (pointsman failback)",
    Reason.FROZEN: "when the freeze ends",
    Reason.TAKEN_BACK: "when it is tried again",
}


_ASKED_FOR = frozenset({_WAITING[Reason.WAITING_FOR_WORD], _WAITING[Reason.FROZEN]})


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """A PlannedMove is traffic of a branch that goes from one tunnel to another.

    `sources` are the hub prefixes from which it comes, empty for all others, and `rule` the rule that counts for it.
    `after` are the seconds until it begins, 0: at once; None: nobody can say, `waits` is for what. `confirms` is what
    must confirm first that a tunnel is degraded, or well again, "" where the move is certain. `gentle`: made better and
    seen, before it is broken. `anew`: it waits first until the tunnel that it goes to is made anew and answers.
    """

    on: str | None
    to: str
    sources: tuple[Prefix, ...] = EVERYWHERE
    rule: str = ""
    because: str = ""
    after: float | None = 0.0
    waits: str = ""
    confirms: str = ""
    metered: bool = False
    gentle: bool = False
    anew: bool = False

    @property
    def awaited(self) -> str:
        """What it waits for, in words; "" for nothing but a time."""
        return f"once it is made anew and answers, {self.waits}" if self.anew else self.waits

    @property
    def expected(self) -> bool:
        """Whether it is expected, and not certain."""
        return bool(self.confirms)

    @property
    def at_once(self) -> bool:
        """Whether it begins with the apply."""
        return self.after == 0.0 and not self.expected

    @property
    def comes(self) -> bool:
        """Whether it comes by itself, and not when an operator says so."""
        return self.waits not in _ASKED_FOR

    @property
    def way(self) -> tuple[object, ...]:
        """What of it is the same whenever it is reckoned.

        A tunnel close to a limit is probed by bursts now and then: what is only expected now is certain after the next.
        """
        return (self.on, self.to, self.sources, self.rule, self.awaited, self.metered)


@dataclass(frozen=True, slots=True)
class Outlook:
    """An Outlook is the moves to come, and the decision and the classes when all is done that can be foreseen."""

    moves: tuple[PlannedMove, ...]
    decision: BranchDecision
    classes: tuple[ClassView, ...]


def of_branch(view: View, branch: Branch) -> View:
    """What the view has of one branch."""
    tunnels = [tunnel.id for tunnel in branch.tunnels]
    return View(
        liveness={t: view.liveness[t] for t in tunnels if t in view.liveness},
        sessions={t: view.sessions[t] for t in tunnels if t in view.sessions},
        classes={known.name: known for known in view.classes_of(branch.name)},
        paths={key: path for version in (4, 6) if (path := view.paths.get(key := (branch.name, version))) is not None},
        health={t: view.health[t] for t in tunnels if t in view.health},
        in_force={n: said for n, said in view.in_force.items() if n == branch.name},
        undrained={t: view.undrained[t] for t in tunnels if t in view.undrained},
        adjustments={n: said for n, said in view.adjustments.items() if n == branch.name},
        forwarder=view.forwarder,
        speakers=view.speakers,
    )


def outlook(
    hub: Hub, branch: Branch, view: View, health: Mapping[TunnelId, Foreseen], now: Now, horizon: float = HORIZON
) -> Outlook:
    """What would be done if this were the configuration of the branch from now on."""
    return _Looking(hub, branch, of_branch(view, branch), health, now).until(horizon)


class _Looking:
    def __init__(self, hub: Hub, branch: Branch, view: View, health: Mapping[TunnelId, Foreseen], now: Now) -> None:
        self._branch, self._start, self._health = branch, now, health
        self._hub = SimulatedHub(hub, branch, view)
        # Of a branch that is only observed nothing is moved, nor by a forwarder that does not answer.
        self._acts = branch.mode is Mode.ACT and view.forwarder
        self._seen = _is_seen(branch, view, now.monotonic)
        self._on = {EVERYWHERE: _carried(branch, view)}
        self._on |= {c.sources: c.active for c in view.classes_of(branch.name) if c.sources}
        self._began: dict[tuple[Prefix, ...], tuple[float, PlannedMove]] = {}
        self._turned: dict[TunnelId, str] = {}
        self._coming: list[tuple[float, TunnelId]] = []
        for tunnel, each in health.items():
            self._hub.take(HealthChanged(tunnel, each.now))
            if each.then is not None:
                self._coming.append((each.after, tunnel))
        self._coming.sort()
        self._moves: list[PlannedMove] = []

    def until(self, horizon: float) -> Outlook:
        at = 0.0
        for _ in range(MOST_STEPS):
            while self._coming and self._coming[0][0] <= at:
                self._turn(self._coming.pop(0)[1])
            changed = self._hub.decide(self._moment(at))
            decision = self._decision
            self._on = {**{each.sources: self._on[EVERYWHERE] for each in decision.verdict.others}, **self._on}
            for verdict in (decision.verdict, *decision.verdict.others):
                self._note(verdict, at)
            due = [at + SETTLES] if changed else [decision.wake_at - self._start.monotonic] if decision.wake_at else []
            due += [self._coming[0][0]] if self._coming else []
            if not due or (at := max(min(due), at + SETTLES / 2)) > horizon:
                break
        for verdict in (self._decision.verdict, *self._decision.verdict.others):
            self._note_waiting(verdict)
        return Outlook(tuple(self._moves), self._decision, self._hub.view.classes_of(self._branch.name))

    @property
    def _decision(self) -> BranchDecision:
        if self._hub.decision is None:
            raise ValueError("nothing was decided")
        return self._hub.decision

    def _turn(self, tunnel: TunnelId) -> None:
        then = self._health[tunnel].then
        if then is not None:
            self._hub.take(HealthChanged(tunnel, then))
            bad = then.state is HealthState.DEGRADED
            self._turned[tunnel] = "a burst of probes must confirm it" if bad else "it must be measured well until then"

    def _moment(self, at: float) -> Now:
        return Now(Instant(self._start.monotonic + at), self._start.wall + timedelta(seconds=at))

    def _note(self, verdict: Verdict, at: float) -> None:
        """A move begins when another tunnel is chosen, and is told once the kernel has followed."""
        if not self._acts:
            return
        on = self._on[verdict.sources]
        if verdict.chosen in (None, on):
            self._began.pop(verdict.sources, None)
        elif verdict.sources not in self._began:
            self._began[verdict.sources] = (at, self._move(verdict, on, verdict.chosen, at))
        active = _carried(self._branch, self._hub.view, verdict.sources)
        if active is None or active == on:
            return
        _, move = self._began.pop(verdict.sources, (at, self._move(verdict, on, active, at)))
        self._on[verdict.sources] = active
        if on is not None and move.to == active.name:
            self._moves.append(move)

    def _move(
        self, verdict: Verdict, on: TunnelId | None, to: TunnelId | None, at: float | None, waits: str = ""
    ) -> PlannedMove:
        metered = {tunnel.id: tunnel.uplink.metered for tunnel in self._branch.tunnels}
        return PlannedMove(
            on=on.name if on is not None else None,
            to=to.name if to is not None else "",
            sources=verdict.sources,
            rule=verdict.rule,
            because=self._because(verdict, on),
            after=at,
            waits=waits,
            confirms=next((self._turned[end] for end in (on, to) if end in self._turned), ""),
            metered=to is not None and metered.get(to, False) and not metered.get(on, False) if on else False,
            gentle=self._is_gentle(on, to),
        )

    def _because(self, verdict: Verdict, on: TunnelId | None) -> str:
        """What is wrong with the tunnel that is left, in a few words; "" where another one is only preferred."""
        view = self._hub.view
        if on is None:
            return ""
        place = next((p for p in verdict.ranking if p.tunnel == on), None)
        if place is None or place.usability == "leaving":
            return IT_GOES
        if place.usability == "degraded":
            return self._health[on].because or "degraded" if on in self._health else "degraded"
        if place.usability in ("drained", "down"):
            return place.usability
        return "" if view.liveness_of(on).state is LivenessState.UP else "not known to live"

    def _is_gentle(self, on: TunnelId | None, to: TunnelId | None) -> bool:
        view = self._hub.view
        if on is None or to is None or not self._seen:
            return False
        session = view.session_of(to)
        lives = all(view.liveness_of(end).state is LivenessState.UP for end in (on, to) if end in self._own)
        return lives and session.state is SessionState.UP and session.complete

    @property
    def _own(self) -> frozenset[TunnelId]:
        return frozenset(tunnel.id for tunnel in self._branch.tunnels)

    def _note_waiting(self, verdict: Verdict) -> None:
        """What would be moved to, but for something of which nobody knows when it comes."""
        # A freeze does not say what it holds up: it is what ranks first.
        waits, detail = _WAITING.get(verdict.reason), verdict.detail
        on = self._on[verdict.sources]
        to = TunnelId(self._branch.name, detail) if detail else verdict.ranking[0].tunnel
        if waits is None or to not in self._own or to == on or not self._acts:
            return
        self._moves.append(self._move(verdict, on, to, None, waits))


def _carried(branch: Branch, view: View, sources: tuple[Prefix, ...] = EVERYWHERE) -> TunnelId | None:
    forwarding = carrying(branch, view, sources)
    return forwarding.active if forwarding is not None else None


def _is_seen(branch: Branch, view: View, now: Instant) -> bool:
    """Whether the branch answers, so that it is seen to have moved before the hub does."""
    answers = (view.paths.get((branch.name, version)) for version in branch.versions)
    return all(path is not None and path.is_fresh(now) for path in answers)
