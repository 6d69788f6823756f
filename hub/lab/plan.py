"""From intent to the lab's network: pure, so that what will be built can be read, tested and recorded first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from itertools import islice

from hub.branch_router.end import IpsecEnd
from hub.branch_router.from_intent import by_preference, carrier_of, free_interface, interval_us
from hub.lab import underlay
from hub.lab.names import LabError
from hub.lab.network import (
    BIRD,
    EXCHANGE,
    FRR,
    HQ_HOST,
    HUB,
    LAN_INTERFACE,
    Branch,
    Hub,
    Isp,
    Lan,
    Network,
    Tunnel,
    Uplink,
)
from hub.lab_overrides import LabUplink
from policies.announced import announced_to
from policies.model import intent as model
from policies.model.ids import Address, Prefix

FIRST_MARK = 7101
"""The firewall mark, and the routing table, of a branch's first uplink."""


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
    branches = tuple(_branch(intent.hub, branch, endpoints, customers) for branch in intent.branches.values())
    network = Network(intent.network, hub, tuple(_isp(index, name) for index, name in enumerate(isps)), branches)
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

    def connect(self, name: str, isp: str, interface: str, mark: int) -> Uplink:
        number = self._used[isp]
        self._used[isp] += 1
        if number >= underlay.MOST_CUSTOMERS:
            raise LabError(f"ISP {isp} has more than {underlay.MOST_CUSTOMERS} uplinks: use a smaller configuration")
        gateway, address = underlay.customer_addresses(self._isps[isp], number)
        return Uplink(name, isp, interface, f"c{number}", str(address), str(gateway), mark)


def _isp(index: int, name: str) -> Isp:
    network, address = underlay.isp_network(index), underlay.exchange_address(index)
    return Isp(name, f"isp-{name}", str(network), f"i{index}", str(address))


def _hub(hub: model.Hub, customers: _Customers) -> Hub:
    taken = {LAN_INTERFACE}
    uplinks = tuple(
        customers.connect(uplink.name, uplink.isp, free_interface(uplink.interface or uplink.name, taken), uplink.mark)
        for uplink in hub.uplinks.values()
    )
    lan = _lan(HUB, HQ_HOST, hub.prefixes, hub.router_id)
    return Hub(hub.name, hub.asn, str(hub.router_id), tuple(map(str, hub.prefixes)), lan, uplinks)


def _branch(hub: model.Hub, branch: model.Branch, hub_uplinks: Mapping[str, Uplink], customers: _Customers) -> Branch:
    taken = {LAN_INTERFACE}
    uplinks: dict[str, Uplink] = {}
    for tunnel in branch.tunnels:
        uplink = tunnel.uplink
        if uplink.name not in uplinks:
            interface = free_interface(uplink.interface or f"up-{uplink.name}", taken)
            uplinks[uplink.name] = customers.connect(uplink.name, uplink.isp, interface, FIRST_MARK + len(uplinks))
    tunnels = tuple(
        _tunnel(tunnel, uplinks[tunnel.uplink.name], hub_uplinks[tunnel.hub_uplink.name], taken)
        for tunnel in by_preference(branch)
    )
    if 6 in branch.versions and (without := [one.name for one in tunnels if one.branch_link6 is None]):
        raise LabError(f"{branch.name} has an IPv6 prefix, and {without[0]} no IPv6 link: give it one")
    return Branch(
        name=branch.name,
        asn=hub.asn if branch.session.kind is model.SessionKind.IBGP else branch.asn,
        router_id=str(branch.router_id),
        prefixes=tuple(map(str, branch.prefixes)),
        lan=_lan(branch.name, f"{branch.name}-host", branch.prefixes, branch.router_id),
        uplinks=tuple(uplinks.values()),
        tunnels=tunnels,
        reaches=tuple(map(str, announced_to(hub, branch))),
        router=FRR if branch.router is model.RouterKind.FRR else BIRD,
        password_file=branch.session.password_file,
        ttl_security=branch.session.ttl_security,
    )


def _tunnel(tunnel: model.Tunnel, uplink: Uplink, hub_uplink: Uplink, taken: set[str]) -> Tunnel:
    carrier = carrier_of(tunnel.port, tunnel.transport)
    if carrier is None:
        raise LabError(
            f"{tunnel.id} is an existing tunnel, which no lab has: leave existing out of a copy of the files"
        )
    timers = tunnel.liveness.active
    return Tunnel(
        name=str(tunnel.id),
        uplink=uplink.name,
        hub_interface=tunnel.interface,
        branch_interface=free_interface(tunnel.id.name, taken),
        hub_link=str(tunnel.link.hub),
        branch_link=str(tunnel.link.branch),
        endpoint=hub_uplink.address,
        port=tunnel.port,
        hub_mark=hub_uplink.mark,
        branch_mark=uplink.mark,
        bfd=timers.method is model.LivenessMethod.BFD,
        interval_us=interval_us(tunnel),
        multiplier=timers.multiplier,
        hub_link6=None if tunnel.link.hub6 is None else str(tunnel.link.hub6),
        branch_link6=None if tunnel.link.branch6 is None else str(tunnel.link.branch6),
        mtu=tunnel.mtu,
        ipsec=carrier if isinstance(carrier, IpsecEnd) else None,
    )


def hub_uplinks(network: Network) -> tuple[LabUplink, ...]:
    """What the hub's uplinks are in this lab, for the hub to know."""
    return tuple(
        LabUplink(uplink.name, uplink.interface, uplink.gateway, uplink.address, uplink.mark)
        for uplink in network.hub.uplinks
    )


def _lan(router: str, host: str, prefixes: Sequence[Prefix], wanted: IPv4Address) -> Lan:
    local = [prefix for prefix in prefixes if prefix.prefixlen]
    if not local:
        raise LabError(f"{router} has no prefix for its local network: give it one")
    local.sort(key=lambda prefix: (prefix.version, wanted not in prefix))
    pairs = [(prefix.prefixlen, *_router_and_host(prefix, wanted)) for prefix in local]
    hosts = tuple(f"{second}/{length}" for length, _, second in pairs if second)
    if not hosts:
        raise LabError(f"{router} has no prefix with room for a host: give it one of /31 (/127) or shorter")
    return Lan(router, host, tuple(f"{first}/{length}" for length, first, _ in pairs), hosts)


def _router_and_host(prefix: Prefix, wanted: IPv4Address) -> tuple[Address, Address | None]:
    usable: list[Address] = list(islice(prefix.hosts(), 2))
    router = wanted if wanted in prefix else usable[0]
    return router, next((address for address in usable if address != router), None)
