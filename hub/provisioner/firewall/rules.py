"""The rules as nftables reads them (nft(8)): pure, and the same text for the same values.

    prerouting   what comes out of a tunnel has a source that is its branch's; a link address comes by no other way
    input        tunnels' ports, IKE and ESP; BGP, BFD and OSPF; management
    (anything else: accepted here, and left to other tables)

Nothing is tracked (no `ct`): a table that asks for it would switch connection tracking on for all that a hub forwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hub.provisioner.fingerprint import FAMILY

TABLE = "pointsman-firewall"
FULL_NAME = f"{FAMILY} {TABLE}"
"""Another one than the table in which the forwarder counts, which comes and goes with the forwarder."""
COUNTING = ("handshakes", "handshakes6")
"""The sets to which the packets themselves add."""
MANAGEMENT_PORTS = (22,)
HANDSHAKES = "20/second burst 60 packets"
"""New handshakes from one address; behind an address of a mobile carrier there may be many branches."""
COUNTERS = ("unknown_endpoint", "too_many_handshakes", "spoofed_source", "outside_its_tunnel", "management")
"""Why something was dropped."""


@dataclass(frozen=True, slots=True)
class Ike:
    """An Ike is what is filtered of IPsec: `peers` are (interface of the uplink or None for any, address).

    `held` are the interfaces by which nobody but them may speak IKE; None among them: by any. `protected` are the hub's
    loopbacks for which a packet must have come through IPsec.
    """

    peers: tuple[tuple[str | None, str], ...] = ()
    held: tuple[str | None, ...] = ()
    protected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """A Rules is what is filtered, checked and in order. Addresses and prefixes are text; `6` is of IPv6.

    `ours` are the interfaces of our tunnels, `existing` those of tunnels that somebody else made. `sources` are what
    may come out of which interface; `neighbors` the branch's link address by the interface of its tunnel; `links` all
    branches' link addresses, `hub_links` the hub's. `endpoints` are (interface of the uplink or None for any, address,
    port) of those that always send from there, `ports` (interface, port) of those that may come from anywhere.
    """

    network: str
    ours: tuple[str, ...] = ()
    existing: tuple[str, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    sources6: tuple[tuple[str, str], ...] = ()
    neighbors: tuple[tuple[str, str], ...] = ()
    neighbors6: tuple[tuple[str, str], ...] = ()
    links: tuple[str, ...] = ()
    links6: tuple[str, ...] = ()
    hub_links: tuple[str, ...] = ()
    hub_links6: tuple[str, ...] = ()
    wireguard_ports: tuple[int, ...] = ()
    endpoints: tuple[tuple[str | None, str, int], ...] = ()
    ports: tuple[tuple[str | None, int], ...] = ()
    ipsec: Ike | None = None
    management: tuple[str, ...] = ()
    management6: tuple[str, ...] = ()


def render(rules: Rules) -> str:
    """The table as text for review."""
    return f"# the network {rules.network}\ntable {FULL_NAME} {{\n{body(rules)}}}\n"


def body(rules: Rules) -> str:
    """What stands between the table's braces."""
    chains = [_wireguard(), _inside()]
    if rules.ipsec is not None:
        chains.append(_ipsec(rules.ipsec))
    if rules.management or rules.management6:
        chains.append(_management())
    counters = [f"\tcounter {name} {{\n\t}}\n" for name in COUNTERS]
    return "\n".join([*counters, *_sets(rules), *chains, _prerouting(), _input(rules)])


def _sets(rules: Rules) -> Iterator[str]:
    named = [(f'"{at}"', address, port) for at, address, port in rules.endpoints if at is not None]
    anywhere = [(address, port) for at, address, port in rules.endpoints if at is None]
    yield _set("tunnels", "ifname", _quoted(rules.ours))
    yield _set("existing", "ifname", _quoted(rules.existing))
    yield _set("sources", "ifname . ipv4_addr", _at(rules.sources), "interval")
    yield _set("sources6", "ifname . ipv6_addr", _at(rules.sources6), "interval")
    yield _set("neighbors", "ifname . ipv4_addr", _at(rules.neighbors))
    yield _set("neighbors6", "ifname . ipv6_addr", _at(rules.neighbors6))
    yield _set("links", "ipv4_addr", rules.links)
    yield _set("links6", "ipv6_addr", rules.links6)
    yield _set("hub_links", "ipv4_addr", rules.hub_links)
    yield _set("hub_links6", "ipv6_addr", rules.hub_links6)
    yield _set("wireguard_ports", "inet_service", map(str, rules.wireguard_ports))
    yield _set("endpoints", "ifname . ipv4_addr . inet_service", map(_joined, named))
    yield _set("endpoints_anywhere", "ipv4_addr . inet_service", map(_joined, anywhere))
    yield _set("ports", "ifname . inet_service", _at((at, port) for at, port in rules.ports if at is not None))
    yield _set("ports_anywhere", "inet_service", (str(port) for at, port in rules.ports if at is None))
    for name, kind in zip(COUNTING, ("ipv4_addr", "ipv6_addr"), strict=True):
        yield f"\tset {name} {{\n\t\ttype {kind}\n\t\tsize 65535\n\t\tflags dynamic,timeout\n\t\ttimeout 1m\n\t}}\n"
    if rules.ipsec is not None:
        ike = rules.ipsec
        yield _set("ike_peers", "ifname . ipv4_addr", _at((at, who) for at, who in ike.peers if at is not None))
        yield _set("ike_peers_anywhere", "ipv4_addr", (who for at, who in ike.peers if at is None))
        yield _set("ike_held", "ifname", _quoted(at for at in ike.held if at is not None))
        yield _set("protected", "ipv4_addr", ike.protected)
    if rules.management or rules.management6:
        yield _set("management_from", "ipv4_addr", rules.management, "interval")
        yield _set("management_from6", "ipv6_addr", rules.management6, "interval")


def _set(name: str, kind: str, elements: Iterable[str], flags: str = "") -> str:
    flagged = f"\t\tflags {flags}\n" if flags else ""
    listed = ",\n\t\t\t".join(elements)
    filled = f"\t\telements = {{\n\t\t\t{listed}\n\t\t}}\n" if listed else ""
    return f"\tset {name} {{\n\t\ttype {kind}\n{flagged}{filled}\t}}\n"


def _at(pairs: Iterable[tuple[str, object]]) -> Iterator[str]:
    return (f'"{interface}" . {what}' for interface, what in pairs)


def _quoted(interfaces: Iterable[str]) -> Iterator[str]:
    return (f'"{interface}"' for interface in interfaces)


def _joined(parts: Iterable[object]) -> str:
    return " . ".join(map(str, parts))


def _chain(name: str, *lines: str) -> str:
    return f"\tchain {name} {{\n" + "".join(f"\t\t{line}\n" for line in lines) + "\t}\n"


def _drop(why: str) -> str:
    return f"counter name {why} drop"


def _prerouting() -> str:
    """Sources. An address of IPv6 that is valid on a link only, or none yet, is no branch's and goes no further."""
    lines = [
        "type filter hook prerouting priority raw; policy accept;",
        'iifname "lo" accept',
        "iifname . ip saddr @sources accept",
        "iifname . ip6 saddr @sources6 accept",
        "iifname @tunnels ip6 saddr { ::, fe80::/10 } accept",
        f"iifname @tunnels {_drop('spoofed_source')}",
        "iifname @existing accept",
        f"ip saddr @links {_drop('spoofed_source')}",
        f"ip6 saddr @links6 {_drop('spoofed_source')}",
    ]
    return _chain("prerouting", *lines)


def _input(rules: Rules) -> str:
    lines = [
        "type filter hook input priority filter - 10; policy accept;",
        'iifname "lo" accept',
        "udp dport @wireguard_ports goto wireguard",
        "tcp dport 179 goto inside",
        "udp dport { 3784, 3785, 4784 } goto inside",
        "meta l4proto ospf goto inside",
    ]
    if rules.ipsec is not None:
        lines += ["udp dport { 500, 4500 } goto ike", "meta l4proto esp goto ike"]
    if rules.ipsec is not None and rules.ipsec.protected:
        # What comes for these in clear was not protected by IPsec: a tunnel would take it for its branch's.
        unprotected = 'ip daddr @protected iifname != "ipsec*" meta ipsec missing'
        lines += [f"{unprotected} meta l4proto gre {_drop('spoofed_source')}"]
        lines += [f"{unprotected} udp dport 4789 {_drop('spoofed_source')}"]
    if rules.management or rules.management6:
        ports = ", ".join(map(str, MANAGEMENT_PORTS))
        # Only what opens a connection: one that stands is not cut by new rules.
        lines.append(f"tcp dport {{ {ports} }} tcp flags & (syn | ack) == syn goto management")
    return _chain("input", *lines)


def _wireguard() -> str:
    """The first byte of a message is its kind: 1 is the first of a handshake, which has 148 bytes."""
    first = "udp length 156 @th,64,8 1"
    lines = [
        "iifname . ip saddr . udp dport @endpoints accept",
        "ip saddr . udp dport @endpoints_anywhere accept",
        "iifname . udp dport @ports goto wireguard_from_anywhere",
        "udp dport @ports_anywhere goto wireguard_from_anywhere",
        _drop("unknown_endpoint"),
    ]
    return _chain("wireguard_from_anywhere", *_limited(first)) + "\n" + _chain("wireguard", *lines)


def _limited(first: str) -> Iterator[str]:
    for name, source in zip(COUNTING, ("ip saddr", "ip6 saddr"), strict=True):
        yield f"{first} update @{name} {{ {source} limit rate over {HANDSHAKES} }} {_drop('too_many_handshakes')}"


def _inside() -> str:
    """BGP, BFD and OSPF: in a tunnel from its branch's end only; for the hub's end of a link by nothing else."""
    return _chain(
        "inside",
        "iifname . ip saddr @neighbors accept",
        "iifname . ip6 saddr @neighbors6 accept",
        "iifname @tunnels meta l4proto ospf ip6 saddr fe80::/10 accept",
        f"iifname @tunnels {_drop('outside_its_tunnel')}",
        f"ip daddr @hub_links {_drop('outside_its_tunnel')}",
        f"ip6 daddr @hub_links6 {_drop('outside_its_tunnel')}",
    )


def _ipsec(ike: Ike) -> str:
    """The kind of exchange is byte 18 of IKE's header: 34 begins IKEv2, 2 and 4 IKEv1 (RFC 7296 3.1, RFC 2408 3.1)."""
    held = [f"iifname @ike_held {_drop('unknown_endpoint')}"] if any(ike.held) else []
    if None in ike.held:
        held = [_drop("unknown_endpoint")]
    first = "udp dport 500 @th,208,8 { 2, 4, 34 }", "udp dport 4500 @th,64,32 0 @th,240,8 { 2, 4, 34 }"
    limited = [line for each in first for line in _limited(each)]
    peers = ["iifname . ip saddr @ike_peers accept", "ip saddr @ike_peers_anywhere accept"]
    return _chain("ike", *peers, *held, *limited)


def _management() -> str:
    lines = ["ip saddr @management_from accept", "ip6 saddr @management_from6 accept", _drop("management")]
    return _chain("management", *lines)
