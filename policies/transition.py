"""transition: from one configuration to another without a lost packet.

A tunnel that goes, or whose addresses change, is first made the worst of its branch (it is *leaving*), and only removed
when the branch and the hub have been seen to use another one. That needs another tunnel that stays as it is; where none
does, the new configuration is taken at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from policies.forwarding import carrying
from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Hub, Intent, Tunnel
from policies.model.view import LivenessState, View
from policies.moves import FRESH


@dataclass(frozen=True, slots=True)
class Transition:
    """A Transition is what to take at once, and what to take when no `leaving` tunnel carries traffic any more."""

    interim: Intent
    final: Intent
    leaving: frozenset[TunnelId]


def transition(before: Intent, after: Intent) -> Transition:
    """How to come from one configuration to another."""
    branches = {
        name: _interim(before.branches[name], branch) if name in before.branches else branch
        for name, branch in after.branches.items()
    }
    leaving = frozenset(tunnel for branch in branches.values() for tunnel in branch.leaving)
    return Transition(replace(after, branches=branches) if leaving else after, after, leaving)


def _interim(before: Branch, after: Branch) -> Branch:
    going = leaving_tunnels(before, after)
    stays = any(tunnel.id not in {gone.id for gone in going} for tunnel in before.tunnels)
    if not going or not stays:
        return after
    old, ways = {tunnel.id: tunnel for tunnel in going}, {_way(tunnel) for tunnel in going}
    # What takes over the addresses of one that goes, a new name for instance, comes when that is gone.
    coming = (tunnel for tunnel in after.tunnels if tunnel.id in old or _way(tunnel) not in ways)
    kept = tuple(old.pop(tunnel.id, tunnel) for tunnel in coming)
    return replace(after, tunnels=(*kept, *old.values()), leaving=frozenset(tunnel.id for tunnel in going))


def leaving_tunnels(before: Branch, after: Branch) -> tuple[Tunnel, ...]:
    """The tunnels of a branch that go, or that become other tunnels of the same name."""
    wanted = {tunnel.id: tunnel for tunnel in after.tunnels}
    return tuple(tunnel for tunnel in before.tunnels if not _goes_on(tunnel, wanted.get(tunnel.id)))


def _goes_on(tunnel: Tunnel, wanted: Tunnel | None) -> bool:
    return wanted is not None and _way(wanted) == _way(tunnel) and not tunnel.link.differs_in_ipv6(wanted.link)


def _way(tunnel: Tunnel) -> tuple[object, ...]:
    """What makes it another tunnel when it changes: its session or its forwarding could not go on."""
    return (tunnel.link.hub, tunnel.link.branch, tunnel.interface, tunnel.process)


def restarting_sessions(before: Intent, after: Intent) -> frozenset[TunnelId]:
    """The sessions that close and come back because what they are made of changes; the branch's floor carries then."""
    restarted = set()
    for name, branch in after.branches.items():
        was = before.branches.get(name)
        if was is None or _made_of(before.hub, was) == _made_of(after.hub, branch):
            continue
        going = {tunnel.id for tunnel in leaving_tunnels(was, branch)}
        restarted |= {tunnel.id for tunnel in was.tunnels} - going
    return frozenset(restarted)


def _made_of(hub: Hub, branch: Branch) -> tuple[object, ...]:
    return (hub.asn, hub.router_id, branch.asn, branch.session, branch.versions)


def still_carrying(changing: Transition, view: View, now: Instant) -> frozenset[TunnelId]:
    """The leaving tunnels that hub or branch still use; one that is dead carries nothing."""
    return frozenset(
        tunnel
        for name, branch in changing.interim.branches.items()
        for tunnel in branch.leaving
        if view.liveness_of(tunnel).state is not LivenessState.DOWN and _uses(name, branch, tunnel, view, now)
    )


def _uses(name: str, branch: Branch, tunnel: TunnelId, view: View, now: Instant) -> bool:
    if any(each.active == tunnel for each in view.classes.values() if each.branch == name):
        return True
    if carrying(branch, view) is None:
        return False
    seen = (view.paths.get((name, version)) for version in branch.versions)
    return any(path is not None and path.tunnel == tunnel and now - path.at <= FRESH.total_seconds() for path in seen)
