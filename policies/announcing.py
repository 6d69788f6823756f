"""announcing: from the value of each tunnel to all that is announced over it.

Beside the MED there are the marks of the tunnel's state: communities, GRACEFUL_SHUTDOWN (RFC 8326) on what is drained,
or nothing announced at all. None of them touches the tunnel that the branch is to use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from policies.model.announcement import GRACEFUL_SHUTDOWN, Announcement, Announcements, Community
from policies.model.ids import Prefix, TunnelId
from policies.model.policy import Announce, Marks
from policies.model.view import View
from policies.survivor import Standing


def announcements(
    prefixes: Sequence[Prefix],
    meds: Mapping[TunnelId, int],
    standings: Sequence[Standing],
    spoken: TunnelId | None,
    announce: Announce,
    view: View,
    apart: frozenset[Prefix] = frozenset(),
    own: Mapping[TunnelId, Announce] = MappingProxyType({}),
) -> Mapping[TunnelId, Announcements]:
    """What each tunnel that has a value announces; `spoken` is the one by which the branch is told where to go.

    `apart` are prefixes that are steered by themselves, and no halves of others. `own` is by what tunnels are announced
    that have a word of their own.
    """
    sound = any(s.tunnel == spoken and s.relied_on for s in standings)
    every = {s.tunnel: s for s in standings}
    return {
        tunnel: _set(
            prefixes,
            med,
            every[tunnel],
            own.get(tunnel, announce),
            view,
            chosen=tunnel == spoken,
            others_sound=sound,
            apart=apart,
        )
        for tunnel, med in meds.items()
    }


def _set(
    prefixes: Sequence[Prefix],
    med: int,
    standing: Standing,
    announce: Announce,
    view: View,
    *,
    chosen: bool,
    others_sound: bool,
    apart: frozenset[Prefix],
) -> Announcements:
    marks = announce.up if standing.left else _marks(standing, announce)
    if marks.withdraw and not chosen and others_sound and med == standing.med:
        return {}
    graceful: tuple[Community, ...] = (GRACEFUL_SHUTDOWN,) if standing.drained and not (chosen or standing.left) else ()
    said = Announcement.marked(med, (*marks.communities, *graceful), marks.large_communities)
    whole: dict[Prefix, Announcement] = dict.fromkeys(prefixes, said)
    if announce.more_specifics:
        halves = _halves_over(prefixes, standing, view, chosen=chosen, others_sound=others_sound)
        whole |= dict.fromkeys((half for half in halves if half not in apart), said)
    return whole


def _marks(standing: Standing, announce: Announce) -> Marks:
    if standing.drained:
        return announce.drained
    return announce.degraded if standing.degraded else announce.up


def _halves_over(
    prefixes: Sequence[Prefix], standing: Standing, view: View, *, chosen: bool, others_sound: bool
) -> list[Prefix]:
    """The halves steer a branch that compares no MED: over the chosen tunnel only, elsewhere until that has them."""
    halves = [half for prefix in prefixes for half in halves_of(prefix)]
    if chosen:
        return halves
    said = view.session_of(standing.tunnel).sent
    return [] if others_sound else [half for half in halves if half in said]


def halves_of(prefix: Prefix) -> list[Prefix]:
    """Both halves of a prefix; none of a single address."""
    return list(prefix.subnets()) if prefix.prefixlen < prefix.max_prefixlen else []
