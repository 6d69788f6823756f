"""What was read from the machine, and what the configuration wants of it: values only, for the checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from policies.model.ids import Prefix
from policies.model.intent import Intent, Tunnel

Address = IPv4Address | IPv6Address
NEEDS_ROOT = "needs root"


@dataclass(frozen=True, slots=True)
class Unseen:
    """An Unseen stands for what could not be looked at, and says why."""

    why: str = NEEDS_ROOT


@dataclass(frozen=True, slots=True)
class Wanted:
    """A Wanted is what the configuration asks of this machine; empty when there is none that can be used."""

    tunnels: tuple[Tunnel, ...] = ()
    prefixes: Mapping[Prefix, str] = field(default_factory=dict)
    """The prefixes of the branches, to the branch's name."""
    uplinks: frozenset[str] = frozenset()
    """The interfaces of the hub's uplinks, where they are written."""
    versions: frozenset[int] = frozenset()
    """The IP versions that are carried."""
    passwords: bool = False
    zones: tuple[str, ...] = ()
    intent: Intent | None = None


def wanted_by(intent: Intent | None) -> Wanted:
    """What a configuration asks for."""
    if intent is None:
        return Wanted()
    branches = intent.branches.values()
    uplinks = (uplink.interface for uplink in intent.hub.uplinks.values())
    return Wanted(
        tunnels=tuple(intent.tunnels().values()),
        prefixes={prefix: branch.name for branch in branches for prefix in branch.prefixes},
        uplinks=frozenset(interface for interface in uplinks if interface),
        versions=frozenset(version for branch in branches for version in branch.versions),
        passwords=any(branch.session.password_file for branch in branches),
        zones=tuple(sorted({intent.timezone, *(branch.timezone for branch in branches)})),
        intent=intent,
    )


@dataclass(frozen=True, slots=True)
class Configured:
    """A Configured is how reading the configuration went."""

    directory: str
    errors: int = 0
    warnings: int = 0
    first: str | None = None
    """The first error, or else the first warning, as `pointsman check` says it."""


@dataclass(frozen=True, slots=True)
class Interface:
    """An Interface is one network interface; `up` when it can carry routes, `resolves` when it needs neighbor entries.

    `kind` is the kernel's word for a virtual one (wireguard, tun, veth), empty for a real one.
    """

    name: str
    index: int
    up: bool
    mtu: int
    kind: str = ""
    resolves: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A Route is one unicast or refusing route of any table but the local one."""

    prefix: Prefix
    metric: int
    protocol: int
    table: int
    interface: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A Rule is one policy rule (ip-rule(8)): `selector` is empty when it is for every packet, `table` 0 when it drops.

    `source` and `destination` are those of the selector, None for any; `marked` when it is for one firewall mark only.
    `suppress` is the length up to which the prefixes of found routes do not count, -1 for none.
    """

    version: int
    priority: int
    table: int
    selector: str = ""
    protocol: int = 0
    suppress: int = -1
    source: Prefix | None = None
    destination: Prefix | None = None
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Process:
    """A Process is a running program; its capabilities are the bits of capabilities(7).

    `elsewhere` when it is in another network namespace than this command.
    """

    pid: int
    name: str
    command: str = ""
    capabilities: int = 0
    real_time: bool = False
    open_files: int | None = None
    elsewhere: bool = False

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


@dataclass(frozen=True, slots=True)
class Listener:
    """A Listener is a socket that waits for TCP connections or UDP packets; `owner` is None where it cannot be seen."""

    protocol: str
    address: Address
    port: int
    owner: Process | None = None


@dataclass(frozen=True, slots=True)
class PidFile:
    """A PidFile is the file in which a process id was left; `process` is None when there is no such process."""

    program: str
    pid: int | None
    process: Process | None = None

    def __str__(self) -> str:
        return f"{self.program} (pid {self.pid})"


@dataclass(frozen=True, slots=True)
class Networkd:
    """A Networkd is systemd-networkd here: its version (None: unknown) and what networkd.conf and its drop-ins say."""

    running: bool = False
    enabled: bool = False
    version: int | None = None
    settings: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Clock:
    """A Clock is the machine's time: `wall` in seconds since 1970, `slept` the seconds it was suspended since boot."""

    wall: float
    slept: float = 0.0
    synchronized: bool | Unseen = True
    missing_zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Features:
    """A Features is what this kernel can do. `wireguard` says by what it is there, None when it is not."""

    nexthops: bool = True
    strict_dumps: bool = True
    md5: bool = True
    ipv6: bool = True
    raw_sockets: bool | Unseen = True
    wireguard: str | None = "kernel"


@dataclass(frozen=True, slots=True)
class Directory:
    """A Directory is where files are written; None where that was not to be seen or does not apply."""

    path: str
    exists: bool = True
    read_only: bool = False
    writable: bool | Unseen = True
    free_bytes: int | None = None
    free_files: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An Account is what this command itself may do, and so what `pointsman run` from here could give its processes."""

    root: bool = True
    missing_capabilities: tuple[str, ...] = ()
    real_time: bool = True
    open_files: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Facts:
    """A Facts is all that was read from the machine at one time. The defaults are those of one where all is well."""

    configured: Configured
    account: Account = Account()
    settings: Mapping[str, str] = field(default_factory=dict)
    """The content of files under /proc by path; what is not there is absent."""
    interfaces: tuple[Interface, ...] | Unseen = ()
    addresses: tuple[tuple[str, Address], ...] | Unseen = ()
    """Interface and address."""
    routes: tuple[Route, ...] | Unseen = ()
    rules: tuple[Rule, ...] | Unseen = ()
    protocols: Mapping[int, str] = field(default_factory=dict)
    """Names of routing protocols by number (rt_protos of iproute2)."""
    listeners: tuple[Listener, ...] = ()
    daemons: tuple[Process, ...] = ()
    """Programs in this network namespace that manage networks or routes."""
    pid_files: tuple[PidFile, ...] = ()
    sockets: Mapping[str, str | Unseen | None] = field(default_factory=dict)
    """Name of a socket that is there, to None when it is answered at, else to what is wrong."""
    bgp_port: int = 179
    networkd: Networkd = Networkd()
    network_manager: frozenset[str] = frozenset()
    """Interfaces that NetworkManager manages."""
    learning: tuple[str, ...] = ()
    """Configuration files of routing daemons that say to take up routes of others."""
    ruleset: tuple[Mapping[str, Any], ...] | Unseen = ()
    """The objects of `nft -j list ruleset` (libnftables-json(5))."""
    legacy_tables: bool | Unseen = False
    """Whether there are rules of the old iptables, beside nftables."""
    clock: Clock = Clock(wall=1.8e9)
    features: Features = Features()
    directories: tuple[Directory, ...] = ()
    exabgp: str | None = "5.0.15"
    setpriv: bool = True

    def number(self, path: str) -> int | None:
        """The number in a file under /proc; None when it is not there or holds something else."""
        text = self.settings.get(path, "").strip()
        return int(text) if text.isdecimal() else None

    def running(self, program: str) -> Process | None:
        """The process of a program of the hub, if it runs in this network namespace.

        Forwarder, controller, exabgp-1 and so on; exabgp is any of them.
        """
        for each in self.pid_files:
            if (
                program in (each.program, each.program.split("-")[0])
                and each.process is not None
                and not each.process.elsewhere
            ):
                return each.process
        return None

    @property
    def hub_runs(self) -> bool:
        """Whether any process of the hub runs."""
        return any(each.process for each in self.pid_files) or None in self.sockets.values()
