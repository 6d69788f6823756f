"""The bytes that interfaces carried, as the kernel counts them: for metered tunnels that carry longer than is meant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.off_preferred import Carried

_TABLE = Path("/proc/self/net/dev")
"""proc_net_dev(5), of the network namespace that the process is in: names, then bytes received, and as the ninth number
bytes sent."""
_RECEIVED, _SENT, _LEAST = 0, 8, 9


def interface_bytes() -> Mapping[str, int]:
    """Bytes in both directions together, by interface, since each was made; nothing where they cannot be read."""
    try:
        return parsed(_TABLE.read_text(encoding="ascii", errors="replace"))
    except OSError:
        return {}


def parsed(table: str) -> Mapping[str, int]:
    """What the table says; lines that are no interface's are left out."""
    found = {}
    for line in table.splitlines():
        name, colon, rest = line.rpartition(":")
        numbers = rest.split()
        if colon and len(numbers) >= _LEAST and all(number.isdigit() for number in numbers):
            found[name.strip()] = int(numbers[_RECEIVED]) + int(numbers[_SENT])
    return found


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
