"""Rules against the rest of the network: names that exist nowhere, rules that never count, prefixes that disagree.

Traffic of a rule goes both ways over one tunnel: from the branch because it hears the hub's prefix apart, to the
branch because the hub chooses by where a packet comes from. A branch's router chooses by the destination alone, so
what is asked of the branch's own addresses would be answered over another tunnel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from hub.config.drafts import BranchDraft
from hub.config.names import listed, write_instead
from hub.config.policy.build import Built
from hub.config.policy.rules import WrittenRule
from hub.config.policy.windows import EVERY_MINUTE, within
from hub.config.preferences import preference_problems
from hub.config.problems import Problem, error, warning
from policies.model.ids import Prefix, lies_within
from policies.model.policy import Condition


@dataclass(frozen=True, slots=True)
class Known:
    """A Known is the names and prefixes that rules may ask for, of the whole network or of one branch."""

    branches: frozenset[str]
    tunnels: frozenset[str]
    uplinks: frozenset[str]
    isps: frozenset[str]
    hub_uplinks: frozenset[str]
    hub_prefixes: tuple[Prefix, ...]
    where: str

    def of(self, key: str) -> tuple[frozenset[str], str]:
        """What a key of `when` may name, and what the message calls it."""
        return {
            "branch": (self.branches, "no branch"),
            "tunnel": (self.tunnels, f"no tunnel of {self.where}"),
            "uplink": (self.uplinks, f"no uplink of {self.where}"),
            "isp": (self.isps, f"no isp of an uplink of {self.where} or of the hub"),
            "hub-uplink": (self.hub_uplinks, "no uplink of the hub"),
        }[key]


def known_names(
    branches: Iterable[BranchDraft], hub_uplinks: Mapping[str, str], hub_prefixes: tuple[Prefix, ...], where: str
) -> Known:
    """What these branches have; `hub_uplinks` are the ISPs of the hub's uplinks by name."""
    branches = tuple(branches)
    uplinks = [(name, uplink.isp) for branch in branches for name, uplink in branch.raw.uplinks.items()]
    return Known(
        branches=frozenset(branch.name for branch in branches),
        tunnels=frozenset(tunnel.id.name for branch in branches for tunnel in branch.tunnels),
        uplinks=frozenset(name for name, _ in uplinks),
        isps=frozenset(isp for _, isp in uplinks) | frozenset(hub_uplinks.values()),
        hub_uplinks=frozenset(hub_uplinks),
        hub_prefixes=hub_prefixes,
        where=where,
    )


def unknown_names(rules: Iterable[WrittenRule], known: Known) -> Iterator[Problem]:
    """Names in rules that exist nowhere, and prefixes that the hub does not announce."""
    for rule in rules:
        when = rule.raw.when
        for key in ("branch", "tunnel", "uplink", "isp", "hub-uplink"):
            names, none = known.of(key)
            for index, name in enumerate((getattr(when, key.replace("-", "_")) if when else None) or ()):
                if name not in names:
                    text = f'{key}: "{name}" is {none}'
                    yield error(rule.place("when", key, index), text, write_instead(name, sorted(names)))
        place = partial(rule.place, "set", "prefer")
        yield from preference_problems(rule.raw.set.prefer or (), known.tunnels, known.where, place)
        yield from _unannounced(rule, known.hub_prefixes)


def _unannounced(rule: WrittenRule, announced: tuple[Prefix, ...]) -> Iterator[Problem]:
    for index, prefix in enumerate(rule.rule.when.hub_prefixes):
        if announced and not lies_within(prefix, announced):
            text = f"hub-prefix: {prefix} is no part of what the hub announces, so no branch could follow"
            mend = f"write a part of {listed(map(str, announced))}, or add it to the hub's prefixes"
            yield error(rule.place("when", "hub-prefix", index), text, mend)


def idle_rules(rules: Iterable[WrittenRule], branches: Iterable[BranchDraft]) -> Iterator[Problem]:
    """What the rules of a policy, or of a branch, come to in the branches that have it."""
    every = tuple(branches)
    for rule in rules:
        asked = rule.rule.when.branches
        mine = [branch for branch in every if not asked or branch.name in asked]
        yield from _one_way(rule, mine)
        if mine and all(len(branch.tunnels) == 1 for branch in mine):
            names = listed(branch.name for branch in mine)
            text = f'rule "{rule.rule.name}" changes nothing: {names} {"has" if len(mine) == 1 else "have"} one tunnel'
            yield warning(rule.place("name"), text, "add an uplink, or remove the rule")


def _one_way(rule: WrittenRule, branches: Iterable[BranchDraft]) -> Iterator[Problem]:
    """Own prefixes of branches of which a rule means some and not all."""
    asked = rule.rule.when.branch_prefixes
    found = not asked
    for branch in branches if asked else ():
        own = branch.raw.prefixes
        inside = [prefix for prefix in own if lies_within(prefix, asked)]
        touched = bool(inside) or any(lies_within(prefix, own) for prefix in asked)
        found = found or touched
        if touched and len(inside) < len(own):
            text = f"branch-prefix: only a part of the prefixes of {branch.name} ({listed(map(str, own))}): "
            text += "its router chooses by the destination, so the answers would take another tunnel"
            mend = "write all of them, or choose by hub-prefix"
            yield error(rule.place("when", "branch-prefix"), text, mend)
            return
    if not found:
        text = f"branch-prefix: no branch that has this rule has a prefix inside {listed(map(str, asked))}"
        yield warning(rule.place("when", "branch-prefix"), text, "write the prefixes of a branch, or remove the rule")


def shadowed(built: Built, of: str | None) -> Iterator[Problem]:
    """Rules of a policy, or of branch `of`, that never count because whenever they hold an earlier one does."""
    rules = [rule for rule in built.rules if rule.of == of]
    for place, later in enumerate(rules):
        earlier = next((rule for rule in rules[:place] if _covers(rule, later)), None)
        if earlier is not None:
            text = f'rule "{later.rule.name}" never counts: whenever it holds, "{earlier.rule.name}" does before it'
            yield warning(later.place("name"), text, f'put it before "{earlier.rule.name}", or remove it')


def _covers(earlier: WrittenRule, later: WrittenRule) -> bool:
    """Whether the earlier one holds whenever the later one does."""
    wide, narrow = earlier.rule.when, later.rule.when
    return (
        _names_cover(wide, narrow)
        and _subset(earlier.uplinks, later.uplinks)
        and wide.down in (None, narrow.down)
        and wide.drained in (None, narrow.drained)
        and (not wide.times or within(narrow.times or EVERY_MINUTE, wide.times))
        and _prefixes_cover(wide.hub_prefixes, narrow.hub_prefixes)
        and _prefixes_cover(wide.branch_prefixes, narrow.branch_prefixes)
    )


def _names_cover(wide: Condition, narrow: Condition) -> bool:
    return (
        _subset(wide.branches, narrow.branches)
        and _subset(wide.tunnels, narrow.tunnels)
        and _subset(wide.kinds, narrow.kinds)
        and _subset(wide.isps, narrow.isps)
        and _subset(wide.hub_uplinks, narrow.hub_uplinks)
        and _subset(wide.health, narrow.health)
    )


def _subset(wide: frozenset[object] | frozenset[str], narrow: frozenset[object] | frozenset[str]) -> bool:
    """Whether what the narrow one asks for is among what the wide one does; nothing asked is everything."""
    return not wide or bool(narrow and narrow <= wide)


def _prefixes_cover(wide: tuple[Prefix, ...], narrow: tuple[Prefix, ...]) -> bool:
    return not wide or bool(narrow and all(lies_within(prefix, wide) for prefix in narrow))
