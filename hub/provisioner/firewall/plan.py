"""What is to be filtered, and what differs from what is in force: pure.

What is wanted comes through a socket and becomes text that root's nft reads: everything is read as what it should be
first, so that an address is an address and nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_interface, ip_network
from typing import Any, TypeVar

from hub.provisioner.changes import Change, Finding, Planned, ProvisionError, Refusal
from hub.provisioner.fingerprint import Look, digest
from hub.provisioner.firewall.rules import FULL_NAME, Ike, Rules, body
from hub.provisioner.wanted import Wanted, WantedIpsec, WantedWireGuard

NAME = "firewall"
TARGET = "firewall"
_INTERFACE = re.compile(r"[A-Za-z0-9_.@+-]{1,15}")
_NETWORK = re.compile(r"[A-Za-z0-9_.-]{0,64}")

Address = IPv4Address | IPv6Address
Prefix = IPv4Network | IPv6Network
Item = TypeVar("Item")


def rules_of(wanted: Wanted) -> Rules:
    """What is filtered for this network, whether the firewall is on or not.

    Raises:
        ProvisionError: something in it is not what it should be.
    """
    try:
        return _rules(wanted)
    except ValueError as error:
        raise ProvisionError(f"the firewall cannot be made: {error}", "run: pointsman check") from error


def _rules(wanted: Wanted) -> Rules:
    made, every = wanted.tunnels(), (*wanted.tunnels(), *wanted.existing)
    uplinks = {u.name: None if u.interface is None else _interface(u.interface) for u in wanted.uplinks}
    ends = [(_interface(tunnel.interface), end) for tunnel in every for end in map(ip_interface, tunnel.addresses)]
    neighbors = [
        (at, far) for at, end in ends for far in end.network if end.network.num_addresses == 2 and far != end.ip
    ]
    sources = [(tunnel.interface, prefix) for tunnel in made for prefix in _prefixes(tunnel.allowed)]
    wireguard = [(uplinks.get(tunnel.uplink), _port(tunnel.port), _known(tunnel)) for tunnel in wanted.wireguard]
    management = _prefixes(wanted.management)
    return Rules(
        network=_checked(_NETWORK, wanted.network, "a name of a network"),
        ours=_sorted(_interface(tunnel.interface) for tunnel in made),
        existing=_sorted(_interface(tunnel.interface) for tunnel in wanted.existing),
        sources=_sorted((at, str(prefix)) for at, prefix in sources if prefix.version == 4),
        sources6=_sorted((at, str(prefix)) for at, prefix in sources if prefix.version == 6),
        neighbors=_sorted((at, str(far)) for at, far in neighbors if far.version == 4),
        neighbors6=_sorted((at, str(far)) for at, far in neighbors if far.version == 6),
        links=_sorted(str(far) for _, far in neighbors if far.version == 4),
        links6=_sorted(str(far) for _, far in neighbors if far.version == 6),
        hub_links=_sorted(str(end.ip) for _, end in ends if end.version == 4),
        hub_links6=_sorted(str(end.ip) for _, end in ends if end.version == 6),
        wireguard_ports=_sorted(port for _, port, _ in wireguard),
        endpoints=_sorted((at, address, port) for at, port, known in wireguard for address in known),
        ports=_sorted((at, port) for at, port, known in wireguard if not known),
        ipsec=_ike(wanted, uplinks) if wanted.ipsec else None,
        management=tuple(str(prefix) for prefix in management if prefix.version == 4),
        management6=tuple(str(prefix) for prefix in management if prefix.version == 6),
    )


def _ike(wanted: Wanted, uplinks: Mapping[str, str | None]) -> Ike:
    """Strangers are kept out only where every peer is known; an existing tunnel may be IPsec, from anywhere."""
    peers = [(uplinks.get(tunnel.uplink), _known(tunnel)) for tunnel in wanted.ipsec]
    open_to_all = {at for at, known in peers if not known}
    held = set() if wanted.existing or None in open_to_all else {at for at, _ in peers} - open_to_all
    if open_to_all:
        held.discard(None)
    return Ike(
        peers=_sorted((at, address) for at, known in peers for address in known),
        held=_sorted(held),
        protected=_sorted(str(IPv4Address(tunnel.loopback)) for tunnel in wanted.ipsec if tunnel.loopback is not None),
    )


def _known(tunnel: WantedWireGuard | WantedIpsec) -> list[str]:
    return [str(IPv4Address(address)) for address in tunnel.known_from]


def _prefixes(texts: Iterable[str]) -> list[Prefix]:
    """Read, in order, and without those that lie inside others: the kernel's sets take no overlap."""
    read = [ip_network(text) for text in texts]
    four = collapse_addresses(prefix for prefix in read if isinstance(prefix, IPv4Network))
    six = collapse_addresses(prefix for prefix in read if isinstance(prefix, IPv6Network))
    return [*four, *six]


def _interface(text: str) -> str:
    return _checked(_INTERFACE, text, "a network interface")


def _checked(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not isinstance(text, str) or pattern.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not {what}")
    return text


def _port(number: int) -> int:
    if not isinstance(number, int) or not 0 < number < 65536:
        raise ValueError(f"{number!r} is no port")
    return number


def _sorted(items: Iterable[Item]) -> tuple[Item, ...]:
    """In order and each once; None, which is any interface, before all names."""

    def key(item: Any) -> Any:
        return tuple("" if part is None else part for part in item) if isinstance(item, tuple) else item or ""

    return tuple(sorted(set(items), key=key))


def plan(wanted: Wanted, seen: Look) -> Planned:
    """What has to be done so that the wanted rules are in force, and no others of ours.

    Raises:
        ProvisionError: the rules cannot be made.
    """
    if not wanted.firewall and not seen.there:
        return Planned()
    if seen.there and not seen.ours:
        text = f"there is a table {FULL_NAME} that Pointsman did not make"
        return Planned(refusals=(Refusal(NAME, TARGET, text, f"nft delete table {FULL_NAME}, if nobody needs it"),))
    if not wanted.firewall:
        text = f"remove the rules (table {FULL_NAME})"
        return Planned((Change(NAME, TARGET, text, removes=True, at_once=True),))
    rules = rules_of(wanted)
    text = body(rules)
    if seen.body == digest(text) and seen.intact:
        return Planned()
    return Planned((Change(NAME, TARGET, _what(rules, text, seen), at_once=True, how=text),))


def _what(rules: Rules, text: str, seen: Look) -> str:
    if seen.body == digest(text):
        return "put back the rules, which somebody has changed"
    filtered = [f"{len(rules.ours)} tunnels"]
    if rules.endpoints or rules.ports:
        filtered.append(f"{len(rules.endpoints)} of {len(rules.wireguard_ports)} ports for known addresses only")
    managed = [*rules.management, *rules.management6]
    filtered.append(f"management from {', '.join(managed)}" if managed else "management from everywhere")
    made = "change the rules" if seen.there else "make the rules"
    return f"{made} ({digest(text)[:8]}): {'; '.join(filtered)}"


def drift(wanted: Wanted, seen: Look) -> str | None:
    """What is amiss with the rules in force, None if nothing is.

    Raises:
        ProvisionError: the rules cannot be made.
    """
    if not wanted.firewall:
        return None
    if not seen.there:
        return f"the rules are gone: there is no table {FULL_NAME}"
    if not seen.ours:
        return f"the table {FULL_NAME} is not Pointsman's"
    if seen.body != digest(body(rules_of(wanted))):
        return f"the rules in force are others than the configuration's (table {FULL_NAME})"
    return None if seen.intact else f"somebody has changed the rules (table {FULL_NAME})"


def open_management(wanted: Wanted) -> tuple[Finding, ...]:
    """That the hub can be managed from everywhere, though it filters."""
    if not wanted.firewall or wanted.management:
        return ()
    text = "SSH is filtered by nothing of Pointsman's: no prefix is written from which the hub is managed"
    mend = "write security: {management: [PREFIX]} in network.yaml, then pointsman plan and apply"
    return (Finding(NAME, "management", text, mend),)


def locks_out(wanted: Wanted, source: str | None) -> str | None:
    """What to say to somebody whose connection comes from this address and could not be opened again; else None.

    Raises:
        ProvisionError: the prefixes of management cannot be read.
    """
    if source is None or not wanted.firewall or not wanted.management:
        return None
    rules = rules_of(wanted)
    try:
        address = ip_interface(source.partition("%")[0]).ip
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped if mapped is not None else address
    prefixes = [ip_network(text) for text in (*rules.management, *rules.management6)]
    if address.is_loopback or any(address in prefix for prefix in prefixes):
        return None
    return f"you are connected from {address}, which is in no prefix of security.management: you could not come back"
