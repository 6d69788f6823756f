"""line: what a tunnel is like at a time, in a simulation. Deterministic: no chance in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from policies.health.course import Course
from policies.model.intent import Tunnel

UNSAID, UNSAID_STANDBY = timedelta(milliseconds=100), timedelta(seconds=1)
"""How often a tunnel is probed of which that is not said; a configuration that was read says it of all."""


@dataclass(frozen=True, slots=True)
class Line:
    """A Line is a tunnel's loss as a share, its round trip and jitter in seconds, and whether it lives."""

    loss: float = 0.0
    rtt: float = 0.02
    jitter: float = 0.0
    up: bool = True

    def course(self, tunnel: Tunnel, *, in_use: bool) -> Course:
        """What this tunnel's probes tell while it stays so, as often as the tunnel is probed."""
        interval = tunnel.liveness.probed_every(in_use=in_use) or (UNSAID if in_use else UNSAID_STANDBY)
        return Course(self.loss, self.rtt, self.jitter, interval.total_seconds())
