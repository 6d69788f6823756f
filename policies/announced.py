"""announced: which prefixes a branch is told of."""

from __future__ import annotations

from functools import lru_cache

from policies.model.ids import Prefix, lies_within
from policies.model.intent import Branch, Hub
from policies.steering import named_by_rules


def announced_for(hub: Hub, branch: Branch, sources: tuple[Prefix, ...]) -> tuple[Prefix, ...]:
    """The prefixes that steer the traffic from `sources`: these themselves, or, if they are none, all others."""
    if sources:
        return tuple(p for p in sources if p.version in branch.versions and not lies_within(p, branch.prefixes))
    every = announced_to(hub, branch)
    named = named_by_rules(branch)
    return tuple(prefix for prefix in every if prefix not in named) if named else every


def announced_to(hub: Hub, branch: Branch) -> tuple[Prefix, ...]:
    """The prefixes that a branch is told of, in the order in which they are written; never one of its own."""
    return _announced_beside(hub.prefixes, hub.between_branches, branch.prefixes)


@lru_cache(maxsize=4096)
def _announced_beside(
    prefixes: tuple[Prefix, ...], between_branches: tuple[Prefix, ...], own: tuple[Prefix, ...]
) -> tuple[Prefix, ...]:
    """Remembered: of 1,000 prefixes it is most of what a decision for a branch takes, and failovers wait for that."""
    versions = {prefix.version for prefix in own}
    every = dict.fromkeys((*prefixes, *between_branches))
    return tuple(prefix for prefix in every if prefix.version in versions and not lies_within(prefix, own))
