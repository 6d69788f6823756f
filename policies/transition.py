"""transition: from one configuration to another without a lost packet.

A tunnel that goes, or whose addresses or transport change, is first made the worst of its branch (it is *leaving*), and
only removed when the branch and the hub have been seen to use another one. That needs another tunnel that stays as it
is; where none does, the new configuration is taken at once.

What takes over an address or an interface of a tunnel that is still there, under another name or in another branch,
waits until that is gone: nobody can tell two tunnels of one address apart, and ExaBGP refuses them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

from policies.forwarding import carrying
from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Hub, Intent, Tunnel
from policies.model.transport import Ipsec, Transport
from policies.model.view import LivenessState, View


@dataclass(frozen=True, slots=True)
class Transition:
    """A Transition is what to take at once, and what to take when no `leaving` tunnel carries traffic any more.

    `old` are the tunnels that the interim keeps as they were: those that leave, and those whose successors wait.
    """

    interim: Intent
    final: Intent
    leaving: frozenset[TunnelId] = frozenset()
    old: tuple[Tunnel, ...] = ()


def transition(before: Intent, after: Intent) -> Transition:
    """How to come from one configuration to another."""
    leaving = {
        tunnel.id: tunnel
        for name, branch in after.branches.items()
        if name in before.branches
        for tunnel in left_first(before.branches[name], branch)
    }
    old, kept = leaving, dict[TunnelId, Tunnel]()
    while old.keys() != kept.keys():
        kept, old = old, {**old, **_held(before, after, old)}
    return interim_of(after, old.values(), frozenset(leaving))


def interim_of(after: Intent, old: Iterable[Tunnel], leaving: frozenset[TunnelId]) -> Transition:
    """The same from the tunnels that are still there as they were, `old`; those that `after` has too do not count."""
    wanted = after.tunnels()
    kept = {
        tunnel.id: tunnel
        for tunnel in old
        if tunnel.id.branch in after.branches and not _is_same(tunnel, wanted.get(tunnel.id))
    }
    if not kept:
        return Transition(after, after)
    waiting = {tunnel.id for tunnel in _waiting(wanted.values(), kept)}
    leaves = leaving & kept.keys()
    own: dict[str, dict[TunnelId, Tunnel]] = {}
    for tunnel in kept.values():
        own.setdefault(tunnel.id.branch, {})[tunnel.id] = tunnel
    branches = {name: _interim(branch, own.get(name, {}), waiting, leaves) for name, branch in after.branches.items()}
    # A new branch all of whose tunnels wait for their addresses begins when they do.
    begun = {name: branch for name, branch in branches.items() if branch.tunnels or not after.branches[name].tunnels}
    return Transition(replace(after, branches=begun), after, leaves, tuple(kept.values()))


def left_first(before: Branch, after: Branch) -> tuple[Tunnel, ...]:
    """The tunnels of a branch that traffic is to leave before they go or are made anew; none where no other stays."""
    going = leaving_tunnels(before, after)
    return going if len(going) < len(before.tunnels) else ()


def _held(before: Intent, after: Intent, old: Mapping[TunnelId, Tunnel]) -> dict[TunnelId, Tunnel]:
    """The tunnels that stay as they were for now, because what comes in their place has to wait for an old one."""
    waiting = {tunnel.id for tunnel in _waiting(after.tunnels().values(), old)}
    held = dict[TunnelId, Tunnel]()
    for name, branch in before.branches.items():
        if name in after.branches and any(tunnel.id in waiting for tunnel in after.branches[name].tunnels):
            replaced = not left_first(branch, after.branches[name])
            going = leaving_tunnels(branch, after.branches[name]) if replaced else ()
            held |= {t.id: t for t in branch.tunnels if t.id in waiting or t in going}
    return held


def _waiting(coming: Iterable[Tunnel], old: Mapping[TunnelId, Tunnel]) -> Iterable[Tunnel]:
    """Those that need what an old tunnel of another name still has."""
    taken = {claim: tunnel.id for tunnel in old.values() for claim in _claims(tunnel)}
    return (t for t in coming if t.id not in old and any(claim in taken for claim in _claims(t)))


def _claims(tunnel: Tunnel) -> tuple[object, ...]:
    """What no two tunnels can have at one time."""
    link = tunnel.link
    ends = (link.hub, link.branch, link.hub6, link.branch6, tunnel.interface)
    return tuple(end for end in ends if end is not None)


def _interim(
    after: Branch, old: Mapping[TunnelId, Tunnel], waiting: Container[TunnelId], leaving: Container[TunnelId]
) -> Branch:
    left = dict(old)
    present = tuple(left.pop(tunnel.id, tunnel) for tunnel in after.tunnels if tunnel.id not in waiting)
    leaves = frozenset(tunnel for tunnel in old if tunnel in leaving)
    return replace(after, tunnels=(*present, *left.values()), leaving=leaves)


def leaving_tunnels(before: Branch, after: Branch) -> tuple[Tunnel, ...]:
    """The tunnels of a branch that go, or that become other tunnels of the same name."""
    wanted = {tunnel.id: tunnel for tunnel in after.tunnels}
    return tuple(tunnel for tunnel in before.tunnels if not _goes_on(tunnel, wanted.get(tunnel.id)))


def _goes_on(tunnel: Tunnel, wanted: Tunnel | None) -> bool:
    return wanted is not None and _way(wanted) == _way(tunnel) and not tunnel.link.differs_in_ipv6(wanted.link)


def _is_same(tunnel: Tunnel, wanted: Tunnel | None) -> bool:
    return wanted is not None and _way(wanted) == _way(tunnel) and wanted.link == tunnel.link


def _way(tunnel: Tunnel) -> tuple[object, ...]:
    """What makes it another tunnel when it changes: its session or its forwarding could not go on."""
    return (tunnel.link.hub, tunnel.link.branch, tunnel.interface, tunnel.process, _kind(tunnel.transport))


def _kind(transport: Transport) -> object:
    """What its interface is made of: with another one it is made anew."""
    return transport.inner if isinstance(transport, Ipsec) else type(transport)


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
    """The leaving tunnels that hub or branch still use; one that is dead carries nothing.

    While the forwarder does not answer nobody knows what carries, and all of them count.
    """
    if not view.forwarder:
        return changing.leaving
    return frozenset(
        tunnel
        for name, branch in changing.interim.branches.items()
        for tunnel in branch.leaving
        if view.liveness_of(tunnel).state is not LivenessState.DOWN and _uses(name, branch, tunnel, view, now)
    )


def untold(changing: Transition, view: View) -> frozenset[int]:
    """The ExaBGP processes by which leaving tunnels must be withdrawn from, and which cannot be told so now."""
    return frozenset(tunnel.process for tunnel in changing.old if tunnel.id in changing.leaving) - view.speakers


def _uses(name: str, branch: Branch, tunnel: TunnelId, view: View, now: Instant) -> bool:
    if any(each.active == tunnel for each in view.classes_of(name)):
        return True
    if carrying(branch, view) is None:
        return False
    seen = (view.paths.get((name, version)) for version in branch.versions)
    return any(path is not None and path.tunnel == tunnel and path.is_fresh(now) for path in seen)
