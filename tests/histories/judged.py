"""What is judged and said beside liveness: health, drains, switches and freezes, as the controller hears of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from policies.model.clock import Instant
from policies.model.events import Event, HealthChanged, InForceChanged
from policies.model.health import HealthState, HealthView
from policies.model.ids import TunnelId
from policies.model.overrides import InForce

JUDGED_AGAIN = 1.0
"""Seconds after its start that a controller has samples enough to call a tunnel degraded again."""


@dataclass
class Judged:
    """A Judged is what is true of the tunnels; all of it outlives a controller."""

    degraded: set[TunnelId] = field(default_factory=set)
    drained: set[TunnelId] = field(default_factory=set)
    switched: TunnelId | None = None
    frozen: bool = False
    go_back: bool = False
    ever: bool = False
    """Whether anything of this was ever so, and has to be told."""

    def tell_health(self, tunnel: TunnelId, take: Callable[[Event], None], now: float) -> None:
        """The tunnel's health, as it is."""
        state = HealthState.DEGRADED if tunnel in self.degraded else HealthState.UP
        take(HealthChanged(tunnel, HealthView(state, Instant(now), "drawn")))

    def tell_overrides(self, branch: str, take: Callable[[Event], None], now: float) -> None:
        """All that operators have said."""
        in_force = InForce(frozenset(self.drained), self.switched, self.frozen, self.go_back)
        take(InForceChanged({branch: in_force}, Instant(now)))

    def act(self, what: str, tunnel: TunnelId) -> None:
        """One step of a history."""
        self.ever = True
        match what:
            case "degrade":
                self.degraded.add(tunnel)
            case "recover":
                self.degraded.discard(tunnel)
            case "drain":
                self.drained.add(tunnel)
            case "undrain":
                self.drained.discard(tunnel)
            case "switch":
                self.switched = tunnel
            case "unswitch":
                self.switched = None
            case "go back" | "stay":
                self.go_back = what == "go back"
            case _:
                self.frozen = what == "freeze"
