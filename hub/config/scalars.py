"""Single values as a user writes them: names, prefixes, addresses, durations. Pure readers, one each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeVar

from hub.config.names import listed, write_instead
from policies import lengths
from policies.model.ids import Prefix, lies_within

NAME = r"[a-z0-9][a-z0-9-]{0,31}"
DURATION = lengths.WRITTEN
INTERFACE = r"[^\s/:]{1,15}"
HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
PORTS = r"[0-9]{1,5}-[0-9]{1,5}"
QUAD = r"[0-9]{1,3}(\.[0-9]{1,3}){3}"
IPV4_PREFIX = rf"{QUAD}/[0-9]{{1,2}}"
IPV6_PREFIX = r"[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*/[0-9]{1,3}"
PREFIX = f"({IPV4_PREFIX}|{IPV6_PREFIX})"
SCRIPT = r"[a-z_][a-z0-9_]{0,40}\.py"
IDENTITY = r"[A-Za-z0-9@._:=, -]{1,200}"
PROPOSAL = r"[a-z0-9_]+(-[a-z0-9_]+)*"
SECRET = r"(/[!-~]{1,200}|[A-Za-z0-9][A-Za-z0-9._-]{0,63})"  # noqa: S105  the form of a name
TABLE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}\.asn"
TODO = "TODO"
"""What is written where somebody has still to write something."""

P = TypeVar("P", IPv4Network, IPv6Network)

_UNIT_NAMES = {"ms": "milliseconds", "s": "seconds", "d": "days"}
_UNROUTED: tuple[Prefix, ...] = (
    *map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4")),
    *map(IPv6Network, ("::/127", "::ffff:0:0/96", "fe80::/10", "ff00::/8")),
)


class UnreadableError(ValueError):
    """A value is not what is wanted here; `mend` says what to write instead."""

    def __init__(self, text: str, mend: str | None = None) -> None:
        super().__init__(text)
        self.mend = mend


@dataclass(frozen=True, slots=True)
class PortRange:
    """A PortRange is UDP ports from `first` to `last`, both included."""

    first: int
    last: int


def read_text(value: object) -> str:
    """Text; a number is refused, because what the user sees and what YAML reads may differ."""
    if isinstance(value, str):
        return value
    raise UnreadableError(f"{shown(value)} where text is wanted", _quoted(value))


def read_name(value: object) -> str:
    """A name: small letters, digits and hyphens, at most 32."""
    name = read_text(value)
    if re.fullmatch(NAME, name):
        return name
    if name == TODO:
        raise UnreadableError("TODO still stands here: nobody has written it yet", "write the name that belongs here")
    fixed = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:32]
    mend = f'write "{fixed}"' if fixed else None
    raise UnreadableError(f'name "{name[:60]}" is not of small letters, digits and hyphens, at most 32 of them', mend)


def read_interface(value: object) -> str:
    """The name of a network interface (at most 15 characters, IFNAMSIZ of linux/if.h less the ending zero)."""
    name = read_text(value)
    if not re.fullmatch(INTERFACE, name) or name in {".", ".."}:
        raise UnreadableError(f'"{name[:60]}" is no interface name: at most 15 characters, no space, slash or colon')
    return name


def read_endpoint(value: object) -> str:
    """A host name or an IPv4 address, without a port."""
    text = read_text(value)
    host, colon, port = text.rpartition(":")
    if colon and port.isdecimal() and ":" not in host:
        raise UnreadableError(f'endpoint "{text}" has a port: ports belong to tunnels', f"write {host}")
    if _is_ipv6(text):
        raise UnreadableError(f'IPv6 is not supported yet: "{text}"', "write an IPv4 address or a host name")
    if not re.fullmatch(HOST, text):
        raise UnreadableError(f'"{text[:60]}" is neither a host name nor an IPv4 address')
    if re.fullmatch(r"[0-9.]+", text):
        return str(read_address(text))
    return text


def read_address(value: object) -> IPv4Address:
    """An IPv4 address, which a router id is written as too, though the network be IPv6 only (RFC 6286)."""
    text = read_text(value)
    try:
        return IPv4Address(text)
    except AddressValueError as problem:
        if _is_ipv6(text):
            raise UnreadableError(f'"{text}" is an IPv6 address', "write an IPv4 address, like 10.0.0.1") from problem
        raise UnreadableError(f'"{text[:60]}" is no IPv4 address') from problem


def read_network(value: object, *, is_link: bool = False) -> Prefix:
    """A prefix of either IP version with its length, host bits zero; `is_link`: that of a link is meant."""
    text = read_text(value)
    if "/" not in text:
        length = 64 if _is_ipv6(text) else 24
        raise UnreadableError(
            f'"{text[:60]}" has no prefix length', f"write {text}/{length}, or whatever its length is"
        )
    try:
        return IPv6Network(text) if ":" in text and "%" not in text else IPv4Network(text)
    except ValueError as problem:
        raise _bad_network(text, is_link=is_link) from problem


def read_prefix(value: object) -> Prefix:
    """A prefix of either IP version that can be routed between sites."""
    prefix = read_network(value)
    if prefix.prefixlen and lies_within(prefix, _UNROUTED):
        unrouted = next(wide for wide in _UNROUTED if lies_within(prefix, (wide,)))
        raise UnreadableError(f"prefix {prefix} lies in {unrouted}, which is never routed between sites")
    return prefix


def read_link(value: object) -> IPv4Network:
    """The pair of addresses of a tunnel: a /31 (RFC 3021); the even one is the hub's."""
    link = read_network(value, is_link=True)
    if isinstance(link, IPv6Network):
        raise UnreadableError(f"link {link} is IPv6, which a tunnel has beside IPv4", "write it as link-ipv6")
    return _exactly(link, 31)


def read_link_ipv6(value: object) -> IPv6Network:
    """The pair of IPv6 addresses of a tunnel: a /127 (RFC 6164); the even one is the hub's."""
    read_network(value, is_link=True)
    link = read_prefix(value)
    if isinstance(link, IPv4Network):
        raise UnreadableError(f"link-ipv6 {link} is IPv4", "write it as link")
    return _exactly(link, 127)


def read_pool(value: object) -> IPv4Network:
    """A prefix that links are taken from: /31 or shorter."""
    pool = read_prefix(value)
    if isinstance(pool, IPv6Network):
        raise UnreadableError(
            f"{pool} is IPv6, and every tunnel has an IPv4 link", "write it as links-ipv6, beside links"
        )
    return _long_enough(pool, 8, 31, "links")


def read_pool_ipv6(value: object) -> IPv6Network:
    """A prefix that IPv6 links are taken from: shorter than /127, whose one link would be nobody's (RFC 6164)."""
    pool = read_prefix(value)
    if isinstance(pool, IPv4Network):
        raise UnreadableError(f"{pool} is IPv4", 'write it as links; links-ipv6 is like "fd00:255::/64"')
    return _long_enough(pool, 16, 126, "IPv6 links")


def read_secret(value: object) -> str:
    """The name of a file in `secrets` of the state directory, or an absolute path; "" for `false`: none."""
    if value is False:
        return ""
    text = read_text(value)
    if not re.fullmatch(SECRET, text) or ".." in text.split("/"):
        what = f'"{text[:60]}" is neither a file name nor an absolute path'
        mend = "write the name of a file in secrets/ of the state directory, like bandung.password"
        raise UnreadableError(what, mend)
    return text


def read_table(value: object) -> str:
    """The name of a table of AS numbers in the configuration directory."""
    text = read_text(value)
    if not re.fullmatch(TABLE, text):
        what = f'"{text[:60]}" is no name of a table of AS numbers'
        raise UnreadableError(what, "put it beside network.yaml, and name it like   indonesia.asn")
    return text


def read_identity(value: object) -> str:
    """An IKE identity: a name, an address, an e-mail address or a distinguished name."""
    text = read_text(value)
    if not re.fullmatch(IDENTITY, text):
        raise UnreadableError(f'"{text[:60]}" is no IKE identity', "write a name like solo.kencana.example")
    return text


def read_proposal(value: object) -> str:
    """A cryptographic proposal as strongSwan writes it: algorithms, joined by hyphens."""
    text = read_text(value)
    if not re.fullmatch(PROPOSAL, text):
        raise UnreadableError(f'"{text[:60]}" is no proposal', "write it like aes256-sha256-ecp256")
    return text


def read_gateway(value: object) -> str:
    """The address of the ISP's router, or `dhcp`: whatever the interface was told."""
    text = read_text(value)
    return text if text == "dhcp" else str(read_address(value))


def read_keepalive(value: object) -> timedelta:
    """Between 1 s and 1 h (WireGuard's own bounds are wider); zero for `off`."""
    if value is False or value == "off":
        return timedelta()
    length = read_duration(value)
    if not timedelta(seconds=1) <= length <= timedelta(hours=1) or length % timedelta(seconds=1):
        raise UnreadableError(f'keepalive "{value}": whole seconds from 1s to 1h, or off', "write 15s")
    return length


def read_age(value: object) -> timedelta:
    """An age in whole days, at least one."""
    length = read_duration(value, meant="d")
    if length < timedelta(days=1) or length % timedelta(days=1):
        raise UnreadableError(f'"{value}" is no age of a key: whole days', "write it like 365d")
    return length


def read_script(value: object) -> str:
    """The name of a Python file: small letters, digits and underscores, as modules have."""
    text = read_text(value)
    if not re.fullmatch(SCRIPT, text):
        fixed = re.sub(r"[^a-z0-9_]+", "_", text.removesuffix(".py").lower()).strip("_")[:40]
        mend = f'rename it to "{fixed}.py"' if re.fullmatch(SCRIPT, f"{fixed}.py") else None
        raise UnreadableError(f'"{text[:60]}" is no Python file of policies/: small letters, digits, _ and .py', mend)
    return text


def read_ports(value: object) -> PortRange:
    """A range of UDP ports, `51000-54999`."""
    text = read_text(value)
    first, _, last = text.partition("-")
    if not re.fullmatch(PORTS, text):
        raise UnreadableError(f'"{text[:60]}" is no range of ports', "write it like 51000-54999")
    if not 1 <= int(first) <= int(last) <= 65535:
        raise UnreadableError(f"ports {text}: from a lower to a higher one, both from 1 to 65535")
    return PortRange(int(first), int(last))


def read_interval(value: object) -> timedelta:
    """A duration between milliseconds and one second, which proposes milliseconds where the unit is not written."""
    return read_duration(value, meant="s" if value == 1 else "ms")


def read_duration(value: object, *, meant: str = "s") -> timedelta:
    """A duration, like `90s` or `1h30m`; `meant` is the unit that is proposed where there is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise UnreadableError(
            f"{value} has no unit: {lengths.LIKE}", f"write {value}{meant} if {_UNIT_NAMES[meant]} are meant"
        )
    text = read_text(value)
    try:
        return lengths.read(text)
    except lengths.NoLengthError as problem:
        mend = f"write {text}{meant} if {_UNIT_NAMES[meant]} are meant" if re.fullmatch("[0-9]{1,9}", text) else None
        raise UnreadableError(str(problem), mend) from problem


def read_choice(value: object, known: tuple[str, ...], not_yet: tuple[str, ...] = ()) -> str:
    """One of the known words; those of `not_yet` are refused as such."""
    text = "true" if value is True else "false" if value is False else str(value)
    if text in known:
        return text
    if text in not_yet:
        raise UnreadableError(f'"{text}" is not supported yet', f"write {' or '.join(known)}, or remove it")
    raise UnreadableError(f'"{text[:60]}" is not known: one of {listed(known)}', write_instead(text, known))


def shown(value: object) -> str:
    """What a value is, in a message."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value[:60]}"'
        case dict():
            return "a map"
        case list() | tuple():
            return "a list"
        case _:
            return f"the number {str(value)[:60]}"


def _exactly(link: P, length: int) -> P:
    if link.prefixlen != length:
        mend = f"write a /{length}, for example {_widened(f'{link[0]}/{length}')}"
        raise UnreadableError(f"link {link} is a /{link.prefixlen}", mend)
    return link


def _long_enough(pool: P, shortest: int, longest: int, what: str) -> P:
    if not shortest <= pool.prefixlen <= longest:
        raise UnreadableError(f"a pool of {what} is a prefix from /{shortest} to /{longest}, {pool} is not")
    return pool


def _widened(text: str) -> Prefix:
    if "%" in text:
        raise ValueError("a zone is of an address on a link, not of a prefix")
    return IPv6Network(text, strict=False) if ":" in text else IPv4Network(text, strict=False)


def _bad_network(text: str, *, is_link: bool) -> UnreadableError:
    try:
        wide = _widened(text)
    except ValueError:
        kind, like = ("IPv6", '"2001:db8:1::/56"') if ":" in text else ("IPv4", "10.1.0.0/24")
        return UnreadableError(f'"{text[:60]}" is no {kind} prefix', f"write it like {like}")
    address, said = text.partition("/")[0], f"{text} has bits set behind its length"
    if is_link:
        return UnreadableError(said, f"write {_widened(f'{address}/{wide.max_prefixlen - 1}')}")
    return UnreadableError(said, f"write {wide}, or {address}/{wide.max_prefixlen}")


def _is_ipv6(text: str) -> bool:
    for kind in (IPv6Address, IPv6Network):
        try:
            kind(text)
        except ValueError:
            continue
        return True
    return False


def _quoted(value: object) -> str | None:
    return f'quote it: "{value}"' if isinstance(value, int | float) and not isinstance(value, bool) else None
