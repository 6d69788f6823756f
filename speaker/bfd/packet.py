"""BFD control packets on the wire (RFC 5880 section 4.1), without authentication."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import lru_cache

VERSION = 1
LENGTH = 24
"""Bytes of a control packet without authentication section."""
LARGEST_INTERVAL = 0xFFFFFFFF
"""Microseconds; the fields for intervals have 32 bits."""

_FORMAT = struct.Struct("!BBBBIIIII")
_AUTHENTICATED_LENGTH = 26
_POLL, _FINAL, _INDEPENDENT, _AUTHENTICATED, _DEMAND, _MULTIPOINT = 0x20, 0x10, 0x08, 0x04, 0x02, 0x01


class State(IntEnum):
    """The state of a session, with its numbers on the wire."""

    ADMIN_DOWN = 0
    DOWN = 1
    INIT = 2
    UP = 3


class Diagnostic(IntEnum):
    """Why a session last changed its state (RFC 5880 section 4.1); others may come on the wire."""

    NONE = 0
    DETECTION_TIME_EXPIRED = 1
    ECHO_FAILED = 2
    NEIGHBOR_SIGNALED_DOWN = 3
    FORWARDING_PLANE_RESET = 4
    PATH_DOWN = 5
    CONCATENATED_PATH_DOWN = 6
    ADMINISTRATIVELY_DOWN = 7
    REVERSE_CONCATENATED_PATH_DOWN = 8


class BadPacket(Enum):
    """Why a received packet was thrown away; the value is the name of its counter."""

    TOO_SHORT = "too-short"
    VERSION = "version"
    LENGTH = "length"
    MULTIPLIER_ZERO = "multiplier-zero"
    MULTIPOINT = "multipoint"
    MY_DISCRIMINATOR_ZERO = "my-discriminator-zero"
    YOUR_DISCRIMINATOR_ZERO = "your-discriminator-zero"
    AUTHENTICATED = "authenticated"


@dataclass(frozen=True, slots=True)
class ControlPacket:
    """A ControlPacket is one BFD control packet; intervals are in microseconds, as on the wire."""

    state: State
    my_discriminator: int
    your_discriminator: int
    desired_min_tx: int
    required_min_rx: int
    multiplier: int
    diagnostic: int = 0
    poll: bool = False
    final: bool = False
    control_plane_independent: bool = False
    demand: bool = False
    required_min_echo_rx: int = 0


def encode(packet: ControlPacket) -> bytes:
    """The 24 bytes of a packet.

    Raises:
        struct.error: a field does not fit its place.
    """
    flags = (
        packet.state << 6
        | (_POLL if packet.poll else 0)
        | (_FINAL if packet.final else 0)
        | (_INDEPENDENT if packet.control_plane_independent else 0)
        | (_DEMAND if packet.demand else 0)
    )
    return _FORMAT.pack(
        VERSION << 5 | packet.diagnostic,
        flags,
        packet.multiplier,
        LENGTH,
        packet.my_discriminator,
        packet.your_discriminator,
        packet.desired_min_tx,
        packet.required_min_rx,
        packet.required_min_echo_rx,
    )


_STATES = tuple(State)


@lru_cache(maxsize=4096)
def decode(data: bytes) -> ControlPacket | BadPacket:
    """Read what arrived; checked as RFC 5880 section 6.8.6 wants, as far as one packet alone can be checked.

    Remembered, as a session's packets are all alike while nothing happens.
    """
    if len(data) < LENGTH:
        return BadPacket.TOO_SHORT
    first, flags, multiplier, length, mine, yours, desired, required, echo = _FORMAT.unpack_from(data)
    bad = _judge(first, flags, multiplier, length, mine, yours, len(data))
    if bad is not None:
        return bad
    return ControlPacket(
        _STATES[flags >> 6],
        mine,
        yours,
        desired,
        required,
        multiplier,
        first & 0x1F,
        bool(flags & _POLL),
        bool(flags & _FINAL),
        bool(flags & _INDEPENDENT),
        bool(flags & _DEMAND),
        echo,
    )


def _judge(
    first: int, flags: int, multiplier: int, length: int, mine: int, yours: int, received: int
) -> BadPacket | None:
    if first >> 5 != VERSION:
        return BadPacket.VERSION
    shortest = _AUTHENTICATED_LENGTH if flags & _AUTHENTICATED else LENGTH
    if not shortest <= length <= received:
        return BadPacket.LENGTH
    if multiplier == 0:
        return BadPacket.MULTIPLIER_ZERO
    if flags & _MULTIPOINT:
        return BadPacket.MULTIPOINT
    if mine == 0:
        return BadPacket.MY_DISCRIMINATOR_ZERO
    if yours == 0 and flags >> 6 > State.DOWN:
        return BadPacket.YOUR_DISCRIMINATOR_ZERO
    if flags & _AUTHENTICATED:
        return BadPacket.AUTHENTICATED
    return None
