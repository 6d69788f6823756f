"""The files as they are written: pydantic models; those of policies are beside them. `resolve` makes intent of them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from hub.config.fields import (
    Address,
    Age,
    Asn,
    AsTable,
    Bgp,
    Cost,
    Endpoint,
    Gateway,
    Identity,
    IkeVersion,
    Inner,
    Interface,
    Interval,
    Keepalive,
    Kind,
    LinkNetwork,
    LinkNetworkIPv6,
    Manage,
    Mark,
    Method,
    Mode,
    Mtu,
    Name,
    Number,
    OneOrMore,
    OnOff,
    PasswordFile,
    Pool,
    PoolIPv6,
    Port,
    Ports,
    Prefix,
    Process,
    Profile,
    Proposal,
    Router,
    Section,
    Text,
    Transport,
    Truth,
)
from hub.config.guards import RawGuards
from hub.config.policy.written import (
    POLICY_SECTIONS,
    DampingOrOff,
    PolicyKeys,
    RawDamping,
    RawHealth,
    RawLeaving,
    RawLimits,
    RawMarks,
    RawPolicy,
    RawTunnelAnnounce,
)
from hub.config.policy.written_tests import TEST_SECTIONS, RawFigures, RawPolicyTest
from hub.config.targets import Host, Quorum, RawCheck, RawDns, RawTarget


class RawTimers(Section):
    """How often the far end of a tunnel is asked, and how many answers may be missing."""

    method: Method | None = None
    interval: Interval | None = None
    multiplier: Number | None = None


def _form(value: object) -> str:
    return "timers" if isinstance(value, dict | RawTimers) else "profile"


TimersOrProfile = Annotated[
    Annotated[Profile, Tag("profile")] | Annotated[RawTimers, Tag("timers")], Discriminator(_form)
]


class RawLiveness(RawTimers):
    """Liveness, the same always or apart for a tunnel that carries traffic and one that stands by."""

    active: TimersOrProfile | None = None
    idle: TimersOrProfile | None = None
    confirm: Truth | None = None
    echo: Truth | None = None


LivenessOrProfile = Annotated[
    Annotated[Profile, Tag("profile")] | Annotated[RawLiveness, Tag("timers")], Discriminator(_form)
]


_PASSWORD = (
    "a password is never written here: these files are kept in version control",
    "put it into a file in secrets/ of the state directory, mode 0600, and write session: {password-file: NAME}",
)


_SECRET = (
    "a secret is never written here: these files are kept in version control",
    "put it into a file in secrets/ of the state directory, mode 0600, and write auth: {psk-file: NAME}",
)


class RawSession(Section):
    """How the BGP sessions of a branch are made; what is not said is as the hub's own `session` says for all."""

    NOT_YET = frozenset({"hold", "tcp-ao", "port"})
    NEVER: ClassVar = {"password": _PASSWORD, "md5": _PASSWORD}

    password_file: PasswordFile | None = None
    ttl_security: Truth | None = None


class RawRouter(Section):
    """What routes at a branch."""

    kind: Router
    version: Text | None = None
    manage: Manage = "print"


class RawHubUplink(Section):
    """An internet connection of the hub."""

    NOT_YET = frozenset({"circuit", "contract", "budget", "metered", "behind-nat", "kind"})

    isp: Name
    interface: Interface | None = None
    gateway: Gateway | None = None
    address: Address | None = None
    endpoint: Endpoint | None = None
    mark: Mark | None = None
    targets: tuple[Host, ...] = ()
    quorum: Quorum | None = None


class RawHub(Section):
    """The headquarters' end of all tunnels."""

    NOT_YET = frozenset({"announce", "communities", "existing", "transit"})
    NEVER: ClassVar = {"password": _PASSWORD}

    name: Name | None = None
    asn: Asn = Field(alias="as")
    router_id: Address
    prefixes: tuple[Prefix, ...] = Field(min_length=1)
    between_branches: tuple[Prefix, ...] = ()
    session: RawSession = RawSession()
    uplinks: dict[Name, RawHubUplink] = Field(min_length=1)


class RawPools(Section):
    """What links and ports are allocated from."""

    links: Pool
    links_ipv6: PoolIPv6 | None = None
    ports: Ports


class RawSecurity(Section):
    """Who may reach the hub itself, and how old keys may become."""

    management: tuple[Prefix, ...] = ()
    key_age: Age | None = None
    firewall: OnOff | None = None


class RawSharedFate(Section):
    """By what tunnels are found that share their fate, beyond addresses and deaths."""

    paths: OnOff = "on"
    as_numbers: AsTable | None = None


class RawNetwork(Section):
    """network.yaml: the network, its hub, and the pools."""

    NOT_YET = frozenset({"notify", "api", "web", "journal", "ospf", "budget"})

    network: Name
    timezone: Text = "UTC"
    mode: Mode = "act"
    policy: Name = "standard"
    guards: RawGuards = RawGuards()
    security: RawSecurity = RawSecurity()
    shared_fate: RawSharedFate = RawSharedFate()
    hub: RawHub | None = None
    hubs: dict[Name, RawHub] | None = None
    pools: RawPools


class RawUplink(Section):
    """An internet connection of a branch."""

    NOT_YET = frozenset({"circuit", "contract", "budget", "targets"})

    isp: Name
    kind: Kind | None = None
    metered: Truth = False
    cost: Cost | None = None
    interface: Interface | None = None
    gateway: Gateway | None = None
    address: Address | None = None
    behind_nat: Truth = False


class RawAuth(Section):
    """How the two ends of an IPsec tunnel know each other. Secrets and keys are files in `secrets`, by name."""

    NEVER: ClassVar = {"psk": _SECRET, "secret": _SECRET, "password": _SECRET}

    psk_file: PasswordFile | None = None
    certificate: PasswordFile | None = None
    key_file: PasswordFile | None = None
    authority: PasswordFile | None = None
    id: Identity | None = None
    hub_id: Identity | None = None


_OF_THE_BRANCH = (
    "the tunnels of a branch are put in order together: a tunnel has no policy of its own",
    "write it in the branch; of a tunnel are health, damping and announce",
)


class RawTunnel(Section):
    """A tunnel, as far as it is not what one would expect."""

    NOT_YET = frozenset({"targets"})
    NEVER: ClassVar = dict.fromkeys(("policy", "prefer", "failback", "rules", "script"), _OF_THE_BRANCH)

    over: Name | None = None
    to: Name | None = None
    link: LinkNetwork | None = None
    link_ipv6: LinkNetworkIPv6 | None = None
    port: Port | None = None
    liveness: LivenessOrProfile | None = None
    transport: Transport = "wireguard"
    existing: Interface | None = None
    mtu: Mtu | None = None
    keepalive: Keepalive | None = None
    preshared: Truth | None = None
    auth: RawAuth | None = None
    inner: Inner | None = None
    loopbacks: LinkNetwork | None = None
    ike: Annotated[tuple[Proposal, ...], OneOrMore()] = ()
    esp: Annotated[tuple[Proposal, ...], OneOrMore()] = ()
    ike_version: IkeVersion = 2
    health: RawHealth | None = None
    damping: DampingOrOff | None = None
    announce: RawTunnelAnnounce | None = None


def _as_is_wanted_of_ebgp(made: dict[str, Any]) -> None:
    made["if"] = {"properties": {"bgp": {"const": "ibgp"}}, "required": ["bgp"]}
    made["else"] = {"required": ["as"]}


class RawBranch(PolicyKeys):
    """branches/NAME.yaml: one site; what it says of a policy counts before its policy."""

    model_config = ConfigDict(json_schema_extra=_as_is_wanted_of_ebgp)
    NOT_YET = frozenset({"budget", "contract", "guards"})
    NEVER: ClassVar = {"password": _PASSWORD}

    asn: Asn | None = Field(default=None, alias="as")
    timezone: Text | None = None
    mode: Mode | None = None
    bgp: Bgp = "ebgp"
    session: RawSession = RawSession()
    router: RawRouter | None = None
    router_id: Address | None = None
    prefixes: tuple[Prefix, ...] = Field(min_length=1)
    prefix_limit: Annotated[Number, Field(ge=1, le=10_000)] | None = None
    policy: Name | None = None
    liveness: LivenessOrProfile | None = None
    uplinks: dict[Name, RawUplink] = Field(min_length=1)
    tunnels: dict[Name, RawTunnel] = {}  # noqa: RUF012  pydantic copies it
    targets: dict[Name, RawTarget] = {}  # noqa: RUF012  pydantic copies it
    checks: dict[Name, RawCheck] = {}  # noqa: RUF012  pydantic copies it


class RawAllocation(Section):
    """What was allocated to a tunnel."""

    to: Name | None = None
    link: LinkNetwork | None = None
    link_ipv6: LinkNetworkIPv6 | None = None
    port: Port | None = None
    loopbacks: LinkNetwork | None = None
    process: Process | None = None


SECTIONS: dict[type[BaseModel], dict[tuple[str, ...], type[Section]]] = {
    RawNetwork: {
        (): RawNetwork,
        ("hub",): RawHub,
        ("hub", "uplinks", "*"): RawHubUplink,
        ("hub", "session"): RawSession,
        ("hubs", "*"): RawHub,
        ("hubs", "*", "session"): RawSession,
        ("hubs", "*", "uplinks", "*"): RawHubUplink,
        ("pools",): RawPools,
        ("guards",): RawGuards,
        ("security",): RawSecurity,
        ("shared-fate",): RawSharedFate,
    },
    RawBranch: {
        (): RawBranch,
        ("uplinks", "*"): RawUplink,
        ("tunnels", "*"): RawTunnel,
        ("targets", "*"): RawTarget,
        ("targets", "*", "dns"): RawDns,
        ("checks", "*"): RawCheck,
        ("session",): RawSession,
        ("router",): RawRouter,
        ("liveness",): RawLiveness,
        ("liveness", "*"): RawTimers,
        ("tunnels", "*", "liveness"): RawLiveness,
        ("tunnels", "*", "liveness", "*"): RawTimers,
        ("tunnels", "*", "auth"): RawAuth,
        ("tunnels", "*", "health"): RawHealth,
        ("tunnels", "*", "health", "degraded-when-any"): RawLeaving,
        ("tunnels", "*", "health", "healthy-when-all"): RawLimits,
        ("tunnels", "*", "damping"): RawDamping,
        ("tunnels", "*", "announce"): RawTunnelAnnounce,
        **{("tunnels", "*", "announce", state): RawMarks for state in ("up", "degraded", "drained")},
        **POLICY_SECTIONS,
    },
    RawPolicy: {(): RawPolicy, **POLICY_SECTIONS},
    RawPolicyTest: TEST_SECTIONS,
    RawFigures: {(): RawFigures},
    RawAllocation: {(): RawAllocation},
}
"""Which section is where in a file, so that an unknown key can be compared with the known ones; `*` is any name."""


def section_at(model: type[BaseModel], path: tuple[str | int, ...]) -> type[Section] | None:
    """The section that stands at this path of a file of this model."""
    for pattern, section in SECTIONS.get(model, {}).items():
        if len(pattern) == len(path) and all(p in ("*", part) for p, part in zip(pattern, path, strict=True)):
            return section
    return None


def known_keys(section: type[Section]) -> tuple[str, ...]:
    """The keys of a section, as they are written."""
    return tuple(field.alias or name for name, field in section.model_fields.items())
