"""A hub with branches b1, b2, ... of two tunnels each, for the tests of BGP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from policies.model.ids import TunnelId
from policies.model.intent import (
    Branch,
    Hub,
    HubUplink,
    Intent,
    Link,
    Liveness,
    LivenessMethod,
    LivenessTimers,
    Session,
    SessionKind,
    Tunnel,
    Uplink,
)
from policies.model.policy import Announce, Failback, FailbackMode, Metered, Policy

_TIMERS = LivenessTimers(LivenessMethod.BFD, timedelta(milliseconds=50), 3)
_POLICY = Policy(
    "standard",
    ("fiber", "wireless"),
    Metered.WHEN_DEGRADED,
    Failback(FailbackMode.AUTOMATIC, timedelta(seconds=1)),
    Announce(1000, 100, 4000, 8000),
)
_UPLINK = HubUplink("telkom", "telkom", "eth0", None)
_HUB = Hub("hq", 65000, IPv4Address("10.0.0.1"), (IPv4Network("10.0.0.0/16"),), {"telkom": _UPLINK})


EBGP = Session()
HUB6 = IPv6Network("2001:db8::/48")


def network(branches: int, *, versions: tuple[int, ...] = (4,), session: Session = EBGP) -> Intent:
    """So many branches; branch N has AS 65000 + N, prefix 10.N.0.0/24 and links in 10.255.N.0/24.

    With IPv6 it also has prefix 2001:db8:N::/48 and links in fd00:N::/64; an iBGP branch has the hub's AS.
    """
    made = {f"b{n}": branch(n, versions=versions, session=session) for n in range(1, branches + 1)}
    hub = replace(_HUB, prefixes=(*_HUB.prefixes, HUB6)) if 6 in versions else _HUB
    return Intent("bench", "UTC", hub, made)


def in_processes(intent: Intent, processes: Mapping[str, int]) -> Intent:
    """The same with these branches (`b2`) or tunnels (`b2/fiber`) in other processes than the first."""

    def moved(tunnel: Tunnel) -> Tunnel:
        return replace(tunnel, process=processes.get(str(tunnel.id), processes.get(tunnel.id.branch, 1)))

    branches = {name: replace(b, tunnels=tuple(map(moved, b.tunnels))) for name, b in intent.branches.items()}
    return replace(intent, branches=branches)


def branch(number: int, *, versions: tuple[int, ...] = (4,), session: Session = EBGP) -> Branch:
    """One branch, of at most ten prefixes."""
    name = f"b{number}"
    tunnels = tuple(_tunnel(name, number, order, uplink) for order, uplink in enumerate(("fiber", "wireless")))
    both = {4: IPv4Network(f"10.{number}.0.0/24"), 6: IPv6Network(f"2001:db8:{number}::/48")}
    prefixes = tuple(both[version] for version in versions)
    if 6 in versions:
        tunnels = tuple(_with_ipv6(tunnel, number, order) for order, tunnel in enumerate(tunnels))
    router_id = IPv4Address(f"10.{number}.0.1")
    asn = _HUB.asn if session.kind is SessionKind.IBGP else 65000 + number
    return Branch(name, asn, router_id, "UTC", prefixes, 10, tunnels, _POLICY, session)


def _with_ipv6(tunnel: Tunnel, number: int, order: int) -> Tunnel:
    hub6, branch6 = IPv6Address(f"fd00:{number}::{2 * order}"), IPv6Address(f"fd00:{number}::{2 * order + 1}")
    return replace(tunnel, link=replace(tunnel.link, hub6=hub6, branch6=branch6))


def _tunnel(name: str, number: int, order: int, uplink: str) -> Tunnel:
    link = Link(IPv4Address(f"10.255.{number}.{2 * order}"), IPv4Address(f"10.255.{number}.{2 * order + 1}"))
    its_uplink = Uplink(uplink, "telkom", uplink, metered=False)
    liveness = Liveness(_TIMERS, _TIMERS)
    return Tunnel(TunnelId(name, uplink), its_uplink, _UPLINK, link, 51000, f"wg-{name}-{uplink}", liveness)
