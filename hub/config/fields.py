"""The fields and the form of all sections: what a name, a prefix or a duration is to pydantic and to an editor.

`NOT_YET` of a section are the keys that a later version reads. They are refused by that name, never ignored. `NEVER`
are keys that somebody might expect and that will never be read: what is wrong with them, and the mend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, core_schema

from hub.config import scalars
from hub.config.names import KINDS
from hub.config.scalars import PortRange, UnreadableError
from hub.profiles import PROFILES
from policies.model import announcement, ids


def reads(read: Callable[[object], object]) -> BeforeValidator:
    """A field that this reader reads."""

    def validate(value: object) -> object:
        try:
            return read(value)
        except UnreadableError as problem:
            context = {"text": str(problem), "mend": problem.mend or ""}
            raise PydanticCustomError("unreadable", "{text}", context) from problem

    return BeforeValidator(validate)


def written_like(pattern: str, *, about: str, example: str) -> WithJsonSchema:
    """What an editor is told of a text: its pattern, what it is, and one."""
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "description": about, "examples": [example]})


def choice(*known: str, not_yet: tuple[str, ...] = ()) -> BeforeValidator:
    """A field that is one of these words."""
    return reads(lambda value: scalars.read_choice(value, known, not_yet))


def enum(*known: str) -> WithJsonSchema:
    """What an editor is told of such a field."""
    return WithJsonSchema({"enum": list(known)})


Name = Annotated[str, reads(scalars.read_name), written_like(scalars.NAME, about="a name", example="fiber")]
Interface = Annotated[
    str, reads(scalars.read_interface), written_like(scalars.INTERFACE, about="a network interface", example="eth0")
]
Endpoint = Annotated[
    str,
    reads(scalars.read_endpoint),
    written_like(scalars.HOST, about="a host name or IPv4 address", example="vpn1.kencana.example"),
]
Address = Annotated[
    IPv4Address, reads(scalars.read_address), written_like(scalars.QUAD, about="an address", example="10.0.0.1")
]
Prefix = Annotated[
    ids.Prefix,
    reads(scalars.read_prefix),
    written_like(scalars.PREFIX, about="a prefix, IPv4 or IPv6", example="10.1.0.0/24"),
]
LinkNetwork = Annotated[
    IPv4Network,
    reads(scalars.read_link),
    written_like(rf"{scalars.QUAD}/31", about="a /31; the even one is the hub's", example="10.255.0.0/31"),
]
LinkNetworkIPv6 = Annotated[
    IPv6Network,
    reads(scalars.read_link_ipv6),
    written_like(
        "[0-9A-Fa-f:]*:[0-9A-Fa-f:]*/127", about="a /127; the even one is the hub's", example="fd00:255::2/127"
    ),
]
Pool = Annotated[
    IPv4Network,
    reads(scalars.read_pool),
    written_like(scalars.IPV4_PREFIX, about="where links are taken from", example="10.255.0.0/19"),
]
PoolIPv6 = Annotated[
    IPv6Network,
    reads(scalars.read_pool_ipv6),
    written_like(scalars.IPV6_PREFIX, about="where IPv6 links are taken from", example="fd00:255::/64"),
]
Ports = Annotated[
    PortRange,
    reads(scalars.read_ports),
    written_like(scalars.PORTS, about="where ports are taken from", example="51000-54999"),
]
Duration = Annotated[
    timedelta,
    reads(scalars.read_duration),
    written_like(scalars.DURATION, about="a duration with its unit", example="60s"),
]
Interval = Annotated[
    timedelta,
    reads(scalars.read_interval),
    written_like(scalars.DURATION, about="a duration with its unit", example="60s"),
]
Text = Annotated[str, reads(scalars.read_text), WithJsonSchema({"type": "string"})]
Number = Annotated[int, Strict()]
Truth = Annotated[bool, Strict()]
Cost = Annotated[float, Strict(), Field(ge=0, le=1e9, allow_inf_nan=False)]
PasswordFile = Annotated[
    str,
    reads(scalars.read_secret),
    WithJsonSchema(
        {
            "oneOf": [{"type": "string", "pattern": f"^{scalars.SECRET}$"}, {"const": False}],
            "description": "a file in secrets/ of the state directory, or an absolute path; false for none",
            "examples": ["bandung.password"],
        }
    ),
]
AsTable = Annotated[
    str,
    reads(scalars.read_table),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{scalars.TABLE}$",
            "description": "a file beside network.yaml, of lines: prefix, AS number, name",
            "examples": ["indonesia.asn"],
        }
    ),
]
Asn = Annotated[Number, Field(ge=1, le=4294967294)]
Port = Annotated[Number, Field(ge=1, le=65535)]
Process = Annotated[Number, Field(ge=1, le=999)]
Med = Annotated[Number, Field(ge=0, le=announcement.HIGHEST_MED)]
Profile = Annotated[str, choice(*PROFILES), enum(*PROFILES)]
Method = Annotated[str, choice("bfd", "icmp"), enum("bfd", "icmp")]
Kind = Annotated[str, choice(*KINDS), enum(*KINDS)]
Transport = Annotated[str, choice("wireguard", "ipsec"), enum("wireguard", "ipsec")]
Inner = Annotated[str, choice("gre", "xfrm", "vxlan"), enum("gre", "xfrm", "vxlan")]
IkeVersion = Annotated[Number, Field(ge=1, le=2)]
Mtu = Annotated[Number, Field(ge=576, le=9000)]
Mark = Annotated[Number, Field(ge=256, le=0x7FFF_FFFF)]
Identity = Annotated[
    str,
    reads(scalars.read_identity),
    written_like(scalars.IDENTITY, about="an IKE identity", example="solo.kencana.example"),
]
Proposal = Annotated[
    str,
    reads(scalars.read_proposal),
    written_like(scalars.PROPOSAL, about="a proposal as strongSwan writes it", example="aes256-sha256-ecp256"),
]
Gateway = Annotated[
    str,
    reads(scalars.read_gateway),
    written_like(f"(dhcp|{scalars.QUAD})", about="the ISP's router, or dhcp", example="203.0.113.1"),
]
Keepalive = Annotated[
    timedelta,
    reads(scalars.read_keepalive),
    WithJsonSchema(
        {
            "oneOf": [{"type": "string", "pattern": f"^{scalars.DURATION}$"}, {"const": "off"}],
            "description": "how often the branch says a word so that its NAT remembers, or off",
            "examples": ["15s"],
        }
    ),
]
Age = Annotated[
    timedelta,
    reads(scalars.read_age),
    written_like(scalars.DURATION, about="an age in whole days", example="365d"),
]
Mode = Annotated[str, choice("off", "observe", "act"), enum("off", "observe", "act")]
OnOff = Annotated[str, choice("on", "off"), enum("on", "off")]
Bgp = Annotated[str, choice("ebgp", "ibgp"), enum("ebgp", "ibgp")]
Router = Annotated[str, choice("routeros", "frr", "bird", "other"), enum("routeros", "frr", "bird", "other")]
Manage = Annotated[str, choice("print", not_yet=("push",)), enum("print")]


class Section(BaseModel):
    """A Section is a map with known keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, defer_build=True, alias_generator=lambda name: name.replace("_", "-")
    )
    NOT_YET: ClassVar[frozenset[str]] = frozenset()
    NEVER: ClassVar[Mapping[str, tuple[str, str]]] = {}


class OneOrMore:
    """Makes a field of a tuple one that may also be a single value, written without brackets.

    `off`: it may be the word `off` too, which is read as none at all.
    """

    def __init__(self, *, off: bool = False) -> None:
        self.off = off

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self._as_list, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        array = handler(schema)
        return {"oneOf": [*([{"const": "off"}] if self.off else []), array["items"], array]}

    def _as_list(self, value: object) -> object:
        if self.off and (value is False or value == "off"):
            return ()
        return value if isinstance(value, list | tuple) else [value]
