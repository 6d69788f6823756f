"""The files as they are written: pydantic models, the only ones there are. `resolve` makes intent of them.

`NOT_YET` of a section are the keys that a later version reads. They are refused by that name, never ignored. `NEVER` are
keys that somebody might expect and that will never be read: what is wrong with them, and the mend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Strict, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

from hub.config import scalars
from hub.config.names import KINDS
from hub.config.scalars import PortRange, UnreadableError
from hub.profiles import PROFILES
from policies.model import announcement, ids

def _reads(read: Callable[[object], object]) -> BeforeValidator:
    def validate(value: object) -> object:
        try:
            return read(value)
        except UnreadableError as problem:
            context = {"text": str(problem), "mend": problem.mend or ""}
            raise PydanticCustomError("unreadable", "{text}", context) from problem

    return BeforeValidator(validate)


def _text(pattern: str, *, about: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "description": about, "examples": [example]})


def _choice(*known: str, not_yet: tuple[str, ...] = ()) -> BeforeValidator:
    return _reads(lambda value: scalars.read_choice(value, known, not_yet))


def _enum(*known: str) -> WithJsonSchema:
    return WithJsonSchema({"enum": list(known)})


Name = Annotated[str, _reads(scalars.read_name), _text(scalars.NAME, about="a name", example="fiber")]
Interface = Annotated[
    str, _reads(scalars.read_interface), _text(scalars.INTERFACE, about="a network interface", example="eth0")
]
Endpoint = Annotated[
    str,
    _reads(scalars.read_endpoint),
    _text(scalars.HOST, about="a host name or IPv4 address", example="vpn1.kencana.example"),
]
Address = Annotated[
    IPv4Address, _reads(scalars.read_address), _text(scalars.QUAD, about="an address", example="10.0.0.1")
]
Prefix = Annotated[
    ids.Prefix,
    _reads(scalars.read_prefix),
    _text(scalars.PREFIX, about="a prefix, IPv4 or IPv6", example="10.1.0.0/24"),
]
LinkNetwork = Annotated[
    IPv4Network,
    _reads(scalars.read_link),
    _text(rf"{scalars.QUAD}/31", about="a /31; the even one is the hub's", example="10.255.0.0/31"),
]
LinkNetworkIPv6 = Annotated[
    IPv6Network,
    _reads(scalars.read_link_ipv6),
    _text("[0-9A-Fa-f:]*:[0-9A-Fa-f:]*/127", about="a /127; the even one is the hub's", example="fd00:255::2/127"),
]
Pool = Annotated[
    IPv4Network,
    _reads(scalars.read_pool),
    _text(scalars.IPV4_PREFIX, about="where links are taken from", example="10.255.0.0/19"),
]
PoolIPv6 = Annotated[
    IPv6Network,
    _reads(scalars.read_pool_ipv6),
    _text(scalars.IPV6_PREFIX, about="where IPv6 links are taken from", example="fd00:255::/64"),
]
Ports = Annotated[
    PortRange,
    _reads(scalars.read_ports),
    _text(scalars.PORTS, about="where ports are taken from", example="51000-54999"),
]
Duration = Annotated[
    timedelta, _reads(scalars.read_duration), _text(scalars.DURATION, about="a duration with its unit", example="60s")
]
Interval = Annotated[
    timedelta, _reads(scalars.read_interval), _text(scalars.DURATION, about="a duration with its unit", example="60s")
]
Text = Annotated[str, _reads(scalars.read_text), WithJsonSchema({"type": "string"})]
Number = Annotated[int, Strict()]
Truth = Annotated[bool, Strict()]
PasswordFile = Annotated[
    str,
    _reads(scalars.read_secret),
    WithJsonSchema(
        {
            "oneOf": [{"type": "string", "pattern": f"^{scalars.SECRET}$"}, {"const": False}],
            "description": "a file in secrets/ of the state directory, or an absolute path; false for none",
            "examples": ["bandung.password"],
        }
    ),
]
Asn = Annotated[Number, Field(ge=1, le=4294967294)]
Port = Annotated[Number, Field(ge=1, le=65535)]
Process = Annotated[Number, Field(ge=1, le=999)]
Med = Annotated[Number, Field(ge=0, le=announcement.HIGHEST_MED)]
Profile = Annotated[str, _choice(*PROFILES), _enum(*PROFILES)]
Method = Annotated[str, _choice("bfd", "icmp"), _enum("bfd", "icmp")]
Kind = Annotated[str, _choice(*KINDS), _enum(*KINDS)]
Transport = Annotated[str, _choice("wireguard", not_yet=("ipsec",)), _enum("wireguard")]
Mode = Annotated[str, _choice("act", not_yet=("observe", "off")), _enum("act")]
Bgp = Annotated[str, _choice("ebgp", "ibgp"), _enum("ebgp", "ibgp")]
Router = Annotated[
    str, _choice("routeros", "frr", "bird", "other"), _enum("routeros", "frr", "bird", "other")
]
Manage = Annotated[str, _choice("print", not_yet=("push",)), _enum("print")]
Metered = Annotated[
    str, _choice("last-resort", "when-degraded", "allowed"), _enum("last-resort", "when-degraded", "allowed")
]
FailbackMode = Annotated[str, _choice("automatic", "never", not_yet=("window", "manual")), _enum("automatic", "never")]


class Section(BaseModel):
    """A Section is a map with known keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=lambda name: name.replace("_", "-"))
    NOT_YET: ClassVar[frozenset[str]] = frozenset()
    NEVER: ClassVar[Mapping[str, tuple[str, str]]] = {}


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

    NOT_YET = frozenset({"gateway", "circuit", "contract", "budget", "metered", "behind-nat", "kind"})

    isp: Name
    interface: Interface | None = None
    endpoint: Endpoint | None = None


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


class RawNetwork(Section):
    """network.yaml: the network, its hub, and the pools."""

    NOT_YET = frozenset({"mode", "notify", "api", "web", "journal", "ospf", "budget", "guards", "security"})

    network: Name
    timezone: Text = "UTC"
    hub: RawHub | None = None
    hubs: dict[Name, RawHub] | None = None
    pools: RawPools


class RawUplink(Section):
    """An internet connection of a branch."""

    NOT_YET = frozenset({"gateway", "circuit", "contract", "budget", "behind-nat", "targets", "address"})

    isp: Name
    kind: Kind | None = None
    metered: Truth = False
    interface: Interface | None = None


class RawTunnel(Section):
    """A tunnel, as far as it is not what one would expect."""

    NOT_YET = frozenset({"auth", "existing", "health", "targets"})

    over: Name | None = None
    to: Name | None = None
    link: LinkNetwork | None = None
    link_ipv6: LinkNetworkIPv6 | None = None
    port: Port | None = None
    liveness: LivenessOrProfile | None = None
    transport: Transport = "wireguard"


def _as_is_wanted_of_ebgp(made: dict[str, Any]) -> None:
    made["if"] = {"properties": {"bgp": {"const": "ibgp"}}, "required": ["bgp"]}
    made["else"] = {"required": ["as"]}


class RawBranch(Section):
    """branches/NAME.yaml: one site."""

    model_config = ConfigDict(json_schema_extra=_as_is_wanted_of_ebgp)
    NOT_YET = frozenset({"rules", "health", "damping", "script", "budget", "contract", "announce"})
    NEVER: ClassVar = {"password": _PASSWORD}

    asn: Asn | None = Field(default=None, alias="as")
    timezone: Text | None = None
    mode: Mode = "act"
    bgp: Bgp = "ebgp"
    session: RawSession = RawSession()
    router: RawRouter | None = None
    router_id: Address | None = None
    prefixes: tuple[Prefix, ...] = Field(min_length=1)
    prefix_limit: Annotated[Number, Field(ge=1, le=10_000)] | None = None
    prefer: tuple[Name, ...] | None = None
    policy: Name = "standard"
    liveness: LivenessOrProfile | None = None
    uplinks: dict[Name, RawUplink] = Field(min_length=1)
    tunnels: dict[Name, RawTunnel] = {}


class RawFailback(Section):
    """When traffic goes back to a better tunnel."""

    NOT_YET = frozenset({"windows"})

    mode: FailbackMode | None = None
    hold: Duration | None = None


class RawAnnounce(Section):
    """The arithmetic of MED."""

    NOT_YET = frozenset({"communities", "community"})

    first: Med | None = None
    step: Med | None = None
    add_degraded: Med | None = None
    add_drained: Med | None = None


class RawPolicy(Section):
    """policies/NAME.yaml: what differs from the policy that it extends."""

    NOT_YET = frozenset({"rules", "health", "damping", "script", "guards", "budget"})

    extends: Name | None = None
    prefer: tuple[Name, ...] | None = None
    metered: Metered | None = None
    failback: RawFailback | None = None
    announce: RawAnnounce | None = None


class RawAllocation(Section):
    """What was allocated to a tunnel."""

    to: Name | None = None
    link: LinkNetwork | None = None
    link_ipv6: LinkNetworkIPv6 | None = None
    port: Port | None = None
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
    },
    RawBranch: {
        (): RawBranch,
        ("uplinks", "*"): RawUplink,
        ("tunnels", "*"): RawTunnel,
        ("session",): RawSession,
        ("router",): RawRouter,
        ("liveness",): RawLiveness,
        ("liveness", "*"): RawTimers,
        ("tunnels", "*", "liveness"): RawLiveness,
        ("tunnels", "*", "liveness", "*"): RawTimers,
    },
    RawPolicy: {(): RawPolicy, ("failback",): RawFailback, ("announce",): RawAnnounce},
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
