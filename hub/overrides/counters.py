"""What the forwarder counts on drained tunnels, as far as a drain needs it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from policies.model.clock import Instant
from policies.model.ids import TunnelId


class Counters(Protocol):
    """A Counters tells when a tunnel last carried a forwarded packet; our own protocols are left out."""

    def watch(self, tunnels: Collection[TunnelId]) -> None:
        """Count on these tunnels from now on, and on no others."""

    def last_packet(self, tunnel: TunnelId) -> tuple[Instant | None, Instant | None] | None:
        """When the last packet went to the branch, and when one came from it; None where none did since it is counted.

        None instead of the pair: the tunnel is not counted (yet).
        """
