"""When a drain is safe to work on: what is counted, seen and waited for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from override_rig import FIBER, WIRELESS, Counting, Rig, forwarded
from small_network import a_network

from hub.overrides import keeper as keeper_module
from hub.overrides.counters import Counted
from policies.model.clock import Instant
from policies.model.intent import Mode
from policies.model.view import PATH_FRESH


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(keeper_module, "LOOK_SECONDS", 0.01)
    return Rig(tmp_path)


def counted(rig: Rig, to: float | None = None, back: float | None = None, *, since: float = 0.0) -> Counted:
    """Read this moment; the last packets so many seconds ago, counted for so many."""
    now = rig.core.moment.monotonic
    last = [None if age is None else Instant(now - age) for age in (to, back)]
    return Counted(Instant(now - since), now, *last)


async def progress(rig: Rig) -> Any:
    report = await rig.told("drain", number=1)
    (one,) = report["tunnels"]
    return report["moved"], report["idle"], report["safe"], one["missing"]


def test_a_drain_is_safe_when_both_ends_have_moved_and_nothing_was_counted_for_five_seconds(rig: Rig) -> None:
    rig.counting = counting = Counting()

    async def scene() -> None:
        core = rig.core
        await rig.told("drain", target="bandung/fiber")
        assert counting.watched == {FIBER}
        assert await progress(rig) == (False, False, False, "the hub still sends to bandung by it")
        core.view = replace(core.view, classes={"bandung": forwarded(WIRELESS)})
        assert await progress(rig) == (False, False, False, "bandung still sends by it")
        core.view = replace(core.view, paths={})
        missing = "bandung is not seen to use another tunnel: no return-path probe is answered"
        assert await progress(rig) == (False, False, False, missing)
        core.sees_use_of(WIRELESS)
        assert await progress(rig) == (True, False, False, "not counted")
        counting.told[FIBER] = counted(rig, back=0.0)
        assert await progress(rig) == (True, False, False, "a packet from the branch 0.0 s ago")
        core.later(4.9 / 60)
        counting.told[FIBER] = counted(rig, back=4.9, since=4.9)
        core.sees_use_of(WIRELESS)
        assert await progress(rig) == (True, False, False, "a packet from the branch 4.9 s ago")
        core.later(0.2 / 60)
        counting.told[FIBER] = counted(rig, back=5.1, since=5.1)
        core.sees_use_of(WIRELESS)
        assert await progress(rig) == (True, True, True, "")
        counting.told[FIBER] = counted(rig, to=0.0, since=60.0)
        assert await progress(rig) == (True, False, False, "a packet to the branch 0.0 s ago")
        core.view = replace(core.view, forwarder=False)
        missing = "the forwarder does not answer: it is not known what the kernel does"
        assert await progress(rig) == (False, False, False, missing)

    rig.play(scene)


def test_where_a_branch_sent_long_ago_is_no_proof_of_where_it_sends(rig: Rig) -> None:
    async def scene() -> None:
        core = rig.core
        await rig.told("drain", target="bandung/fiber")
        core.view = replace(core.view, classes={"bandung": forwarded(WIRELESS)})
        core.sees_use_of(WIRELESS)
        core.later(PATH_FRESH.total_seconds() / 60)
        assert (await progress(rig))[0]
        core.later(0.1 / 60)
        missing = "bandung is not seen to use another tunnel: no return-path probe is answered"
        assert await progress(rig) == (False, False, False, missing)

    rig.play(scene)


def test_an_old_answer_proves_nothing(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("drain", target="bandung/fiber")
        rig.core.sees_use_of(WIRELESS)
        rig.core.later(0.1)
        assert (await progress(rig))[:2] == (False, False)

    rig.play(scene)


def test_a_tunnel_that_was_counted_only_now_is_not_idle_yet(rig: Rig) -> None:
    rig.counting = Counting()
    rig.counting.told[FIBER] = counted(rig, since=4.9)

    async def scene() -> None:
        rig.core.sees_use_of(WIRELESS)
        await rig.told("drain", target="bandung/fiber")
        assert await progress(rig) == (True, False, False, "counted for less than 5 s")

    rig.play(scene)


def test_a_forwarder_that_restarts_while_it_is_waited_for_begins_to_count_anew(rig: Rig) -> None:
    rig.counting = counting = Counting()

    async def scene() -> None:
        await rig.told("drain", target="bandung/fiber")
        rig.core.sees_use_of(WIRELESS)
        counting.told[FIBER] = counted(rig, back=0.0, since=4.0)
        assert await progress(rig) == (True, False, False, "a packet from the branch 0.0 s ago")
        rig.core.later(3 / 60)
        rig.core.sees_use_of(WIRELESS)
        counting.told[FIBER] = counted(rig, since=0.1)
        assert await progress(rig) == (True, False, False, "counted for less than 5 s")

    rig.play(scene)


def test_a_reading_that_stops_proves_nothing(rig: Rig) -> None:
    rig.counting = Counting()

    async def scene() -> None:
        await rig.told("drain", target="bandung/fiber")
        rig.counting.told[FIBER] = counted(rig, since=60.0)
        rig.core.later(0.9 / 60)
        rig.core.sees_use_of(WIRELESS)
        assert await progress(rig) == (True, True, True, "")
        rig.core.later(0.2 / 60)
        rig.core.sees_use_of(WIRELESS)
        assert await progress(rig) == (True, False, False, "not counted")
        report = await rig.told("drain", number=1)
        assert report["tunnels"][0]["idle_for"] is None

    rig.play(scene)


def test_a_freeze_and_a_mode_that_hold_it_up_are_named(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("drain", target="bandung/fiber")
        await rig.told("freeze")
        assert (await progress(rig))[3] == "the hub still sends to bandung by it (moves are frozen)"
        observed = replace(rig.core.intent.branches["bandung"], mode=Mode.OBSERVE)
        rig.core.intent = a_network(observed)
        core = rig.core
        core.view = replace(core.view, classes={"bandung": forwarded(WIRELESS)})
        assert (await progress(rig))[3] == "bandung still sends by it (its mode is observe, so that nothing is moved)"

    rig.play(scene)


def test_without_counters_it_says_so(rig: Rig) -> None:
    async def scene() -> None:
        rig.core.sees_use_of(WIRELESS)
        await rig.told("drain", target="bandung/fiber")
        report = await rig.told("drain", number=1)
        assert (report["counting"], report["moved"], report["safe"]) == (False, True, False)
        assert report["tunnels"][0]["missing"] == "not counted"

    rig.play(scene)


def test_a_branch_whose_turn_comes_later_is_waited_for(rig: Rig) -> None:
    async def scene() -> None:
        rig.core.sees_use_of(WIRELESS)
        await rig.told("drain", target="isp:isp-fiber", rate="0.1/min")
        report = await rig.told("drain", number=1)
        assert [one["missing"] for one in report["tunnels"]] == ["not counted", "begins at 12:10"]

    rig.play(scene)
