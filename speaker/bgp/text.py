"""What is said to ExaBGP: typed commands and the API lines they become. Pure; ASCII only, one line each.

The words are those of ExaBGP 5.0's `help`; a single byte beyond ASCII would make ExaBGP kill the relay.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from policies.model.announcement import Announcement
from policies.model.ids import Prefix

LONGEST_LINE_PREFIXES = 50
"""Prefixes in one command: more would hold up what comes behind it, some 10 ms by 50."""

ADMINISTRATIVE_RESET = 4
"""RFC 4486: the session is closed, and the branch may come back at once."""


@dataclass(frozen=True, slots=True)
class Announce:
    """An Announce makes a neighbor hear these IPv4 prefixes under one set of attributes."""

    neighbor: IPv4Address
    announcement: Announcement
    prefixes: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True)
class Withdraw:
    """A Withdraw takes these prefixes back from a neighbor."""

    neighbor: IPv4Address
    prefixes: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True)
class EndOfRib:
    """An EndOfRib tells a neighbor that it has heard all there is (RFC 4724 section 2)."""

    neighbor: IPv4Address


@dataclass(frozen=True, slots=True)
class Flush:
    """A Flush makes ExaBGP send a neighbor all that it believes to have announced, once more."""

    neighbor: IPv4Address


@dataclass(frozen=True, slots=True)
class Teardown:
    """A Teardown closes the session of a neighbor with a Cease notification of this subcode."""

    neighbor: IPv4Address
    subcode: int = ADMINISTRATIVE_RESET


@dataclass(frozen=True, slots=True)
class Version:
    """A Version asks ExaBGP for a sign of life."""


@dataclass(frozen=True, slots=True)
class Reload:
    """A Reload makes ExaBGP read its configuration again."""


@dataclass(frozen=True, slots=True)
class ShowNeighbors:
    """A ShowNeighbors asks for every neighbor that ExaBGP has, as JSON."""


Command = Announce | Withdraw | EndOfRib | Flush | Teardown | Version | Reload | ShowNeighbors


def line(command: Command) -> str:
    """The API line of a command, without its newline.

    Raises:
        ValueError: there are no prefixes, too many, or one that is not IPv4.
    """
    match command:
        case Announce(neighbor, announcement, prefixes):
            said = f"announce attributes next-hop self med {announcement.med} nlri {_listed(prefixes)}"
            return f"neighbor {neighbor} {said}"
        case Withdraw(neighbor, prefixes):
            return f"neighbor {neighbor} withdraw attributes next-hop self nlri {_listed(prefixes)}"
        case EndOfRib(neighbor):
            return f"neighbor {neighbor} announce eor ipv4 unicast"
        case Flush(neighbor):
            return f"neighbor {neighbor} flush adj-rib out"
        case Teardown(neighbor, subcode):
            return f"neighbor {neighbor} teardown {subcode}"
        case Version():
            return "version"
        case Reload():
            return "reload"
        case ShowNeighbors():
            return "show neighbor json"


def _listed(prefixes: tuple[Prefix, ...]) -> str:
    if not 0 < len(prefixes) <= LONGEST_LINE_PREFIXES:
        raise ValueError(f"{len(prefixes)} prefixes in one command: between 1 and {LONGEST_LINE_PREFIXES} fit")
    for prefix in prefixes:
        if prefix.version != 4:
            raise ValueError(f"{prefix} is not IPv4: the sessions carry IPv4 only")
    return " ".join(str(prefix) for prefix in prefixes)
