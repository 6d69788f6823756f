"""From intent to the lab's network: pure, so that what will be built can be read, tested and recorded first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network

from hub.lab import underlay
from hub.lab.names import LabError
from hub.lab.network import EXCHANGE, HQ_HOST, HUB, LAN_INTERFACE, Branch, Hub, Isp, Lan, Network, Tunnel, Uplink
from policies.model import intent as model
from policies.model.ids import Prefix

FIRST_MARK = 7101
"""The firewall mark, and the routing table, of a site's first uplink."""

_LONGEST_INTERFACE = 15


def plan(intent: model.Intent) -> Network:
    """The network that the lab builds for this configuration.

    Raises:
        LabError: the configuration cannot be built in a lab.
    """
    isps = sorted(
        {uplink.isp for uplink in intent.hub.uplinks.values()}
        | {tunnel.uplink.isp for tunnel in intent.tunnels().values()}
    )
    if len(isps) > underlay.MOST_ISPS:
        raise LabError(f"{len(isps)} ISPs: a lab has room for {underlay.MOST_ISPS}; use a smaller configuration")
    customers = _Customers(isps)
    hub = _hub(intent.hub, customers)
    endpoints = {uplink.name: uplink for uplink in hub.uplinks}
    branches = tuple(_branch(branch, endpoints, customers) for branch in intent.branches.values())
    network = Network(hub, tuple(_isp(index, name) for index, name in enumerate(isps)), branches)
    _check_nodes(network)
    return network


def _check_nodes(network: Network) -> None:
    twice = [node for node, times in Counter(network.nodes()).items() if times > 1]
    if twice:
        raise LabError(
            f'the lab needs the name "{twice[0]}" for two things ({HUB}, {HQ_HOST}, {EXCHANGE}, '
            "isp-NAME and BRANCH-host are taken): rename the branch"
        )


class _Customers:
    """Gives each uplink the next /30 of its ISP."""

    def __init__(self, isps: Sequence[str]) -> None:
        self._isps = {name: index for index, name in enumerate(isps)}
        self._used: Counter[str] = Counter()

    def connect(self, name: str, isp: str, interface: str, position: int) -> Uplink:
        number = self._used[isp]
        self._used[isp] += 1
        if number >= underlay.MOST_CUSTOMERS:
            raise LabError(f"ISP {isp} has more than {underlay.MOST_CUSTOMERS} uplinks: use a smaller configuration")
        gateway, address = underlay.customer_addresses(self._isps[isp], number)
        return Uplink(name, isp, interface, f"c{number}", str(address), str(gateway), FIRST_MARK + position)


def _isp(index: int, name: str) -> Isp:
    network, address = underlay.isp_network(index), underlay.exchange_address(index)
    return Isp(name, f"isp-{name}", str(network), f"i{index}", str(address))


def _hub(hub: model.Hub, customers: _Customers) -> Hub:
    taken = {LAN_INTERFACE}
    uplinks = tuple(
        customers.connect(uplink.name, uplink.isp, _interface(uplink.interface or uplink.name, taken), position)
        for position, uplink in enumerate(hub.uplinks.values())
    )
    prefixes = _ipv4(hub.prefixes)
    lan = _lan(HUB, HQ_HOST, prefixes, hub.router_id)
    return Hub(hub.name, hub.asn, str(hub.router_id), tuple(map(str, prefixes)), lan, uplinks)


def _branch(branch: model.Branch, hub_uplinks: dict[str, Uplink], customers: _Customers) -> Branch:
    taken = {LAN_INTERFACE}
    uplinks: dict[str, Uplink] = {}
    for tunnel in branch.tunnels:
        uplink = tunnel.uplink
        if uplink.name not in uplinks:
            interface = _interface(uplink.interface or f"up-{uplink.name}", taken)
            uplinks[uplink.name] = customers.connect(uplink.name, uplink.isp, interface, len(uplinks))
    tunnels = tuple(
        _tunnel(tunnel, uplinks[tunnel.uplink.name], hub_uplinks[tunnel.hub_uplink.name], taken)
        for tunnel in by_preference(branch)
    )
    prefixes = _ipv4(branch.prefixes)
    lan = _lan(branch.name, f"{branch.name}-host", prefixes, branch.router_id)
    return Branch(
        branch.name,
        branch.asn,
        str(branch.router_id),
        tuple(map(str, prefixes)),
        lan,
        tuple(uplinks.values()),
        tunnels,
    )


def _tunnel(tunnel: model.Tunnel, uplink: Uplink, hub_uplink: Uplink, taken: set[str]) -> Tunnel:
    timers = tunnel.liveness.active
    return Tunnel(
        name=str(tunnel.id),
        uplink=uplink.name,
        hub_interface=tunnel.interface,
        branch_interface=_interface(tunnel.id.name, taken),
        hub_link=str(tunnel.link.hub),
        branch_link=str(tunnel.link.branch),
        endpoint=hub_uplink.address,
        port=tunnel.port,
        hub_mark=hub_uplink.mark,
        branch_mark=uplink.mark,
        bfd=timers.method is model.LivenessMethod.BFD,
        interval_us=round(timers.interval.total_seconds() * 1_000_000),
        multiplier=timers.multiplier,
    )


def by_preference(branch: model.Branch) -> tuple[model.Tunnel, ...]:
    """The order in which the branch's own static floor tries its tunnels: metered last, then `prefer`, then by name."""
    prefer = branch.policy.prefer

    def place(name: str) -> int:
        return prefer.index(name) if name in prefer else len(prefer)

    def rank(tunnel: model.Tunnel) -> tuple[bool, int, str]:
        exact = place(tunnel.id.name)
        return tunnel.uplink.metered, exact if exact < len(prefer) else place(tunnel.uplink.kind), tunnel.id.name

    return tuple(sorted(branch.tunnels, key=rank))


def _lan(router: str, host: str, prefixes: Sequence[IPv4Network], wanted: IPv4Address) -> Lan:
    local = [prefix for prefix in prefixes if prefix.prefixlen]
    if not local:
        raise LabError(f"{router} has no IPv4 prefix for its local network: give it one")
    local.sort(key=lambda prefix: wanted not in prefix)
    pairs = [(prefix.prefixlen, *_router_and_host(prefix, wanted)) for prefix in local]
    hosts = tuple(f"{second}/{length}" for length, _, second in pairs if second)
    if not hosts:
        raise LabError(f"{router} has no IPv4 prefix with room for a host: give it one of /31 or shorter")
    return Lan(router, host, tuple(f"{first}/{length}" for length, first, _ in pairs), hosts)


def _router_and_host(prefix: IPv4Network, wanted: IPv4Address) -> tuple[IPv4Address, IPv4Address | None]:
    usable = [address for address, _ in zip(prefix.hosts(), range(2), strict=False)]
    router = wanted if wanted in prefix else usable[0]
    return router, next((address for address in usable if address != router), None)


def _ipv4(prefixes: Iterable[Prefix]) -> tuple[IPv4Network, ...]:
    return tuple(prefix for prefix in prefixes if isinstance(prefix, IPv4Network))


def _interface(wanted: str, taken: set[str]) -> str:
    """A free interface name like the wanted one; IFNAMSIZ leaves 15 characters."""
    name, number = wanted[:_LONGEST_INTERFACE], 2
    while name in taken:
        name, number = f"{wanted[: _LONGEST_INTERFACE - len(str(number))]}{number}", number + 1
    taken.add(name)
    return name
