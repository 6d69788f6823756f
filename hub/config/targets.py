"""What is asked beyond the tunnels, as it is written: `targets` and `checks` of a branch, `targets` of an uplink."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, ClassVar
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, WithJsonSchema

from hub.config.fields import Duration, Interval, Number, Section, Text, choice, enum, reads, written_like
from hub.config.scalars import UnreadableError, read_text
from policies.model import ids
from policies.model.targets import socket_address

_HOST_NAME = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?"
_PATH = r"/[!-~]*"
_FILE = r"[!-~]{1,200}"
_HTTP_PORT = 80


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """A SocketAddress is an address and a port, `10.1.0.10:443`."""

    address: ids.Address
    port: int


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """An HttpAddress is what a URL says: where to connect to, and what to ask for there."""

    address: ids.Address
    port: int
    path: str


def read_host(value: object) -> ids.Address:
    """An IPv4 or IPv6 address of one machine. No name: what looks it up may be what is broken."""
    text = read_text(value)
    try:
        address = ip_address(text)
    except ValueError as problem:
        mend = "write the address that it has" if re.fullmatch(_HOST_NAME, text) else None
        raise UnreadableError(f'"{text[:60]}" is no IP address', mend) from problem
    if address.is_multicast or address.is_unspecified or address.is_loopback or getattr(address, "scope_id", None):
        raise UnreadableError(f"{text} is not the address of one machine elsewhere")
    return address


def read_socket_address(value: object) -> SocketAddress:
    """`10.1.0.10:443`, `[2001:db8::10]:443`."""
    text = read_text(value)
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or (":" in host and not bracketed):
        raise UnreadableError(f'"{text[:60]}" has no port', f'write it like "{_with_port(text)}"')
    return SocketAddress(read_host(host[1:-1] if bracketed else host), _port(port))


def _with_port(text: str) -> str:
    try:
        return socket_address(ip_address(text), 443)
    except ValueError:
        return "10.1.0.10:443"


def _port(text: str) -> int:
    if not 1 <= int(text) <= 65535:
        raise UnreadableError(f"port {text}: from 1 to 65535")
    return int(text)


def read_url(value: object) -> HttpAddress:
    """`http://10.1.0.10:8080/health`: an address and no name, no fragment, no user."""
    text = read_text(value)
    like = 'write it like "http://10.1.0.10/health"'
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError as problem:
        raise UnreadableError(f'"{text[:60]}" is no URL', like) from problem
    if url.scheme == "https":
        mend = "ask by tcp whether it listens, or write a check of your own"
        raise UnreadableError(f'https is not supported yet: "{text[:60]}"', mend)
    path = _path(url)
    if url.scheme != "http" or not host or "@" in url.netloc or url.fragment or not re.fullmatch(_PATH, path):
        raise UnreadableError(f'"{text[:60]}" is no URL of a target', like)
    return HttpAddress(read_host(host), _HTTP_PORT if port is None else _port(str(port)), path)


def _path(url: SplitResult) -> str:
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def read_domain_name(value: object) -> str:
    """A name of the DNS, `erp.kencana.example` (RFC 1035 section 2.3.4: 63 characters a label, 253 in all)."""
    text = read_text(value)
    if not re.fullmatch(_HOST_NAME, text) or len(text) > 253:
        raise UnreadableError(f'"{text[:60]}" is no domain name', "write it like erp.kencana.example")
    return text


def read_program(value: object) -> str:
    """A file, absolute or relative to the configuration directory and inside it."""
    text = read_text(value)
    if not re.fullmatch(_FILE, text) or ".." in text.split("/"):
        mend = "write its path in the configuration directory, like checks/backup.sh, or an absolute one"
        raise UnreadableError(f'"{text[:60]}" is no path of a program', mend)
    return text


def read_quorum(value: object) -> int:
    """How many targets make a quorum; 0 for more than half of them."""
    if value == "majority":
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        if value >= 2:
            return value
        raise UnreadableError(f"{value} is too small: at least 2, as one dead target must change nothing")
    raise UnreadableError(f'"{str(value)[:60]}" is neither a number nor majority', "leave it out for majority")


Host = Annotated[
    ids.Address, reads(read_host), written_like("[0-9A-Fa-f:.]+", about="an IP address", example="10.1.0.10")
]
TcpTarget = Annotated[
    SocketAddress,
    reads(read_socket_address),
    written_like(r"(\[[0-9A-Fa-f:.]+\]|[0-9.]+):[0-9]{1,5}", about="an address and a port", example="10.1.0.10:443"),
]
HttpTarget = Annotated[
    HttpAddress,
    reads(read_url),
    written_like("http://[!-~]+", about="a URL with an address", example="http://10.1.0.10/health"),
]
DomainName = Annotated[
    str, reads(read_domain_name), written_like(_HOST_NAME, about="a domain name", example="erp.kencana.example")
]
Program = Annotated[
    str, reads(read_program), written_like(_FILE, about="the file of a check", example="checks/backup.sh")
]
Quorum = Annotated[
    int,
    reads(read_quorum),
    WithJsonSchema(
        {
            "oneOf": [{"const": "majority"}, {"type": "integer", "minimum": 2}],
            "description": "how many targets must be silent for the uplink to be out",
        }
    ),
]
Status = Annotated[Number, Field(ge=100, le=599)]
Fall = Annotated[Number, Field(ge=2, le=10)]
Rise = Annotated[Number, Field(ge=1, le=10)]
ViaWord = Annotated[str, choice("each", "active"), enum("each", "active")]
Per = Annotated[str, choice("branch", "tunnel"), enum("branch", "tunnel")]


class RawTiming(Section):
    """How often something is asked, and how many outcomes alike change what is believed of it."""

    interval: Duration | None = None
    timeout: Interval | None = None
    fall: Fall | None = None
    rise: Rise | None = None


class RawDns(Section):
    """A question to a DNS server."""

    server: Host
    name: DomainName


class RawTarget(RawTiming):
    """A target behind a branch: one of `icmp`, `tcp`, `http` and `dns`."""

    NOT_YET = frozenset({"https", "udp", "host"})
    KINDS: ClassVar[tuple[str, ...]] = ("icmp", "tcp", "http", "dns")

    icmp: Host | None = None
    tcp: TcpTarget | None = None
    http: HttpTarget | None = None
    dns: RawDns | None = None
    expect: Status | None = None
    via: ViaWord | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which of them are written."""
        return tuple(kind for kind in self.KINDS if getattr(self, kind) is not None)

    @property
    def address(self) -> ids.Address | None:
        """What is connected to, None if nothing is written."""
        if self.dns is not None:
            return self.dns.server
        written = self.tcp or self.http
        return written.address if written is not None else self.icmp


class RawCheck(RawTiming):
    """A custom check: a program, or a Python file with a function `check`."""

    run: Program | None = None
    python: Program | None = None
    args: tuple[Text, ...] = ()
    per: Per = "branch"
