"""What ExaBGP says: its JSON objects (encoder of 5.0) turned into typed messages. Pure, and fed by the network.

Whatever comes in, the outcome is a message or `BadEventError`: kinds that are not known are `Ignored`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from policies.model.announcement import Community, LargeCommunity
from policies.model.ids import Address, Prefix


class BadEventError(ValueError):
    """An object is not what ExaBGP 5.0 writes."""


LONGEST_TEXT = 256
"""Characters kept of what a branch, or ExaBGP, says to people."""


FAMILIES = {"ipv4 unicast": 4, "ipv6 unicast": 6}
"""The IP versions of the families that are understood, by their names in updates."""
_MULTIPROTOCOL, _FOUR_OCTET_AS = "1", "65"
"""The codes of the capabilities, RFC 5492."""
_HIGHEST_AS = 2**32 - 1


class Direction(Enum):
    """Which way a BGP message went, as the hub sees it."""

    SENT = "send"
    RECEIVED = "receive"


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A session came up (established) or went down, for ExaBGP's own reason."""

    neighbor: IPv4Address
    up: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A Route is one prefix as an UPDATE carries it; absent attributes are None or empty."""

    prefix: Prefix
    next_hop: Address | None
    as_path: tuple[int, ...] = ()
    med: int | None = None
    local_preference: int | None = None
    communities: tuple[Community, ...] = ()
    large_communities: tuple[LargeCommunity, ...] = ()


@dataclass(frozen=True, slots=True)
class Updated:
    """An UPDATE was received, or handed to TCP."""

    neighbor: IPv4Address
    direction: Direction
    announced: tuple[Route, ...]
    withdrawn: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True)
class EndOfRibSeen:
    """An End-of-RIB for the unicast prefixes of one IP version was received, or handed to TCP."""

    neighbor: IPv4Address
    direction: Direction
    version: int = 4


@dataclass(frozen=True, slots=True)
class Opened:
    """A branch has said in its OPEN of which IP versions it takes unicast prefixes (RFC 4760 section 8), and its AS.

    `asn` is that of the capability for AS numbers of four octets (RFC 6793), else the OPEN's own; None if it says none.
    """

    neighbor: IPv4Address
    versions: frozenset[int]
    asn: int | None = None


@dataclass(frozen=True, slots=True)
class Notified:
    """A branch closed its session with a NOTIFICATION (RFC 4271 section 4.5)."""

    neighbor: IPv4Address
    code: int
    subcode: int
    text: str


@dataclass(frozen=True, slots=True)
class ShuttingDown:
    """ExaBGP is about to stop, on request."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """An Ignored is an event that means nothing to us."""

    kind: str


Message = StateChanged | Updated | EndOfRibSeen | Opened | Notified | ShuttingDown | Ignored


def parse(event: object) -> Message:
    """Read one of ExaBGP's JSON objects.

    Raises:
        BadEventError: it has a known type, but not the shape of that type.
    """
    try:
        return _parsed(_object(event))
    except BadEventError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise BadEventError(f"an event that ExaBGP 5.0 does not write: {str(event)[:120]}") from error


def parse_update(neighbor: IPv4Address, direction: Direction, update: object) -> Updated:
    """Read the `update` part alone, as the relay's memory holds it.

    Raises:
        BadEventError: it is no update.
    """
    try:
        return _update(neighbor, direction, _object(update))
    except BadEventError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise BadEventError(f"an update that ExaBGP 5.0 does not write: {str(update)[:120]}") from error


def _parsed(event: Mapping[str, Any]) -> Message:
    match event.get("type"):
        case "state":
            return _state(event)
        case "update":
            return _update_or_end(_object(event["neighbor"]))
        case "open":
            return _opened(_object(event["neighbor"]))
        case "notification":
            return _notification(event)
        case kind:
            return Ignored(str(kind)[:40])


def _state(event: Mapping[str, Any]) -> Message:
    neighbor = _object(event["neighbor"])
    match neighbor["state"]:
        case "up":
            return StateChanged(_peer(neighbor), up=True)
        case "down":
            return StateChanged(_peer(neighbor), up=False, reason=printable(neighbor.get("reason", "")))
        case state:
            # "connected" also comes before a refused connection, so it says nothing.
            return Ignored(f"state {str(state)[:30]}")


def _opened(neighbor: Mapping[str, Any]) -> Message:
    if neighbor["direction"] != Direction.RECEIVED.value:
        return Ignored("open sent")
    said = _object(neighbor["open"])
    capabilities = _object(said["capabilities"])
    families = _list(_object(capabilities.get(_MULTIPROTOCOL, {})).get("families", []))
    versions = (FAMILIES.get(str(family).replace("/", " ")) for family in families)
    known = frozenset(version for version in versions if version is not None)
    return Opened(_peer(neighbor), known, _said_as(said, capabilities))


def _said_as(said: Mapping[str, Any], capabilities: Mapping[str, Any]) -> int | None:
    """The AS of an OPEN. It is only shown: one that makes no sense spoils nothing else."""
    four_octets = capabilities.get(_FOUR_OCTET_AS)
    for asn in (four_octets.get("asn4") if isinstance(four_octets, dict) else None, said.get("asn")):
        if isinstance(asn, int) and not isinstance(asn, bool) and 0 <= asn <= _HIGHEST_AS:
            return asn
    return None


def _update_or_end(neighbor: Mapping[str, Any]) -> Message:
    direction = Direction(neighbor["direction"])
    message = _object(neighbor["message"])
    if "eor" in message:
        end = _object(message["eor"])
        version = FAMILIES.get(f"{end.get('afi')} {end.get('safi')}")
        if version is None:
            return Ignored("eor of another family")
        return EndOfRibSeen(_peer(neighbor), direction, version)
    return _update(_peer(neighbor), direction, _object(message["update"]))


def _update(neighbor: IPv4Address, direction: Direction, update: Mapping[str, Any]) -> Updated:
    attributes = _object(update.get("attribute", {}))
    as_path = tuple(_as_path(attributes.get("as-path", {})))
    med, preference = (_number_or_none(attributes.get(name)) for name in ("med", "local-preference"))
    communities = tuple((asn, number) for asn, number in _numbers(attributes.get("community", []), 2))
    large = tuple((asn, one, two) for asn, one, two in _numbers(attributes.get("large-community", []), 3))
    return Updated(
        neighbor,
        direction,
        announced=tuple(
            Route(prefix, next_hop, as_path, med, preference, communities, large)
            for next_hop, prefix in _with_one_next_hop(_announced(_object(update.get("announce", {}))))
        ),
        withdrawn=tuple(
            _prefix(entry) for entries in _object(update.get("withdraw", {})).values() for entry in _list(entries)
        ),
    )


def _announced(families: Mapping[str, Any]) -> Iterator[tuple[Address | None, Prefix]]:
    for by_next_hop in families.values():
        for next_hop, entries in _object(by_next_hop).items():
            for entry in _list(entries):
                yield _next_hop(next_hop), _prefix(entry)


def _with_one_next_hop(
    announced: Iterable[tuple[Address | None, Prefix]],
) -> Iterator[tuple[Address | None, Prefix]]:
    """An IPv6 prefix may come with a global next hop and a link-local one (RFC 2545): ExaBGP tells them as two."""
    every = list(announced)
    with_global = {prefix for next_hop, prefix in every if next_hop is not None and not next_hop.is_link_local}
    for next_hop, prefix in every:
        if next_hop is None or not next_hop.is_link_local or prefix not in with_global:
            yield next_hop, prefix


def _as_path(segments: object) -> Iterator[int]:
    """All AS numbers, those in sets and confederations too: for a loop it does not matter where one stands."""
    for segment in _object(segments).values():
        for asn in _list(_object(segment)["value"]):
            yield _number(asn)


def _numbers(communities: object, size: int) -> Iterator[list[int]]:
    """Communities: lists of so many numbers each."""
    for community in _list(communities):
        numbers = [_number(part) for part in _list(community)]
        if len(numbers) != size:
            raise BadEventError(f"not a community: {str(community)[:60]}")
        yield numbers


def _notification(event: Mapping[str, Any]) -> Message:
    if event.get("notification") == "shutdown":
        return ShuttingDown()
    neighbor = _object(event["neighbor"])
    said = _object(neighbor["notification"])
    text = printable(said.get("message", ""))
    return Notified(_peer(neighbor), _number(said["code"]), _number(said["subcode"]), text)


def printable(text: object) -> str:
    """What somebody else wrote, fit for the log: a branch puts what it likes into its NOTIFICATION."""
    return "".join(char if char.isprintable() else "?" for char in str(text)[:LONGEST_TEXT])


def _peer(neighbor: Mapping[str, Any]) -> IPv4Address:
    address = _object(neighbor["address"])["peer"]
    if not isinstance(address, str):
        raise BadEventError(f"a neighbor without an address: {str(neighbor)[:120]}")
    return IPv4Address(address)


def _next_hop(text: str) -> Address | None:
    return None if text in {"null", "self", "no-nexthop"} else ip_address(text)


def _prefix(entry: object) -> Prefix:
    text = entry if isinstance(entry, str) else _object(entry)["nlri"]
    if not isinstance(text, str):
        raise BadEventError(f"not a prefix: {str(entry)[:60]}")
    # ExaBGP passes on what a branch sends, host bits and all: they mean nothing (RFC 4271 section 4.3).
    return ip_network(text, strict=False)


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadEventError(f"not a JSON object: {str(value)[:60]}")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise BadEventError(f"not a JSON list: {str(value)[:60]}")
    return value


def _number_or_none(value: object) -> int | None:
    return None if value is None else _number(value)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadEventError(f"not a number: {str(value)[:60]}")
    return value
