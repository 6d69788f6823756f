"""What carries a tunnel's packets over the internet: WireGuard, IPsec, or something that was there before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from ipaddress import IPv4Address


class Inner(Enum):
    """What makes an interface of IPsec, which by itself has none."""

    XFRM = "xfrm"
    GRE = "gre"
    VXLAN = "vxlan"


@dataclass(frozen=True, slots=True)
class WireGuard:
    """A WireGuard is a tunnel of one peer. `keepalive` is how often the branch says a word, so that its NAT remembers.

    `preshared`: a secret of both ends stands beside the keys.
    """

    keepalive: timedelta = timedelta(seconds=15)
    preshared: bool = False


@dataclass(frozen=True, slots=True)
class PresharedKey:
    """A PresharedKey is a secret of both ends, by the name of its file, which is relative to `secrets`."""

    file: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A Certificate is the hub's certificate, its key, and the authority that signed the branch's: files, by name."""

    file: str
    key_file: str
    authority: str


@dataclass(frozen=True, slots=True)
class Loopbacks:
    """A Loopbacks is the pair of addresses between which IPsec protects what an inner tunnel sends."""

    hub: IPv4Address
    branch: IPv4Address


@dataclass(frozen=True, slots=True)
class Ipsec:
    """An Ipsec is an IKE peer with one child SA, and the inner tunnel that makes an interface of it.

    `loopbacks` is None for XFRM, which needs none. `ike` and `esp` are proposals as strongSwan writes them; `version`
    is that of IKE. `rekey_ike` and `rekey_child` are how long keys are used.
    """

    authentication: PresharedKey | Certificate
    hub_identity: str
    branch_identity: str
    inner: Inner = Inner.GRE
    loopbacks: Loopbacks | None = None
    ike: tuple[str, ...] = ("aes256-sha256-ecp256",)
    esp: tuple[str, ...] = ("aes256gcm16-ecp256", "aes256-sha256-ecp256")
    version: int = 2
    rekey_ike: timedelta = timedelta(hours=4)
    rekey_child: timedelta = timedelta(minutes=50)


@dataclass(frozen=True, slots=True)
class Existing:
    """An Existing is a tunnel that somebody else made: it is watched and steered, and never changed."""


Transport = WireGuard | Ipsec | Existing
DPD_DELAY = 10
"""Seconds of silence after which either end asks whether the other is there (RFC 7296 section 2.4): only to clear away
what is dead, because liveness has found it out long before."""
REPLAY_WINDOW = 1024
"""By how many packets one may be late and still be taken, at both ends (RFC 4303 section 3.4.3). strongSwan's own 32
are fewer than a router of several processors, or a line of several ways, puts out of order: what is later is lost."""

USUAL_TRANSPORT = WireGuard()
