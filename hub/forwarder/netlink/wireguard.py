"""The peers of a WireGuard interface in the kernel, by generic netlink (linux/wireguard.h, linux/genetlink.h)."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from hub.forwarder.netlink import wire

_CONTROL, _GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 16, 3, 1, 2
_GET_DEVICE, _INTERFACE_NAME, _PEERS = 0, 2, 8
_ENDPOINT, _LAST_HANDSHAKE = 4, 6
_HEADER = struct.Struct("=BBH")
"""Command, version, reserved (struct genlmsghdr)."""
_TIMESPEC = struct.Struct("=qq")
_FAMILY = struct.Struct("=H")
_PORT = struct.Struct("!H")


@dataclass(frozen=True, slots=True)
class Peer:
    """A Peer is one far end of an interface: when the last handshake was by the wall clock, and from where it sends.

    `endpoint` is written `203.0.113.7:51820`, an IPv6 one `[2001:db8::7]:51820`.
    """

    handshake_at: float | None
    endpoint: str | None


def find_family() -> bytes:
    """Ask for the number of the family `wireguard`; refused with ENOENT where the kernel has none."""
    body = _HEADER.pack(_GET_FAMILY, 1, 0) + wire.attribute(_FAMILY_NAME, b"wireguard\0")
    return wire.message(_CONTROL, wire.DUMP, body)


def family_in(body: bytes) -> int | None:
    """The number of the family in one message of the answer, which names all families; None for another one."""
    found = wire.attributes(body, _HEADER.size)
    number = found.get(_FAMILY_ID, b"")
    if wire.read_text(found.get(_FAMILY_NAME)) != "wireguard" or len(number) != _FAMILY.size:
        return None
    family: int = _FAMILY.unpack(number)[0]
    return family


def dump(family: int, interface: str) -> bytes:
    """Ask for an interface and its peers; refused where it is missing (ENODEV) or of another kind (EOPNOTSUPP)."""
    body = _HEADER.pack(_GET_DEVICE, 1, 0) + wire.attribute(_INTERFACE_NAME, interface.encode() + b"\0")
    return wire.message(family, wire.DUMP, body)


def decode(body: bytes) -> list[Peer]:
    """The peers in one message of the answer; a peer with many addresses may be in several, told whole in the first."""
    peers = wire.members(wire.attributes(body, _HEADER.size).get(_PEERS, b""))
    return [_peer(wire.attributes(peer)) for peer in peers]


def _peer(found: dict[int, bytes]) -> Peer:
    when = found.get(_LAST_HANDSHAKE, b"")
    seconds, rest = _TIMESPEC.unpack(when) if len(when) == _TIMESPEC.size else (0, 0)
    return Peer(seconds + rest / 1e9 if seconds > 0 else None, _endpoint(found.get(_ENDPOINT, b"")))


def _endpoint(address: bytes) -> str | None:
    """A struct sockaddr_in or sockaddr_in6."""
    if len(address) < 8:
        return None
    family, port = _FAMILY.unpack_from(address)[0], _PORT.unpack_from(address, 2)[0]
    if family == socket.AF_INET:
        return f"{socket.inet_ntop(family, address[4:8])}:{port}"
    if family == socket.AF_INET6 and len(address) >= 24:
        return f"[{socket.inet_ntop(family, address[8:24])}]:{port}"
    return None
