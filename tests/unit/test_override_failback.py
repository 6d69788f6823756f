"""control.sock and failback: a word for a branch to go back, until it is obeyed or ten minutes are over."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from override_rig import FIBER, WIRELESS, Rig
from override_values import NOON
from waiting import until

from hub.overrides import keeper as keeper_module
from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.model.verdicts import Reason, Verdict
from policies.model.view import LivenessState, LivenessView


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(keeper_module, "LOOK_SECONDS", 0.01)
    return Rig(tmp_path)


def test_a_failback_counts_until_it_is_obeyed_or_for_ten_minutes(rig: Rig) -> None:
    def on(tunnel: TunnelId) -> None:
        rig.core.verdicts["bandung"] = Verdict("bandung", tunnel, tunnel, FIBER, Reason.PREFERRED, "", ())

    async def scene() -> None:
        on(FIBER)
        assert await rig.refused("failback", branch="bandung") == "bandung is on its preferred tunnel, fiber, already"
        on(WIRELESS)
        await rig.told("failback", branch="bandung")
        assert rig.core.overrides.failback == (("bandung", NOON + timedelta(minutes=10)),)
        on(FIBER)
        await until(lambda: not rig.core.overrides.failback)
        assert "failback 1 of bandung is obeyed" in rig.said
        on(WIRELESS)
        await rig.told("failback", branch="bandung")
        rig.core.later(11)
        await until(lambda: not rig.core.overrides.failback)
        assert "failback 2 of bandung is over" in rig.said

    rig.play(scene)


def test_a_failback_of_a_branch_that_no_tunnel_reaches_is_refused_with_what_will_be(rig: Rig) -> None:
    down = LivenessView(LivenessState.DOWN, Instant(1.0))

    async def scene() -> None:
        rig.core.view = replace(rig.core.view, liveness={FIBER: down, WIRELESS: down})
        error = await rig.refused("failback", branch="bandung")
        assert error == "no tunnel of bandung answers: whichever does first carries at once, without a word"

    rig.play(scene)


def test_a_failback_is_also_for_the_traffic_that_a_rule_steers(rig: Rig) -> None:
    def steered(by: TunnelId) -> None:
        other = Verdict("bandung", by, by, WIRELESS, Reason.WAITING_FOR_WORD, "", (), rule="night copies")
        rig.core.verdicts["bandung"] = Verdict(
            "bandung", FIBER, FIBER, FIBER, Reason.PREFERRED, "", (), others=(other,)
        )

    async def scene() -> None:
        steered(FIBER)
        await rig.told("failback", branch="bandung")
        await asyncio.sleep(0.05)
        assert rig.core.overrides.failback
        steered(WIRELESS)
        await until(lambda: not rig.core.overrides.failback)
        assert "failback 1 of bandung is obeyed" in rig.said
        error = await rig.refused("failback", branch="bandung")
        assert error == "bandung is on its preferred tunnel, fiber and wireless, already"

    rig.play(scene)
