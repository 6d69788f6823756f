"""Facts of a machine on which all is well for one branch with two tunnels; each test changes one of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from small_network import HUB, a_branch

from hub.doctor.examine import examine
from hub.doctor.facts import Configured, Facts, Features, Interface, Listener, PidFile, Process, Route, Rule, Wanted
from hub.doctor.facts import wanted_by as wanted_by_intent
from hub.doctor.findings import Finding, Severity
from policies.model.intent import Intent

BRANCH = replace(a_branch("bandung", ("fiber", "wireless"), 0), prefixes=(ip_network("10.1.0.0/24"),))
INTENT = Intent("kencana", "Asia/Jakarta", HUB, {"bandung": BRANCH})
WANTED = wanted_by_intent(INTENT)
FIBER, WIRELESS = BRANCH.tunnels

FORWARDER = Process(11, "python3", "python3 -m hub.forwarder", 1 << 12 | 1 << 13, real_time=True, open_files=4096)
EXABGP = Process(12, "python3", "python3 -m speaker.bgp.launcher", 1 << 10, real_time=True, open_files=4096)
CONTROLLER = Process(13, "python3", "python3 -m hub.controller", 0, real_time=True, open_files=4096)
STRANGER = Process(99, "bird", "/usr/sbin/bird")
RUNNING: dict[str, Any] = {
    "pid_files": (
        PidFile("controller", 13, CONTROLLER),
        PidFile("exabgp", 12, EXABGP),
        PidFile("forwarder", 11, FORWARDER),
    ),
    "sockets": {"forwarder.sock": None, "control.sock": None},
    "listeners": (
        *(Listener("tcp", tunnel.link.hub, 179, EXABGP) for tunnel in BRANCH.tunnels),
        Listener("udp", IPv4Address(0), 3784, FORWARDER),
    ),
}
SETTINGS = {
    "/proc/sys/net/ipv4/ip_forward": "1\n",
    "/proc/sys/net/ipv4/conf/all/rp_filter": "0\n",
    "/proc/sys/net/ipv6/conf/all/forwarding": "1\n",
    "/proc/sys/net/ipv4/nexthop_compat_mode": "1\n",
}
INTERFACES = (
    Interface("eth0", 2, up=True, mtu=1500, resolves=True),
    Interface("eth1", 3, up=True, mtu=1500, resolves=True),
    Interface(FIBER.interface, 4, up=True, mtu=1420, kind="wireguard"),
    Interface(WIRELESS.interface, 5, up=True, mtu=1420, kind="wireguard"),
)
RULES = (Rule(4, 0, 255), Rule(4, 32766, 254), Rule(4, 32767, 253))
WELL = Facts(
    configured=Configured("/etc/pointsman"),
    settings=SETTINGS,
    interfaces=INTERFACES,
    addresses=tuple((tunnel.interface, tunnel.link.hub) for tunnel in BRANCH.tunnels),
    routes=(Route(ip_network("0.0.0.0/0"), 0, 16, 254, "eth0"), Route(ip_network("10.1.0.0/24"), 100, 112, 254, "wg")),
    rules=RULES,
    protocols={4: "static", 12: "bird"},
    features=Features(),
)


def machine(**changes: Any) -> Facts:
    """The machine on which all is well, but for these facts."""
    return replace(WELL, **changes)


def with_settings(**changes: str) -> Facts:
    """The same with files under /proc/sys/net, named with dots as sysctl does (an interface is written `IF`)."""
    files = {f"/proc/sys/net/{_path(name)}": value for name, value in changes.items()}
    return machine(settings={**SETTINGS, **files})


def _path(name: str) -> str:
    return name.replace("__", "/").replace("/IF/", f"/{FIBER.interface}/")


def dual_stack() -> Wanted:
    """What is wanted when the branch has an IPv6 prefix too."""
    branch = replace(BRANCH, prefixes=(*BRANCH.prefixes, ip_network("2001:db8:1::/56")))
    return wanted_by_intent(replace(INTENT, branches={"bandung": branch}))


def bad(facts: Facts, wanted: Wanted = WANTED) -> list[Finding]:
    """What is found that is not fine."""
    return [finding for finding in examine(facts, wanted) if finding.severity is not Severity.FINE]


def kinds(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """The severity and check of each."""
    return [(finding.severity.value, finding.key) for finding in findings]


def the_one(facts: Facts, wanted: Wanted = WANTED) -> Finding:
    """The one thing that is not fine."""
    (finding,) = bad(facts, wanted)
    return finding


def tcp(address: str, port: int, owner: Process | None) -> Listener:
    """A program that listens."""
    return Listener("tcp", ip_address(address), port, owner)
