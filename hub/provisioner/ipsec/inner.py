"""The interface that is made of IPsec: GRE or VXLAN between protected loopbacks, or an XFRM interface. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from hub.provisioner.ipsec.names import INNER_MODULES
from hub.provisioner.wanted import WantedIpsec


@dataclass(frozen=True, slots=True)
class Shape:
    """A Shape is what of an interface cannot be changed while it is there.

    `number` is the interface id of XFRM or the network identifier of VXLAN. GRE has none: RouterOS knows no keys, and
    the pair of loopbacks is of this tunnel alone.
    """

    kind: str
    local: str | None = None
    remote: str | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class SeenLink:
    """A SeenLink is an interface of this machine; `shape` only as far as its kind is one of ours."""

    index: int
    name: str
    shape: Shape
    alias: str | None
    mtu: int
    up: bool
    addresses: frozenset[str] = frozenset()


def shape_of(wanted: WantedIpsec) -> Shape:
    """What the interface of this tunnel is to be."""
    match wanted.inner:
        case "xfrm":
            return Shape("xfrm", number=wanted.number)
        case "vxlan":
            return Shape("vxlan", wanted.loopback, wanted.branch_loopback, wanted.number)
        case _:
            return Shape("gre", wanted.loopback, wanted.branch_loopback)


def no_such_kind(inner: str) -> tuple[str, str]:
    """What is said where the kernel makes no such interfaces, and the mend."""
    others = " or ".join(kind for kind in INNER_MODULES if kind != inner)
    mend = f"modprobe {INNER_MODULES[inner]}, or write another inner: {others}"
    return f"this kernel makes no {inner} interfaces", mend


def adjustments(wanted: WantedIpsec, seen: SeenLink) -> tuple[str, ...]:
    """What has to be put right on an interface of the right shape, in words; nothing where all is as it should be."""
    found = []
    if seen.mtu != wanted.mtu:
        found.append(f"mtu {seen.mtu} -> {wanted.mtu}")
    found += [f"address {address} added" for address in wanted.addresses if address not in seen.addresses]
    found += [f"address {address} removed" for address in sorted(seen.addresses - {*wanted.addresses})]
    if not seen.up:
        found.append("set up")
    return tuple(found)
