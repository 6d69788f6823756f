"""What liveness and health probes cost on a line that is paid by the byte."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hub.config.probing import sent_beside
from hub.profiles import PATH_MTU_EVERY
from policies.model.intent import Liveness, LivenessMethod, LivenessTimers
from speaker.bfd.timing import beside_echo

MONTH = timedelta(days=30)
_IPV4, _UDP, _ICMP = 20, 8, 8
_BFD_PACKET = 24
"""Bytes of a BFD control packet without authentication (RFC 5880, section 4.1)."""
_ECHO_DATA = 20
"""Bytes of data that an echo request of ours carries; the reply carries the same."""
_WIREGUARD = 32
"""Bytes of a WireGuard data message beside the padded packet: header 16, tag 16 (wireguard.com/protocol)."""
_FULL_SIZE = 1480
"""Bytes of a full-size packet on the uplink: WireGuard's usual MTU of 1420, in its tunnel's packet."""
_BFD_JITTER = 0.875
"""BFD sends after 75 to 100 % of the interval (RFC 5880, section 6.8.7): 87.5 % in the mean."""


@dataclass(frozen=True, slots=True)
class MonthlyBytes:
    """A MonthlyBytes is what is asked over one tunnel in 30 days, both directions, if it is always so."""

    active: int
    idle: int


def monthly_bytes(liveness: Liveness) -> MonthlyBytes:
    """The bytes that an ISP counts: IP packets of WireGuard, without the framing of the line below."""
    return MonthlyBytes(active=_bytes(liveness.active, liveness.echo), idle=_bytes(liveness.idle, liveness.echo))


def monthly_probe_bytes(liveness: Liveness) -> MonthlyBytes:
    """The same of the health probes beside liveness: echoes, and none where liveness sends them at least as often."""
    rate = liveness.probe
    if rate is None:
        return MonthlyBytes(0, 0)
    return MonthlyBytes(
        active=_probe_bytes(liveness.active, rate.active, liveness.echo),
        idle=_probe_bytes(liveness.idle, rate.idle, liveness.echo),
    )


def monthly_look_bytes() -> int:
    """The bytes of looking whether full-size packets pass a tunnel, where they do; idle or active, that is the same."""
    return round(2 * _FULL_SIZE * (MONTH / PATH_MTU_EVERY))


def packet_bytes(method: LivenessMethod) -> int:
    """The size of one packet of liveness on the uplink, in its tunnel's packet."""
    inner = _IPV4 + (_UDP + _BFD_PACKET if method is LivenessMethod.BFD else _ICMP + _ECHO_DATA)
    padded = -(-inner // 16) * 16
    return _IPV4 + _UDP + _WIREGUARD + padded


def _probe_bytes(timers: LivenessTimers, interval: timedelta, echo: bool) -> int:  # noqa: FBT001
    return _of_one(LivenessMethod.ICMP, interval) if sent_beside(timers, interval, echo=echo) else 0


def _bytes(timers: LivenessTimers, echo: bool) -> int:  # noqa: FBT001
    if not echo:
        return _of_one(timers.method, timers.interval)
    slowed = timedelta(microseconds=beside_echo(round(timers.interval / timedelta(microseconds=1)) * 1000) / 1000)
    return _of_one(LivenessMethod.BFD, slowed) + _of_one(LivenessMethod.ICMP, timers.interval)


def _of_one(method: LivenessMethod, interval: timedelta) -> int:
    mean = interval * (_BFD_JITTER if method is LivenessMethod.BFD else 1.0)
    return round(2 * packet_bytes(method) * (MONTH / mean))
