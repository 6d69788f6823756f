"""What the liveness engine is told, and what it says. Instants are nanoseconds of CLOCK_MONOTONIC."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from speaker.bfd.memory import Memory

Method = Literal["bfd", "icmp"]
State = Literal["up", "down", "unknown"]
Version = Literal[4, 6]
"""The IP version of a probe or a path."""

STARTING = 3_000_000_000
"""Nanoseconds. A tunnel that has not been heard for so long after its first probe is down and no more unknown."""


@dataclass(frozen=True, slots=True)
class Timers:
    """A Timers is how a tunnel is asked: every `interval_ns`, and dead after `multiplier` misses.

    For BFD the multiplier is what the branch is configured to send; what the branch really sends decides.
    """

    method: Method
    interval_ns: int
    multiplier: int

    @property
    def detection_ns(self) -> int:
        """The longest silence that is not yet a death."""
        return self.interval_ns * self.multiplier


@dataclass(frozen=True, slots=True)
class ProbeRate:
    """A ProbeRate is how often health is probed, in nanoseconds: while the tunnel carries traffic, and stands by."""

    active_ns: int
    idle_ns: int


@dataclass(frozen=True, slots=True)
class TunnelSpec:
    """A TunnelSpec is one tunnel to be watched; `local` and `remote` are its IPv4 addresses in dotted form.

    `active` are the timers while it carries traffic, `idle` those while it stands by. The method of `active` counts.
    `local6` and `remote6` are its IPv6 addresses, where it has any: liveness is IPv4's, the way back is asked for both.
    """

    name: str
    branch: str
    interface: str
    local: str
    remote: str
    isp: str
    hub_uplink: str
    active: Timers
    idle: Timers
    local6: str | None = None
    remote6: str | None = None
    confirm: bool = True
    """Whether a late packet is followed up by probes, or the detection time waited for."""
    echo: bool = False
    """Whether an echo is asked for every interval beside BFD."""
    probe: ProbeRate | None = None
    """How often its health is probed, None where it is not."""

    @property
    def is_asked_by_echo(self) -> bool:
        """Whether liveness asks for an echo every interval, by itself or beside BFD."""
        return self.active.method == "icmp" or self.echo

    def own_addresses(self) -> Iterator[bytes]:
        """Our ends of the tunnel."""
        yield socket.inet_aton(self.local)
        if self.local6 is not None:
            yield socket.inet_pton(socket.AF_INET6, self.local6)


@dataclass(frozen=True, slots=True)
class LivenessReport:
    """A LivenessReport is what is known of a tunnel; `hard` when liveness itself is down, not only suspected so."""

    tunnel: str
    state: State
    since_ns: int
    hard: bool
    reason: str
    rtt_ns: int | None
    last_heard_ns: int | None


@dataclass(frozen=True, slots=True)
class SessionMemory:
    """A SessionMemory is what a restarted process must know of a tunnel so that nobody notices the restart."""

    state: State
    since_ns: int
    reason: str
    bfd: Memory | None = None

    def to_json(self) -> dict[str, object]:
        """As plain values, for the state file."""
        bfd = self.bfd.to_json() if self.bfd else None
        return {"state": self.state, "since_ns": self.since_ns, "reason": self.reason, "bfd": bfd}

    @classmethod
    def from_json(cls, value: object) -> SessionMemory:
        """Read what `to_json` wrote.

        Raises:
            ValueError: something is missing or can't be.
        """
        if not isinstance(value, Mapping):
            raise ValueError("the memory of a tunnel is not an object")  # noqa: TRY004  one error for bad files
        state, since, reason, bfd = (value.get(key) for key in ("state", "since_ns", "reason", "bfd"))
        if state not in ("up", "down", "unknown"):
            raise ValueError(f'the state of a tunnel is {state!r}: "up", "down" or "unknown" is needed')
        if type(since) is not int or type(reason) is not str:
            raise ValueError("since_ns or reason of a tunnel's memory is missing")
        return cls(state, since, reason, Memory.from_json(bfd) if bfd is not None else None)


@dataclass(frozen=True, slots=True)
class Standing:
    """A Standing is a tunnel's state and since when; it begins unknown, and gives up on a silent start."""

    started_ns: int
    state: State
    since_ns: int
    reason: str
    hard: bool = True
    """Whether liveness itself is in this state; a tunnel that is only found dead by probes is down and not hard."""

    @classmethod
    def fresh(cls, now: int) -> Standing:
        """Nothing was heard yet."""
        return cls(now, "unknown", now, "not heard of yet")

    def resumed(self, since: int, reason: str) -> Standing:
        """Up since before our start."""
        return replace(self, state="up", since_ns=min(since, self.started_ns), reason=reason)

    def moved(self, state: State, now: int, reason: str, *, hard: bool = True) -> Standing:
        """In this state from now on; the instant is kept if it is no change."""
        since = self.since_ns if state == self.state else now
        return replace(self, state=state, since_ns=since, reason=reason, hard=hard)

    def softly_down(self, since: int, reason: str) -> Standing:
        """Found dead before our start, while its session stood."""
        return replace(self, state="down", since_ns=min(since, self.started_ns), reason=reason, hard=False)

    def gives_up_at(self, detection_ns: int) -> int:
        """When a tunnel that has not been heard since its start is down."""
        return self.started_ns + max(STARTING, detection_ns)


def milliseconds(nanoseconds: int) -> str:
    """A time for a reader: `151 ms`, `2.5 ms`."""
    value = nanoseconds / 1e6
    return f"{value:.0f} ms" if value >= 10 or value == int(value) else f"{value:.1f} ms"


def silent(silent_for: int, intervals: int, interval: int) -> str:
    """Why a tunnel died: `silent for 151 ms (3 x 50 ms)`."""
    return f"silent for {milliseconds(silent_for)} ({intervals} x {milliseconds(interval)})"
