"""What on this machine would keep traffic from flowing, found before it does. Reads /proc, changes nothing."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from hub.forwarder.fib_plan import destination
from hub.forwarder.orders import Probe
from hub.forwarder.problems import Problem

NET_ADMIN, NET_RAW = 12, 13
"""Bits of capabilities(7)."""
FORWARDER_NEEDS = {"CAP_NET_ADMIN": NET_ADMIN, "CAP_NET_RAW": NET_RAW}
_INTERFACES_A_STEP = 40
_STRICT = 1

ReadFile = Callable[[str], str | None]
"""The content of a file, or None when there is none."""


def read_file(path: str) -> str | None:
    """The content of a small file under /proc."""
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.EACCES, errno.ENODEV, errno.EINVAL, errno.ENOTDIR}:
            return None
        raise


def missing_capabilities(read: ReadFile = read_file, needed: Mapping[str, int] = FORWARDER_NEEDS) -> list[str]:
    """The capabilities (name to bit) that are needed, by default for the forwarder, and that this process has not."""
    status = read("/proc/self/status") or ""
    effective = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)
    return [name for name, bit in needed.items() if not effective >> bit & 1]


def forwarding(read: ReadFile = read_file) -> dict[str, Problem]:
    """IPv4 forwarding is off."""
    if (read("/proc/sys/net/ipv4/ip_forward") or "1").strip() != "0":
        return {}
    key = "check:forwarding"
    text = "IPv4 forwarding is off: no packet goes from the headquarters to a branch"
    return {key: Problem(key, text, "sysctl -w net.ipv4.ip_forward=1")}


def strict_filtering(interfaces: Iterable[str], read: ReadFile = read_file) -> Iterator[dict[str, Problem] | None]:
    """Strict reverse-path filtering on tunnels, which drops what comes back over another tunnel than it went.

    What counts is the larger one of `all` and the interface's own. Yields None between steps and at last the problems.
    """
    everywhere = _filter("all", read)
    strict = []
    for count, interface in enumerate(interfaces, 1):
        if max(everywhere, _filter(interface, read)) == _STRICT:
            strict.append(interface)
        if count % _INTERFACES_A_STEP == 0:
            yield None
    yield _strict_problem(strict)


def _filter(interface: str, read: ReadFile) -> int:
    text = (read(f"/proc/sys/net/ipv4/conf/{interface}/rp_filter") or "0").strip()
    return int(text) if text.isdigit() else 0


def _strict_problem(strict: list[str]) -> dict[str, Problem]:
    if not strict:
        return {}
    named = ", ".join(strict[:3]) + (f" and {len(strict) - 3} more" if len(strict) > 3 else "")
    key = "check:reverse-path"
    text = f"strict reverse-path filtering on {named} drops what comes back over another tunnel than it went"
    return {key: Problem(key, text, "sysctl -w net.ipv4.conf.all.rp_filter=2")}


def interfaces(wanted: Mapping[str, str], present: Mapping[str, bool]) -> dict[str, Problem]:
    """Interfaces of tunnels (tunnel to interface) that are not there, or down; `present` says which are up."""
    problems = {}
    for tunnel, interface in wanted.items():
        up = present.get(interface)
        if up:
            continue
        key = f"check:interface:{interface}"
        if up is None:
            text, mend = f"interface {interface} of {tunnel} is not there", "create the tunnel"
        else:
            text, mend = f"interface {interface} of {tunnel} is down", f"ip link set {interface} up"
        problems[key] = Problem(key, text, mend)
    return problems


def probe_source(probe: Probe, addresses: Iterable[bytes]) -> str | None:
    """Where return-path probes come from: `prefer` if it is an address of ours, else our lowest in the prefixes."""
    present = {address for address in addresses if len(address) == 4}
    if probe.prefer and socket.inet_aton(probe.prefer) in present:
        return probe.prefer
    networks = [destination(prefix) for prefix in probe.prefixes]
    inside = [address for address in sorted(present) if any(_within(address, *network) for network in networks)]
    return socket.inet_ntoa(inside[0]) if inside else None


def probe_problem(probe: Probe, source: str | None) -> dict[str, Problem]:
    """No address for return-path probes."""
    if source or not (probe.prefixes or probe.prefer):
        return {}
    key = "check:probe"
    where = ", ".join(probe.prefixes[:3]) or str(probe.prefer)
    text = f"this machine has no address within {where}: the way back from a branch can't be seen"
    mend = f"give the hub an address there, on lo if need be (ip addr add {_example(probe)}/32 dev lo)"
    return {key: Problem(key, text, mend)}


def uncarried(classes: Mapping[str, Iterable[str]]) -> dict[str, Problem]:
    """IPv6 prefixes of classes (class to prefixes), which are not put into the kernel yet."""
    found = [prefix for prefixes in classes.values() for prefix in prefixes if ":" in prefix]
    if not found:
        return {}
    key = "check:ipv6"
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    text = f"{found[0]}{more} is IPv6, which is not carried yet: no route is made"
    return {key: Problem(key, text, "route it by other means for now")}


def _within(address: bytes, network: bytes, length: int) -> bool:
    shift = 32 - length
    return int.from_bytes(address, "big") >> shift == int.from_bytes(network, "big") >> shift


def _example(probe: Probe) -> str:
    if probe.prefer:
        return probe.prefer
    network, length = destination(probe.prefixes[0])
    return socket.inet_ntoa((int.from_bytes(network, "big") + (1 if length < 31 else 0)).to_bytes(4, "big"))
