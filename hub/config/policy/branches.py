"""Which policy each branch has: its own choice or the network's, with what its own file says on top."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hub.config.drafts import BranchDraft
from hub.config.load import Parsed, Sources
from hub.config.names import write_instead
from hub.config.policy.build import Built, build_branch
from hub.config.policy.checks import policy_problems, script_problem
from hub.config.policy.inherit import Policies
from hub.config.policy.layers import Layer
from hub.config.policy.tunnels import announce_place, own_policy, own_problems
from hub.config.problems import Place, Problem, error
from hub.config.raw import RawNetwork
from policies.model.announcement import HIGHEST_MED


def policies_of(
    branches: Iterable[BranchDraft], network: Parsed[RawNetwork] | None, policies: Policies
) -> dict[str, Built]:
    """The policy of each branch that has one which can be told."""
    default = network.raw.policy if network else "standard"
    chosen = {}
    for branch in branches:
        below = policies.find(branch.raw.policy or default)
        if below is not None:
            own = Layer(branch.document)
            chosen[branch.name] = build_branch(below, own, branch.name) if own.keys else below
    return chosen


def chosen_problems(sources: Sources, policies: Policies, branches: Iterable[BranchDraft]) -> Iterator[Problem]:
    """Policies that are chosen and are not there."""
    written = [(branch.raw.policy, branch.document.place("policy")) for branch in branches if branch.raw.policy]
    if sources.network:
        written.append((sources.network.raw.policy, sources.network.document.place("policy")))
    for name, place in written:
        if name not in policies.known:
            yield no_such_policy(name, place, policies)


def no_such_policy(name: str, place: Place, policies: Policies) -> Problem:
    """That a policy which is named at this place is not there."""
    mend = write_instead(name, sorted(policies.known)) or f"write policies/{name}.yaml, or remove it"
    return error(place, f'there is no policy "{name}"', mend)


def value_problems(
    directory: Path, written: Iterable[Built], chosen: Mapping[str, Built], branches: Iterable[BranchDraft]
) -> Iterator[Problem]:
    """What is wrong with the values of every policy that is written, and with what branches and tunnels say of one."""
    of_policies: list[tuple[Built, str | None]] = [(built, None) for built in written]
    own = [(chosen[each.name], each.name) for each in branches if each.name in chosen and Layer(each.document).keys]
    for built, of in (*of_policies, *own):
        yield from policy_problems(built, of)
        if (missing := script_problem(built, directory)) is not None:
            yield missing
    for branch in branches:
        if branch.name in chosen:
            for tunnel in branch.tunnels:
                yield from own_problems(branch, tunnel.id, tunnel.uplink.kind, chosen[branch.name])


def too_high(branches: Iterable[BranchDraft], chosen: Mapping[str, Built]) -> Iterator[Problem]:
    """Arithmetic of MED that comes to more than `HIGHEST_MED`, as the worst of a branch's tunnels may be drained."""
    most: dict[Place, tuple[int, int]] = {}
    for branch in branches:
        built = chosen.get(branch.name)
        if built is not None:
            announce, tunnels = built.policy.announce, len(branch.tunnels)
            last = announce.first + announce.step * (tunnels - 1)
            place = built.layers.place(("announce",))
            most[place] = max(most.get(place, (0, 0)), (last + announce.add_drained, tunnels))
            for tunnel in branch.tunnels:
                own = own_policy(branch, tunnel.id, tunnel.uplink.kind, built).announce
                if own is not None and own.add_drained != announce.add_drained:
                    most[announce_place(branch, tunnel.id)] = (last + own.add_drained, tunnels)
    for place, (med, tunnels) in most.items():
        if med > HIGHEST_MED:
            text = f"announce: a branch with {tunnels} tunnels would be told up to {med}: at most {HIGHEST_MED}"
            yield error(place, text, "lower first, step or add-drained")
