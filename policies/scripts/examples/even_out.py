"""Spread the branches evenly over the hub's uplinks, where a branch has equally good tunnels to several of them.

Equal are tunnels of the same kind as the one that the policy ranks first, metered like it. Of these every branch has a
home. It stays where it is as long as that uplink of the hub carries no more than its share; else it goes home. So a new
branch moves nobody, and after an outage those come back whose place was taken from them.
"""

from __future__ import annotations

from functools import lru_cache

from policies.scripts import Adjustment, BranchSituation, NetworkSituation, TunnelSituation, steady_number


def adjust(branch: BranchSituation, network: NetworkSituation) -> Adjustment | None:
    """Prefer the tunnel on which the branch may stay, else its home; then the other equal ones."""
    equals = equal_tunnels(branch)
    if len({tunnel.hub_uplink for tunnel in equals}) < 2:
        return None
    home = equals[places(network.branches).get(branch.name, 0) * len(equals) // max(1, len(network.branches))]
    staying = branch.active if branch.active in equals else None
    if staying is None or is_overfull(staying.hub_uplink, equals, network):
        return Adjustment(prefer=order(home, equals, branch), reason=f"its share of the hub's uplink {home.hub_uplink}")
    return Adjustment(prefer=order(staying, equals, branch), reason=f"stays on the hub's uplink {staying.hub_uplink}")


def equal_tunnels(branch: BranchSituation) -> tuple[TunnelSituation, ...]:
    """The tunnels that are as good as the first one by the policy, in an order that is the same for all branches."""
    if not branch.tunnels:
        return ()
    first = branch.tunnels[0]
    equals = [t for t in branch.tunnels if (t.kind, t.metered) == (first.kind, first.metered)]
    return tuple(sorted(equals, key=lambda tunnel: (tunnel.hub_uplink, tunnel.name)))


def is_overfull(uplink: str, equals: tuple[TunnelSituation, ...], network: NetworkSituation) -> bool:
    """Whether more branches are on it than its share of all that are on the uplinks of these tunnels."""
    uplinks = {tunnel.hub_uplink for tunnel in equals}
    carried = sum(network.on_hub_uplink.get(name, 0) for name in uplinks)
    return network.on_hub_uplink.get(uplink, 0) > -(-carried // len(uplinks))


def order(first: TunnelSituation, equals: tuple[TunnelSituation, ...], branch: BranchSituation) -> tuple[str, ...]:
    """This one, the other equal ones, and the rest as the policy has them."""
    others = sorted(branch.tunnels, key=lambda tunnel: (tunnel not in equals, tunnel.rank))
    return (first.name, *(tunnel.name for tunnel in others if tunnel != first))


@lru_cache(maxsize=1)
def places(branches: tuple[str, ...]) -> dict[str, int]:
    """The place of every branch in an order that has nothing to do with its name; one more moves few of the others."""
    return {name: place for place, name in enumerate(sorted(branches, key=steady_number))}
