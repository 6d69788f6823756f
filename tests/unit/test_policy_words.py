"""What `plan` says of a changed policy: one line for each thing, in the operator's words."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from dataclasses import replace
from datetime import time, timedelta
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType

import pytest
from small_network import a_branch

from policies.changes import branch_changes, policy_changes
from policies.model.health import Damping, HealthLimits, HealthState, Limit, Metric
from policies.model.intent import Mode, ProbeRate
from policies.model.policy import (
    Condition,
    Failback,
    FailbackMode,
    Marks,
    Metered,
    Policy,
    Rule,
    RuleChange,
    TimeWindow,
)
from policies.policy_words import policy_facts

SECOND = timedelta(seconds=1)
EVENING = TimeWindow(frozenset(range(5)), time(18), time(22))
LOSS = HealthLimits((Limit(Metric.LOSS, 0.03, 5 * SECOND),), (Limit(Metric.LOSS, 0.015, 60 * SECOND),))
NIGHT = Rule(
    "nights",
    Condition(times=(TimeWindow(frozenset(range(7)), time(22), time(5)),), hub_prefixes=(ip_network("10.0.90.0/24"),)),
    RuleChange(prefer=("wireless", "fiber"), metered=Metered.ALLOWED),
)
IGNORE = Rule("work", Condition(health=frozenset({HealthState.DEGRADED}), down=False), RuleChange(ignore_degraded=True))


def limited(value: float) -> HealthLimits:
    return HealthLimits((Limit(Metric.LOSS, value, 5 * SECOND),), LOSS.healthy_when_all)


def lines(was: Policy, now: Policy) -> list[str]:
    changes = policy_changes(was, now)
    return [f"{change.what}: {change.was} -> {change.now}" for change in changes]


BASE = replace(
    a_branch().policy,
    health=MappingProxyType({"default": LOSS}),
    damping=Damping(300 * SECOND, 3, 1, 1800 * SECOND),
    rules=(NIGHT,),
)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (
            {"health": MappingProxyType({"default": limited(0.02)})},
            ["health default loss: 3 % over 5 s -> 2 % over 5 s"],
        ),
        (
            {"health": MappingProxyType({"default": LOSS, "lte": LOSS})},
            ["health lte loss: None -> 3 % over 5 s", "health lte loss to return: None -> 1.5 % over 60 s"],
        ),
        (
            {"failback": Failback(FailbackMode.WINDOW, 60 * SECOND, (EVENING,), None)},
            [
                "failback: automatic, hold 60 s -> window, hold 60 s",
                "failback windows: none -> Mon-Fri 18:00-22:00",
                "failback remind-after: 3600 s -> off",
            ],
        ),
        (
            {"damping": None},
            ["damping: half-life 300 s, suppress 3, reuse 1, max-suppress 1800 s -> off"],
        ),
        (
            {"rules": ()},
            [
                (
                    'rule "nights": when hub-prefix 10.0.90.0/24; time 22:00-05:00: prefer wireless, fiber; '
                    "metered allowed -> None"
                )
            ],
        ),
        ({"rules": (NIGHT, IGNORE)}, ['rule "work": None -> when health degraded: ignore degraded']),
        (
            {"rules": (replace(NIGHT, set=RuleChange(metered=Metered.ALLOWED)),)},
            [
                (
                    'rule "nights": when hub-prefix 10.0.90.0/24; time 22:00-05:00: prefer wireless, fiber; metered '
                    "allowed -> when hub-prefix 10.0.90.0/24; time 22:00-05:00: metered allowed"
                )
            ],
        ),
        ({"script": "even_out.py"}, ["script: none -> even_out.py"]),
        (
            {"announce": replace(BASE.announce, drained=Marks(((65000, 1),), ((1, 2, 3),), withdraw=True))},
            ["announce when drained: None -> 65000:1, 1:2:3, withdrawn"],
        ),
        ({"announce": replace(BASE.announce, more_specifics=True)}, ["more-specifics: None -> announced"]),
        ({"metered": Metered.ALLOWED}, ["metered: when-degraded -> allowed"]),
    ],
)
def test_a_changed_policy_is_said_in_one_line_for_each_thing(now: dict[str, object], expected: list[str]) -> None:
    assert lines(BASE, replace(BASE, **now)) == expected  # type: ignore[arg-type]


def test_rules_in_another_order_are_a_change() -> None:
    was, now = replace(BASE, rules=(NIGHT, IGNORE)), replace(BASE, rules=(IGNORE, NIGHT))
    assert lines(was, now) == ['order of rules: "nights", "work" -> "work", "nights"']


def test_a_relative_limit_is_said_with_usual() -> None:
    rtt = HealthLimits((Limit(Metric.RTT, 0.08, 5 * SECOND, above_usual=True), Limit(Metric.RTT, 0.9, 30 * SECOND)))
    facts = policy_facts(replace(BASE, health=MappingProxyType({"default": rtt})))
    assert facts["health default rtt"] == "usual + 80 ms over 5 s, 900 ms over 30 s"


def test_the_mode_and_a_tunnels_probes_and_limits_are_said() -> None:
    was = a_branch()
    fiber, wireless = was.tunnels
    probed = replace(fiber, limits=LOSS, liveness=replace(fiber.liveness, probe=ProbeRate(SECOND / 5, SECOND)))
    changes = branch_changes(was, replace(was, mode=Mode.OBSERVE, tunnels=(probed, wireless)))
    assert [(change.what, change.now) for change in changes] == [
        ("mode", "observe"),
        ("fiber: health probes", "every 200 ms, every 1000 ms when idle"),
        ("fiber: health loss", "3 % over 5 s"),
        ("fiber: health loss to return", "1.5 % over 60 s"),
    ]


def test_every_key_of_a_policy_has_its_word() -> None:
    """A key whose change nobody would hear of in `plan` must not be added."""
    other: dict[str, object] = {
        "name": "other",
        "prefer": ("lte",),
        "metered": Metered.LAST_RESORT,
        "failback": Failback(FailbackMode.NEVER, SECOND),
        "announce": replace(BASE.announce, step=7),
        "health": MappingProxyType({"default": limited(0.5)}),
        "damping": None,
        "rules": (IGNORE,),
        "script": "x.py",
    }
    assert set(other) == {field.name for field in dataclasses.fields(Policy)}
    for key, value in other.items():
        assert lines(BASE, replace(BASE, **{key: value})), key  # type: ignore[arg-type]


CONDITIONS: dict[str, object] = {
    "branches": frozenset({"bandung"}),
    "tunnels": frozenset({"fiber"}),
    "kinds": frozenset({"lte"}),
    "isps": frozenset({"telkom"}),
    "hub_uplinks": frozenset({"telkom"}),
    "health": frozenset({HealthState.UP}),
    "down": True,
    "drained": False,
    "times": (EVENING,),
    "hub_prefixes": (ip_network("10.0.1.0/24"),),
    "branch_prefixes": (ip_network("10.1.0.0/24"),),
}
CHANGES: dict[str, object] = {
    "prefer": ("lte",),
    "metered": Metered.LAST_RESORT,
    "ignore_degraded": True,
    "failback": Failback(FailbackMode.NEVER, SECOND),
}


def test_every_part_of_a_rule_has_its_word() -> None:
    assert set(CONDITIONS) == {field.name for field in dataclasses.fields(Condition)}
    assert set(CHANGES) == {field.name for field in dataclasses.fields(RuleChange)}
    plain = Rule("x", Condition(), RuleChange())
    asked = [replace(plain, when=replace(plain.when, **{key: value})) for key, value in CONDITIONS.items()]  # type: ignore[arg-type]
    wanted = [replace(plain, set=replace(plain.set, **{key: value})) for key, value in CHANGES.items()]  # type: ignore[arg-type]
    said = {policy_facts(replace(BASE, rules=(rule,)))['rule "x"'] for rule in (plain, *asked, *wanted)}
    assert len(said) == 1 + len(asked) + len(wanted)


def test_a_plans_number_is_the_same_in_every_process_with_rules_too() -> None:
    program = (
        "from dataclasses import replace\n"
        "from test_policy_words import BASE, CONDITIONS\n"
        "from small_network import a_branch, a_network\n"
        "from policies.plan import _digest\n"
        "from policies.model.policy import Condition, Rule, RuleChange\n"
        "many = {k: frozenset('abcdefgh') for k in ('branches', 'tunnels', 'isps')}\n"
        "rule = Rule('x', Condition(**{**CONDITIONS, **many}), RuleChange())\n"
        "network = a_network(replace(a_branch(), policy=replace(BASE, rules=(rule,))))\n"
        "print(_digest(network, network, ()))\n"
    )
    root = Path(__file__).parents[2]
    path = os.pathsep.join(map(str, (root, root / "tests", root / "tests" / "unit")))
    numbers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": path, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }
    assert len(numbers) == 1
