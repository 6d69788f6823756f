"""A link that becomes another branch's, with a real ExaBGP: the old session ends first, nobody else's notices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from bgp_bench import Bench, bench
from test_exabgp_processes import Controller, play

from hub.bgp.reload import prepare
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.transition import transition

pytestmark = pytest.mark.integration


@pytest.fixture
def lab() -> Iterator[Bench]:
    """Three branches in one process."""
    with bench(3) as made:
        yield made


def given_away(before: Intent) -> Intent:
    """The link of b1/fiber is b2/third's, over another interface."""
    first, second = before.branches["b1"], before.branches["b2"]
    third = replace(first.tunnels[0], id=TunnelId("b2", "third"), interface="wg-b2-third")
    branches = {
        **before.branches,
        "b1": replace(first, tunnels=first.tunnels[1:]),
        "b2": replace(second, tunnels=(*second.tunnels, third)),
    }
    return replace(before, branches=branches)


def test_a_link_becomes_another_branchs_when_the_first_has_left_it(lab: Bench) -> None:
    async def scene(controller: Controller) -> None:
        stays = [name for name in map(str, lab.intent.tunnels()) if name != "b1/fiber"]
        before = {name: lab.up_since(name) for name in stays}
        change = transition(lab.intent, given_away(lab.intent))
        await controller.change(change.interim)
        controller.want(980)
        await controller.until_all_have(980, change.interim)
        assert lab.up_since("b1/fiber") is not None
        await controller.change(change.final)
        assert "b1_fiber: Received: Administrative reset" in lab.log("bird.log")
        lab.reconfigure_bird(change.final)
        controller.want(970)
        await controller.until_all_have(970, change.final)
        assert {name: lab.up_since(name) for name in stays} == pytest.approx(before, abs=0.5)

    play(lab, scene)


def test_exabgp_accepts_every_step(lab: Bench) -> None:
    change = transition(lab.intent, given_away(lab.intent))
    for step in (change.interim, change.final):
        assert prepare(lab.directory / "step.conf", step, lab.site().rendering(1), lab.directory) is not None
