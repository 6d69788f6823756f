"""What a branch may announce to the hub: its own prefixes, over its own link, and nothing else. Pure.

The rule: a prefix must be one of the branch's configured prefixes, or lie inside one. At most `prefix_limit` prefixes
are accepted from one session, of both IP versions together, more-specific ones included.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from policies.model.ids import Prefix
from policies.model.intent import Branch, Hub, SessionKind, Tunnel
from speaker.bgp.events import Route, Updated


class Reason(Enum):
    """Why a route of a branch is refused; the value is what the operator reads."""

    DEFAULT_ROUTE = "a branch may not announce the default route"
    HUB_PREFIX = "the prefix is the hub's own, or overlaps it"
    AGGREGATE = "the prefix is an aggregate between branches, or contains one"
    ALIEN_PREFIX = "the prefix is not one of this branch's prefixes"
    OWN_AS = "our own AS is in the path"
    FOREIGN_FIRST_AS = "the path does not begin with the branch's AS"
    FOREIGN_PATH = "the path is not empty, though the branch is of our own AS"
    FOREIGN_NEXT_HOP = "the next hop is not the branch's address on this tunnel"
    LIMIT = "the branch announces more prefixes than its limit"


@dataclass(frozen=True, slots=True)
class Refused:
    """A Refused is a route that does not count, and why."""

    prefix: Prefix
    reason: Reason


@dataclass(frozen=True, slots=True)
class Imported:
    """An Imported is what one UPDATE changes.

    `withdrawn` are prefixes that were accepted before and no longer are: because the branch withdrew them, or because
    it announced them again in a way that is refused.
    """

    accepted: tuple[Prefix, ...]
    withdrawn: tuple[Prefix, ...]
    refused: tuple[Refused, ...]


def judge(hub: Hub, branch: Branch, tunnel: Tunnel, update: Updated, held: Collection[Prefix]) -> Imported:
    """What of an UPDATE counts, when the prefixes `held` were accepted on this session before."""
    now = set(held) - set(update.withdrawn)
    accepted: dict[Prefix, None] = {}
    refused: list[Refused] = []
    for route in update.announced:
        reason = refusal(hub, branch, tunnel, route)
        if reason is None and route.prefix not in now and len(now) >= branch.prefix_limit:
            reason = Reason.LIMIT
        if reason is None:
            now.add(route.prefix)
            accepted[route.prefix] = None
        else:
            now.discard(route.prefix)
            accepted.pop(route.prefix, None)
            refused.append(Refused(route.prefix, reason))
    return Imported(tuple(accepted), tuple(prefix for prefix in held if prefix not in now), tuple(refused))


def refusal(hub: Hub, branch: Branch, tunnel: Tunnel, route: Route) -> Reason | None:
    """Why a single route is refused, limits aside; None when it is accepted."""
    if route.prefix.prefixlen == 0:
        return Reason.DEFAULT_ROUTE
    if route.prefix in hub.prefixes:
        return Reason.HUB_PREFIX
    # A branch's own prefix lies inside an aggregate. One as wide would draw the traffic of other branches.
    if any(_inside(aggregate, route.prefix) for aggregate in hub.between_branches):
        return Reason.AGGREGATE
    if not any(_inside(route.prefix, own) for own in branch.prefixes):
        hubs = any(_inside(route.prefix, prefix) or _inside(prefix, route.prefix) for prefix in hub.prefixes)
        return Reason.HUB_PREFIX if hubs else Reason.ALIEN_PREFIX
    return _path_refusal(hub, branch, route) or _next_hop_refusal(tunnel, route)


def _path_refusal(hub: Hub, branch: Branch, route: Route) -> Reason | None:
    if hub.asn in route.as_path:
        return Reason.OWN_AS
    if branch.session.kind is SessionKind.IBGP:
        return Reason.FOREIGN_PATH if route.as_path else None
    if not route.as_path or route.as_path[0] != branch.asn:
        return Reason.FOREIGN_FIRST_AS
    return None


def _next_hop_refusal(tunnel: Tunnel, route: Route) -> Reason | None:
    """A link-local next hop alone is the tunnel's other end, whatever its address: nobody else is on the link."""
    if route.prefix.version == 4:
        right = route.next_hop == tunnel.link.branch
    else:
        right = route.next_hop is not None and (
            route.next_hop == tunnel.link.branch6 or (route.next_hop.version == 6 and route.next_hop.is_link_local)
        )
    return None if right else Reason.FOREIGN_NEXT_HOP


def _inside(inner: Prefix, outer: Prefix) -> bool:
    if inner.version != outer.version or inner.prefixlen < outer.prefixlen:
        return False
    return inner.network_address in outer
