"""Can the BGP sessions and BFD have their ports: who listens on TCP 179, UDP 3784 and the tunnels' own ports?"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from hub.bgp.listening import not_listening
from hub.doctor.facts import NEEDS_ROOT, Facts, Listener, Unseen, Wanted
from hub.doctor.findings import Finding, fine, unseen, warning, wrong
from hub.forwarder.liveness.bfd import PORT as BFD_PORT
from policies.model.intent import LivenessMethod

PLACE = "ports"
OUR_MODULES = {"forwarder": "hub.forwarder", "exabgp": "speaker.bgp.launcher", "controller": "hub.controller"}
"""What the command line of each program of the hub has in it."""


def bgp(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """The port of BGP on the hub's link addresses, held by ExaBGP and by nobody else."""
    ours = {tunnel.link.hub for tunnel in wanted.tunnels}
    port = facts.bgp_port
    on_port = [each for each in facts.listeners if each.protocol == "tcp" and each.port == port]
    held = [each for each in on_port if each.address.is_unspecified or each.address in ours]
    strange = [each for each in held if _is_strange(each, "exabgp", facts)] if wanted.tunnels else []
    for each in strange:
        text = f"TCP port {port} on {each.address} is held by {_holder(each, facts)}: branches reach it, not ExaBGP"
        yield wrong(PLACE, "bgp-port", text, "stop it, or let it listen on other addresses only")
    if facts.running("exabgp") is None or wanted.intent is None:
        if wanted.tunnels and not strange:
            yield fine(PLACE, "bgp-port", f"nobody else holds TCP port {port} of the links")
        return
    table = [(each.address, port) for each in on_port if isinstance(each.address, IPv4Address)]
    if any(str(each.address) == "::" for each in on_port):
        table.append((IPv4Address(0), port))
    missing = not_listening(wanted.intent.tunnels().values(), port, table)
    for text in missing:
        what, _, mend = text.partition(": ")
        yield wrong(PLACE, "bgp-port", what, mend)
    if not missing and not strange:
        yield fine(PLACE, "bgp-port", f"every session is listened for on TCP port {port}")


def bfd(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """BFD's port, which the forwarder needs for itself (RFC 5881 section 4)."""
    methods = {timers.method for tunnel in wanted.tunnels for timers in (tunnel.liveness.active, tunnel.liveness.idle)}
    if LivenessMethod.BFD not in methods:
        return
    held = [each for each in facts.listeners if each.protocol == "udp" and each.port == BFD_PORT]
    strange = [each for each in held if _is_strange(each, "forwarder", facts)]
    forwarder = facts.running("forwarder")
    for each in strange:
        text = f"UDP port {BFD_PORT} is held by {_holder(each, facts)}: the forwarder hears no BFD"
        yield wrong(PLACE, "bfd-port", text, "stop it (FRR: bfdd=no in /etc/frr/daemons; BIRD: take protocol bfd out)")
    if forwarder and not held:
        text = f"the forwarder runs, and nobody holds UDP port {BFD_PORT}: no BFD is heard"
        yield wrong(PLACE, "bfd-port", text, "look at the forwarder's log, then end it: it is started again")
    elif not strange:
        yield fine(PLACE, "bfd-port", f"nobody else holds UDP port {BFD_PORT}")


def tunnel_ports(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """The UDP port of a tunnel that is not there yet, taken by another program."""
    if isinstance(facts.interfaces, Unseen):
        return
    there = {each.name for each in facts.interfaces}
    held = {each.port: each for each in facts.listeners if each.protocol == "udp"}
    for tunnel in wanted.tunnels:
        if tunnel.interface not in there and tunnel.port in held:
            text = f"UDP port {tunnel.port} of {tunnel.id} is held by {_holder(held[tunnel.port], facts)}"
            yield warning(PLACE, "tunnel-port", text, "stop it, or give the tunnel another port in allocations.yaml")


def owners(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """Say when it was not to be seen who holds the ports."""
    ports = {facts.bgp_port, BFD_PORT}
    hidden = [each for each in facts.listeners if each.port in ports and each.owner is None]
    if hidden and wanted.tunnels and not facts.account.root:
        listed = ", ".join(dict.fromkeys(f"{each.protocol.upper()} {each.port}" for each in hidden))
        yield unseen(PLACE, "owner", f"who holds {listed}", NEEDS_ROOT)


def _is_strange(listener: Listener, program: str, facts: Facts) -> bool:
    """Whether somebody else than our program holds a port; where it cannot be seen, ours if it runs."""
    if listener.owner is None:
        return facts.running(program) is None
    return OUR_MODULES[program] not in listener.owner.command


def _holder(listener: Listener, facts: Facts) -> str:
    if listener.owner is not None:
        return str(listener.owner)
    return "a program that cannot be seen" if facts.account.root else "another program (to see which: be root)"
