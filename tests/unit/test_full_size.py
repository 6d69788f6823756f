"""Full-size packets that do not pass a tunnel: held against it alike by the judge of health and by a plan."""

from __future__ import annotations

from dataclasses import replace

from small_network import a_network
from test_plan_outlook import FIBER, NOW, SEMARANG, WIRELESS, live, measured

from policies.health.against import against
from policies.health.judge import judge
from policies.health.signs import PathMtu
from policies.plan import plan

TOO_LARGE = PathMtu(1420, ok=False, works=1380, looks=2)
SAID = "full-size packets of 1420 bytes do not pass: largest that does 1380"


def test_they_speak_against_the_tunnel_beside_what_targets_do() -> None:
    assert against(SEMARANG, live(), {FIBER: TOO_LARGE}, NOW.monotonic) == {FIBER: (SAID,)}


def test_a_plan_does_not_foresee_the_return_to_a_tunnel_that_they_keep_degraded() -> None:
    memories = {FIBER: measured(0.0), WIRELESS: measured(0.0)}
    limits = SEMARANG.limits_of(SEMARANG.tunnels[0])
    memories[FIBER], _ = judge(memories[FIBER], limits, None, (SAID,), NOW.monotonic)
    view = live(on=WIRELESS, health={tunnel: memory.view for tunnel, memory in memories.items()})
    found = plan(
        a_network(SEMARANG),
        a_network(replace(SEMARANG, prefix_limit=7)),
        view,
        NOW,
        memories,
        sizes={FIBER: TOO_LARGE},
    )
    (branch,) = found.branches
    assert branch.moves == ()
