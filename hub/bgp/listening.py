"""Is every session listened for? ExaBGP does not say when an address could not be bound; the kernel does. Pure."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address

from policies.model.intent import Tunnel

_LISTEN = "0A"
"""TCP_LISTEN, as proc(5) writes it."""


def listening(tcp_table: str) -> frozenset[tuple[IPv4Address, int]]:
    """The addresses and ports on which somebody listens, from the text of /proc/net/tcp (proc(5))."""
    found = set()
    for row in tcp_table.splitlines()[1:]:
        columns = row.split()
        if len(columns) > 3 and columns[3] == _LISTEN:
            address, _, port = columns[1].partition(":")
            # The address is a native integer holding network order.
            found.add((IPv4Address(socket.inet_ntoa(struct.pack("=I", int(address, 16)))), int(port, 16)))
    return frozenset(found)


def not_listening(tunnels: Iterable[Tunnel], port: int, table: Iterable[tuple[IPv4Address, int]]) -> tuple[str, ...]:
    """One text for each tunnel whose session nobody would accept."""
    there = frozenset(table)
    everywhere = (IPv4Address(0), port) in there
    return tuple(
        f"nobody listens for {tunnel.id} on {tunnel.link.hub} port {port}: restart ExaBGP, and look at its log"
        for tunnel in tunnels
        if not everywhere and (tunnel.link.hub, port) not in there
    )
