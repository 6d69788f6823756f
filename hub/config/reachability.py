"""Whether hub and branches can reach each other by what they announce: IP versions, aggregates, default routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hub.config.drafts import BranchDraft
from hub.config.problems import Problem, error, warning
from hub.config.survey import HubDraft
from policies.model.ids import Prefix, lies_within


def unreachable_prefixes(branches: Iterable[BranchDraft], hub: HubDraft) -> Iterator[Problem]:
    """Prefixes of branches that no traffic could use: of an IP version that the hub does not have, default routes."""
    for branch in branches:
        for index, prefix in enumerate(branch.raw.prefixes):
            place = branch.document.place("prefixes", index)
            if prefix.prefixlen == 0:
                text = f"prefix {prefix}: a branch announces its own networks, never the default route"
                yield error(place, text, "write its networks")
            elif prefix.version not in hub.versions:
                text = f"prefix {prefix} of {branch.name} is IPv{prefix.version}, and the hub announces none of that"
                yield error(
                    place, text, f"give the hub an IPv{prefix.version} prefix in network.yaml, or remove this one"
                )


def aggregate_problems(branches: Iterable[BranchDraft], hub: HubDraft) -> Iterator[Problem]:
    """What is wrong with the hub's aggregates by which branches reach each other."""
    every = list(branches)
    for index, aggregate in enumerate(hub.raw.between_branches):
        place = hub.document.place(*hub.at, "between-branches", index)
        if aggregate in hub.raw.between_branches[:index]:
            yield error(place, f"between-branches: {aggregate} is here twice", "remove one of them")
        elif aggregate.prefixlen == 0:
            text = f"between-branches: {aggregate} is the default route, not an aggregate of the branches' prefixes"
            yield error(place, text, "write what holds the branches' prefixes, for example 10.0.0.0/8")
        elif aggregate.version not in hub.versions:
            text = f"between-branches: {aggregate} is IPv{aggregate.version}, and the hub announces none of that"
            yield error(place, text, f"give the hub an IPv{aggregate.version} prefix, or remove it")
        elif (around := _around(aggregate, every)) is not None:
            text = f"between-branches: {aggregate} lies inside {around[1]} of {around[0].name}, which would lose it"
            yield error(place, text, "write a wider one, that holds the prefixes of several branches")
        elif not any(lies_within(prefix, (aggregate,)) for branch in every for prefix in branch.raw.prefixes):
            yield warning(
                place, f"between-branches: no branch has a prefix inside {aggregate}", "remove it, or widen it"
            )


def _around(aggregate: Prefix, branches: Iterable[BranchDraft]) -> tuple[BranchDraft, Prefix] | None:
    for branch in branches:
        for prefix in branch.raw.prefixes:
            if lies_within(aggregate, (prefix,)):
                return branch, prefix
    return None
