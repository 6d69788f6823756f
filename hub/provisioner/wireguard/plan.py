"""What differs between what is wanted and what is there, in words: pure.

An interface that lacks our mark, an address or a port that something else has, keys that can't be believed: each is a
refusal of that one tunnel, and nothing of it is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface

from hub.provisioner.alias import Alias, read_alias
from hub.provisioner.changes import Change, Planned, Refusal
from hub.provisioner.keys.folder import TunnelKeys
from hub.provisioner.wanted import Wanted, WantedWireGuard
from hub.provisioner.wireguard.devices import Device, networks
from hub.provisioner.wireguard.files import HubEnd, differences
from hub.provisioner.wireguard.interfaces import (
    DAEMON,
    KERNEL,
    NOT_POSSIBLE,
    NOT_POSSIBLE_MEND,
    Interface,
    Seen,
)

SLICE = "wireguard"


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """A KnownKeys is what the store says of a tunnel: the keys in force, new ones beside them, or why it is silent.

    Both are None where none are made yet. `fault` and `mend` say why what is there is not believed.
    """

    present: TunnelKeys | None = None
    staged: TunnelKeys | None = None
    fault: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class MakeKeys:
    """Make the keys of a tunnel; `together` are all that lack some, for it is quicker for all at once."""

    wanted: WantedWireGuard
    together: tuple[WantedWireGuard, ...]


@dataclass(frozen=True, slots=True)
class Make:
    """Make an interface, whole; or finish one that was half made."""

    wanted: WantedWireGuard
    alias: Alias


@dataclass(frozen=True, slots=True)
class Configure:
    """Give WireGuard its configuration; with `peer_only` nothing else than the peer is even named."""

    wanted: WantedWireGuard
    peer_only: bool = False


@dataclass(frozen=True, slots=True)
class SetLink:
    """Give an interface its alias, its MTU and its addresses in place of those present, and let it be up."""

    wanted: WantedWireGuard
    alias: Alias
    present: frozenset[str]


@dataclass(frozen=True, slots=True)
class Replace:
    """Make the interface of a tunnel where one of ours has its name that is not WireGuard's, which goes."""

    wanted: WantedWireGuard
    alias: Alias


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove an interface of ours, and what we wrote of it."""

    interface: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove what we wrote of an interface. One that has its name now is IPsec's, or somebody else's, and stays."""

    interface: str


How = MakeKeys | Make | Replace | Configure | SetLink | Remove | Forget


def end_of(wanted: WantedWireGuard, keys: TunnelKeys) -> HubEnd:
    """The configuration that is wanted, with these keys."""
    return HubEnd(
        own=keys.hub,
        port=wanted.port,
        mark=wanted.mark,
        peer=keys.branch_public,
        preshared=keys.preshared if wanted.preshared else None,
        allowed=wanted.allowed,
        endpoint=wanted.endpoint,
        keepalive=wanted.keepalive,
    )


def written_alike(addresses: Iterable[str]) -> frozenset[str]:
    """Addresses with their lengths, each as the kernel shows it."""
    return frozenset(str(ip_interface(address)) for address in addresses)


def plan(wanted: Wanted, seen: Seen, keys: Mapping[str, KnownKeys]) -> Planned:
    """The changes that make what is there what is wanted, and what stands in the way of which tunnel."""
    changes: list[Change] = []
    refusals: list[Refusal] = []
    lacking = tuple(each for each in wanted.wireguard if _lacks_keys(each, keys.get(each.tunnel, KnownKeys())))
    for each in wanted.wireguard:
        known = keys.get(each.tunnel, KnownKeys())
        refused = list(_refusals(wanted.network, each, seen, known))
        refusals += refused
        if not refused:
            changes += _changes(wanted.network, each, seen, known, lacking)
    return Planned((*changes, *_removed(wanted, seen)), tuple(refusals))


def _removed(wanted: Wanted, seen: Seen) -> Iterator[Change]:
    """A tunnel that is IPsec's now has the name of its interface still: by then IPsec has made its own of that name."""
    gone, stay = set[str](), wanted.interfaces()
    for interface in seen.interfaces.values():
        alias = read_alias(interface.alias)
        ours = alias is not None and alias.network == wanted.network and _is_wireguard(interface, seen)
        if alias is not None and ours and interface.name not in stay:
            gone.add(interface.name)
            text = f"remove {interface.name}"
            yield Change(SLICE, alias.tunnel, text, removes=True, how=Remove(interface.name))
    for name in sorted(seen.configured - (stay - {each.interface for each in wanted.ipsec}) - gone):
        text = f"remove what was written of {name}, which is gone: its private key"
        alias = read_alias(seen.interfaces[name].alias) if name in seen.interfaces else None
        yield Change(SLICE, name if alias is None else alias.tunnel, text, removes=True, how=Forget(name))


def _is_wireguard(interface: Interface, seen: Seen) -> bool:
    """IPsec's interfaces have the same kind of alias. A wireguard-go answers as such, or has been told what to do."""
    daemon = interface.device is not None or interface.name in seen.configured
    return interface.kind == KERNEL or (interface.kind == DAEMON and daemon)


def _lacks_keys(each: WantedWireGuard, known: KnownKeys) -> bool:
    return not known.fault and (known.present is None or (each.preshared and known.present.preshared is None))


def _refusals(network: str, each: WantedWireGuard, seen: Seen, known: KnownKeys) -> Iterator[Refusal]:
    interface = seen.interfaces.get(each.interface)
    ours = interface is not None and _belongs(network, interface, seen)
    if known.fault:
        yield Refusal(SLICE, each.tunnel, known.fault, known.mend)
    if interface is not None and not ours:
        yield _foreign(each, interface)
        return
    if interface is None and not seen.possible:
        yield Refusal(SLICE, each.tunnel, NOT_POSSIBLE, NOT_POSSIBLE_MEND)
    if interface is None and each.interface in seen.elsewhere:
        text = f"a wireguard-go of another network namespace has the name {each.interface} already"
        yield Refusal(SLICE, each.tunnel, text, "end that one: its socket's name is one for the whole machine")
    if interface is not None and known.present is None and not known.fault and _has_keys(interface):
        text = f"{each.interface} has a key and runs, but the keys of {each.tunnel} are gone from the store"
        mend = f"put them back from a backup; for new keys at both ends: ip link delete {each.interface}"
        yield Refusal(SLICE, each.tunnel, text, mend)
    for address in sorted(written_alike(each.addresses)):
        others = [found.name for found in seen.interfaces.values() if _has_address(found, each, address)]
        if others:
            text = f"{address.partition('/')[0]} is an address of {others[0]}"
            mend = f"remove it there: ip address delete {address.partition('/')[0]} dev {others[0]}"
            yield Refusal(SLICE, each.tunnel, text, mend)
    yield from _port_refusals(each, interface, seen)


def _port_refusals(each: WantedWireGuard, interface: Interface | None, seen: Seen) -> Iterator[Refusal]:
    has = interface.device.port if interface is not None and interface.device is not None else None
    owner = seen.ports.get(each.port)
    if owner is None or has == each.port:
        return
    other = seen.interfaces.get(owner.removeprefix("interface "))
    mend = f"end that, or give the tunnel another port in allocations.yaml (ss -lunp sport = :{each.port})"
    if other is not None and read_alias(other.alias) is not None:
        mend = "apply once more when that has gone"
    yield Refusal(SLICE, each.tunnel, f"UDP port {each.port} is in use by {owner}", mend)


def _belongs(network: str, interface: Interface, seen: Seen) -> bool:
    alias = read_alias(interface.alias)
    if alias is not None:
        return alias.network == network
    blank = not interface.alias and not interface.addresses and not interface.up
    return blank and interface.name in seen.half_made and interface.kind in {KERNEL, DAEMON}


def _foreign(each: WantedWireGuard, interface: Interface) -> Refusal:
    alias = read_alias(interface.alias)
    if alias is not None:
        text = f"{interface.name} is of another network of Pointsman, {alias.network} ({alias.tunnel})"
        return Refusal(SLICE, each.tunnel, text, "give one of the two tunnels another port in its allocations.yaml")
    text = f"{interface.name} is there already, and was not made by Pointsman"
    mend = f"remove it (ip link delete {interface.name}), or rename it and write existing: with its new name"
    return Refusal(SLICE, each.tunnel, text, mend)


def _has_keys(interface: Interface) -> bool:
    return interface.device is not None and interface.device.own is not None


def _has_address(found: Interface, each: WantedWireGuard, address: str) -> bool:
    bare = address.partition("/")[0]
    return found.name != each.interface and any(other.partition("/")[0] == bare for other in found.addresses)


def _changes(
    network: str, each: WantedWireGuard, seen: Seen, known: KnownKeys, lacking: tuple[WantedWireGuard, ...]
) -> Iterator[Change]:
    if each in lacking:
        what = "make its keys" if known.present is None else "make its preshared key"
        yield Change(SLICE, each.tunnel, what, how=MakeKeys(each, lacking))
    interface, alias = seen.interfaces.get(each.interface), Alias(network, each.tunnel)
    if interface is None:
        text = f"make {each.interface} (port {each.port}, by uplink {each.uplink})"
        yield Change(SLICE, each.tunnel, text, how=Make(each, alias))
    elif interface.kind not in (KERNEL, DAEMON):
        text = f"make {each.interface} anew (port {each.port}, by uplink {each.uplink}; it was {interface.kind})"
        yield Change(SLICE, each.tunnel, text, how=Replace(each, alias))
    elif read_alias(interface.alias) is None:
        text = f"finish {each.interface}, which was half made (port {each.port}, by uplink {each.uplink})"
        yield Change(SLICE, each.tunnel, text, how=Make(each, alias))
    else:
        if link := ", ".join(_link_differences(alias, each, interface)):
            how = SetLink(each, alias, interface.addresses)
            yield Change(SLICE, each.tunnel, f"{each.interface}: {link}", how=how)
        yield from _configuration(each, interface, known)


def _link_differences(alias: Alias, each: WantedWireGuard, interface: Interface) -> Iterator[str]:
    if interface.alias != str(alias):
        yield f"is of {alias.tunnel} now, and not of {interface.alias.rpartition(' ')[2]}"
    if interface.mtu != each.mtu:
        yield f"MTU {interface.mtu} -> {each.mtu}"
    if changed := differences(interface.addresses, written_alike(each.addresses)):
        yield f"address {changed}"
    if not interface.up:
        yield "up"


def _configuration(each: WantedWireGuard, interface: Interface, known: KnownKeys) -> Iterator[Change]:
    if interface.device is None:
        text = f"configure {each.interface}, which does not say what it has"
        yield Change(SLICE, each.tunnel, text, how=Configure(each))
        return
    keys = known.present
    if known.staged is not None and interface.device.own == known.staged.hub:
        keys = known.staged  # its keys are being exchanged: both ends have the new ones until that is decided
    if keys is None or _lacks_keys(each, known):
        yield Change(SLICE, each.tunnel, f"configure {each.interface}", how=Configure(each))
        return
    words = list(_device_differences(end_of(each, keys), each, interface.device))
    if words:
        only_allowed = all(word.startswith("AllowedIPs") for word in words)
        yield Change(SLICE, each.tunnel, f"{each.interface}: {'; '.join(words)}", how=Configure(each, only_allowed))


def _device_differences(end: HubEnd, each: WantedWireGuard, device: Device) -> Iterator[str]:
    if device.own != end.own:
        yield "the hub's key of the store" if device.own else "its keys"
    if device.port != end.port:
        yield f"port {device.port} -> {end.port}"
    if device.mark != end.mark:
        yield f"mark {device.mark} -> {end.mark} (uplink {each.uplink})"
    peers = {peer.public: peer for peer in device.peers}
    peer = peers.pop(end.peer, None)
    for other in peers:
        yield f"- peer {other[:8]}…"
    if peer is None:
        yield f"+ peer {end.peer[:8]}…, AllowedIPs {', '.join(end.allowed)}"
        return
    if changed := differences(peer.allowed, networks(end.allowed)):
        yield f"AllowedIPs: {changed}"
    if peer.preshared != end.preshared:
        yield "preshared key " + ("removed" if end.preshared is None else "of the store") + " (the branch's end too!)"
    if peer.keepalive != end.keepalive:
        yield f"keepalive {peer.keepalive} -> {end.keepalive}"
