"""track: what a simulation saw, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policies.model.health import HealthState, Metric
from policies.model.ids import TunnelId
from policies.model.view import LivenessState, View

CAUSES = ("down", "loss", "rtt", "jitter", "check", "drain", "switch", "failback", "rank")
"""Why a branch moves, in a word: `rank` is by a rule or a script, to a tunnel that the policy alone puts below."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A Moved is one move of a branch: so many seconds after the start, from and to which tunnel, and because of what.

    `cause` is one word, `start` or one of CAUSES; `text` says it all.
    """

    at: float
    before: str | None
    after: str
    cause: str
    text: str


@dataclass(frozen=True, slots=True)
class Track:
    """A Track is where a branch was; `seconds` how long it was simulated."""

    branch: str
    seconds: float
    moves: tuple[Moved, ...]
    metered: frozenset[str]
    preferred: str

    def active_at(self, at: float) -> str | None:
        """The tunnel that carried at this time; None before the first."""
        before = [moved for moved in self.moves if moved.at <= at]
        return before[-1].after if before else None

    @property
    def changes(self) -> tuple[Moved, ...]:
        """The moves, without the start."""
        return tuple(moved for moved in self.moves if moved.before is not None)

    def carried(self) -> Mapping[str, float]:
        """For how many seconds each tunnel carried."""
        spent: dict[str, float] = {}
        ends = [*(moved.at for moved in self.moves[1:]), self.seconds]
        for moved, end in zip(self.moves, ends, strict=True):
            spent[moved.after] = spent.get(moved.after, 0.0) + end - moved.at
        return spent

    @property
    def off_preferred(self) -> float:
        """Seconds on another tunnel than the one that is preferred while all is well."""
        return sum(seconds for name, seconds in self.carried().items() if name != self.preferred)

    @property
    def on_metered(self) -> float:
        """Seconds on metered tunnels."""
        return sum(seconds for name, seconds in self.carried().items() if name in self.metered)


def cause(view: View, before: TunnelId | None, after: TunnelId, order: Sequence[TunnelId]) -> tuple[str, str]:
    """Why a branch left one tunnel for another, in a word and in a sentence; `order` is that of its policy alone."""
    if before is None:
        return "start", "the first one"
    said = view.overridden(before.branch)
    if view.liveness_of(before).state is LivenessState.DOWN:
        return "down", f"{before.name} is down: {view.liveness_of(before).reason}"
    if before in said.drained:
        return "drain", f"{before.name} is drained"
    health = view.health_of(before)
    if health.state is HealthState.DEGRADED:
        word = next((metric.value for metric in Metric if health.reason.startswith(metric.value)), "check")
        return word, f"{before.name} is degraded: {health.reason}"
    if after == said.switched:
        return "switch", f"switched to {after.name}"
    if order.index(after) > order.index(before):
        return "rank", f"a rule or a script prefers {after.name}"
    return "failback", f"{after.name} is better and well"
