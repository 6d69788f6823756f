"""forwarding: which prefixes of a branch go together in a class, and which tunnels may carry them.

A class is the prefixes that are heard over the same set of tunnels; it is named after the branch where that is all of
them. What a rule steers by hub prefix has classes of its own. So the name follows from what is heard, not from the
order in which it was heard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from policies.choice import speaks_against
from policies.model.clock import Instant, Now
from policies.model.desired import ClassOrder
from policies.model.ids import Prefix, TunnelId, lies_within
from policies.model.intent import Branch
from policies.model.view import ClassView, SessionState, SessionView, View
from policies.ranking import Ranked, Usability
from policies.steering import EVERYWHERE, Steering

SETTLE = timedelta(seconds=5)
"""How long after its session came up a branch without End-of-RIB has to announce again what it had."""


def settles_at(session: SessionView) -> Instant:
    """When what a branch has not announced again on this session no longer counts."""
    return Instant(session.since + SETTLE.total_seconds())


def is_settled(session: SessionView, now: Instant) -> bool:
    """Whether what this session does not announce is really not there."""
    return session.state is SessionState.UP and (session.end_of_rib or now >= settles_at(session))


def tunnels_by_prefix(branch: Branch, view: View, now: Instant) -> Mapping[Prefix, frozenset[TunnelId]]:
    """Over which tunnels each prefix of the branch is heard, or held since its session went."""
    found: dict[Prefix, set[TunnelId]] = {}
    for tunnel in branch.tunnels:
        session = view.session_of(tunnel.id)
        settled = is_settled(session, now)
        for prefix, heard in session.heard.items():
            if lies_within(prefix, branch.prefixes) and (heard.held_since is None or not settled):
                found.setdefault(prefix, set()).add(tunnel.id)
        if not settled:
            for prefix in _forwarded_over(tunnel.id, branch, view):
                found.setdefault(prefix, set()).add(tunnel.id)
    return {prefix: frozenset(tunnels) for prefix, tunnels in found.items()}


def _forwarded_over(tunnel: TunnelId, branch: Branch, view: View) -> list[Prefix]:
    """What the kernel already forwards over this tunnel: after a restart, the only memory of what was heard."""
    return [
        prefix
        for forwarding in view.classes_of(branch.name)
        if tunnel in forwarding.order
        for prefix in forwarding.prefixes
        if lies_within(prefix, branch.prefixes)
    ]


def class_name(branch: Branch, tunnels: frozenset[TunnelId], sources: tuple[Prefix, ...] = EVERYWHERE) -> str:
    """The name of the class of the prefixes that are heard over exactly these tunnels, for packets from `sources`."""
    parts = [branch.name]
    if len(tunnels) != len(branch.tunnels):
        parts.append("+".join(sorted(t.name for t in tunnels)))
    if sources:
        parts.append(f"from {','.join(map(str, sources))}")
    return ":".join(parts)


def class_orders(
    branch: Branch,
    steering: Steering,
    view: View,
    ranking: Sequence[Ranked],
    carrier: TunnelId | None,
    reason: str,
    now: Now,
) -> Mapping[str, ClassOrder]:
    """The classes of this traffic of the branch, each carried by `carrier` where the prefix is heard there."""
    groups: dict[frozenset[TunnelId], list[Prefix]] = {}
    heard = tunnels_by_prefix(branch, view, now.monotonic)
    for prefix in _of_version(heard, steering.sources):
        groups.setdefault(heard[prefix], []).append(prefix)
    orders = {}
    for tunnels, prefixes in groups.items():
        name = class_name(branch, tunnels, steering.sources)
        known = view.classes.get(name)
        ranked = [r for r in ranking if r.tunnel in tunnels]
        orders[name] = ClassOrder(
            name=name,
            branch=branch.name,
            prefixes=tuple(sorted(prefixes, key=lambda p: (p.version, p))),
            order=tuple(r.tunnel for r in ranked),
            active=carrier if carrier in _usable(ranked) else _active(ranked, known, steering, view, now),
            reason=reason,
            based_on_epoch=known.epoch if known is not None else 0,
            sources=steering.sources,
        )
    return orders


def _usable(ranked: Sequence[Ranked]) -> list[TunnelId]:
    return [r.tunnel for r in ranked if r.usability is not Usability.DOWN]


def _active(
    ranked: Sequence[Ranked], known: ClassView | None, steering: Steering, view: View, now: Now
) -> TunnelId | None:
    """Where a class goes that is not heard over the branch's own tunnel: the first that it may go (back) to now."""
    usable = _usable(ranked)
    if known is None or known.active not in usable:
        return usable[0] if usable else (known.active if known is not None else None)
    present = next(r for r in ranked if r.tunnel == known.active)
    if steering.frozen and present.usability is not Usability.LEAVING:
        return known.active
    better = _better(ranked, known.active)
    return next(
        (r.tunnel for r in better if speaks_against(r, present, steering, view, now, known.since) is None),
        known.active,
    )


def _better(ranked: Sequence[Ranked], active: TunnelId) -> list[Ranked]:
    """The tunnels above the one that a class is on, to which it may go."""
    place = next(place for place, r in enumerate(ranked) if r.tunnel == active)
    return [r for r in ranked[:place] if r.usability not in (Usability.UP_WITHOUT_SESSION, Usability.UNKNOWN)]


def classes_due(
    orders: Iterable[ClassOrder],
    carrier: TunnelId | None,
    steering: Steering,
    view: View,
    ranking: Sequence[Ranked],
    now: Now,
) -> Iterator[Instant]:
    """When a class that is not heard over the branch's own tunnel may next go to a better one."""
    for order in orders:
        known = view.classes.get(order.name)
        ranked = [r for r in ranking if r.tunnel in order.order]
        if known is None or known.active is None or carrier in order.order or known.active not in _usable(ranked):
            continue
        present = next(r for r in ranked if r.tunnel == known.active)
        for better in _better(ranked, known.active):
            against = speaks_against(better, present, steering, view, now, known.since)
            if against is not None and against[1] is not None:
                yield against[1]


def can_follow(
    begins: ClassView | None,
    tunnel: TunnelId | None,
    branch: Branch,
    view: View,
    now: Instant,
    sources: tuple[Prefix, ...] = EVERYWHERE,
) -> bool:
    """Whether any prefix of this traffic is heard over this tunnel, so that it can move there; of no class, it can.

    `begins` is the class that stands for it, or that of all else where it has none yet.
    """
    if begins is None or tunnel is None or begins.active == tunnel:
        return True
    heard = tunnels_by_prefix(branch, view, now)
    own = begins.prefixes if begins.sources == sources else _of_version(heard, sources)
    return any(tunnel in heard.get(prefix, ()) for prefix in own)


def _of_version(prefixes: Iterable[Prefix], sources: tuple[Prefix, ...]) -> list[Prefix]:
    """Those to which a packet from these sources can go: its source and its destination have one IP version."""
    versions = {source.version for source in sources} or {4, 6}
    return [prefix for prefix in prefixes if prefix.version in versions]


def carrying(branch: Branch, view: View, sources: tuple[Prefix, ...] = EVERYWHERE) -> ClassView | None:
    """The class that stands for this traffic of the branch: the one that most tunnels can carry, which a move can move.

    Among equals the one with most prefixes, then by name.
    """
    own = [c for c in view.classes_of(branch.name) if c.sources == sources]
    return min(own, key=lambda c: (-len(c.order), -len(c.prefixes), c.name), default=None)
