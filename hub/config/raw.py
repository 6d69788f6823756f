"""The files as they are written: pydantic models, the only ones there are. `resolve` makes intent of them.

`NOT_YET` of a section are the keys that a later version reads. They are refused by that name, never ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Strict, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

from hub.config import scalars
from hub.config.names import KINDS
from hub.config.scalars import PortRange, UnreadableError

PROFILES = ("fast", "normal", "relaxed")
"""Liveness by name; `hub.config.liveness` has their timers."""


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
_QUAD = r"[0-9]{1,3}(\.[0-9]{1,3}){3}"
Address = Annotated[IPv4Address, _reads(scalars.read_address), _text(_QUAD, about="an address", example="10.0.0.1")]
Prefix = Annotated[
    IPv4Network, _reads(scalars.read_prefix), _text(rf"{_QUAD}/[0-9]{{1,2}}", about="a prefix", example="10.1.0.0/24")
]
LinkNetwork = Annotated[
    IPv4Network,
    _reads(scalars.read_link),
    _text(rf"{_QUAD}/31", about="a /31; the even one is the hub's", example="10.255.0.0/31"),
]
Pool = Annotated[
    IPv4Network,
    _reads(scalars.read_pool),
    _text(rf"{_QUAD}/[0-9]{{1,2}}", about="where links are taken from", example="10.255.0.0/19"),
]
Ports = Annotated[
    PortRange,
    _reads(scalars.read_ports),
    _text(scalars.PORTS, about="where ports are taken from", example="51000-54999"),
]
Duration = Annotated[
    timedelta, _reads(scalars.read_duration), _text(scalars.DURATION, about="a duration with its unit", example="60s")
]
Text = Annotated[str, _reads(scalars.read_text), WithJsonSchema({"type": "string"})]
Number = Annotated[int, Strict()]
Truth = Annotated[bool, Strict()]
Asn = Annotated[Number, Field(ge=1, le=4294967294)]
Port = Annotated[Number, Field(ge=1, le=65535)]
Med = Annotated[Number, Field(ge=0, le=1_000_000)]
Profile = Annotated[str, _choice(*PROFILES), _enum(*PROFILES)]
Method = Annotated[str, _choice("bfd", "icmp"), _enum("bfd", "icmp")]
Kind = Annotated[str, _choice(*KINDS), _enum(*KINDS)]
Transport = Annotated[str, _choice("wireguard", not_yet=("ipsec",)), _enum("wireguard")]
Mode = Annotated[str, _choice("act", not_yet=("observe", "off")), _enum("act")]
Bgp = Annotated[str, _choice("ebgp", not_yet=("ibgp",)), _enum("ebgp")]
Metered = Annotated[
    str, _choice("last-resort", "when-degraded", "allowed"), _enum("last-resort", "when-degraded", "allowed")
]
FailbackMode = Annotated[str, _choice("automatic", "never", not_yet=("window", "manual")), _enum("automatic", "never")]


class Section(BaseModel):
    """A Section is a map with known keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=lambda name: name.replace("_", "-"))
    NOT_YET: ClassVar[frozenset[str]] = frozenset()


class RawTimers(Section):
    """How often the far end of a tunnel is asked, and how many answers may be missing."""

    method: Method | None = None
    interval: Duration | None = None
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


LivenessOrProfile = Annotated[
    Annotated[Profile, Tag("profile")] | Annotated[RawLiveness, Tag("timers")], Discriminator(_form)
]


class RawHubUplink(Section):
    """An internet connection of the hub."""

    NOT_YET = frozenset({"gateway", "circuit", "contract", "budget", "metered", "behind-nat", "kind"})

    isp: Name
    interface: Interface | None = None
    endpoint: Endpoint | None = None


class RawHub(Section):
    """The headquarters' end of all tunnels."""

    NOT_YET = frozenset({"announce", "communities", "existing", "transit", "between-branches"})

    name: Name | None = None
    asn: Asn = Field(alias="as")
    router_id: Address
    prefixes: tuple[Prefix, ...] = Field(min_length=1)
    uplinks: dict[Name, RawHubUplink] = Field(min_length=1)


class RawPools(Section):
    """What links and ports are allocated from."""

    links: Pool
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
    port: Port | None = None
    liveness: LivenessOrProfile | None = None
    transport: Transport = "wireguard"


class RawBranch(Section):
    """branches/NAME.yaml: one site."""

    NOT_YET = frozenset({"router", "rules", "health", "damping", "script", "budget", "contract", "announce"})

    asn: Asn = Field(alias="as")
    timezone: Text | None = None
    mode: Mode = "act"
    bgp: Bgp = "ebgp"
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
    port: Port | None = None


SECTIONS: dict[type[BaseModel], dict[tuple[str, ...], type[Section]]] = {
    RawNetwork: {
        (): RawNetwork,
        ("hub",): RawHub,
        ("hub", "uplinks", "*"): RawHubUplink,
        ("hubs", "*"): RawHub,
        ("hubs", "*", "uplinks", "*"): RawHubUplink,
        ("pools",): RawPools,
    },
    RawBranch: {
        (): RawBranch,
        ("uplinks", "*"): RawUplink,
        ("tunnels", "*"): RawTunnel,
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
