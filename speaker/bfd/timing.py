"""The arithmetic of BFD's timers (RFC 5880 sections 6.8.2 to 6.8.4, 6.8.7). All times are nanoseconds."""

from __future__ import annotations

from dataclasses import dataclass

SLOW_INTERVAL = 1_000_000_000
"""While a session is not up, its DesiredMinTxInterval is not less than this (section 6.8.3)."""
NEVER = 1 << 62
"""A deadline that does not come."""
_MICROSECOND = 1000


@dataclass(frozen=True, slots=True)
class SessionTimers:
    """A SessionTimers is what one side wants: how often it would send and receive, and the multiplier that it *sends*.

    The multiplier tells the other side after how many missing packets it should give up.
    """

    desired_min_tx: int
    required_min_rx: int
    multiplier: int


def microseconds(nanoseconds: int) -> int:
    """A time as it goes on the wire."""
    return nanoseconds // _MICROSECOND


def nanoseconds(microseconds: int) -> int:
    """A time that came on the wire."""
    return microseconds * _MICROSECOND


def transmit_wait(interval: int, multiplier: int, chance: float) -> int:
    """The time to the next packet: 75 to 100 % of the interval, at most 90 % when the multiplier is 1 (section 6.8.7).

    `chance` is evenly spread over [0, 1).
    """
    width = 0.15 if multiplier == 1 else 0.25
    return int(interval * (0.75 + width * chance))


def beside_echo(interval: int) -> int:
    """BFD's interval where an echo is asked for every `interval`: both together cost about what BFD alone does."""
    return max(interval, min(7 * interval, SLOW_INTERVAL))


def detection_time(remote_multiplier: int, required_min_rx: int, remote_desired_min_tx: int) -> int:
    """The longest silence that is not yet a death, in asynchronous mode (section 6.8.4)."""
    return remote_multiplier * max(required_min_rx, remote_desired_min_tx)
