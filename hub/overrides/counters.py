"""What the forwarder counts on drained tunnels, as far as a drain needs it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from policies.model.clock import Instant
from policies.model.ids import TunnelId

FRESH = timedelta(seconds=1)
"""How old a reading of the counters may be: of what went since nobody knows anything. There are four a second."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A Counted is since when a tunnel is counted, until when, and when the last packet went each way.

    `read` is the instant of the last reading: what came after it is not known. `to_branch` and `from_branch` are None
    where no packet did since it is counted.
    """

    since: Instant
    read: Instant
    to_branch: Instant | None
    from_branch: Instant | None

    @property
    def idle_since(self) -> Instant:
        """Since when no packet came or went."""
        return max(self.since, self.to_branch or self.since, self.from_branch or self.since)

    def is_fresh(self, now: Instant) -> bool:
        """Whether it says something of this moment."""
        return now - self.read <= FRESH.total_seconds()


class Counters(Protocol):
    """A Counters tells when a tunnel last carried a forwarded packet; our own protocols are left out."""

    def watch(self, tunnels: Collection[TunnelId]) -> None:
        """Count on these tunnels from now on, and on no others."""

    def counted(self, tunnel: TunnelId) -> Counted | None:
        """What was counted on this tunnel, as last told; None: nothing yet, or not exactly."""
