"""All checks, in the order in which their places are shown when equally bad. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hub.doctor.checks import configuration, daemons, firewall, forwarding, processes, routes, sessions, system, tunnels
from hub.doctor.facts import Facts, Wanted
from hub.doctor.findings import Finding, in_order

Check = Callable[[Facts, Wanted], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    configuration.configuration,
    processes.namespaces,
    processes.pid_files,
    processes.sockets,
    processes.capabilities,
    processes.real_time,
    processes.open_files,
    forwarding.forwarding,
    forwarding.reverse_path,
    forwarding.connections,
    firewall.reverse_path,
    firewall.dropped,
    tunnels.interfaces,
    tunnels.addresses,
    tunnels.mtus,
    tunnels.ipv6,
    tunnels.neighbor_table,
    tunnels.network_manager,
    routes.foreign,
    routes.rules,
    routes.in_our_tables,
    routes.default_inside,
    daemons.networkd,
    daemons.routing,
    sessions.bgp,
    sessions.bfd,
    sessions.tunnel_ports,
    sessions.owners,
    system.kernel,
    system.wireguard,
    system.receive_buffer,
    system.clock,
    system.directories,
    system.programs,
)


def examine(facts: Facts, wanted: Wanted) -> tuple[Finding, ...]:
    """Everything that was looked at, the worst first."""
    return in_order(finding for check in CHECKS for finding in check(facts, wanted))
