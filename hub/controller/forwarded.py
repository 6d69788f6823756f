"""The packets that are forwarded over drained tunnels, as the forwarder counts them."""

from __future__ import annotations

from collections.abc import Collection

from hub.controller.forwarder import ForwarderLink
from policies.model.clock import Instant
from policies.model.ids import TunnelId


class Forwarded:
    """A Forwarded says when a tunnel that is watched last carried a packet that is not ours (overrides.Counters)."""

    def __init__(self, link: ForwarderLink) -> None:
        self._link = link

    def watch(self, tunnels: Collection[TunnelId]) -> None:
        """Count on these tunnels from now on, and on no others."""
        self._link.count(frozenset(tunnels))

    def last_packet(self, tunnel: TunnelId) -> tuple[Instant | None, Instant | None] | None:
        """When the last packet went to the branch, and when one came from it; None: not counted, or not exactly."""
        counted = self._link.counted.get(str(tunnel))
        if counted is None or not counted["exact"]:
            return None
        return _instant(counted["last_out"]), _instant(counted["last_in"])


def _instant(seconds: float | None) -> Instant | None:
    return None if seconds is None else Instant(seconds)
