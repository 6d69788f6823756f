"""differences: what a branch is told, how its tunnels rank and how it is forwarded to, before and after. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from policies.changes import Change
from policies.model.announcement import HIGHEST_MED, Announcement, Announcements
from policies.model.ids import Prefix, TunnelId
from policies.model.intent import Branch, SessionKind
from policies.model.verdicts import Place, Verdict
from policies.model.view import ClassView

_NAMED = 3
"""Prefixes that are named one by one; of more the first, and how many."""


def rankings(before: Verdict, after: Verdict) -> tuple[Change, ...]:
    """The order of the tunnels, and what makes their place where they are not well."""
    was = {verdict.sources: _order(verdict.ranking) for verdict in (before, *before.others)}
    now = {verdict.sources: _order(verdict.ranking) for verdict in (after, *after.others)}
    return _differing(
        {_from("ranking", s): said for s, said in was.items()}, {_from("ranking", s): said for s, said in now.items()}
    )


def _order(ranking: Iterable[Place]) -> str:
    return ", ".join(
        place.tunnel.name if place.usability == "up" else f"{place.tunnel.name} ({place.usability})"
        for place in ranking
    )


def _from(what: str, sources: tuple[Prefix, ...]) -> str:
    return f"{what} from {', '.join(map(str, sources))}" if sources else what


def announcements(
    was: Branch, branch: Branch, before: Mapping[TunnelId, Announcements], after: Mapping[TunnelId, Announcements]
) -> tuple[Change, ...]:
    """What each tunnel tells the branch; prefixes of which the same is said are one change."""
    return tuple(
        change
        for tunnel in sorted(before.keys() | after.keys())
        for change in _told(tunnel, was, branch, before.get(tunnel, {}), after.get(tunnel, {}))
    )


def _told(
    tunnel: TunnelId, was: Branch, branch: Branch, before: Announcements, after: Announcements
) -> Iterator[Change]:
    alike: dict[tuple[str | None, str | None], list[Prefix]] = {}
    for prefix in dict.fromkeys((*before, *after)):
        said = _said(was, before.get(prefix)), _said(branch, after.get(prefix))
        if said[0] != said[1]:
            alike.setdefault(said, []).append(prefix)
    for (then, now), prefixes in alike.items():
        yield Change(f"{tunnel.name} tells {_named(prefixes)}", then, now)


def _said(branch: Branch, said: Announcement | None) -> str | None:
    if said is None:
        return None
    ibgp = branch.session.kind is SessionKind.IBGP
    value = f"local preference {HIGHEST_MED - said.med}" if ibgp else f"med {said.med}"
    marks = [":".join(map(str, community)) for community in (*said.communities, *said.large_communities)]
    return ", ".join((value, *marks))


def routes(before: Iterable[ClassView], after: Iterable[ClassView]) -> tuple[Change, ...]:
    """Over which tunnels the kernel forwards to the branch's prefixes."""
    was, now = _forwarded(before), _forwarded(after)
    alike: dict[tuple[tuple[Prefix, ...], str | None, str | None], list[Prefix]] = {}
    for key in dict.fromkeys((*was, *now)):
        then, to = was.get(key), now.get(key)
        if then != to:
            alike.setdefault((key[0], then, to), []).append(key[1])
    return tuple(
        Change(_from(f"route {_named(prefixes)}", sources), then, to) for (sources, then, to), prefixes in alike.items()
    )


def _forwarded(classes: Iterable[ClassView]) -> dict[tuple[tuple[Prefix, ...], Prefix], str]:
    return {(c.sources, prefix): _over(c) for c in sorted(classes, key=lambda c: c.name) for prefix in c.prefixes}


def _over(known: ClassView) -> str:
    first = known.active.name if known.active is not None else "no tunnel"
    rest = [tunnel.name for tunnel in known.order if tunnel != known.active]
    return ", then ".join((f"over {first}", *rest))


def _named(prefixes: list[Prefix]) -> str:
    if len(prefixes) <= _NAMED:
        return ", ".join(map(str, prefixes))
    return f"{prefixes[0]} and {len(prefixes) - 1} more"


def _differing(was: Mapping[str, str], now: Mapping[str, str]) -> tuple[Change, ...]:
    every = dict.fromkeys((*was, *now))
    return tuple(Change(what, was.get(what), now.get(what)) for what in every if was.get(what) != now.get(what))
