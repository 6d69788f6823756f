"""The lab as people want to see it: a picture of the topology in plain text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hub.lab.disturbances import Disturbance, spots, summary
from hub.lab.network import HQ_HOST, HUB, Branch, Network, Uplink


def picture(network: Network, present: Sequence[Disturbance] = ()) -> str:
    """The whole topology, a line a connection; what is disturbed stands at the end of its line."""
    return "".join(line.rstrip() + "\n" for line in _lines(network, present))


def _lines(network: Network, present: Sequence[Disturbance]) -> Iterator[str]:
    hub = network.hub
    yield f"{HQ_HOST} {hub.lan.host_address}    the host at headquarters"
    yield "│"
    yield f"{HUB} {hub.lan.gateway}    AS {hub.asn}, announces {', '.join(hub.prefixes)}"
    width = max((len(uplink.interface) for uplink in hub.uplinks), default=0)
    for uplink, branch_line in _forked(hub.uplinks):
        yield f"{branch_line} {uplink.interface:{width}}  {uplink.address:15} ── isp:{uplink.isp}"
    yield ""
    yield f"ix    the exchange between {', '.join(f'isp:{isp.name} {isp.network}' for isp in network.isps)}"
    for branch in network.branches:
        yield ""
        yield from _branch(network, branch, present)


def _branch(network: Network, branch: Branch, present: Sequence[Disturbance]) -> Iterator[str]:
    lan = branch.lan
    yield f"{branch.name} {lan.gateway}    AS {branch.asn} ── {lan.host} {lan.host_address}"
    widths = max(len(uplink.interface) for uplink in branch.uplinks), max(len(uplink.isp) for uplink in branch.uplinks)
    for uplink, branch_line in _forked(branch.uplinks):
        tunnels = "; ".join(
            f"{tunnel.branch_interface} {tunnel.branch_link} ══ {tunnel.hub_link} {tunnel.hub_interface} on the hub"
            for tunnel in branch.tunnels
            if tunnel.uplink == uplink.name
        )
        where = f"{uplink.interface:{widths[0]}}  {uplink.address:15} ── isp:{uplink.isp:{widths[1]}}"
        yield f"{branch_line} {where}  {tunnels}{_suffering(network, uplink, present)}"


def _forked(uplinks: Sequence[Uplink]) -> Iterator[tuple[Uplink, str]]:
    for number, uplink in enumerate(uplinks, 1):
        yield uplink, "└─" if number == len(uplinks) else "├─"


def _suffering(network: Network, uplink: Uplink, present: Sequence[Disturbance]) -> str:
    here = [
        one
        for one in present
        if any(uplink in spot.branch_uplinks + spot.hub_uplinks for spot in spots(network, one.target))
    ]
    return f"    ! {'; '.join(summary(here))}" if here else ""
