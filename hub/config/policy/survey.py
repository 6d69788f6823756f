"""All that is wrong with the policies of a configuration, and with what its branches say of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from hub.config.policy.branches import chosen_problems, too_high, value_problems
from hub.config.policy.build import Built
from hub.config.policy.inherit import Policies
from hub.config.policy.rule_checks import idle_rules, known_names, shadowed, unknown_names
from hub.config.policy.rules import WrittenRule
from hub.config.preferences import preference_problems
from hub.config.problems import Problem
from hub.config.survey import Survey


def policy_survey(looked: Survey, policies: Policies) -> Iterator[Problem]:
    """Every problem of policies, those of files that nobody uses included."""
    yield from policies.problems
    yield from chosen_problems(looked.sources, policies, looked.branches)
    found = {name: policies.find(name) for name in looked.sources.policies}
    written = {name: built for name, built in found.items() if built is not None}
    yield from value_problems(looked.sources.directory, written.values(), looked.policies, looked.branches)
    yield from too_high(looked.branches, looked.policies)
    yield from _rules(looked, written)
    if looked.sources.branch_names == looked.sources.branches.keys():  # else one that cannot be read may have the name
        yield from _names(looked, written)


def _rules(looked: Survey, written: dict[str, Built]) -> Iterator[Problem]:
    for built in written.values():
        yield from shadowed(built, None)
    users: dict[tuple[str, int], tuple[WrittenRule, list[str]]] = {}
    for name, built in looked.policies.items():
        yield from shadowed(built, name)
        for rule in built.rules:
            users.setdefault((rule.document.file, int(rule.at[-1])), (rule, []))[1].append(name)
    by_name = {branch.name: branch for branch in looked.branches}
    for rule, names in users.values():
        yield from idle_rules((rule,), [by_name[name] for name in names])


def _names(looked: Survey, written: dict[str, Built]) -> Iterator[Problem]:
    hub = looked.hub
    uplinks = {name: uplink.isp for name, uplink in hub.raw.uplinks.items()} if hub else {}
    prefixes = hub.raw.prefixes if hub else ()
    known = known_names(looked.branches, uplinks, prefixes, "any branch")
    for built in written.values():
        yield from unknown_names(built.rules, known) if hub else ()
    for branch in looked.branches:
        own = [rule for rule in looked.policies[branch.name].rules if rule.of] if branch.name in looked.policies else []
        if own and hub:
            yield from unknown_names(own, known_names((branch,), uplinks, prefixes, branch.name))
    for parsed in looked.sources.policies.values():
        place = partial(parsed.document.place, "prefer")
        yield from preference_problems(parsed.raw.prefer or (), known.tunnels, "any branch", place)
