"""line: what a tunnel is like at a time, and what probes over it come to. Deterministic: no chance in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from policies.model.clock import Instant
from policies.model.health import Samples

PROBES_A_SECOND = 10.0
"""As over a tunnel in use with the profile `fast`; a standby has fewer, and is judged more slowly."""
STANDBY_PROBES_A_SECOND = 1.0
MOST_TRIPS = 20


@dataclass(frozen=True, slots=True)
class Line:
    """A Line is a tunnel's loss as a share, its round trip and jitter in seconds, and whether it lives."""

    loss: float = 0.0
    rtt: float = 0.02
    jitter: float = 0.0
    up: bool = True


@dataclass(frozen=True, slots=True)
class Meter:
    """A Meter turns a line that stays as it is into samples; what is not yet a whole probe or loss is carried on."""

    at: Instant
    probes: float = 0.0
    losses: float = 0.0

    def until(self, now: Instant, line: Line, *, in_use: bool) -> tuple[Meter, Samples | None]:
        """The samples since the last ones, None when there was no probe."""
        rate = PROBES_A_SECOND if in_use else STANDBY_PROBES_A_SECOND
        probes = self.probes + (now - self.at) * rate
        sent = int(probes + 1e-9)
        if not line.up:
            return Meter(now), None
        if sent == 0:
            return self, None
        losses = self.losses + sent * line.loss
        lost = int(losses + 1e-9)
        begins = Instant(self.at)
        return Meter(now, probes - sent, losses - lost), Samples(begins, now, sent, lost, trips(line, sent - lost))

    def burst(self, now: Instant, line: Line, probes: int, spacing: float) -> tuple[Meter, Samples]:
        """A burst that has just ended."""
        losses = self.losses + probes * line.loss
        lost = int(losses + 1e-9)
        begins = Instant(now - probes * spacing)
        found = Samples(begins, now, probes, lost, trips(line, probes - lost), burst=True)
        return replace(self, losses=losses - lost), found


def trips(line: Line, answered: int) -> tuple[float, ...]:
    """Round trips that have the line's median and jitter; of many a few, which say the same."""
    each = max(0, min(answered, MOST_TRIPS))
    if line.jitter == 0:
        return (line.rtt,) * each
    low, high = max(0.0, line.rtt - line.jitter / 2), line.rtt + line.jitter / 2
    return tuple(high if number % 2 else low for number in range(each))
