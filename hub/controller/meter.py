"""What metered tunnels carried, for those that carry longer than is meant."""

from __future__ import annotations

from collections.abc import Mapping

from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.off_preferred import Carried


class Meter:
    """A Meter knows what went over each tunnel that it is asked for, since it was first asked for it."""

    def __init__(self) -> None:
        self._begun: dict[TunnelId, tuple[Instant, int]] = {}
        self.carried: Mapping[TunnelId, Carried] = {}

    def read(self, interfaces: Mapping[TunnelId, str], counts: Mapping[str, int], now: Instant) -> None:
        """These tunnels are asked for, and these are the bytes of all interfaces; others are forgotten.

        An interface that was made anew counts from then on.
        """
        carried: dict[TunnelId, Carried] = {}
        for tunnel, interface in interfaces.items():
            count = counts.get(interface)
            if count is None:
                continue
            since, before = self._begun.get(tunnel, (now, count))
            if count < before:
                since, before = now, count
            self._begun[tunnel] = since, before
            carried[tunnel] = Carried(since, count - before)
        self._begun = {tunnel: begun for tunnel, begun in self._begun.items() if tunnel in carried}
        self.carried = carried
