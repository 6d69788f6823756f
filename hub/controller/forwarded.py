"""The packets that are forwarded over drained tunnels, as the forwarder counts them."""

from __future__ import annotations

from collections.abc import Collection

from hub.controller.forwarder import ForwarderLink
from hub.overrides.counters import Counted
from policies.model.clock import Instant
from policies.model.ids import TunnelId


class Forwarded:
    """A Forwarded says when a tunnel that is watched last carried a packet that is not ours (overrides.Counters)."""

    def __init__(self, link: ForwarderLink) -> None:
        self._link = link

    def watch(self, tunnels: Collection[TunnelId]) -> None:
        """Count on these tunnels from now on, and on no others."""
        self._link.count(frozenset(tunnels))

    def counted(self, tunnel: TunnelId) -> Counted | None:
        """What was counted on it, as last told; None: nothing was read yet, or not exactly."""
        told = self._link.counted.get(str(tunnel))
        if told is None or not told["exact"] or told["read"] is None:
            return None
        last_out, last_in = _instant(told["last_out"]), _instant(told["last_in"])
        return Counted(Instant(told["since"]), Instant(told["read"]), last_out, last_in)


def _instant(seconds: float | None) -> Instant | None:
    return None if seconds is None else Instant(seconds)
