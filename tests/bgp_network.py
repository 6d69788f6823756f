"""A hub with branches b1, b2, ... of two tunnels each, for the tests of BGP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network

from policies.model.ids import TunnelId
from policies.model.intent import (
    Announce,
    Branch,
    Failback,
    FailbackMode,
    Hub,
    HubUplink,
    Intent,
    Link,
    Liveness,
    LivenessMethod,
    LivenessTimers,
    Metered,
    Policy,
    Tunnel,
    Uplink,
)

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


def network(branches: int) -> Intent:
    """So many branches; branch N has AS 65000 + N, prefix 10.N.0.0/24 and links in 10.255.N.0/24."""
    return Intent("bench", "UTC", _HUB, {f"b{n}": branch(n) for n in range(1, branches + 1)})


def in_processes(intent: Intent, processes: Mapping[str, int]) -> Intent:
    """The same with these branches (`b2`) or tunnels (`b2/fiber`) in other processes than the first."""

    def moved(tunnel: Tunnel) -> Tunnel:
        return replace(tunnel, process=processes.get(str(tunnel.id), processes.get(tunnel.id.branch, 1)))

    branches = {name: replace(b, tunnels=tuple(map(moved, b.tunnels))) for name, b in intent.branches.items()}
    return replace(intent, branches=branches)


def branch(number: int) -> Branch:
    """One branch, of at most ten prefixes."""
    name = f"b{number}"
    tunnels = tuple(_tunnel(name, number, order, uplink) for order, uplink in enumerate(("fiber", "wireless")))
    prefixes = (IPv4Network(f"10.{number}.0.0/24"),)
    router_id = IPv4Address(f"10.{number}.0.1")
    return Branch(name, 65000 + number, router_id, "UTC", prefixes, 10, tunnels, _POLICY)


def _tunnel(name: str, number: int, order: int, uplink: str) -> Tunnel:
    link = Link(IPv4Address(f"10.255.{number}.{2 * order}"), IPv4Address(f"10.255.{number}.{2 * order + 1}"))
    its_uplink = Uplink(uplink, "telkom", uplink, metered=False)
    liveness = Liveness(_TIMERS, _TIMERS)
    return Tunnel(TunnelId(name, uplink), its_uplink, _UPLINK, link, 51000, f"wg-{name}-{uplink}", liveness)
