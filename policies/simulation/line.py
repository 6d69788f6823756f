"""line: what a tunnel is like at a time, in a simulation. Deterministic: no chance in it."""

from __future__ import annotations

from dataclasses import dataclass

from policies.health.course import Course

IN_USE, STANDBY = 0.1, 1.0
"""Seconds between two probes of a tunnel in use, and of one that only stands by."""


@dataclass(frozen=True, slots=True)
class Line:
    """A Line is a tunnel's loss as a share, its round trip and jitter in seconds, and whether it lives."""

    loss: float = 0.0
    rtt: float = 0.02
    jitter: float = 0.0
    up: bool = True

    def course(self, *, in_use: bool) -> Course:
        """What probes over it tell while it stays so."""
        return Course(self.loss, self.rtt, self.jitter, IN_USE if in_use else STANDBY)
