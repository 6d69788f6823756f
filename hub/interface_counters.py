"""What the kernel counts of each interface, by the table that every kernel has. Read by both processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TABLE = Path("/proc/thread-self/net/dev")
"""proc_net_dev(5), of the network namespace that the thread is in."""
_COLUMNS = 16
_PACKETS, _SENT = 1, 8
"""Columns: packets follow bytes, and what was sent follows what was received."""


@dataclass(frozen=True, slots=True)
class InterfaceCounters:
    """An InterfaceCounters is what came in by an interface and went out by it, since it was made."""

    bytes_in: int
    packets_in: int
    bytes_out: int
    packets_out: int


def interface_counters(table: Path = TABLE) -> Mapping[str, InterfaceCounters]:
    """What the kernel counts now, by interface; nothing where it cannot be read."""
    try:
        return parsed(table.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return {}


def interface_bytes() -> Mapping[str, int]:
    """Bytes in both directions together, by interface, since each was made; nothing where they cannot be read."""
    return {name: counters.bytes_in + counters.bytes_out for name, counters in interface_counters().items()}


def parsed(table: str) -> Mapping[str, InterfaceCounters]:
    """What the table says, by interface; lines that are no interface's are left out."""
    found = {}
    for line in table.splitlines():
        name, colon, rest = line.rpartition(":")
        numbers = rest.split()
        if colon and name.strip() and len(numbers) >= _COLUMNS and all(map(_is_number, numbers)):
            received, sent = numbers[:_SENT], numbers[_SENT:]
            found[name.strip()] = InterfaceCounters(
                int(received[0]), int(received[_PACKETS]), int(sent[0]), int(sent[_PACKETS])
            )
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20
