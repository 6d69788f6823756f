"""Branches of every kind, for the tests of what is printed for their routers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address

import lab_intent
from small_network import HUB_UPLINKS

from hub.branch_router.end import BranchEnd
from hub.branch_router.from_intent import end_of
from hub.branch_router.secrets import Secrets
from policies.model.intent import Branch, Hub, RouterKind, Session, SessionKind, Tunnel, Uplink
from policies.model.transport import (
    Certificate,
    Existing,
    Inner,
    Ipsec,
    Loopbacks,
    PresharedKey,
    Transport,
    WireGuard,
)

HUB = replace(lab_intent.HUB, uplinks=HUB_UPLINKS)
HUB_OF_BOTH = replace(lab_intent.HUB_OF_BOTH, uplinks=HUB_UPLINKS)
FIBER = Uplink(
    "fiber", "telkom", "fiber", metered=False, interface="eth1", gateway="192.0.2.1", address=IPv4Address("192.0.2.9")
)
LTE = Uplink("wireless", "indosat", "lte", metered=True, interface="wwan0", gateway="dhcp", behind_nat=True)
PSK = PresharedKey("bandung-fiber.psk")
CERTIFICATES = Certificate("hq.pem", "hq.key", "authority.pem")


def ipsec(inner: Inner, authentication: PresharedKey | Certificate = PSK, number: int = 0) -> Ipsec:
    """An IPsec tunnel, with a pair of loopbacks of its own where it needs one."""
    first = IPv4Address("10.254.0.0") + 2 * number
    pair = None if inner is Inner.XFRM else Loopbacks(first, first + 1)
    own = ("bandung-fiber", "bandung-wireless")[number]
    return Ipsec(authentication, f"hq.{own}", own, inner, pair)


def branch(*transports: Transport, both: bool = False, **changes: object) -> Branch:
    """Bandung with two tunnels over two known uplinks, made like this; `both`: with IPv6 too."""
    hubs = tuple(HUB_UPLINKS.values())
    tunnels: tuple[Tunnel, ...] = tuple(
        replace(tunnel, uplink=uplink, hub_uplink=hub, transport=transport, mtu=1420 if _is_wg(transport) else 1400)
        for tunnel, uplink, hub, transport in zip(
            lab_intent.BANDUNG.tunnels, (FIBER, LTE), hubs, transports, strict=True
        )
    )
    made = replace(lab_intent.BANDUNG, tunnels=tunnels)
    made = lab_intent.both_versions(made, 1) if both else made
    return replace(made, **changes)  # type: ignore[arg-type]


def _is_wg(transport: Transport) -> bool:
    return isinstance(transport, WireGuard)


def hub_of(one: Branch) -> Hub:
    """The hub with the IP versions that this branch has."""
    return HUB_OF_BOTH if 6 in one.versions else HUB


INTERNAL = Session(SessionKind.IBGP, "bandung.password")
GUARDED = Session(ttl_security=True)
WITH_PRESHARED = WireGuard(preshared=True)
BRANCHES: Mapping[str, Branch] = {
    "dual-stack": branch(WireGuard(), WITH_PRESHARED, both=True, router=RouterKind.BIRD),
    "internal-frr": branch(WireGuard(), WireGuard(), router=RouterKind.FRR, session=INTERNAL),
    "guarded-frr": branch(WireGuard(), WireGuard(), both=True, router=RouterKind.FRR, session=GUARDED),
    "ipsec-gre": branch(ipsec(Inner.GRE), WireGuard(), router=RouterKind.BIRD),
    "ipsec-xfrm": branch(ipsec(Inner.XFRM), ipsec(Inner.XFRM, CERTIFICATES, number=1), both=True),
    "ipsec-vxlan": branch(ipsec(Inner.VXLAN), ipsec(Inner.VXLAN, number=1), router=RouterKind.FRR),
    "existing": branch(WireGuard(), Existing(), router=RouterKind.BIRD),
    "other": branch(WireGuard(), ipsec(Inner.GRE, number=1), router=RouterKind.OTHER),
}
ENDS: Mapping[str, BranchEnd] = {name: end_of(hub_of(one), one) for name, one in BRANCHES.items()}
"""As their own routers see them."""
_TUNNELS = ("bandung/fiber", "bandung/wireless")
SECRETS = Secrets(
    "s3cret-of-bgp",
    private=dict(zip(_TUNNELS, (f"{'A' * 42}8=", f"{'B' * 42}8="), strict=True)),
    preshared=dict(zip(_TUNNELS, (f"{'C' * 42}8=", f"{'D' * 42}8="), strict=True)),
    hub_public=dict(zip(_TUNNELS, (f"{'E' * 42}8=", f"{'F' * 42}8="), strict=True)),
    own_public=dict(zip(_TUNNELS, (f"{'G' * 42}8=", f"{'H' * 42}8="), strict=True)),
)
