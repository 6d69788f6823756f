"""What WireGuard says of an interface: its port, its mark and its peers. Text to values: pure.

There are two languages: that of `wg show … dump` (wg(8)) and that of a daemon's socket, the cross-platform interface
(https://www.wireguard.com/xplatform/). Both tell private keys, which stay `Secret`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from hub.provisioner.keys.secret import Secret

_NONE = "(none)"


@dataclass(frozen=True, slots=True)
class Peer:
    """A Peer is a far end as WireGuard knows it. Times are seconds of the wall clock, sizes bytes; 0 is never, or off.

    `endpoint` is written `203.0.113.7:51820`, an IPv6 one `[2001:db8::7]:51820`.
    """

    public: str
    preshared: Secret | None
    endpoint: str | None
    allowed: frozenset[str]
    handshake_at: float
    received: int
    sent: int
    keepalive: int


@dataclass(frozen=True, slots=True)
class Device:
    """A Device is WireGuard's side of an interface. `own` is its private key, None where it has none yet."""

    own: Secret | None
    port: int
    mark: int
    peers: tuple[Peer, ...]


def networks(allowed: Iterator[str] | tuple[str, ...]) -> frozenset[str]:
    """AllowedIPs, each as Python writes it.

    Raises:
        ValueError: one is no network.
    """
    return frozenset(str(ip_network(each, strict=False)) for each in allowed)


def read_dump(text: str) -> dict[str, Device]:
    """What `wg show all dump` printed, by interface. A line that can't be understood is as if it were not there."""
    devices: dict[str, Device] = {}
    peers: dict[str, list[Peer]] = {}
    for line in text.splitlines():
        match line.split("\t"):
            case [name, private, _public, port, mark]:
                own = None if private == _NONE else Secret(private)
                devices[name] = Device(own, _number(port), 0 if mark == "off" else int(mark, 0), ())
            case [name, public, preshared, endpoint, allowed, at, received, sent, keepalive]:
                peer = Peer(
                    public=public,
                    preshared=None if preshared == _NONE else Secret(preshared),
                    endpoint=None if endpoint == _NONE else endpoint,
                    allowed=networks(tuple(each for each in allowed.split(",") if each != _NONE)),
                    handshake_at=float(at),
                    received=_number(received),
                    sent=_number(sent),
                    keepalive=_number(keepalive),
                )
                peers.setdefault(name, []).append(peer)
    return {
        name: Device(found.own, found.port, found.mark, tuple(peers.get(name, ()))) for name, found in devices.items()
    }


def read_answer(text: str) -> Device:
    """What a daemon answered to `get=1`.

    Raises:
        ValueError: it is no answer.
    """
    head, *parts = text.split("public_key=")
    values = dict(_pairs(head))
    return Device(
        own=_secret(values.get("private_key", "")),
        port=_number(values.get("listen_port", "")),
        mark=_number(values.get("fwmark", "")),
        peers=tuple(_peer(part) for part in parts),
    )


def _peer(part: str) -> Peer:
    public, _, rest = part.partition("\n")
    pairs = list(_pairs(rest))
    values = dict(pairs)
    at = _number(values.get("last_handshake_time_sec", "")) + _number(values.get("last_handshake_time_nsec", "")) / 1e9
    return Peer(
        public=base64.b64encode(bytes.fromhex(public)).decode(),
        preshared=_secret(values.get("preshared_key", "")),
        endpoint=values.get("endpoint"),
        allowed=networks(value for key, value in pairs if key == "allowed_ip"),
        handshake_at=at,
        received=_number(values.get("rx_bytes", "")),
        sent=_number(values.get("tx_bytes", "")),
        keepalive=_number(values.get("persistent_keepalive_interval", "")),
    )


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            yield key, value


def _secret(text: str) -> Secret | None:
    """A key in hexadecimal digits; all zero is none."""
    try:
        key = binascii.unhexlify(text)
    except ValueError:
        return None
    return Secret(base64.b64encode(key).decode()) if any(key) else None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
