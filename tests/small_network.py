"""A small network for tests of the core: one hub, branches with as many tunnels as asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_network

from policies.model.clock import Instant, Now
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
    Tunnel,
    Uplink,
)
from policies.model.policy import Announce, Failback, FailbackMode, Metered, Policy

HUB_PREFIX = ip_network("10.0.0.0/16")
HOLD = timedelta(seconds=60)
POLICY = Policy(
    name="standard",
    prefer=("fiber", "wireless", "lte", "satellite"),
    metered=Metered.WHEN_DEGRADED,
    failback=Failback(FailbackMode.AUTOMATIC, HOLD),
    announce=Announce(first=1000, step=100, add_degraded=4000, add_drained=8000),
)
HUB_UPLINKS = {
    "telkom": HubUplink("telkom", "telkom", "eth0", "198.51.100.1"),
    "biznet": HubUplink("biznet", "biznet", "eth1", "203.0.113.1"),
}
HUB = Hub("hq", 65000, IPv4Address("10.0.0.1"), (HUB_PREFIX,), HUB_UPLINKS)
FAST = LivenessTimers(LivenessMethod.BFD, timedelta(milliseconds=50), 3)


def moment(monotonic: float, wall: datetime = datetime(2026, 11, 21, 12, tzinfo=UTC)) -> Now:
    """A moment of both clocks."""
    return Now(Instant(monotonic), wall)


def a_tunnel(branch: str, name: str, number: int, **uplink: object) -> Tunnel:
    """A tunnel whose link and port follow from its number."""
    hub_uplink = HUB_UPLINKS["telkom" if number % 2 == 0 else "biznet"]
    defaults = {"isp": f"isp-{name}", "kind": name, "metered": False}
    return Tunnel(
        id=TunnelId(branch, name),
        uplink=Uplink(name=name, **{**defaults, **uplink}),  # type: ignore[arg-type]
        hub_uplink=hub_uplink,
        link=Link(IPv4Address("10.255.0.0") + 2 * number, IPv4Address("10.255.0.1") + 2 * number),
        port=51000 + number,
        interface=f"wg{51000 + number}-{branch}"[:15],
        liveness=Liveness(FAST, FAST),
    )


def a_branch(name: str = "bandung", tunnels: tuple[str, ...] = ("fiber", "wireless"), number: int = 1) -> Branch:
    """A branch with one prefix and these tunnels."""
    return Branch(
        name=name,
        asn=65000 + number,
        router_id=IPv4Address(f"10.{number}.0.1"),
        timezone="Asia/Jakarta",
        prefixes=(ip_network(f"10.{number}.0.0/24"),),
        prefix_limit=10,
        tunnels=tuple(a_tunnel(name, tunnel, number * 8 + i) for i, tunnel in enumerate(tunnels)),
        policy=POLICY,
    )


def with_failback(branch: Branch, mode: FailbackMode, hold: timedelta = HOLD) -> Branch:
    """The same branch, going back differently."""
    return replace(branch, policy=replace(branch.policy, failback=Failback(mode, hold)))


def a_network(*branches: Branch) -> Intent:
    """The whole intent."""
    return Intent("kencana", "Asia/Jakarta", HUB, {branch.name: branch for branch in branches})
