"""Views, drawn: whatever may be believed, and whatever was before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dice import Dice
from drawn_networks import LANS, network
from drawn_policies import MODES, wish

from policies.announced import announced_for
from policies.forwarding import class_name
from policies.model.announcement import Announcement
from policies.model.clock import NEVER, Instant, Now
from policies.model.health import Figures, HealthState, HealthView
from policies.model.ids import Prefix, TunnelId
from policies.model.intent import Branch, Hub, Intent
from policies.model.overrides import InForce
from policies.model.policy import FailbackMode
from policies.model.view import (
    ClassView,
    Heard,
    LivenessState,
    LivenessView,
    PathSeen,
    Replaced,
    SessionState,
    SessionView,
    View,
)
from policies.moves import Move
from policies.steering import EVERYWHERE, sources_of

NOW = Instant(100_000.0)
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
AGES = (3000.0, 0.0, 0.05, 0.5, 2.0, 4.0, 6.0, 9.0, 11.0, 30.0, 59.0, 61.0, 299.0)
MEDS = (1000, 90, 980, 990, 1001, 1100, 1200, 5000, 5100, 9000)
LIVES = (LivenessState.UP, LivenessState.UP, LivenessState.DOWN, LivenessState.UNKNOWN)
STANDS = (SessionState.UP, SessionState.UP, SessionState.DOWN, SessionState.UNKNOWN)
HEALTHS = (HealthState.UP, HealthState.UP, HealthState.DEGRADED, HealthState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Situation:
    """A Situation is all that a decision is made of."""

    intent: Intent
    view: View
    moves: dict[tuple[Prefix, ...], Move]
    now: Now

    @property
    def hub(self) -> Hub:
        """The hub."""
        return self.intent.hub

    @property
    def branch(self) -> Branch:
        """The one branch."""
        (branch,) = self.intent.branches.values()
        return branch

    @property
    def ids(self) -> list[TunnelId]:
        """Its tunnels."""
        return [tunnel.id for tunnel in self.branch.tunnels]


def instant(dice: Dice) -> Instant:
    """Some time in the last hour."""
    return Instant(NOW - dice.one(*AGES))


def ever(dice: Dice) -> Instant:
    """The same, or never."""
    return NEVER if dice.one(True, False) else instant(dice)


def moment(dice: Dice) -> Now:
    """A quarter of an hour of a week."""
    return Now(NOW, MONDAY + timedelta(days=dice.one(*range(7)), minutes=15 * dice.one(*range(96))))


def liveness(dice: Dice, states: tuple[LivenessState, ...] = LIVES) -> LivenessView:
    """What the forwarder said of a tunnel, with any past."""
    since = instant(dice)
    return LivenessView(
        dice.one(*states),
        since,
        "drawn",
        hard=dice.one(True, False),
        after_death=dice.one(True, False),
        faltered=dice.one(True, False),
        known_since=dice.one(NEVER, since, Instant(NOW - 3000)),
        certain_since=dice.one(NEVER, NEVER, Instant(NOW - 1)),
    )


def health(dice: Dice) -> HealthView:
    """What was measured of a tunnel."""
    return HealthView(
        dice.one(*HEALTHS),
        instant(dice),
        "drawn",
        Figures(loss=dice.one(None, 0.04, 0.07, 0.15, 0.5), rtt=dice.one(None, 0.2, 0.7)),
        suppressed_until=dice.one(NEVER, NEVER, Instant(NOW + 400)),
        recovered=ever(dice),
    )


def told(dice: Dice, prefixes: tuple[Prefix, ...]) -> dict[Prefix, Announcement]:
    """What a session may have sent: most often one value for all, sometimes nothing, or two values."""
    if dice.odds(3):
        return {}
    med = dice.one(*MEDS)
    other = dice.one(med, med, 1000)
    return {prefix: Announcement(med if n else other) for n, prefix in enumerate(prefixes)}


def session(dice: Dice, prefixes: tuple[Prefix, ...], states: tuple[SessionState, ...] = STANDS) -> SessionView:
    """What is known of a session, with any past."""
    state, since = dice.one(*states), instant(dice)
    up = state is SessionState.UP
    late = Replaced(Announcement(dice.one(*MEDS)), Instant(NOW - 3)) if dice.odds(3) else None
    return SessionView(
        state,
        since,
        complete=up and not dice.odds(3),
        sent=told(dice, prefixes),
        sent_before=told(dice, prefixes) if dice.odds(2) else {},
        heard={lan: Heard(since, None if up else since) for lan in LANS if not dice.odds(5)},
        end_of_rib=dice.one(True, False),
        replaced={} if late is None else dict.fromkeys(prefixes, late),
        sent_at=ever(dice),
    )


def steered_apart(branch: Branch) -> Iterable[tuple[Prefix, ...]]:
    """The sources of each traffic that is decided by itself, that of all the rest first."""
    return (EVERYWHERE, *sources_of(branch))


def said_to(intent: Intent) -> tuple[Prefix, ...]:
    """All that the branch is announced, steered apart or not."""
    (branch,) = intent.branches.values()
    every = (p for sources in steered_apart(branch) for p in announced_for(intent.hub, branch, sources))
    return tuple(dict.fromkeys(every))


def classes(dice: Dice, branch: Branch) -> dict[str, ClassView]:
    """What the kernel has: of some traffic nothing, of some a class on any tunnel."""
    ids = [tunnel.id for tunnel in branch.tunnels]
    found = {}
    for sources in steered_apart(branch):
        if dice.odds(4):
            continue
        name = class_name(branch, frozenset(ids), sources)
        found[name] = ClassView(
            name,
            branch.name,
            dice.one(*ids),
            dice.mixed(ids),
            branch.prefixes,
            dice.one(0, 1, 2),
            instant(dice),
            "drawn",
            sources,
        )
    if len(ids) > 1 and dice.odds(3):
        name = class_name(branch, frozenset(ids[:1]))
        found[name] = ClassView(name, branch.name, ids[0], (ids[0],), LANS[1:2], 0, instant(dice), "drawn")
    return found


def in_force(dice: Dice, branch: Branch) -> InForce:
    """What operators have said of a branch."""
    ids = [tunnel.id for tunnel in branch.tunnels]
    return InForce(
        drained=frozenset(dice.some(ids, min(2, len(ids)))),
        switched=dice.one(None, None, *ids),
        frozen=dice.odds(4),
        go_back=dice.odds(2),
    )


def moves(dice: Dice, branch: Branch) -> dict[tuple[Prefix, ...], Move]:
    """Planned moves that are under way, or that were taken back."""
    ids = [tunnel.id for tunnel in branch.tunnels]
    return {
        sources: Move(dice.one(*ids), instant(dice), ever(dice), dice.one(NEVER, Instant(NOW - 1), Instant(NOW + 30)))
        for sources in steered_apart(branch)
        if dice.odds(3)
    }


def view(
    dice: Dice,
    intent: Intent,
    *,
    living: tuple[LivenessState, ...] = LIVES,
    standing: tuple[SessionState, ...] = STANDS,
    connected: tuple[bool, ...] = (True, True, True, False),
) -> View:
    """Anything that may be believed of the branch of this intent."""
    (branch,) = intent.branches.values()
    ids = [tunnel.id for tunnel in branch.tunnels]
    prefixes = said_to(intent)
    wished = wish(dice)
    return View(
        forwarder=dice.one(*connected),
        speakers=frozenset({1}) if dice.one(*connected) else frozenset(),
        liveness={t: liveness(dice, living) for t in ids},
        sessions={t: session(dice, prefixes, standing) for t in ids},
        health={t: health(dice) for t in ids if not dice.odds(4)},
        in_force={branch.name: in_force(dice, branch)} if dice.odds(2) else {},
        adjustments={} if wished is None else {branch.name: wished},
        undrained={t: instant(dice) for t in dice.some(ids, 1)},
        classes=classes(dice, branch),
        paths={
            (branch.name, version): PathSeen(dice.one(*ids), instant(dice), instant(dice))
            for version in branch.versions
            if dice.odds(2)
        },
    )


def situation(dice: Dice, modes: tuple[FailbackMode, ...] = MODES) -> Situation:
    """Any intent, any view, any moves under way, at any time of the week."""
    intent = network(dice, modes)
    (branch,) = intent.branches.values()
    return Situation(intent, view(dice, intent), moves(dice, branch), moment(dice))
