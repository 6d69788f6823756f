"""Rules: what they mean, which of them never count, and what cannot be made to agree in both directions."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from config_directories import ALLOCATIONS, BANDUNG, NETWORK, reading, said

from policies.model.health import HealthState
from policies.model.policy import Condition, Failback, FailbackMode, Metered, Rule

BOGOR = "as: 65002\nprefixes: [10.2.0.0/24]\nuplinks:\n  fiber: {isp: telkom}\n"
BOGOR_LINE = "bogor/fiber: {to: telkom, link: 10.255.0.4/31, port: 51002}\n"


def rules_of(directory: Path, *rules: str) -> tuple[Rule, ...]:
    """The rules as bandung has them, of its own file."""
    configuration = reading(directory, {"branches/bandung.yaml": BANDUNG + listed(*rules)})
    assert configuration.intent is not None, said(configuration)
    return configuration.intent.branches["bandung"].policy.rules


def listed(*rules: str) -> str:
    return "rules:\n" + "".join(f"  - {rule}\n" for rule in rules)


def of_policy(*rules: str) -> dict[str, str]:
    """A policy with these rules, and the branch that has it."""
    return {"policies/p.yaml": listed(*rules), "branches/bandung.yaml": BANDUNG + "policy: p\n"}


def when(directory: Path, condition: str) -> Condition:
    (rule,) = rules_of(directory, f"{{name: x, when: {{{condition}}}, set: {{metered: allowed}}}}")
    return rule.when


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("tunnel: fiber", Condition(tunnels=frozenset({"fiber"}))),
        ("tunnel: [fiber, wireless]", Condition(tunnels=frozenset({"fiber", "wireless"}))),
        ("kind: lte", Condition(kinds=frozenset({"lte"}))),
        ("isp: biznet", Condition(isps=frozenset({"biznet"}))),
        ("hub-uplink: telkom", Condition(hub_uplinks=frozenset({"telkom"}))),
        ("branch: bandung", Condition(branches=frozenset({"bandung"}))),
        ("health: degraded", Condition(health=frozenset({HealthState.DEGRADED}), down=False)),
        ("health: [up, unknown]", Condition(health=frozenset({HealthState.UP, HealthState.UNKNOWN}), down=False)),
        ("health: down", Condition(down=True)),
        ("drained: true", Condition(drained=True)),
        ("drained: false", Condition(drained=False)),
        ("hub-prefix: 10.0.10.0/24", Condition(hub_prefixes=(ip_network("10.0.10.0/24"),))),
        ("branch-prefix: 10.1.0.0/24", Condition(branch_prefixes=(ip_network("10.1.0.0/24"),))),
        ("uplink: wireless", Condition(tunnels=frozenset({"wireless"}))),
    ],
)
def test_a_condition_means_what_it_says(tmp_path: Path, written: str, expected: Condition) -> None:
    assert when(tmp_path, written) == expected


def test_a_rule_without_condition_always_holds(tmp_path: Path) -> None:
    (rule,) = rules_of(tmp_path, "{name: x, set: {metered: allowed}}")
    assert rule.when == Condition()


def test_what_is_said_of_an_uplink_is_said_of_the_tunnels_over_it(tmp_path: Path) -> None:
    tunnels = "tunnels: {old: {over: fiber, to: telkom, link: 10.254.0.0/31, port: 50000}}\n"
    rule = "{name: x, when: {uplink: fiber}, set: {metered: allowed}}"
    configuration = reading(tmp_path, {"branches/bandung.yaml": BANDUNG + tunnels + listed(rule)})
    assert configuration.intent is not None, said(configuration)
    assert configuration.intent.branches["bandung"].policy.rules[0].when.tunnels == {"old"}


def test_a_policys_rule_for_an_uplink_is_none_of_a_branch_without_it(tmp_path: Path) -> None:
    files = of_policy("{name: x, when: {uplink: wireless}, set: {metered: allowed}}")
    files |= {"branches/bogor.yaml": BOGOR + "policy: p\n", "allocations.yaml": ALLOCATIONS + BOGOR_LINE}
    intent = reading(tmp_path, files).intent
    assert intent is not None
    assert {name: len(branch.policy.rules) for name, branch in intent.branches.items()} == {"bandung": 1, "bogor": 0}


def test_prefixes_of_an_ip_version_that_a_branch_does_not_have_are_none_of_its(tmp_path: Path) -> None:
    files = of_policy(
        "{name: both, when: {hub-prefix: [10.0.1.0/24, 2001:db8:0:1::/64]}, set: {metered: allowed}}",
        "{name: six, when: {hub-prefix: 2001:db8:0:2::/64}, set: {metered: allowed}}",
    )
    files["network.yaml"] = NETWORK.replace("10.0.0.0/16", "10.0.0.0/16, 2001:db8::/48")
    configuration = reading(tmp_path, files)
    assert configuration.intent is not None, said(configuration)
    (rule,) = configuration.intent.branches["bandung"].policy.rules
    assert (rule.name, rule.when.hub_prefixes) == ("both", (ip_network("10.0.1.0/24"),))


def test_a_rule_sets_preference_metering_ignorance_and_failback(tmp_path: Path) -> None:
    written = "{prefer: [wireless, fiber], metered: allowed, ignore: degraded, failback: {mode: manual}}"
    (rule,) = rules_of(tmp_path, f"{{name: x, set: {written}}}")
    assert rule.set.prefer == ("wireless", "fiber")
    assert rule.set.metered is Metered.ALLOWED
    assert rule.set.ignore_degraded
    assert rule.set.failback == Failback(FailbackMode.MANUAL, timedelta(seconds=60))


def test_a_rules_failback_changes_that_of_the_branch_key_by_key(tmp_path: Path) -> None:
    files = of_policy("{name: x, set: {failback: {mode: never}}}")
    files["branches/bandung.yaml"] += "failback: {hold: 7s}\n"
    intent = reading(tmp_path, files).intent
    assert intent is not None
    assert intent.branches["bandung"].policy.rules[0].set.failback == Failback(FailbackMode.NEVER, timedelta(seconds=7))


NIGHT, MORNING = 'time: "22:00-05:00"', 'time: "Mon 00:00-04:00"'


@pytest.mark.parametrize(
    ("earlier", "later", "never"),
    [
        ("", "tunnel: fiber", True),
        ("tunnel: fiber", "", False),
        ("tunnel: [fiber, wireless]", "tunnel: fiber", True),
        ("tunnel: fiber", "tunnel: [fiber, wireless]", False),
        ("tunnel: fiber", "kind: lte", False),
        ("tunnel: fiber", "tunnel: fiber, kind: lte", True),
        (NIGHT, MORNING, True),
        (MORNING, NIGHT, False),
        ('time: "00:00-24:00"', "drained: true", True),
        ("hub-prefix: 10.0.0.0/20", "hub-prefix: 10.0.10.0/24", True),
        ("hub-prefix: 10.0.10.0/24", "hub-prefix: 10.0.0.0/20", False),
        ("hub-prefix: 10.0.10.0/24", "tunnel: fiber", False),
        ("health: [up, degraded]", "health: up", True),
        ("health: down", "health: up", False),
        ("drained: true", "drained: false", False),
        ("uplink: fiber", "uplink: fiber", True),
        ("uplink: fiber", "tunnel: fiber", False),
        ("branch: bandung", "branch: [bandung, bogor]", False),
    ],
)
def test_a_rule_that_never_counts_is_a_warning_that_names_both(
    tmp_path: Path, earlier: str, later: str, never: bool
) -> None:
    rules = [
        f"{{name: {name}, when: {{{w}}}, set: {{metered: allowed}}}}" for name, w in (("a", earlier), ("b", later))
    ]
    files = {**of_policy(*rules), "branches/bogor.yaml": BOGOR, "allocations.yaml": ALLOCATIONS + BOGOR_LINE}
    configuration = reading(tmp_path, files)
    expected = 'policies/p.yaml:3:12: warning: rule "b" never counts: whenever it holds, "a" does before it'
    assert (expected in said(configuration)) is never
    assert configuration.intent is not None


def test_a_branchs_rule_may_stand_before_one_of_its_policy(tmp_path: Path) -> None:
    files = of_policy("{name: general, when: {tunnel: fiber}, set: {metered: allowed}}")
    files["branches/bandung.yaml"] += listed("{name: own, set: {metered: last-resort}}")
    assert said(reading(tmp_path, files)) == ""


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (
            "hub-prefix: 10.9.0.0/24",
            "policies/p.yaml:2:34: hub-prefix: 10.9.0.0/24 is no part of what the hub announces",
        ),
        ("hub-prefix: 10.0.0.0/8", "hub-prefix: 10.0.0.0/8 is no part of what the hub announces"),
        (
            "branch-prefix: 10.1.0.0/25",
            "policies/p.yaml:2:37: branch-prefix: only a part of the prefixes of bandung (10.1.0.0/24): its router ",
        ),
        ("branch: bandng", '2:30: branch: "bandng" is no branch\n    mend: write "bandung"'),
        ("tunnel: [fiber, fibre]", '2:38: tunnel: "fibre" is no tunnel of any branch\n    mend: write "fiber"'),
        ("uplink: wirelss", '2:30: uplink: "wirelss" is no uplink of any branch\n    mend: write "wireless"'),
        ("isp: indosatt", '2:27: isp: "indosatt" is no isp of an uplink of any branch or of the hub'),
        ("hub-uplink: telcom", '2:34: hub-uplink: "telcom" is no uplink of the hub\n    mend: write "telkom"'),
    ],
)
def test_what_a_rule_asks_for_must_exist_and_agree_both_ways(tmp_path: Path, condition: str, expected: str) -> None:
    rule = f"{{name: x, when: {{{condition}}}, set: {{metered: allowed}}}}"
    configuration = reading(tmp_path, of_policy(rule))
    assert expected in said(configuration)
    assert configuration.intent is None


def test_a_rules_preference_must_exist(tmp_path: Path) -> None:
    configuration = reading(tmp_path, of_policy("{name: x, set: {prefer: [wireless, fibr]}}"))
    expected = 'policies/p.yaml:2:40: prefer: "fibr" is neither a kind of uplink nor a tunnel of any branch'
    assert expected in said(configuration)


def test_a_branchs_own_rule_may_only_name_what_it_has(tmp_path: Path) -> None:
    rule = "{name: x, when: {tunnel: wireless}, set: {metered: allowed}}"
    files = {"branches/bogor.yaml": BOGOR + listed(rule), "allocations.yaml": ALLOCATIONS + BOGOR_LINE}
    assert 'branches/bogor.yaml:6:30: tunnel: "wireless" is no tunnel of bogor' in said(reading(tmp_path, files))


def test_a_prefix_of_all_of_the_branch_agrees_and_one_of_nobody_is_a_warning(tmp_path: Path) -> None:
    rules = ["{name: a, when: {branch-prefix: 10.1.0.0/16}, set: {metered: allowed}}"]
    assert said(reading(tmp_path / "all", of_policy(*rules))) == ""
    nobody = [rule.replace("10.1.", "10.3.") for rule in rules]
    configuration = reading(tmp_path / "nobody", of_policy(*nobody))
    assert "warning: branch-prefix: no branch that has this rule has a prefix inside 10.3.0.0/16" in said(configuration)
    assert configuration.intent is not None
    assert configuration.intent.branches["bandung"].policy.rules == ()


def test_a_rule_for_branches_with_one_tunnel_is_a_warning(tmp_path: Path) -> None:
    rule = "{name: x, when: {hub-prefix: 10.0.10.0/24}, set: {metered: allowed}}"
    files = {"branches/bogor.yaml": BOGOR + listed(rule), "allocations.yaml": ALLOCATIONS + BOGOR_LINE}
    configuration = reading(tmp_path, files)
    assert 'branches/bogor.yaml:6:12: warning: rule "x" changes nothing: bogor has one tunnel' in said(configuration)
    assert configuration.intent is not None


def test_a_rule_of_several_branches_is_no_warning_where_one_has_two_tunnels(tmp_path: Path) -> None:
    files = of_policy("{name: x, when: {hub-prefix: 10.0.10.0/24}, set: {metered: allowed}}")
    files |= {"branches/bogor.yaml": BOGOR + "policy: p\n", "allocations.yaml": ALLOCATIONS + BOGOR_LINE}
    assert "changes nothing" not in said(reading(tmp_path, files))


def test_a_hub_that_announces_the_default_route_may_have_any_hub_prefix(tmp_path: Path) -> None:
    files = of_policy("{name: x, when: {hub-prefix: 192.0.2.0/24}, set: {metered: allowed}}")
    files["network.yaml"] = NETWORK.replace("[10.0.0.0/16]", "[0.0.0.0/0]")
    assert said(reading(tmp_path, files)) == ""
