"""Which of our addresses return-path probes come from, one for each IP version. Pure."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable

from hub.forwarder.fib_plan import destination
from hub.forwarder.liveness.model import Version
from hub.forwarder.netlink.links import LocalAddress
from hub.forwarder.orders import Probe
from hub.forwarder.problems import Problem

VERSIONS: tuple[Version, ...] = (4, 6)
_SIZE = {4: 4, 6: 16}
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


def source(
    probe: Probe, version: Version, addresses: Iterable[LocalAddress], links: Collection[bytes] = ()
) -> str | None:
    """Where probes come from: `prefer` if it is an address of ours, else a lasting one, the lowest, in the prefixes.

    Never from one of `links`, our ends of the tunnels: a branch answers those by the tunnel itself, whatever its
    forwarding table says of our prefixes.
    """
    usable = [each for each in addresses if each.usable and len(each.address) == _SIZE[version]]
    if version == 4 and probe.prefer and any(each.address == socket.inet_aton(probe.prefer) for each in usable):
        return probe.prefer
    networks = [destination(prefix) for prefix in _prefixes(probe, version)]
    inside = [
        (not each.lasting, each.address)
        for each in usable
        if each.address not in links and any(_within(each.address, *network) for network in networks)
    ]
    return socket.inet_ntop(_FAMILY[version], min(inside)[1]) if inside else None


def problem(probe: Probe, version: Version, chosen: str | None) -> dict[str, Problem]:
    """No address for return-path probes."""
    prefixes = _prefixes(probe, version)
    prefer = probe.prefer if version == 4 else None
    if chosen or not (prefixes or prefer):
        return {}
    key = "check:probe" if version == 4 else "check:probe6"
    where = ", ".join(prefixes[:3]) or str(prefer)
    text = f"this machine has no address within {where}: the way back from a branch can't be seen"
    example = prefer or _example(prefixes[0], version)
    mend = f"give the hub an address there, on lo if need be (ip addr add {example}/{_SIZE[version] * 8} dev lo)"
    return {key: Problem(key, text, mend)}


def _prefixes(probe: Probe, version: Version) -> list[str]:
    return [prefix for prefix in probe.prefixes if (":" in prefix) == (version == 6)]


def _within(address: bytes, network: bytes, length: int) -> bool:
    shift = len(address) * 8 - length
    return int.from_bytes(address, "big") >> shift == int.from_bytes(network, "big") >> shift


def _example(prefix: str, version: Version) -> str:
    network, length = destination(prefix)
    size = _SIZE[version]
    first = int.from_bytes(network, "big") + (1 if length < size * 8 - 1 else 0)
    return socket.inet_ntop(_FAMILY[version], first.to_bytes(size, "big"))
