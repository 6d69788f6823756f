"""Prefixes that collide: branch with branch, branch with hub, and links with either.

Prefixes are nested or apart, never half over each other, so after sorting one sweep with a stack finds every collision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hub.config.problems import Place, Problem, error
from policies.model.ids import Prefix, lies_within


@dataclass(frozen=True, slots=True)
class Claim:
    """A Claim is a prefix that somebody uses: `owner` is whose it is, `what` and `of` how messages name it.

    Claims of one owner may nest, but not be the same.
    """

    prefix: Prefix
    owner: str
    what: str
    place: Place


def overlaps(claims: Iterable[Claim]) -> Iterator[Problem]:
    """One error for each claim that lies inside, or equals, somebody else's; said at the smaller, or else later one."""
    around: list[Claim] = []
    for claim in sorted(claims, key=_outer_first):
        while around and not lies_within(claim.prefix, (around[-1].prefix,)):
            around.pop()
        other = next((outer for outer in reversed(around) if _collide(claim, outer)), None)
        if other is not None:
            yield _collision(claim, other)
        around.append(claim)


def _outer_first(claim: Claim) -> tuple[int, int, int, Place]:
    return claim.prefix.version, int(claim.prefix.network_address), claim.prefix.prefixlen, claim.place


def _collide(inner: Claim, outer: Claim) -> bool:
    if outer.prefix.prefixlen == 0 and inner.prefix.prefixlen:
        return False  # a hub that announces the default route stands round everything, rightly
    return inner.owner != outer.owner or inner.prefix == outer.prefix


def _collision(inner: Claim, outer: Claim) -> Problem:
    where = f"of {outer.owner} ({outer.place})"
    if inner.prefix != outer.prefix:
        return error(inner.place, f"{inner.what} {inner.prefix} lies inside {outer.prefix} {where}")
    if inner.owner == outer.owner:
        return error(inner.place, f"{inner.what} {inner.prefix} is here twice", "remove one of them")
    return error(inner.place, f"{inner.what} {inner.prefix} is also {outer.what} {where}")
