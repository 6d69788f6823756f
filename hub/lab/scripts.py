"""The lab's network as work for iproute2 and the shell: one batch for all namespaces, then one script in each.

A handful of processes instead of hundreds: that is what makes a lab of sixteen tunnels come up in seconds.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from hub.branch_router.end import version_of
from hub.branch_router.swanctl import connection_name
from hub.lab.names import LabPlace
from hub.lab.network import EXCHANGE, FRR, HUB, LAN_INTERFACE, Branch, Isp, Lan, Network, Uplink
from hub.lab.strongswan import charon_command, swanctl_command
from hub.provisioner.alias import Alias

FIRST_RULE = 1000
FRR_DAEMONS = ("zebra", "staticd", "bgpd", "bfdd")
FRR_DIRECTORIES = "/usr/lib/frr:/usr/libexec/frr:/usr/sbin"
"""Where packages put the daemons; the PATH does not lead there."""
End = tuple[str, str, str | None, int]
"""An end of a WireGuard tunnel: its interface, its IPv4 address, its IPv6 address, its MTU."""
UPLINK_METRIC = 1000
"""Metric of a branch's own default route: below whatever its router puts there."""

_SYSCTLS = """\
for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >"$file"; done
for file in /proc/sys/net/ipv6/conf/*/disable_ipv6; do [ ! -e "$file" ] || echo 1 >"$file"; done
echo 1 >/proc/sys/net/ipv4/ip_forward
"""
_ROUTE_IPV6 = """\
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6
"""


def namespaces_batch(network: Network, place: LabPlace) -> str:
    """For `ip -batch`: every namespace, and every cable between two of them."""
    lines = [f"netns add {place.namespace(node)}" for node in network.nodes()]

    def cable(left: str, left_interface: str, right: str, right_interface: str) -> None:
        lines.append(
            f"link add name {left_interface} netns {place.namespace(left)} type veth "
            f"peer name {right_interface} netns {place.namespace(right)}"
        )

    for lan in (network.hub.lan, *(branch.lan for branch in network.branches)):
        cable(lan.router, LAN_INTERFACE, lan.host, LAN_INTERFACE)
    nodes = {isp.name: isp.node for isp in network.isps}
    for site, uplink in network.customers():
        cable(site, uplink.interface, nodes[uplink.isp], uplink.isp_interface)
    for isp in network.isps:
        cable(isp.node, "ix", EXCHANGE, isp.exchange_interface)
    return "".join(line + "\n" for line in lines)


def node_scripts(network: Network, place: LabPlace, *, kernel_wireguard: bool, hub_ends: bool = True) -> dict[str, str]:
    """A shell script a namespace: addresses, routes, rules, and its ends of the tunnels, up and configured.

    Without `hub_ends` the hub pins its uplinks and makes its ends itself.
    """
    lans = [network.hub.lan, *(branch.lan for branch in network.branches)]
    with_ipv6 = {lan.router: _ROUTE_IPV6 + _with_ipv6(LAN_INTERFACE) for lan in lans if 6 in lan.versions}
    with_ipv6 |= {lan.host: _with_ipv6(LAN_INTERFACE) for lan in lans if 6 in lan.versions}
    batches = {HUB: _hub(network, pins=hub_ends), EXCHANGE: _exchange(network)}
    batches |= {isp.node: _isp(network, isp) for isp in network.isps}
    batches |= {branch.name: _branch(branch) for branch in network.branches}
    batches |= {lan.host: _host(lan) for lan in lans}
    scripts = {node: _SYSCTLS + with_ipv6.get(node, "") + _batch(batch) for node, batch in batches.items()}
    ends: dict[str, list[End]] = {}
    made = [(branch, tunnel) for branch, tunnel in network.tunnels() if tunnel.ipsec is None]
    for branch, tunnel in made:
        if hub_ends:
            ends.setdefault(HUB, []).append((tunnel.hub_interface, tunnel.hub_link, tunnel.hub_link6, tunnel.mtu))
        far = (tunnel.branch_interface, tunnel.branch_link, tunnel.branch_link6, tunnel.mtu)
        ends.setdefault(branch.name, []).append(far)
    for node, tunnels in ends.items():
        scripts[node] += _tunnels(place, node, tunnels, kernel_wireguard=kernel_wireguard)
    if hub_ends:  # the same marks as the hub's own, so that one that is started later takes them for its work
        scripts[HUB] += "".join(
            f"ip link set {tunnel.hub_interface} alias {shlex.quote(str(Alias(network.name, tunnel.name)))}\n"
            for _, tunnel in made
        )
    for node in network.ipsec_nodes():
        scripts[node] += start(charon_command(place.strongswan(node)), _log(place, node, "charon")) + "\n"
    return scripts


def _with_ipv6(interface: str) -> str:
    return f"echo 0 >/proc/sys/net/ipv6/conf/{interface}/disable_ipv6\n"


def router_script(branch: Branch, place: LabPlace) -> str:
    """In a branch when the hub's ends are there: the first handshakes, then its router.

    The ping is the tunnel's first packet; a tunnel that does not answer within some seconds fails the script.
    """
    lines = _load_ipsec(branch, place) if branch.has_ipsec else []
    lines += [
        f"ping -q -c 1 -w 150 {tunnel.hub_link} >/dev/null & pid{n}=$!" for n, tunnel in enumerate(branch.tunnels)
    ]
    lines += [
        f"wait $pid{n} || {{ echo tunnel {shlex.quote(tunnel.name)} does not answer >&2; exit 1; }}"
        for n, tunnel in enumerate(branch.tunnels)
    ]
    lines += _frr(branch.name, place) if branch.router == FRR else [_bird(branch.name, place)]
    return "".join(line + "\n" for line in lines)


def _load_ipsec(branch: Branch, place: LabPlace) -> list[str]:
    """Its inner interfaces, and then its connections.

    They begin by themselves, and again when a packet wants to leave. But where strongSwan encrypts by itself no packet
    wakes it, and the hub, which is only starting, may not know the connection yet: so they are begun until they are up.
    """
    directory = place.strongswan(branch.name)
    lines = [f"sh {shlex.quote(str(directory / 'inner.sh'))}"]
    lines.append(f"{shlex.join(swanctl_command(directory, '--load-all', '--noprompt'))} >&2")
    for tunnel in branch.tunnels:
        if tunnel.ipsec is not None:
            child = ("--initiate", "--child", connection_name(tunnel.name), "--timeout", "3")
            lines.append(
                f"tries=0; until {shlex.join(swanctl_command(directory, *child))} >/dev/null 2>&1; do "
                f"tries=$((tries+1)); [ $tries -lt 100 ] || {{ echo no IKE of {tunnel.name} >&2; exit 1; }}; "
                "sleep 0.2; done"
            )
    return lines


def _bird(branch: str, place: LabPlace) -> str:
    config, socket = place.bird_config(branch), place.bird_socket(branch)
    command = ["bird", "-f", "-c", str(config), "-s", str(socket), "-P", str(socket.with_suffix(".pid"))]
    return start(command, _log(place, branch, "bird"))


def _frr(branch: str, place: LabPlace) -> list[str]:
    """FRR's daemons, then their configuration by vtysh.

    Its daemons want an account and groups of their own, which an ordinary user's lab has not: they run as the root of
    the lab, with a list of groups that says they may. zebra replaces IPv6 routes instead of removing the old one first.
    """
    config = shlex.quote(str(place.frr_config(branch)))
    return [
        f"mount --bind {shlex.quote(str(place.frr_groups))} /etc/group",
        "mount -t tmpfs tmpfs /var/tmp",
        f'PATH="{FRR_DIRECTORIES}:$PATH"',
        _frr_daemon(branch, place, "zebra", "--v6-rr-semantics"),
        _wait_for_frr("zserv.api", "zebra", _log(place, branch, "zebra")),
        *(_frr_daemon(branch, place, name) for name in FRR_DAEMONS[1:]),
        *(_wait_for_frr(f"{name}.vty", name, _log(place, branch, name)) for name in FRR_DAEMONS),
        f"vtysh --config_dir {shlex.quote(str(place.frr(branch)))} -f {config} >&2",
    ]


def _frr_daemon(branch: str, place: LabPlace, name: str, *options: str) -> str:
    command = [name, "-f", "/dev/null", "-u", "root", "-g", "root", "-P", "0", "--log", "stdout", *options]
    return start(command, _log(place, branch, name))


def _wait_for_frr(socket: str, daemon: str, log: str) -> str:
    return (
        f"tries=0; until [ -S /run/frr/{socket} ]; do tries=$((tries+1)); [ $tries -lt 500 ] || "
        f'{{ echo "{daemon} did not start in 10 s: $(tail -n 1 {shlex.quote(log)})" >&2; exit 1; }}; sleep 0.02; done'
    )


def start(command: Sequence[str], log: str) -> str:
    """A line of shell that starts a program which outlives the script, its output in a log."""
    return f"setsid --fork {shlex.join(command)} </dev/null >>{shlex.quote(log)} 2>&1"


def _batch(batch: Iterator[str]) -> str:
    return "ip -batch - <<'END'\n" + "".join(line + "\n" for line in batch) + "END\n"


def _up(interface: str, *addresses: str) -> Iterator[str]:
    yield f"link set {interface} up"
    for address in addresses:
        yield f"address add {address} dev {interface}{' nodad' * (version_of(address) == 6)}"


def _uplinks(uplinks: Sequence[Uplink], metric: int, *, pins: bool = True) -> Iterator[str]:
    for position, uplink in enumerate(uplinks):
        yield from _up(uplink.interface, f"{uplink.address}/30")
        if not pins:
            continue
        yield f"route add default via {uplink.gateway} table {uplink.mark}"
        yield f"rule add fwmark {uplink.mark} lookup {uplink.mark} priority {FIRST_RULE + position}"
        yield f"rule add from {uplink.address} lookup {uplink.mark} priority {FIRST_RULE + 500 + position}"
    if uplinks:
        yield f"route add default via {uplinks[0].gateway} metric {metric}"


def _hub(network: Network, *, pins: bool) -> Iterator[str]:
    hub = network.hub
    yield from _up("lo")
    if hub.router_id not in [address.partition("/")[0] for address in hub.lan.router_addresses]:
        yield f"address add {hub.router_id}/32 dev lo"
    yield from _up(LAN_INTERFACE, *hub.lan.router_addresses)
    yield from _uplinks(hub.uplinks, 0, pins=pins)


def _branch(branch: Branch) -> Iterator[str]:
    yield from _up("lo")
    yield from _up(LAN_INTERFACE, *branch.lan.router_addresses)
    yield from _uplinks(branch.uplinks, UPLINK_METRIC)


def _host(lan: Lan) -> Iterator[str]:
    yield from _up("lo")
    yield from _up(LAN_INTERFACE, *lan.host_addresses)
    yield from (f"route add default via {gateway}" for gateway in lan.gateways)


def _isp(network: Network, isp: Isp) -> Iterator[str]:
    yield from _up("lo")
    yield from _up("ix", f"{isp.exchange_address}/24")
    for _, uplink in network.customers():
        if uplink.isp == isp.name:
            yield from _up(uplink.isp_interface, f"{uplink.gateway}/30")
    for other in network.isps:
        if other != isp:
            yield f"route add {other.network} via {other.exchange_address}"


def _exchange(network: Network) -> Iterator[str]:
    yield from _up("lo")
    yield "link add name exchange type bridge"
    yield from _up("exchange")
    for isp in network.isps:
        yield f"link set {isp.exchange_interface} master exchange"
        yield from _up(isp.exchange_interface)


def _tunnels(place: LabPlace, node: str, ends: Sequence[End], *, kernel_wireguard: bool) -> str:
    names = [name for name, *_ in ends]
    lines = [_create(place, node, name, kernel_wireguard=kernel_wireguard) for name in names]
    for name in names:
        if not kernel_wireguard:
            lines.append(_wait_for(name, _wireguard_log(place, node, name)))
        # A branch's file is one for wg-quick, whose own words wg does not know.
        lines.append(f"wg-quick strip {shlex.quote(str(place.tunnel_file(node, name)))} | wg setconf {name} /dev/stdin")
    lines += [_with_ipv6(name).rstrip() for name, _, link6, _ in ends if link6]
    batch = [f"address add {link}/31 dev {name}\nlink set {name} mtu {mtu} up" for name, link, _, mtu in ends]
    batch += [f"address add {link6}/127 dev {name} nodad" for name, _, link6, _ in ends if link6]
    return "".join(line + "\n" for line in [*lines, "ip -batch - <<'END'", *batch, "END"])


def _create(place: LabPlace, node: str, name: str, *, kernel_wireguard: bool) -> str:
    if kernel_wireguard:
        return f"ip link add name {name} type wireguard"
    # One thread of Go's is enough for a tunnel and, on a machine with many tunnels and two cores, a fifth cheaper.
    return "LOG_LEVEL=error GOMAXPROCS=1 " + start(["wireguard-go", "-f", name], _wireguard_log(place, node, name))


def _wireguard_log(place: LabPlace, node: str, name: str) -> str:
    return _log(place, node, f"wireguard-{name}")


def _log(place: LabPlace, node: str, name: str) -> str:
    return f"{place.logs}/{node}-{name}.log"


def _wait_for(name: str, log: str) -> str:
    """Until wireguard-go listens: `wg` takes a socket that is only bound for a dead one's, and deletes it.

    The flag in /proc/net/unix is __SO_ACCEPTCON of the kernel's include/linux/net.h.
    """
    listens = f"grep -q ' 00010000 .*/wireguard/{name}.sock$' /proc/net/unix"
    return (
        f"tries=0; until {listens}; do tries=$((tries+1)); [ $tries -lt 500 ] || "
        f'{{ echo "wireguard-go made no {name} in 10 s: $(tail -n 1 {shlex.quote(log)})" >&2; exit 1; }}; '
        "sleep 0.02; done"
    )
