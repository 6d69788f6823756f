"""made_anew: traffic of a tunnel that becomes another one of its name leaves it first, and comes back afterwards. Pure.

The core is asked twice: for the moments in which the tunnel is being left (policies.transition), and for when the new
one has just answered, which nobody knows the time of: the branch's router has to be set up for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from policies.model.clock import Instant, Now
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Hub, Tunnel
from policies.model.view import ClassView, LivenessState, LivenessView, View
from policies.planning.health import Foreseen
from policies.planning.outlook import AFTER_ITS_HOLD, IT_GOES, PlannedMove, outlook
from policies.simulation.hub import SimulatedHub
from policies.transition import left_first

LEFT_WITHIN = 2.0
"""Seconds on the virtual clock: a branch follows at once there, or after a second where it is not seen to."""

MOVED_WITHIN = 10.0
"""Seconds for a move after its hold."""


@dataclass(frozen=True, slots=True)
class Passing:
    """A Passing is what moves while tunnels that are made anew are left, and the classes when that is done."""

    moves: tuple[PlannedMove, ...]
    classes: Mapping[str, ClassView]
    anew: frozenset[TunnelId] = frozenset()
    metered: frozenset[str] = frozenset()
    """The names of those that are on a metered line already: coming back to them is no move to one."""

    def leaves(self, move: PlannedMove) -> bool:
        """Whether it is traffic off a tunnel that is made anew."""
        return any(move.on == tunnel.name for tunnel in self.anew)


def passing(
    hub: Hub, was: Branch, branch: Branch, view: View, health: Mapping[TunnelId, Foreseen], now: Now
) -> Passing:
    """How the branch's traffic leaves the tunnels that are made anew; no move where they carry none.

    `view` is of the tunnels as they are, `health` of theirs by the limits to come.
    """
    left = {tunnel.id: tunnel for tunnel in left_first(was, branch)}
    anew = frozenset(left.keys() & {tunnel.id for tunnel in branch.tunnels})
    present = {known.name: known for known in view.classes_of(branch.name)}
    if not any(known.active in anew for known in present.values()):
        return Passing((), present)
    seen = outlook(hub, _leaving(branch, left), view, health, now, LEFT_WITHIN)
    moves = tuple(_said(move, anew) for move in seen.moves if move.after is not None)
    metered = frozenset(tunnel.name for tunnel in anew if left[tunnel].uplink.metered)
    return Passing(moves, {known.name: known for known in seen.classes}, anew, metered)


def _leaving(branch: Branch, left: Mapping[TunnelId, Tunnel]) -> Branch:
    """The branch while these are still as they were, and being left."""
    gone = left.keys() - {tunnel.id for tunnel in branch.tunnels}
    tunnels = (*(left.get(t.id, t) for t in branch.tunnels), *(left[tunnel] for tunnel in sorted(gone)))
    return replace(branch, tunnels=tunnels, leaving=frozenset(left))


def _said(move: PlannedMove, anew: frozenset[TunnelId]) -> PlannedMove:
    is_anew = any(move.on == tunnel.name for tunnel in anew)
    return replace(move, because="it is made anew") if is_anew and move.because == IT_GOES else move


def coming_back(
    hub: Hub, branch: Branch, view: View, health: Mapping[TunnelId, Foreseen], passes: Passing, now: Now
) -> tuple[PlannedMove, ...]:
    """How that traffic comes back. `view` and `health` know nothing of the new tunnels, and have the classes meanwhile.

    What it did before counts against the new one of its name, as it does for the hub: it waits for its hold.
    """
    left = {move.sources: move for move in passes.moves if passes.leaves(move)}
    if not left:
        return ()
    at = Now(Instant(now.monotonic + LEFT_WITHIN), now.wall + timedelta(seconds=LEFT_WITHIN))
    answers = LivenessView(LivenessState.UP, at.monotonic, "answers", after_death=True, known_since=at.monotonic)
    back = [t for t in branch.tunnels if any(move.on == t.id.name for move in left.values())]
    answering = SimulatedHub(hub, branch, replace(view, liveness={**view.liveness, **{t.id: answers for t in back}}))
    for tunnel in back:
        answering.session_up(tunnel, at.monotonic)
    seen = outlook(hub, branch, answering.view, health, at, _longest_hold(branch) + MOVED_WITHIN)
    return tuple(
        replace(
            move,
            anew=True,
            after=None,
            waits=move.waits or AFTER_ITS_HOLD,
            gentle=left[move.sources].gentle,
            metered=move.metered and move.to not in passes.metered,
        )
        for move in seen.moves
        if move.sources in left and move.to == left[move.sources].on
    )


def _longest_hold(branch: Branch) -> float:
    """Seconds, by its policy or any of its rules."""
    changed = (rule.set.failback for rule in branch.policy.rules)
    holds = (branch.policy.failback, *(failback for failback in changed if failback is not None))
    return max(failback.hold.total_seconds() for failback in holds)
