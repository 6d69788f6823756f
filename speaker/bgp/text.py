"""What is said to ExaBGP: typed commands and the API lines they become. Pure; ASCII only, one line each.

The words are those of ExaBGP 5.0's `help`; a single byte beyond ASCII would make ExaBGP kill the relay.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from policies.model.announcement import HIGHEST_MED, Announcement
from policies.model.ids import Prefix
from policies.model.intent import SessionKind

LONGEST_LINE_PREFIXES = 50
"""Prefixes in one command: more would hold up what comes behind it, some 10 ms by 50."""

ADMINISTRATIVE_RESET = 4
"""RFC 4486: the session is closed, and the branch may come back at once."""


@dataclass(frozen=True, slots=True)
class Announce:
    """An Announce makes a neighbor hear these prefixes, all of one IP version, under one set of attributes."""

    neighbor: IPv4Address
    announcement: Announcement
    prefixes: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True)
class Withdraw:
    """A Withdraw takes these prefixes, all of one IP version, back from a neighbor."""

    neighbor: IPv4Address
    prefixes: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True)
class EndOfRib:
    """An EndOfRib tells a neighbor that it has heard all there is of one IP version (RFC 4724 section 2)."""

    neighbor: IPv4Address
    version: int = 4


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


@dataclass(frozen=True, slots=True)
class Wording:
    """A Wording is how a neighbor is spoken to: as what kind of session, and with which next hop of IPv6 prefixes.

    Without `next_hop6` no IPv6 prefix can be announced: on a session over IPv4, ExaBGP knows none by itself.
    """

    kind: SessionKind = SessionKind.EBGP
    next_hop6: IPv6Address | None = None


PLAIN = Wording()


def line(command: Command, wording: Wording = PLAIN) -> str:
    """The API line of a command, without its newline.

    Raises:
        ValueError: there are no prefixes, too many, of two IP versions, or IPv6 ones without a next hop.
    """
    match command:
        case Announce(neighbor, announcement, prefixes):
            said = f"{_next_hop(prefixes, wording)} {_attributes(announcement, wording.kind)} nlri {_listed(prefixes)}"
            return f"neighbor {neighbor} announce attributes {said}"
        case Withdraw(neighbor, prefixes):
            said = f"{_next_hop(prefixes, wording)} nlri {_listed(prefixes)}"
            return f"neighbor {neighbor} withdraw attributes {said}"
        case EndOfRib(neighbor, version):
            return f"neighbor {neighbor} announce eor ipv{version} unicast"
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


def _preference(announcement: Announcement, kind: SessionKind) -> str:
    """What steers. An iBGP session carries the MED too: no two are equal, whatever the branch does to preferences."""
    med = f"med {announcement.med}"
    return f"local-preference {HIGHEST_MED - announcement.med} {med}" if kind is SessionKind.IBGP else med


def _attributes(announcement: Announcement, kind: SessionKind) -> str:
    said = [_preference(announcement, kind)]
    for name, communities in (
        ("community", announcement.communities),
        ("large-community", announcement.large_communities),
    ):
        if communities:
            said.append(f"{name} [ {' '.join(':'.join(map(str, each)) for each in communities)} ]")
    return " ".join(said)


def _next_hop(prefixes: tuple[Prefix, ...], wording: Wording) -> str:
    versions = {prefix.version for prefix in prefixes}
    if len(versions) > 1:
        raise ValueError("prefixes of two IP versions in one command")
    if versions != {6}:
        return "next-hop self"
    if wording.next_hop6 is None:
        raise ValueError(f"{prefixes[0]} has no next hop: the tunnel has no IPv6 link")
    return f"next-hop {wording.next_hop6}"


def _listed(prefixes: tuple[Prefix, ...]) -> str:
    if not 0 < len(prefixes) <= LONGEST_LINE_PREFIXES:
        raise ValueError(f"{len(prefixes)} prefixes in one command: between 1 and {LONGEST_LINE_PREFIXES} fit")
    return " ".join(str(prefix) for prefix in prefixes)
