"""What pins each tunnel of a branch to its uplink, and what its machine needs beside that, as files for Linux.

What WireGuard sends bears the uplink's mark. IKE and ESP are told by the uplink's own address where that stays the
same, and by the hub's. In an uplink's table nothing is below its default route but `unreachable`: a line that
is gone takes its tunnel with it, and not the other line's.
"""

from __future__ import annotations

from collections.abc import Iterator

from hub.branch_router.end import BranchEnd, TunnelEnd, UplinkEnd

FIRST_PRIORITY, FIRST_IPSEC_PRIORITY = 1000, 1500
"""Priorities of the rules (ip-rule(8)): by mark, and for IPsec."""
SCRIPT = "/usr/local/sbin/pointsman-pins"

_RULE = """\
# rule PRIORITY SELECTOR TABLE: added once
rule() {
    ip -4 rule show | grep -q "^$1:.*$2 lookup" || ip -4 rule add $2 lookup "$3" priority "$1"
}
"""
_BY_DEFAULT = """\
# by_default INTERFACE TABLE: the gateway is that of the machine's own default route through it
by_default() {
    if [ -z "$(ip -4 route show default dev "$1")" ]; then
        echo "$1 has no default route yet: run $0 again when it has" >&2
        return
    fi
    hop=$(ip -4 route show default dev "$1" | sed -n '1s/^default\\( via [0-9.]*\\)\\{0,1\\}.*/\\1/p')
    ip -4 route replace default $hop dev "$1" table "$2"
}
"""


def pins_script(end: BranchEnd) -> str:
    """The script of routes and rules; it may run again at any time, and must when a gateway has changed."""
    heading = f"# Each tunnel of {end.name} leaves by its own uplink, and by no other. Run again, it changes nothing."
    parts = [f"#!/bin/sh\n{heading}\nset -eu\n"]
    pinned = [uplink for uplink in end.uplinks if uplink.is_pinned]
    parts += [_RULE] * bool(pinned) + [_BY_DEFAULT] * any(uplink.gateway is None for uplink in pinned)
    parts += ["".join(f"{line}\n" for line in _uplink(end, uplink)) for uplink in end.uplinks]
    return "\n".join(parts)


def _uplink(end: BranchEnd, uplink: UplinkEnd) -> Iterator[str]:
    yield f"# {uplink.name} ({uplink.isp})"
    if not uplink.is_pinned:
        yield "# not pinned: neither its interface nor its gateway is written in the branch's file"
        return
    table = uplink.mark
    yield f"ip -4 route replace unreachable default metric 9999 table {table}"
    if uplink.gateway is None:
        yield f"by_default {uplink.interface} {table}"
    else:
        through = "" if uplink.interface is None else f" dev {uplink.interface}"
        yield f"ip -4 route replace default via {uplink.gateway}{through} table {table}"
    priority = FIRST_PRIORITY + end.uplinks.index(uplink)
    yield f'rule {priority} "fwmark 0x{uplink.mark:x}" {table}'
    yield from _ipsec(end, uplink)


def _ipsec(end: BranchEnd, uplink: UplinkEnd) -> Iterator[str]:
    for number, (tunnel, _) in enumerate(end.ipsec()):
        if tunnel.uplink != uplink.name:
            continue
        selector = _selector(tunnel, uplink)
        if selector is None:
            yield f"# {tunnel.name} is not pinned: write the uplink's address, or an address as the hub's endpoint"
        else:
            yield f'rule {FIRST_IPSEC_PRIORITY + number} "{selector}" {uplink.mark}'


def _selector(tunnel: TunnelEnd, uplink: UplinkEnd) -> str | None:
    own = [] if uplink.address is None else [f"from {uplink.address}"]
    hub = [] if tunnel.endpoint_address is None else [f"to {tunnel.endpoint_address}"]
    return " ".join([*own, *hub]) or None


def sysctl_config(end: BranchEnd) -> str:
    """The text of a file in /etc/sysctl.d: forwarding, and no strict reverse-path filter."""
    lines = [
        "# While traffic moves, its two directions use different tunnels: loose, where it filters at all.",
        "net.ipv4.ip_forward = 1",
        "net.ipv4.conf.all.rp_filter = 2",
    ]
    if 6 in end.versions:
        lines.append("net.ipv6.conf.all.forwarding = 1")
    return "".join(f"{line}\n" for line in lines)


NETWORKD_CONFIG = """\
# systemd-networkd would take away the routes and rules that it has not made itself (networkd.conf(5)).
[Network]
ManageForeignRoutes=no
ManageForeignRoutingPolicyRules=no
ManageForeignNextHops=no
"""


def boot_unit(end: BranchEnd, scripts: tuple[str, ...]) -> str:
    """The text of a systemd unit that runs the scripts at every boot, before tunnels and routing."""
    starts = "".join(f"ExecStart={script}\n" for script in scripts)
    return (
        "[Unit]\n"
        f"Description=Uplinks and inner tunnels of {end.name}, as Pointsman printed them\n"
        "Wants=network-online.target\n"
        "After=network-online.target\n"
        "Before=wg-quick.target strongswan.service bird.service frr.service\n"
        "\n[Service]\n"
        "Type=oneshot\n"
        "RemainAfterExit=yes\n"
        f"{starts}"
        "\n[Install]\n"
        "WantedBy=multi-user.target\n"
    )
