"""What `check` finds wrong with a policy, its place and its mend; and what is no mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_directories import BANDUNG, NETWORK, reading, said

LIMITS = "health: {{default: {{degraded-when-any: {{{}}}, healthy-when-all: {{{}}}}}}}"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (
            LIMITS.format("loss: 3% over 5s", "loss: 4% over 60s"),
            '1:84: loss: "4% over 60s" to return is above "3% over 5s" to leave',
        ),
        (
            LIMITS.format("loss: [15% over 1s, 3% over 5s]", "loss: 4% over 60s"),
            '"4% over 60s" to return is above "3% over 5s" to leave',
        ),
        (
            LIMITS.format("rtt: usual + 80ms over 5s", "rtt: usual + 90ms over 60s"),
            'rtt: "usual + 90ms over 60s" to return is above "usual + 80ms over 5s" to leave',
        ),
        (LIMITS.format("jitter: 30ms over 5s", "jitter: 31ms over 60s"), 'jitter: "31ms over 60s" to return is above'),
        ("health: {default: {healthy-when-all: {loss: 4% over 60s}}}", '1:45: loss: "4% over 60s" to return is above'),
        ("health: {default: {degraded-when-any: {loss: 0% over 5s}}}", "1:46: loss: above 0%, or every packet lost"),
        ("health: {default: {degraded-when-any: {loss: 100% over 5s}}}", "1:46: loss: more than 100% is never lost"),
        (
            "health: {default: {degraded-when-any: {losss: 1% over 5s}}}",
            '1:40: unknown key "losss"\n    mend: write "loss"',
        ),
        ("health: {default: {degraded: {loss: 1% over 5s}}}", '1:20: unknown key "degraded"'),
        ("health: {fibre: {}}", '1:10: "fibre" is not known: one of default, fiber'),
        ("health: {default: {degraded-when-any: {loss: [3% over 5s, 5%]}}}", '1:59: loss: "5%" has no window'),
        (
            "failback: {mode: window}",
            '1:18: mode: window wants windows\n    mend: add windows: ["Mon-Fri 18:00-22:00"]',
        ),
        ("failback: {mode: window, windows: []}", "1:35: windows is empty: at least one is wanted"),
        (
            "failback: {mode: sometimes}",
            '1:18: mode: "sometimes" is not known: one of automatic, window, manual, never',
        ),
        (
            "failback: {remind-after: 5s}",
            "1:26: remind-after: from 1m to 30d, 5s is not\n    mend: for never: remind-after: off",
        ),
        ("failback: {remind-after: 31d}", "1:26: remind-after: from 1m to 30d, 31d is not"),
        ("failback: {remind-after: 60}", "1:26: remind-after: "),
        ("failback: {windows: [18:00]}", "1:22: 18:00 has colons: other programs read it as something else"),
        ("damping: {suppress: 1, reuse: 3}", "1:31: reuse 3 is not below suppress 1"),
        ("damping: {suppress: 1}", "1:10: reuse 1 is not below suppress 1"),
        ("damping: {suppress: true}", "1:21: suppress: true where a number is wanted"),
        ("damping: {suppress: 1e999}", "1:21: suppress: inf is too large: at most 100"),
        ("damping: {half-life: 0s}", "1:22: half-life: from 1s to 1d, 0s is not"),
        ("damping: {max-suppress: 2d}", "1:25: max-suppress: from 1s to 1d, 2d is not"),
        ("damping: on", '1:10: damping: "on" is neither a map nor off\n    mend: write {half-life: 5m,'),
        ("announce: {up: {withdraw: true}}", "1:27: withdraw: a tunnel that is up is how the branch is reached"),
        ("announce: {drained: {communities: [65535:0]}}", "1:36: 65535:0 has colons"),
        ("announce: {communities: []}", "1:12: what goes with an announcement is said by state"),
        ("script: nothing.py", "1:9: script: there is no file policies/nothing.py"),
        ("rules: [{set: {metered: allowed}}]", '1:9: "name" is missing'),
        ("rules: [{name: x}]", '1:9: "set" is missing'),
        (
            "rules: [{name: x, set: {}}]",
            '1:24: rule "x" sets nothing\n    mend: add prefer, metered, ignore or failback',
        ),
        (
            'rules: [{name: " ", set: {metered: allowed}}]',
            "1:16: name: a rule's name is one line of 1 to 80 characters",
        ),
        (
            "rules: [{name: x, set: {metered: allowed}}, {name: x, when: {tunnel: fiber}, set: {metered: allowed}}]",
            '1:52: name: "x" is the name of several rules\n    mend: give each its own',
        ),
        ("rules: [{name: x, when: {health: [down, up]}, set: {ignore: degraded}}]", "1:34: health: down stands alone"),
        ("rules: [{name: x, when: {helth: up}, set: {ignore: degraded}}]", '1:26: unknown key "helth"'),
        ("rules: [{name: x, set: {failback: {mode: window}}}]", "1:42: mode: window wants windows"),
        ("rules: {}", "1:8: rules: a map where a list is wanted"),
        ("rules: [{name: x, when: {time: 22:00}, set: {ignore: degraded}}]", "1:32: 22:00 has colons"),
    ],
)
def test_a_mistake_in_a_policy_is_said_at_its_place(tmp_path: Path, policy: str, expected: str) -> None:
    configuration = reading(tmp_path, {"policies/p.yaml": f"{policy}\n"})
    assert expected in said(configuration)
    assert configuration.intent is None
    assert all(problem.file == "policies/p.yaml" for problem in configuration.problems)


@pytest.mark.parametrize(
    "key", ["health: {default: {degraded-when-any: {loss: 0% over 5s}}}", "damping: {suppress: 1}"]
)
def test_the_same_mistake_in_a_branch_is_said_there(tmp_path: Path, key: str) -> None:
    configuration = reading(tmp_path, {"branches/bandung.yaml": f"{BANDUNG}{key}\n"})
    assert said(configuration).startswith("branches/bandung.yaml:6:")
    assert configuration.intent is None


def test_a_mistake_of_a_parent_is_said_once(tmp_path: Path) -> None:
    files = {"policies/p.yaml": "damping: {suppress: 1}\n", "policies/c.yaml": "extends: p\nmetered: allowed\n"}
    configuration = reading(tmp_path, {**files, "branches/bandung.yaml": f"{BANDUNG}policy: c\nprefer: [lte]\n"})
    assert len(configuration.problems) == 1


def test_a_childs_limit_that_its_parents_return_limit_is_above_is_said_at_the_child(tmp_path: Path) -> None:
    parent = "health: {default: {healthy-when-all: {loss: 2% over 60s}}}\n"
    child = "extends: p\nhealth: {default: {degraded-when-any: {loss: 1% over 5s}}}\n"
    configuration = reading(tmp_path, {"policies/p.yaml": parent, "policies/c.yaml": child})
    assert said(configuration).startswith('policies/c.yaml:2:46: loss: "2% over 60s" to return is above "1% over 5s"')


def test_a_tunnels_limit_is_judged_with_those_of_its_kind(tmp_path: Path) -> None:
    own = "tunnels: {wireless: {health: {healthy-when-all: {loss: 50% over 60s}}}}\n"
    configuration = reading(tmp_path, {"branches/bandung.yaml": BANDUNG + own})
    assert 'branches/bandung.yaml:6:56: loss: "50% over 60s" to return is above' in said(configuration)


def test_windows_without_their_mode_are_a_warning(tmp_path: Path) -> None:
    configuration = reading(tmp_path, {"policies/p.yaml": 'failback: {windows: ["22:00-05:00"]}\n'})
    assert "1:12: warning: windows count only with mode: window, and the mode is automatic" in said(configuration)
    assert configuration.intent is not None


@pytest.mark.parametrize(
    ("file", "content", "place"),
    [
        ("network.yaml", NETWORK + "policy: carefull\n", "network.yaml:12:9"),
        ("branches/bandung.yaml", BANDUNG + "policy: carefull\n", "branches/bandung.yaml:6:9"),
        ("policies/p.yaml", "extends: carefull\n", "policies/p.yaml:1:10"),
    ],
)
def test_a_policy_that_is_not_there_may_be_a_misspelt_built_in_one(
    tmp_path: Path, file: str, content: str, place: str
) -> None:
    expected = f'{place}: there is no policy "carefull"\n    mend: write "careful"'
    assert said(reading(tmp_path, {file: content})) == expected


def test_a_circle_through_a_built_in_policy_is_said_at_a_file_of_it(tmp_path: Path) -> None:
    extends = {"a": "cheap", "standard": "mine", "mine": "cheap"}
    files = {f"policies/{name}.yaml": f"extends: {parent}\n" for name, parent in extends.items()}
    found = said(reading(tmp_path, files))
    assert (
        "policies/standard.yaml:1:10: policies extend each other in a circle: cheap -> standard -> mine -> cheap"
        in found
    )


def test_a_policy_that_nobody_uses_is_no_problem(tmp_path: Path) -> None:
    assert said(reading(tmp_path, {"policies/p.yaml": "metered: allowed\n"})) == ""


def test_names_are_not_missed_while_a_branch_cannot_be_read(tmp_path: Path) -> None:
    files = {
        "branches/bogor.yaml": "as: x\n",
        "policies/p.yaml": "rules: [{name: x, when: {tunnel: metro}, set: {metered: allowed}}]\n",
    }
    assert "metro" not in said(reading(tmp_path, files))


def test_a_branch_that_changes_the_arithmetic_of_med_is_reckoned_by_itself(tmp_path: Path) -> None:
    own = BANDUNG + "announce: {add-drained: 999000}\n"
    configuration = reading(tmp_path, {"branches/bandung.yaml": own})
    assert "branches/bandung.yaml:6:11: announce: a branch with 2 tunnels would be told up to 1000100" in said(
        configuration
    )
