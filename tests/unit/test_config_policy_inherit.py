"""What a policy is made of: what it extends, what the network and the branch choose, what branch and tunnel change."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path

import pytest
from config_directories import BANDUNG, NETWORK, reading, said

from hub.config import read
from hub.config.applied import stage
from hub.config.policy.build import build
from hub.config.policy.built_in import built_in_layers, built_in_names
from hub.config.policy.checks import policy_problems
from hub.config.policy.limits import limit_text
from policies.model.health import HealthLimits, Metric
from policies.model.intent import Branch, Intent, Mode, ProbeRate
from policies.model.policy import FailbackMode, Marks, Metered, Policy, TimeWindow
from policies.policy_words import policy_facts


def intent_of(directory: Path, files: dict[str, str]) -> Intent:
    configuration = reading(directory, files)
    assert configuration.intent is not None, said(configuration)
    return configuration.intent


def bandung(directory: Path, more: str = "", **policies: str) -> Branch:
    files = {f"policies/{name}.yaml": text for name, text in policies.items()}
    return intent_of(directory, {**files, "branches/bandung.yaml": f"{BANDUNG}{more}\n"}).branches["bandung"]


def child_of(directory: Path, parent: str, child: str) -> Policy:
    return bandung(directory, "policy: child", parent=parent, child=f"extends: parent\n{child}").policy


def leaving(limits: HealthLimits) -> list[str]:
    return [f"{limit.metric.value} {limit_text(limit)}" for limit in limits.degraded_when_any]


EVERYTHING = """\
extends: standard
prefer: [fiber, wireless, lte, satellite]
metered: when-degraded
health:
  default:
    degraded-when-any: {loss: [3% over 5s, 15% over 1s], rtt: usual + 80ms over 5s, jitter: 30ms over 10s}
    healthy-when-all:  {loss: 1% over 60s, rtt: usual + 40ms over 60s}
  satellite:
    degraded-when-any: {loss: 8% over 10s, rtt: 900ms over 30s, jitter: off}
failback: {mode: window, hold: 60s, windows: ["Mon-Fri 18:00-22:00"], remind-after: 4h}
damping:  {half-life: 5m, suppress: 3, reuse: 1, max-suppress: 30m}
announce: {first: 1000, step: 100, add-degraded: 4000, add-drained: 8000}
rules:
  - name: ERP leaves fiber only when it is down
    when: {hub-prefix: 10.0.10.0/24, time: "Mon-Fri 08:00-18:00"}
    set:  {ignore: [degraded]}
  - name: night copies use the cheap line
    when: {hub-prefix: 10.0.90.0/24, time: "22:00-05:00"}
    set:  {prefer: [wireless, fiber], metered: allowed}
script: even_out.py
"""


def test_a_policy_with_every_key_means_what_it_says(tmp_path: Path) -> None:
    files = {"policies/careful.yaml": EVERYTHING, "policies/even_out.py": ""}
    intent = intent_of(tmp_path, {**files, "branches/bandung.yaml": BANDUNG + "policy: careful\n"})
    facts = policy_facts(intent.branches["bandung"].policy)
    standard = ("health wireless", "health lte", "health 5g")
    assert {key: said for key, said in facts.items() if not key.startswith(standard)} == {
        "policy": "careful",
        "prefer": "fiber, wireless, lte, satellite",
        "metered": "when-degraded",
        "failback": "window, hold 60 s",
        "failback windows": "Mon-Fri 18:00-22:00",
        "failback remind-after": "14400 s",
        "announce": "first 1000, step 100, add-degraded 4000, add-drained 8000",
        "damping": "half-life 300 s, suppress 3, reuse 1, max-suppress 1800 s",
        "script": "even_out.py",
        "health default loss": "3 % over 5 s, 15 % over 1 s",
        "health default loss to return": "1 % over 60 s",
        "health default rtt": "usual + 80 ms over 5 s",
        "health default rtt to return": "usual + 40 ms over 60 s",
        "health default jitter": "30 ms over 10 s",
        "health default jitter to return": "15 ms over 60 s",
        "health satellite loss": "8 % over 10 s",
        "health satellite loss to return": "4 % over 60 s",
        "health satellite rtt": "900 ms over 30 s",
        "health satellite rtt to return": "450 ms over 60 s",
        'rule "ERP leaves fiber only when it is down"': "when hub-prefix 10.0.10.0/24; time Mon-Fri 08:00-18:00: "
        "ignore degraded",
        'rule "night copies use the cheap line"': "when hub-prefix 10.0.90.0/24; time 22:00-05:00: "
        "prefer wireless, fiber; metered allowed",
    }


def test_a_childs_limits_for_one_kind_leave_those_for_the_others(tmp_path: Path) -> None:
    parent = "health: {default: {degraded-when-any: {loss: 2% over 5s}}}\n"
    policy = child_of(tmp_path, parent, "health: {satellite: {degraded-when-any: {loss: 9% over 10s}}}\n")
    assert "loss 2% over 5s" in leaving(policy.health["default"])
    assert "loss 9% over 10s" in leaving(policy.health["satellite"])


def test_maps_merge_at_any_depth_and_lists_replace(tmp_path: Path) -> None:
    parent = "health: {fiber: {degraded-when-any: {loss: [3% over 5s, 15% over 1s], rtt: 900ms over 30s}}}\n"
    policy = child_of(tmp_path, parent, "health: {fiber: {degraded-when-any: {loss: 8% over 10s}}}\n")
    assert leaving(policy.health["fiber"]) == ["loss 8% over 10s", "rtt 900ms over 30s"]


def test_off_takes_away_what_the_parent_has(tmp_path: Path) -> None:
    parent = "health: {fiber: {degraded-when-any: {loss: 3% over 5s, rtt: 900ms over 30s}}}\ndamping: {suppress: 2}\n"
    policy = child_of(tmp_path, parent, "health: {fiber: {degraded-when-any: {rtt: off}}}\ndamping: off\n")
    assert leaving(policy.health["fiber"]) == ["loss 3% over 5s"]
    assert {limit.metric for limit in policy.health["fiber"].healthy_when_all} == {Metric.LOSS}
    assert policy.damping is None


def test_limits_of_a_kind_that_is_not_written_are_the_default_ones(tmp_path: Path) -> None:
    policy = bandung(tmp_path).policy
    assert policy.limits_for("cable") == policy.health["default"]
    assert policy.limits_for("satellite") == policy.health["satellite"] != policy.health["default"]


def test_every_limit_of_leaving_has_one_of_returning_in_every_built_in_policy() -> None:
    for name in built_in_names():
        for limits in build(name, built_in_layers(name)).policy.health.values():
            assert {limit.metric for limit in limits.healthy_when_all} == set(Metric)


@pytest.mark.parametrize("mode", ["automatic", "manual", "never"])
def test_failback_has_modes_without_windows(tmp_path: Path, mode: str) -> None:
    assert bandung(tmp_path, f"failback: {{mode: {mode}}}").policy.failback.mode is FailbackMode(mode)


def test_failback_in_a_window_has_windows(tmp_path: Path) -> None:
    written = 'failback: {mode: window, hold: 10s, windows: ["Mon 18:00-22:00", "23:00-01:00"]}'
    failback = bandung(tmp_path, written).policy.failback
    assert (failback.mode, failback.hold) == (FailbackMode.WINDOW, timedelta(seconds=10))
    assert failback.windows == (
        TimeWindow(frozenset({0}), time(18), time(22)),
        TimeWindow(frozenset(range(7)), time(23), time(1)),
    )


def test_windows_of_a_child_replace_those_of_its_parent(tmp_path: Path) -> None:
    parent = 'failback: {mode: window, windows: ["Mon 18:00-22:00", "Tue 18:00-22:00"]}\n'
    failback = child_of(tmp_path, parent, 'failback: {windows: "Sun 00:00-24:00"}\n').failback
    assert (failback.mode, len(failback.windows)) == (FailbackMode.WINDOW, 1)


@pytest.mark.parametrize(
    ("written", "meant"), [("off", None), ("30m", timedelta(minutes=30)), ("30d", timedelta(days=30))]
)
def test_a_reminder_comes_after_a_while_or_never(tmp_path: Path, written: str, meant: timedelta | None) -> None:
    failback = bandung(tmp_path, f"failback: {{mode: manual, remind-after: {written}}}").policy.failback
    assert (failback.mode, failback.remind_after) == (FailbackMode.MANUAL, meant)


def test_a_reminder_is_inherited_key_by_key_also_by_a_rule(tmp_path: Path) -> None:
    rules = "rules: [{name: nights, set: {failback: {remind-after: off}}}]"
    policy = child_of(tmp_path, "failback: {remind-after: 2h}\n", f"failback: {{mode: manual}}\n{rules}\n")
    assert policy.failback.remind_after == timedelta(hours=2)
    rule = policy.rules[0].set.failback
    assert rule is not None
    assert (rule.mode, rule.remind_after) == (FailbackMode.MANUAL, None)


def test_announcements_have_marks_by_state(tmp_path: Path) -> None:
    parent = 'announce: {up: {communities: ["65000:1"]}, degraded: {withdraw: true}, more-specifics: true}\n'
    child = 'announce: {up: {large-communities: ["65000:1:2"]}, drained: {communities: [graceful-shutdown]}}\n'
    announce = child_of(tmp_path, parent, child).announce
    assert announce.up == Marks(((65000, 1),), ((65000, 1, 2),))
    assert announce.degraded == Marks(withdraw=True)
    assert announce.drained == Marks(((65535, 0),))
    assert announce.more_specifics


def test_damping_is_merged_key_by_key(tmp_path: Path) -> None:
    damping = child_of(tmp_path, "damping: {half-life: 1m, suppress: 5}\n", "damping: {suppress: 4.5}\n").damping
    assert damping is not None
    assert (damping.half_life, damping.suppress, damping.reuse) == (timedelta(minutes=1), 4.5, 1.0)


@pytest.mark.parametrize("name", sorted(built_in_names()))
def test_a_built_in_policy_is_right_and_may_be_chosen_and_extended(tmp_path: Path, name: str) -> None:
    assert list(policy_problems(build(name, built_in_layers(name)))) == []
    assert bandung(tmp_path / "chosen", f"policy: {name}").policy.name == name
    mine = bandung(tmp_path / "extended", "policy: mine", mine=f"extends: {name}\nprefer: [lte]\n").policy
    assert mine.prefer == ("lte",)
    assert mine.health == build(name, built_in_layers(name)).policy.health


def test_a_file_takes_the_place_of_the_built_in_policy_of_its_name(tmp_path: Path) -> None:
    standard = build("standard", built_in_layers("standard")).policy
    assert bandung(tmp_path, "policy: cheap", cheap="prefer: [lte]\n").policy.metered is standard.metered


def test_a_file_may_extend_the_built_in_policy_of_its_own_name(tmp_path: Path) -> None:
    policy = bandung(tmp_path, "policy: cheap", cheap="extends: cheap\nprefer: [lte]\n").policy
    assert (policy.metered, policy.prefer) == (Metered.LAST_RESORT, ("lte",))


def test_a_changed_standard_is_below_all_that_extend_it_built_in_ones_too(tmp_path: Path) -> None:
    files = {"standard": "metered: allowed\nfailback: {hold: 1s}\n", "mine": "prefer: [lte]\n"}
    assert bandung(tmp_path / "mine", "policy: mine", **files).policy.metered is Metered.ALLOWED
    rural = bandung(tmp_path / "rural", "policy: rural", **files).policy
    assert (rural.metered, rural.failback.hold) == (Metered.ALLOWED, timedelta(minutes=2))


def test_standard_may_stand_on_another_built_in_policy(tmp_path: Path) -> None:
    files = {"standard": "extends: cheap\nprefer: [lte]\n", "mine": "extends: cheap\nmetered: allowed\n"}
    policy = bandung(tmp_path / "standard", **files).policy
    assert (policy.metered, policy.prefer) == (Metered.LAST_RESORT, ("lte",))
    mine = bandung(tmp_path / "mine", "policy: mine", **files).policy
    assert (mine.metered, mine.prefer) == (Metered.ALLOWED, ("lte",))


def test_the_networks_policy_is_that_of_branches_that_say_none(tmp_path: Path) -> None:
    network = NETWORK + "policy: cheap\n"
    assert intent_of(tmp_path / "a", {"network.yaml": network}).branches["bandung"].policy.name == "cheap"
    files = {"network.yaml": network, "branches/bandung.yaml": BANDUNG + "policy: voice\n"}
    assert intent_of(tmp_path / "b", files).branches["bandung"].policy.name == "voice"


def test_a_branch_may_hold_every_key_of_a_policy_and_counts_before_its_policy(tmp_path: Path) -> None:
    own = (
        "policy: mine\nmetered: allowed\nfailback: {hold: 5s}\nannounce: {step: 50}\ndamping: off\n"
        "health: {default: {degraded-when-any: {loss: 9% over 9s}}}\nprefer: [wireless]"
    )
    mine = "failback: {mode: never}\nannounce: {first: 2000}\nmetered: last-resort\nprefer: [fiber]\n"
    policy = bandung(tmp_path, own, mine=mine).policy
    assert (policy.name, policy.prefer, policy.metered) == ("mine", ("wireless",), Metered.ALLOWED)
    assert (policy.failback.mode, policy.failback.hold) == (FailbackMode.NEVER, timedelta(seconds=5))
    assert (policy.announce.first, policy.announce.step) == (2000, 50)
    assert policy.damping is None
    assert leaving(policy.health["default"])[0] == "loss 9% over 9s"


def test_a_branchs_rules_come_before_those_of_its_policy(tmp_path: Path) -> None:
    own = "policy: mine\nrules: [{name: own, when: {tunnel: fiber}, set: {metered: allowed}}]"
    policy = bandung(tmp_path, own, mine="rules: [{name: general, set: {metered: allowed}}]\n").policy
    assert [rule.name for rule in policy.rules] == ["own", "general"]


def test_a_childs_rules_replace_those_of_its_parent(tmp_path: Path) -> None:
    rule = "rules: [{{name: {}, set: {{metered: allowed}}}}]\n"
    policy = child_of(tmp_path, rule.format("old"), rule.format("new"))
    assert [rule.name for rule in policy.rules] == ["new"]


def test_a_script_is_a_file_beside_the_policies(tmp_path: Path) -> None:
    files = {"policies/even_out.py": "", "branches/bandung.yaml": BANDUNG + "script: even_out.py\n"}
    assert intent_of(tmp_path, files).branches["bandung"].policy.script == "even_out.py"


def test_a_tunnels_own_limits_are_on_top_of_those_for_its_kind(tmp_path: Path) -> None:
    own = "tunnels: {wireless: {health: {degraded-when-any: {rtt: 700ms over 9s}}}}"
    branch = bandung(tmp_path, own)
    fiber, wireless = branch.tunnels
    assert fiber.limits is None
    assert branch.limits_of(fiber) == branch.policy.health["default"]
    by_kind = leaving(branch.policy.health["lte"])
    assert leaving(branch.limits_of(wireless)) == [by_kind[0], by_kind[1], "rtt 700ms over 9s", by_kind[3]]
    assert [
        limit_text(limit) for limit in branch.limits_of(wireless).healthy_when_all if limit.metric is Metric.RTT
    ] == ["350ms over 60s"]


@pytest.mark.parametrize(
    ("network", "branch", "expected"),
    [("", "", Mode.ACT), ("mode: observe", "", Mode.OBSERVE), ("mode: observe", "mode: act", Mode.ACT)],
)
def test_the_mode_is_the_branchs_else_the_networks_else_act(
    tmp_path: Path, network: str, branch: str, expected: Mode
) -> None:
    files = {"network.yaml": f"{NETWORK}{network}\n", "branches/bandung.yaml": f"{BANDUNG}{branch}\n"}
    assert intent_of(tmp_path, files).branches["bandung"].mode is expected


@pytest.mark.parametrize(
    ("liveness", "fiber", "wireless"),
    [
        ("", (200, 1000), (200, 10_000)),
        ("liveness: fast", (50, 1000), (50, 10_000)),
        ("liveness: relaxed", (1000, 5000), (1000, 10_000)),
        ("liveness: {active: fast, idle: relaxed}", (50, 5000), (50, 10_000)),
        ("liveness: {interval: 20ms}", (50, 1000), (50, 10_000)),
        ("liveness: {interval: 150ms}", (1000, 5000), (1000, 10_000)),
    ],
)
def test_health_is_probed_as_often_as_liveness_hurries(
    tmp_path: Path, liveness: str, fiber: tuple[int, int], wireless: tuple[int, int]
) -> None:
    rates = [tunnel.liveness.probe for tunnel in bandung(tmp_path, liveness).tunnels]
    assert rates == [ProbeRate(*(timedelta(milliseconds=each) for each in rate)) for rate in (fiber, wireless)]


def test_what_is_in_force_has_its_scripts_too(tmp_path: Path) -> None:
    files = {"policies/even_out.py": "", "branches/bandung.yaml": BANDUNG + "script: even_out.py\n"}
    intent_of(tmp_path / "here", files)
    state = tmp_path / "state"
    assert read(stage(tmp_path / "here", state)).intent is not None
