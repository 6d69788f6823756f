"""What on this machine would keep traffic from flowing, found before it does. Reads /proc, changes nothing."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from hub.forwarder.problems import Problem

NET_ADMIN, NET_RAW = 12, 13
"""Bits of capabilities(7)."""
FORWARDER_NEEDS = {"CAP_NET_ADMIN": NET_ADMIN, "CAP_NET_RAW": NET_RAW}
HUB_NEEDS = {"CAP_SETPCAP": 8, "CAP_NET_BIND_SERVICE": 10, **FORWARDER_NEEDS}
"""What the processes of the hub need, and what it takes to give each no more than that."""
_INTERFACES_A_STEP = 40
_UNREADABLE = {
    errno.ENOENT, errno.EACCES, errno.ENODEV, errno.EINVAL, errno.ENOTDIR, errno.EMFILE, errno.ENFILE
}  # fmt: skip
_STRICT = 1

ReadFile = Callable[[str], str | None]
"""The content of a file, or None when there is none."""


def read_file(path: str) -> str | None:
    """The content of a small file under /proc."""
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        if error.errno in _UNREADABLE:
            return None
        raise


def missing_capabilities(read: ReadFile = read_file, needed: Mapping[str, int] = FORWARDER_NEEDS) -> list[str]:
    """The capabilities (name to bit) that are needed, by default for the forwarder, and that this process has not."""
    status = read("/proc/self/status") or ""
    effective = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)
    return [name for name, bit in needed.items() if not effective >> bit & 1]


def forwarding(read: ReadFile = read_file, *, ipv6: bool = False) -> dict[str, Problem]:
    """Forwarding is off for IPv4 or, where it is to carry traffic too, for IPv6."""
    problems = {}
    if (read("/proc/sys/net/ipv4/ip_forward") or "1").strip() == "0":
        text = "IPv4 forwarding is off: no packet goes from the headquarters to a branch"
        problems["check:forwarding"] = Problem("check:forwarding", text, "sysctl -w net.ipv4.ip_forward=1")
    if ipv6 and (read("/proc/sys/net/ipv6/conf/all/forwarding") or "1").strip() == "0":
        text = "IPv6 forwarding is off: no IPv6 packet goes from the headquarters to a branch"
        mend = (
            "sysctl -w net.ipv6.conf.all.forwarding=1 (and before it accept_ra=2 on an uplink whose address or "
            "default route comes by router advertisement)"
        )
        problems["check:forwarding6"] = Problem("check:forwarding6", text, mend)
    return problems


def disabled_ipv6(interfaces: Iterable[str], read: ReadFile = read_file) -> Iterator[dict[str, Problem] | None]:
    """IPv6 is off on tunnels that should carry it. Yields None between steps and at last the problems.

    Reverse-path filtering has no counterpart here: IPv6 has no such setting, only rules of a firewall do the same
    (nftables `fib saddr . iif oif missing drop`, firewalld's IPv6_rpfilter).
    """
    disabled = []
    for count, interface in enumerate(interfaces, 1):
        if (read(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6") or "0").strip() == "1":
            disabled.append(interface)
        if count % _INTERFACES_A_STEP == 0:
            yield None
    if not disabled:
        yield {}
        return
    key = "check:disabled-ipv6"
    text = f"IPv6 is switched off on {_some(disabled)}, which should carry it"
    yield {key: Problem(key, text, f"sysctl -w net.ipv6.conf.{disabled[0]}.disable_ipv6=0")}


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
    return int(text) if text.isdecimal() else 0


def _strict_problem(strict: list[str]) -> dict[str, Problem]:
    if not strict:
        return {}
    key = "check:reverse-path"
    text = f"strict reverse-path filtering on {_some(strict)} drops what comes back over another tunnel than it went"
    return {key: Problem(key, text, "sysctl -w net.ipv4.conf.all.rp_filter=2")}


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def interfaces(wanted: Mapping[str, str], present: Mapping[str, bool]) -> dict[str, Problem]:
    """Interfaces of tunnels (tunnel to interface) that are not there, or down; `present` says which are up."""
    problems = {}
    for tunnel, interface in wanted.items():
        up = present.get(interface)
        if up:
            continue
        key = f"check:interface:{interface}"
        if up is None:
            text = f"interface {interface} of {tunnel} is not there"
            mend = 'pointsman plan --only tunnels says why; one with "existing:" is for who made it'
        else:
            text, mend = f"interface {interface} of {tunnel} is down", f"ip link set {interface} up"
        problems[key] = Problem(key, text, mend)
    return problems
