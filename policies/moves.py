"""moves: planned moves, made before broken.

A planned move first makes the new tunnel the better one in the branch's eyes, waits until the branch is *seen* to use
it, and only then moves the hub. Every step looks at the state again; one that is not seen to work is taken back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum

from policies.model.clock import NEVER, Instant
from policies.model.ids import TunnelId
from policies.model.intent import Branch
from policies.model.view import PathSeen, View

TELL_DEADLINE = timedelta(seconds=20)
"""How long the branch's being told may take; ExaBGP needs many seconds when hundreds of sessions begin."""
SEE_DEADLINE = timedelta(seconds=5)
"""How long the branch has to follow before the step is taken back."""
RETRY_AFTER = timedelta(seconds=60)
"""How long after a step was taken back it is tried again."""
UNSEEN_WAIT = timedelta(seconds=1)
"""How long to wait before moving the hub where the branch answers no return-path probe at all."""


class Step(Enum):
    """Where a planned move stands."""

    TELLING = "made better; waiting for it to be sent"
    SEEING = "made better; waiting to see the branch use it"
    MOVING = "seen to be used by the branch: moving the hub"
    BLIND = "the branch answers no return-path probe: moving the hub without having seen it move"
    TAKEN_BACK = "the branch was not seen to use it: taken back"


class _Sight(Enum):
    """What the return-path probe says of the routes of one IP version."""

    CONFIRMED = "two answers over the target since it was told"
    OTHERWISE = "an answer over another tunnel, or only one over the target"
    BLIND = "no answer of late"


@dataclass(frozen=True, slots=True)
class Move:
    """A Move is a planned move under way, or one that was taken back and waits to be tried again.

    `told` is when its announcement was seen sent, NEVER before that.
    """

    target: TunnelId
    since: Instant
    told: Instant = NEVER
    refused_until: Instant = NEVER


@dataclass(frozen=True, slots=True)
class Progress:
    """A Progress is the step that a planned move is at, its new memory, and when time alone changes it."""

    step: Step
    move: Move
    wake_at: Instant | None


def blocked_until(move: Move | None, target: TunnelId, now: Instant) -> Instant | None:
    """Until when this target is not to be tried again, None when it may be tried now."""
    if move is not None and move.target == target and move.refused_until > now:
        return move.refused_until
    return None


def advance(move: Move | None, target: TunnelId, branch: Branch, view: View, now: Instant, *, told: bool) -> Progress:
    """One look at a planned move to `target`; `told` says that its better value has been sent to the branch.

    A branch with IPv4 and IPv6 has moved when it is seen to have moved both.
    """
    if move is None or move.target != target or move.refused_until > NEVER:
        move = Move(target, now)
    if not told:
        return _wait(Step.TELLING, replace(move, told=NEVER), move.since + TELL_DEADLINE.total_seconds(), now)
    if move.told == NEVER:
        move = replace(move, told=now)
    sights = {_sight(view.paths.get((branch.name, version)), target, move.told, now) for version in branch.versions}
    if sights == {_Sight.CONFIRMED}:
        return Progress(Step.MOVING, move, None)
    patient = _Sight.BLIND in sights and _Sight.OTHERWISE not in sights
    if patient and now - move.told >= UNSEEN_WAIT.total_seconds():
        return Progress(Step.MOVING if _Sight.CONFIRMED in sights else Step.BLIND, move, None)
    progress = _wait(Step.SEEING, move, move.told + SEE_DEADLINE.total_seconds(), now)
    if patient and progress.step is Step.SEEING:
        return replace(progress, wake_at=Instant(move.told + UNSEEN_WAIT.total_seconds()))
    return progress


def _sight(seen: PathSeen | None, target: TunnelId, told: Instant, now: Instant) -> _Sight:
    if seen is None or not seen.is_fresh(now):
        return _Sight.BLIND
    # One answer may have been on its way since before; two on the same tunnel are the branch's new path.
    confirmed = seen.tunnel == target and seen.at > told and seen.at > seen.since
    return _Sight.CONFIRMED if confirmed else _Sight.OTHERWISE


def _wait(step: Step, move: Move, deadline: float, now: Instant) -> Progress:
    if now < deadline:
        return Progress(step, move, Instant(deadline))
    until = Instant(now + RETRY_AFTER.total_seconds())
    return Progress(Step.TAKEN_BACK, replace(move, refused_until=until), until)
