"""What a tunnel says of announcements and damping for itself: on top of its policy, never what orders all tunnels."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from config_directories import BANDUNG, reading, said

from policies.changes import branch_changes
from policies.model.health import Damping
from policies.model.intent import Branch
from policies.model.policy import Marks

POLICY = 'announce: {step: 50, degraded: {communities: ["65000:2"]}, drained: {large-communities: ["65000:1:2"]}}\n'


def bandung(directory: Path, tunnels: str, policy: str = POLICY) -> Branch:
    files = {"policies/mine.yaml": policy, "branches/bandung.yaml": f"{BANDUNG}policy: mine\ntunnels: {tunnels}\n"}
    configuration = reading(directory, files)
    assert configuration.intent is not None, said(configuration)
    return configuration.intent.branches["bandung"]


def problems(directory: Path, tunnels: str) -> str:
    return said(reading(directory, {"branches/bandung.yaml": f"{BANDUNG}tunnels: {tunnels}\n"}))


def test_a_tunnel_that_says_nothing_is_announced_and_damped_as_its_policy_says(tmp_path: Path) -> None:
    branch = bandung(tmp_path, "{wireless: {health: {degraded-when-any: {loss: 9% over 9s}}}}")
    for tunnel in branch.tunnels:
        assert (tunnel.announce, tunnel.damping) == (None, None)
        assert branch.announce_of(tunnel) == branch.policy.announce
        assert branch.damping_of(tunnel) == branch.policy.damping


def test_what_a_tunnel_says_of_announcements_merges_with_its_policy_key_by_key(tmp_path: Path) -> None:
    own = '{wireless: {announce: {add-drained: 9000, degraded: {withdraw: true}, up: {communities: ["65000:7"]}}}}'
    branch = bandung(tmp_path, own)
    fiber, wireless = branch.tunnels
    assert fiber.announce is None
    announce = branch.announce_of(wireless)
    assert (announce.first, announce.step, announce.add_degraded, announce.add_drained) == (1000, 50, 4000, 9000)
    assert announce.degraded == Marks(((65000, 2),), withdraw=True)
    assert announce.drained == branch.policy.announce.drained
    assert announce.up == Marks(((65000, 7),))


def test_a_list_of_communities_takes_the_place_of_the_policys(tmp_path: Path) -> None:
    branch = bandung(tmp_path, '{wireless: {announce: {degraded: {communities: ["65000:9"]}}}}')
    assert branch.announce_of(branch.tunnels[1]).degraded.communities == ((65000, 9),)


def test_what_a_tunnel_says_of_damping_merges_with_its_policy(tmp_path: Path) -> None:
    policy = "damping: {half-life: 9m, suppress: 4, reuse: 2}\n"
    branch = bandung(tmp_path, "{wireless: {damping: {suppress: 2.5}}}", policy)
    minutes = timedelta(minutes=1)
    assert branch.damping_of(branch.tunnels[1]) == Damping(9 * minutes, 2.5, 2.0, 30 * minutes)
    assert branch.damping_of(branch.tunnels[0]) == branch.policy.damping


def test_a_tunnel_alone_may_be_damped_where_its_policy_damps_none(tmp_path: Path) -> None:
    branch = bandung(tmp_path, "{wireless: {damping: {suppress: 2}}}", "damping: off\n")
    minutes = timedelta(minutes=1)
    assert branch.damping_of(branch.tunnels[1]) == Damping(5 * minutes, 2.0, 1.0, 30 * minutes)
    assert branch.damping_of(branch.tunnels[0]) is None


def test_a_tunnel_alone_may_be_left_undamped(tmp_path: Path) -> None:
    branch = bandung(tmp_path, "{wireless: {damping: off}}")
    assert branch.damping_of(branch.tunnels[1]) is None
    assert branch.damping_of(branch.tunnels[0]) is not None


@pytest.mark.parametrize("key", ["first: 500", "step: 10", "more-specifics: true"])
def test_what_orders_all_tunnels_is_refused_of_one(tmp_path: Path, key: str) -> None:
    found = problems(tmp_path, f"{{wireless: {{announce: {{{key}}}}}}}")
    assert "branches/bandung.yaml:6:33: first and step put all tunnels of a branch in order" in found
    assert "mend: write it under announce of the branch, or of its policy" in found


@pytest.mark.parametrize(
    "key", ["prefer: [lte]", "failback: {hold: 5m}", "rules: []", "policy: careful", "script: a.py"]
)
def test_a_tunnel_has_no_ranking_and_no_rules_of_its_own(tmp_path: Path, key: str) -> None:
    found = problems(tmp_path, f"{{wireless: {{{key}}}}}")
    assert "branches/bandung.yaml:6:22: the tunnels of a branch are put in order together" in found
    assert "mend: write it in the branch; of a tunnel are health, damping and announce" in found


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (
            "announce: {add-degraded: 9000}",
            "6:32: step, add-degraded and add-drained must not fall: they are 100, 9",
        ),
        (
            "announce: {add-drained: 10}",
            "6:32: step, add-degraded and add-drained must not fall: they are 100, 4",
        ),
        ("announce: {up: {withdraw: true}}", "6:48: withdraw: a tunnel that is up is how the branch is reached"),
        ("announce: {withdraw: true}", "6:33: what goes with an announcement is said by state"),
        ("announce: {add-drained: 999000}", "6:46: announce: a branch with 2 tunnels would be told up to 1000100"),
        ("announce: {drained: {comunities: []}}", '6:43: unknown key "comunities"\n    mend: write "communities"'),
        ("damping: {suppress: 1}", "6:31: reuse 1 is not below suppress 1"),
        ("damping: {reuse: 3}", "6:39: reuse 3 is not below suppress 3"),
        ("damping: {max-suppress: 2d}", "6:46: max-suppress: from 1s to 1d, 2d is not"),
        ("damping: 7", "damping: the number 7 is neither a map nor off"),
    ],
)
def test_what_is_wrong_with_it_is_said_at_its_place(tmp_path: Path, own: str, expected: str) -> None:
    found = problems(tmp_path, f"{{wireless: {{{own}}}}}")
    assert expected in found
    assert len(found.splitlines()) <= 2, found


def test_what_its_policy_says_wrongly_is_said_of_the_policy_alone(tmp_path: Path) -> None:
    own = "policy: mine\ntunnels: {wireless: {announce: {add-degraded: 5000}}}\n"
    files = {"policies/mine.yaml": "announce: {add-drained: 999000}\n", "branches/bandung.yaml": BANDUNG + own}
    found = said(reading(tmp_path, files))
    assert "policies/mine.yaml" in found
    assert "bandung" not in found


def test_a_plan_says_what_changes_of_a_tunnels_own(tmp_path: Path) -> None:
    was = bandung(tmp_path, "{}")
    now = bandung(tmp_path, "{wireless: {damping: off, announce: {add-degraded: 5000, drained: {withdraw: true}}}}")
    assert [(change.what, change.was, change.now) for change in branch_changes(was, now)] == [
        ("wireless: announce", None, "add-degraded 5000, add-drained 8000"),
        ("wireless: announce when degraded", None, "65000:2"),
        ("wireless: announce when drained", None, "65000:1:2, withdrawn"),
        ("wireless: damping", None, "off"),
    ]
