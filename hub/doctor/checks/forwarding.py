"""Do packets go through this machine, whichever tunnel they came from?"""

from __future__ import annotations

from collections.abc import Iterator

from hub.doctor.facts import Facts, Wanted
from hub.doctor.findings import Finding, fine, named, warning, wrong
from hub.forwarder import checks
from hub.forwarder.problems import Problem

PLACE = "forwarding"
_CONNTRACK = "/proc/sys/net/netfilter/"
_NEARLY_FULL = 0.9


def forwarding(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """Forwarding, for all and for IPv4 on each tunnel too (for IPv6 only the setting for all counts)."""
    off = checks.forwarding(facts.settings.get, ipv6=6 in wanted.versions)
    for problem in off.values():
        yield wrong(PLACE, "forwarding", problem.text, problem.mend)
    closed = [
        tunnel.interface
        for tunnel in wanted.tunnels
        if facts.number(f"/proc/sys/net/ipv4/conf/{tunnel.interface}/forwarding") == 0
    ]
    if closed and not off:
        text = f"IPv4 forwarding is off on {named(closed)}: what branches send there goes nowhere"
        yield wrong(PLACE, "forwarding", text, f"sysctl -w net.ipv4.conf.{closed[0]}.forwarding=1")
    if not closed and not off:
        yield fine(PLACE, "forwarding", "forwarding is on")


def reverse_path(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """Strict reverse-path filtering by sysctl; `firewall.reverse_path` looks for the firewall's own."""
    problems: dict[str, Problem] = {}
    for step in checks.strict_filtering((tunnel.interface for tunnel in wanted.tunnels), facts.settings.get):
        problems.update(step or {})
    for problem in problems.values():
        yield wrong(PLACE, "reverse-path", problem.text, problem.mend)
    if not problems:
        yield fine(PLACE, "reverse-path", "no strict reverse-path filtering on tunnels")


def connections(facts: Facts, _wanted: Wanted) -> Iterator[Finding]:
    """Connection tracking that would break connections which it did not see begin, or that has no room."""
    if facts.number(f"{_CONNTRACK}nf_conntrack_tcp_loose") == 0:
        text = (
            "connection tracking takes no TCP connection that it did not see begin: those that come over from "
            "another hub or outlive a flush are lost"
        )
        yield warning(PLACE, "conntrack", text, "sysctl -w net.netfilter.nf_conntrack_tcp_loose=1")
    count, most = (facts.number(f"{_CONNTRACK}nf_conntrack_{what}") for what in ("count", "max"))
    if count and most and count > _NEARLY_FULL * most:
        text = f"connection tracking is nearly full ({count} of {most}): new connections will be dropped"
        yield warning(PLACE, "conntrack-full", text, f"sysctl -w net.netfilter.nf_conntrack_max={2 * most}")
