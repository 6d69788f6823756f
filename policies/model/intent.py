"""Intent: what the operator wrote, resolved. Nothing optional is left but what is truly absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from policies.model.as_numbers import USUAL_SIGNS, SharedFateSigns
from policies.model.guards import USUAL_GUARDS, Guards
from policies.model.health import Damping, HealthLimits
from policies.model.ids import Prefix, TunnelId
from policies.model.policy import Announce, Policy
from policies.model.targets import Check
from policies.model.transport import USUAL_TRANSPORT, Transport


class LivenessMethod(Enum):
    """How the far end of a tunnel is asked whether it is there."""

    BFD = "bfd"
    ICMP = "icmp"


@dataclass(frozen=True, slots=True)
class LivenessTimers:
    """A LivenessTimers is how often a tunnel is asked, and how many misses make it dead."""

    method: LivenessMethod
    interval: timedelta
    multiplier: int

    @property
    def detection_time(self) -> timedelta:
        """The longest silence that is not yet a death."""
        return self.interval * self.multiplier


@dataclass(frozen=True, slots=True)
class ProbeRate:
    """A ProbeRate is how often the health of a tunnel is probed while it carries traffic, and while it stands by."""

    active: timedelta
    idle: timedelta


@dataclass(frozen=True, slots=True)
class Liveness:
    """A Liveness is the timers of a tunnel while it carries traffic, and while it only stands by.

    `confirm`: a late packet is followed up by probes at once; else the detection time is waited for. `echo`: beside BFD
    an echo is asked for every interval, by which a cut of the direction to the branch is found as fast as any other.
    `probe` is how often health is probed beside it, None where it is not.
    """

    active: LivenessTimers
    idle: LivenessTimers
    confirm: bool = True
    echo: bool = False
    probe: ProbeRate | None = None

    def probed_every(self, *, in_use: bool) -> timedelta | None:
        """How often something is learnt of its health: by probes, or by echoes of liveness that come as often."""
        if self.probe is None:
            return None
        timers, interval = (self.active, self.probe.active) if in_use else (self.idle, self.probe.idle)
        echoes = self.echo or timers.method is LivenessMethod.ICMP
        return min(interval, timers.interval) if echoes else interval


@dataclass(frozen=True, slots=True)
class Link:
    """A Link is the addresses inside a tunnel: a /31 whose even address is the hub's, and a /127 where there is IPv6.

    The BGP session and liveness use the IPv4 pair; `hub6` and `branch6` are the next hops of IPv6 prefixes.
    """

    hub: IPv4Address
    branch: IPv4Address
    hub6: IPv6Address | None = None
    branch6: IPv6Address | None = None

    def differs_in_ipv6(self, other: Link) -> bool:
        """Whether both have IPv6, and not the same: IPv6 that comes or goes is another matter."""
        return None not in (self.hub6, other.hub6) and (self.hub6, self.branch6) != (other.hub6, other.branch6)


@dataclass(frozen=True, slots=True)
class Uplink:
    """An Uplink is an internet connection of a branch.

    `cost` is what it costs, in any unit in which the uplinks of the branch can be compared; None: nobody said.
    `address` is the public one from which it sends, None where that may change. `gateway` is the ISP's router, or
    `dhcp`. `behind_nat`: somebody else's router stands before it.
    """

    name: str
    isp: str
    kind: str
    metered: bool
    interface: str | None = None
    cost: float | None = None
    address: IPv4Address | None = None
    gateway: str | None = None
    behind_nat: bool = False


@dataclass(frozen=True, slots=True)
class HubUplink:
    """A HubUplink is an internet connection of the hub; `endpoint` is what branches connect to.

    `targets` are outside, and asked through this uplink; when `quorum` of them are silent at once, it is out.
    `gateway` is the ISP's router, or `dhcp`: whatever the machine's own default route through the interface says; None:
    packets are not pinned to it. `address` is the hub's own on it, None: whichever it has. `mark` is the firewall mark
    and the number of the routing table by which packets are pinned.
    """

    name: str
    isp: str
    interface: str | None
    endpoint: str | None
    targets: tuple[Check, ...] = ()
    quorum: int = 0
    gateway: str | None = None
    address: IPv4Address | None = None
    mark: int = 0


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A Tunnel is one VPN tunnel: which uplinks it joins, its link, its UDP port and how its liveness is told.

    `process` is the number of the ExaBGP process that holds its session; it never changes. `limits` are what it is
    judged healthy by in place of its policy's limits for the kind of its uplink, whole; None: as its policy says. So
    are `announce` and `damping`; what the order of all tunnels is made of is in `announce` as its policy has it. `mtu`
    is in bytes.
    """

    id: TunnelId
    uplink: Uplink
    hub_uplink: HubUplink
    link: Link
    port: int
    interface: str
    liveness: Liveness
    process: int = 1
    limits: HealthLimits | None = None
    announce: Announce | None = None
    damping: Damping | Literal["off"] | None = None
    transport: Transport = USUAL_TRANSPORT
    mtu: int = 1420


class SessionKind(Enum):
    """Whether hub and branch are of different AS (the lowest MED steers) or of one (the highest local preference)."""

    EBGP = "ebgp"
    IBGP = "ibgp"


@dataclass(frozen=True, slots=True)
class Session:
    """A Session is how a branch's BGP sessions are made.

    `password_file` is the file whose text signs every TCP segment (RFC 2385), None for none; `ttl_security` accepts
    only packets that crossed no router (RFC 5082) and sends such ones. `password_digest` changes with the text of the
    file, and is None while that cannot be read.
    """

    kind: SessionKind = SessionKind.EBGP
    password_file: str | None = None
    ttl_security: bool = False
    password_digest: str | None = None


class Mode(Enum):
    """What the hub does for a branch: nothing, measure and say what it would do, or act."""

    OFF = "off"
    OBSERVE = "observe"
    ACT = "act"


class RouterKind(Enum):
    """What routes at a branch."""

    ROUTEROS = "routeros"
    FRR = "frr"
    BIRD = "bird"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Branch:
    """A Branch is one site: its prefixes, its tunnels, and the policy that ranks them.

    `prefixes` are the only ones it may announce, and at most `prefix_limit` of them are accepted. `leaving` are tunnels
    that are about to be removed: they carry traffic only while nothing else can. `targets` are what is asked behind the
    branch, by name; custom checks are among them.
    """

    name: str
    asn: int
    router_id: IPv4Address
    timezone: str
    prefixes: tuple[Prefix, ...]
    prefix_limit: int
    tunnels: tuple[Tunnel, ...]
    policy: Policy
    session: Session = Session()
    router: RouterKind | None = None
    leaving: frozenset[TunnelId] = frozenset()
    mode: Mode = Mode.ACT
    targets: tuple[Check, ...] = ()

    def limits_of(self, tunnel: Tunnel) -> HealthLimits:
        """What this tunnel is judged healthy by: its own limits, else those of its policy for its kind of uplink."""
        return tunnel.limits if tunnel.limits is not None else self.policy.limits_for(tunnel.uplink.kind)

    def announce_of(self, tunnel: Tunnel) -> Announce:
        """By what this tunnel is announced: its own word, else that of its policy."""
        return tunnel.announce if tunnel.announce is not None else self.policy.announce

    def damping_of(self, tunnel: Tunnel) -> Damping | None:
        """By what this tunnel is held back when it comes and goes: its own word, else that of its policy."""
        if tunnel.damping == "off":
            return None
        return tunnel.damping if tunnel.damping is not None else self.policy.damping

    @property
    def versions(self) -> tuple[int, ...]:
        """The IP versions of its prefixes, 4 before 6: its sessions carry no others."""
        return tuple(sorted({prefix.version for prefix in self.prefixes}))


@dataclass(frozen=True, slots=True)
class Hub:
    """A Hub is the headquarters' end: who it is in BGP and what it announces to the branches.

    `between_branches` are aggregates over the branches' prefixes, by which branches reach each other through the hub.
    """

    name: str
    asn: int
    router_id: IPv4Address
    prefixes: tuple[Prefix, ...]
    uplinks: Mapping[str, HubUplink]
    between_branches: tuple[Prefix, ...] = ()


@dataclass(frozen=True, slots=True)
class Security:
    """A Security is who may reach the hub itself, and how old a key may become before that is a fault.

    `management` are the prefixes from which it is managed; none: nothing is filtered for that. `firewall`: what comes
    in is filtered at all.
    """

    management: tuple[Prefix, ...] = ()
    key_age: timedelta = timedelta(days=365)
    firewall: bool = False


@dataclass(frozen=True, slots=True)
class Intent:
    """An Intent is the whole configuration of one hub, checked and resolved; `branches` are in order of name.

    `guards` are what the next change may do without being forced. `programs` are the operator's own scripts and checks:
    a digest of each file's text, by its path like `policies/even_out.py`. With another text it is another intent.
    """

    network: str
    timezone: str
    hub: Hub
    branches: Mapping[str, Branch] = field(default_factory=dict)
    guards: Guards = USUAL_GUARDS
    programs: Mapping[str, str] = field(default_factory=dict)
    security: Security = Security()
    shared_fate: SharedFateSigns = USUAL_SIGNS

    def script_of(self, branch: Branch) -> tuple[str, str] | None:
        """The name and the digest of the script that speaks for a branch, None where none does."""
        name = branch.policy.script
        return None if name is None else (name, self.programs.get(f"policies/{name}", ""))

    def tunnels(self) -> Mapping[TunnelId, Tunnel]:
        """Every tunnel by its identity."""
        return {tunnel.id: tunnel for branch in self.branches.values() for tunnel in branch.tunnels}

    def processes(self) -> tuple[int, ...]:
        """The numbers of the ExaBGP processes; there is always the first."""
        return tuple(sorted({1} | {tunnel.process for tunnel in self.tunnels().values()}))
