"""Events, drawn: what several sources tell at about the same time, each in its own order."""

from __future__ import annotations

from collections.abc import Iterator

from dice import Dice
from drawn_networks import LANS
from drawn_policies import wish
from drawn_views import NOW, Situation, health, in_force, liveness, said_to

from policies.model.announcement import Announcement
from policies.model.clock import Instant
from policies.model.events import (
    Adjusted,
    AnnouncementsSent,
    EndOfRibHeard,
    Event,
    HealthChanged,
    InForceChanged,
    LivenessChanged,
    PathAnswered,
    RoutesHeard,
    RoutesWithdrawn,
    SessionChanged,
    SetSent,
)
from policies.model.ids import TunnelId
from policies.model.view import SessionState


def streams(dice: Dice, one: Situation) -> Iterator[list[Event]]:
    """The sources: each tunnel with its session, the judge of its health, operators, scripts, return paths."""
    for tunnel in one.ids:
        yield [_of_tunnel(dice, one, tunnel) for _ in range(dice.one(2, 0, 1, 4))]
        yield [HealthChanged(tunnel, health(dice)) for _ in range(dice.one(1, 0, 2))]
    yield [InForceChanged({one.branch.name: in_force(dice, one.branch)}, _at(dice)) for _ in range(dice.one(1, 0, 2))]
    yield [Adjusted({} if (said := wish(dice)) is None else {one.branch.name: said}) for _ in range(dice.one(1, 0, 2))]
    yield [PathAnswered(one.branch.name, dice.one(*one.ids), _at(dice)) for _ in range(dice.one(1, 0, 2))]


def _at(dice: Dice) -> Instant:
    return Instant(NOW - dice.one(0.0, 0.2, 1.0, 3.0))


def _of_tunnel(dice: Dice, one: Situation, tunnel: TunnelId) -> Event:
    match dice.one("liveness", "session", "sent", "all sent", "heard", "withdrawn", "end of rib"):
        case "liveness":
            return LivenessChanged(tunnel, liveness(dice))
        case "session":
            return SessionChanged(tunnel, dice.one(*SessionState), _at(dice), "drawn")
        case "sent":
            said = Announcement(dice.one(1000, 990, 5000))
            return AnnouncementsSent(tunnel, dict.fromkeys(said_to(one.intent)[:2], said), (), _at(dice))
        case "all sent":
            return SetSent(tunnel, _at(dice))
        case "heard":
            return RoutesHeard(tunnel, LANS[: dice.one(1, 2, 3)], _at(dice))
        case "withdrawn":
            return RoutesWithdrawn(tunnel, LANS[: dice.one(1, 2, 3)], _at(dice))
        case _:
            return EndOfRibHeard(tunnel, _at(dice))
