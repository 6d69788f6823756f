"""Full-size packets that do not pass a tunnel: held against it alike by the judge of health and by a plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from config_directories import BANDUNG, reading, said
from small_network import a_network
from test_plan_outlook import FIBER, NOW, SEMARANG, WIRELESS, live, measured

from hub.config.policy.build import build
from hub.config.policy.built_in import built_in_layers, built_in_names
from policies.health.against import against
from policies.health.judge import judge
from policies.model.health import HealthLimits
from policies.model.path_mtu import PathMtu
from policies.plan import plan
from policies.policy_words import limit_facts

TOO_LARGE = PathMtu(1420, ok=False, works=1380, looks=2)
WITHOUT = "health: {default: {degraded-when-any: {full-size: off}}}\n"
LOST = "health: {default: {degraded-when-any: {full-size: lost}}}\n"
SAID = "full-size packets of 1420 bytes do not pass: largest that does 1380"


COUNTS = replace(
    SEMARANG,
    policy=replace(
        SEMARANG.policy,
        health={kind: replace(limits, full_size=True) for kind, limits in SEMARANG.policy.health.items()},
    ),
)


def limits_of_fiber(tmp_path: Path, files: dict[str, str], branch: str) -> HealthLimits:
    configuration = reading(tmp_path, {**files, "branches/bandung.yaml": branch})
    assert configuration.intent is not None, said(configuration)
    bandung = configuration.intent.branches["bandung"]
    return bandung.limits_of(bandung.tunnels[0])


def test_they_speak_against_the_tunnel_beside_what_targets_do() -> None:
    assert against(COUNTS, live(), {FIBER: TOO_LARGE}, NOW.monotonic) == {FIBER: (SAID,)}


def test_they_move_nothing_unless_the_limits_say_so() -> None:
    assert against(SEMARANG, live(), {FIBER: TOO_LARGE}, NOW.monotonic) == {}


def test_a_plan_that_lets_them_count_foresees_the_move() -> None:
    memories = {FIBER: measured(0.0), WIRELESS: measured(0.0)}
    view = live(health={tunnel: memory.view for tunnel, memory in memories.items()})
    found = plan(a_network(SEMARANG), a_network(COUNTS), view, NOW, memories, sizes={FIBER: TOO_LARGE})
    (branch,) = found.branches
    assert [(move.to, move.because) for move in branch.moves] == [("wireless", SAID)]


@pytest.mark.parametrize(
    ("parent", "child", "counts"),
    [
        ("", "", False),
        ("", LOST, True),
        (LOST, "", True),
        (LOST, "health: {default: {degraded-when-any: {loss: 2% over 5s}}}\n", True),
        (LOST, WITHOUT, False),
        (LOST, "health: {fiber: {degraded-when-any: {full-size: lost}}}\n", True),
    ],
)
def test_whether_they_count_is_inherited_and_replaced_like_any_limit(
    tmp_path: Path, parent: str, child: str, counts: bool
) -> None:
    files = {"policies/parent.yaml": f"extends: standard\n{parent}", "policies/own.yaml": f"extends: parent\n{child}"}
    assert limits_of_fiber(tmp_path, files, f"{BANDUNG}policy: own\n").full_size is counts


def test_a_tunnel_may_say_it_for_itself(tmp_path: Path) -> None:
    own = "tunnels:\n  wireless: {over: wireless}\n"
    own += "  fiber: {over: fiber, health: {degraded-when-any: {full-size: lost}}}\n"
    limits = limits_of_fiber(tmp_path, {}, BANDUNG + own)
    assert limits.full_size
    assert limits.degraded_when_any
    assert limit_facts(limits)["full-size"] == "lost"


@pytest.mark.parametrize("name", sorted(built_in_names()))
def test_no_built_in_policy_moves_traffic_by_them(name: str) -> None:
    policy = build(name, built_in_layers(name)).policy
    assert not any(limits.full_size for limits in policy.health.values())


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("degraded-when-any: {full-size: 1420}", "full-size"),
        ("degraded-when-any: {full-size: loss}", 'write "lost"'),
        ("healthy-when-all: {full-size: lost}", "full-size stands below degraded-when-any alone"),
    ],
)
def test_what_is_written_wrongly_is_told(tmp_path: Path, written: str, problem: str) -> None:
    files = {"policies/standard.yaml": f"health: {{default: {{{written}}}}}\n"}
    assert problem in said(reading(tmp_path, files))


def test_a_plan_does_not_foresee_the_return_to_a_tunnel_that_they_keep_degraded() -> None:
    memories = {FIBER: measured(0.0), WIRELESS: measured(0.0)}
    limits = SEMARANG.limits_of(SEMARANG.tunnels[0])
    memories[FIBER], _ = judge(memories[FIBER], limits, None, (SAID,), NOW.monotonic)
    view = live(on=WIRELESS, health={tunnel: memory.view for tunnel, memory in memories.items()})
    found = plan(
        a_network(COUNTS),
        a_network(replace(COUNTS, prefix_limit=7)),
        view,
        NOW,
        memories,
        sizes={FIBER: TOO_LARGE},
    )
    (branch,) = found.branches
    assert branch.moves == ()
