"""control.sock and overrides: what is said is kept, in force and answered; what is not taken changes nothing."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from override_rig import FIBER, ME, Rig
from override_values import NOON
from small_network import a_branch, a_network
from waiting import until

from hub.overrides import keeper as keeper_module
from hub.overrides.store import Store
from policies.model.ids import TunnelId
from policies.model.intent import Mode
from policies.model.overrides import InForce, Override


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(keeper_module, "LOOK_SECONDS", 0.01)
    return Rig(tmp_path)


def test_a_drain_is_in_force_and_kept_before_it_is_answered(rig: Rig) -> None:
    async def drained() -> None:
        answer = await rig.told("drain", target="bandung/fiber", **{"for": "2h"}, reason="splice, ticket 4411")
        (drain,) = rig.core.overrides.drains
        assert (drain.number, drain.target.text, drain.begins, drain.until) == (
            1,
            "bandung/fiber",
            NOON,
            NOON + timedelta(hours=2),
        )
        assert rig.core.view.overridden("bandung") == InForce(drained=frozenset({FIBER}))
        assert drain.author.uid == os.getuid()
        reading = Store(rig.file, NOON, rig.said.append)
        assert reading.standing() == (drain,)
        reading.close()
        (told,) = answer["overrides"]
        assert told["until"] == "2026-11-22T14:00:00+07:00"
        assert told["tunnels"] == ["bandung/fiber"]
        assert told["by"] == {"uid": os.getuid(), "user": ME}
        assert (answer["zone"], answer["carried"]) == ("Asia/Jakarta", ["bandung/fiber"])

    rig.play(drained)
    assert f"drain 1 of bandung/fiber until 14:00 by {ME}: splice, ticket 4411" in rig.said


def test_overrides_outlive_the_controller(rig: Rig) -> None:
    before: list[Override] = []

    async def said() -> None:
        await rig.told("drain", target="isp:isp-fiber", rate="5/min", at="13:00", until="15:00")
        await rig.told("switch", branch="solo", to="wireless", **{"for": "7d"})
        await rig.told("freeze", until="2026-11-23 08:00", reason="accounts")
        await rig.told("failback", branch="bandung")
        before.extend(rig.core.overrides.all())

    async def after() -> None:
        assert list(rig.core.overrides.all()) == before
        assert len(before) == 3
        assert [branch for branch, _ in rig.core.overrides.failback] == ["bandung"]
        assert await rig.standing() == ["1 drain isp:isp-fiber", "2 switch solo", "3 freeze", "4 failback bandung"]

    rig.play(said, after)
    assert any(line.startswith("kept from before: switch 2 of solo to wireless until 2026-11-29") for line in rig.said)


def test_the_end_of_one_of_two_drains_leaves_the_other_and_says_so(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("drain", target="bandung/fiber")
        await rig.told("drain", target="isp:isp-fiber", until="15:00")
        answer = await rig.told("undrain", target="bandung/fiber")
        assert answer["notes"] == ["bandung/fiber stays drained until 15:00 by drain 2 of isp:isp-fiber"]
        error = await rig.refused("undrain", target="bandung/fiber")
        assert error == "bandung/fiber has no drain of its own: it is meant by drain 2 of isp:isp-fiber"
        assert await rig.standing() == ["2 drain isp:isp-fiber"]

    rig.play(scene)


def test_of_two_drains_of_the_same_the_one_to_end_is_named_by_its_number(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("drain", target="bandung/fiber", until="13:00")
        await rig.told("drain", target="bandung/fiber", at="14:00")
        error = await rig.refused("undrain", target="bandung/fiber")
        assert error == (
            f"there are 2 drains of bandung/fiber (1 now until 13:00 by {ME}; 2 from 14:00 by {ME}): "
            "say the number of the one to end"
        )
        await rig.told("undrain", target="1")
        assert await rig.standing() == ["2 drain bandung/fiber"]

    rig.play(scene)


def test_a_number_of_something_else_is_no_drain(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("switch", branch="solo", to="wireless")
        assert await rig.refused("undrain", target="1") == "1 is no drain: pointsman unswitch solo"
        await rig.told("unswitch", branch="solo")
        assert await rig.standing() == []

    rig.play(scene)


def test_a_drain_is_extended_from_its_end(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("drain", target="bandung/fiber", until="14:00")
        answer = await rig.told("drain", target="bandung/fiber", extend="1h")
        assert answer["overrides"][0]["until"] == "2026-11-22T15:00:00+07:00"
        assert rig.core.overrides.drains[0].until == NOON + timedelta(hours=3)
        await rig.told("drain", target="bandung/wireless", at="15:00", until="16:00")
        error = await rig.refused("drain", target="1", extend="30m")
        assert "would isolate bandung: wireless is drained until 16:00 (drain 2)" in error
        await rig.told("drain", target="isp:isp-fiber", at="17:00")
        assert "has no end: there is nothing to extend" in await rig.refused("drain", target="3", extend="30m")

    rig.play(scene)


def test_a_drain_is_extended_for_another_reason_and_by_force_only_with_one(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("drain", target="bandung/fiber", until="14:00", reason="splice")
        await rig.told("drain", target="bandung/fiber", extend="10m")
        assert rig.core.overrides.drains[0].reason == "splice"
        await rig.told("drain", target="bandung/wireless", at="14:10", until="16:00")
        assert "--force needs a --reason" in await rig.refused("drain", target="1", extend="30m", force=True)
        assert "a reason is one line" in await rig.refused("drain", target="1", extend="30m", reason="a\nb")
        await rig.told("drain", target="1", extend="30m", force=True, reason="second splice")

    async def after() -> None:
        drain = rig.core.overrides.drains[0]
        assert (drain.reason, drain.forced, drain.until) == ("second splice", True, NOON + timedelta(minutes=160))

    rig.play(scene, after)


def test_a_new_switch_takes_the_place_of_the_one_before(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("switch", branch="solo", to="wireless")
        answer = await rig.told("switch", branch="solo", to="solo/fiber")
        assert answer["notes"] == ["it takes the place of switch 1 of solo to wireless"]
        assert [switch.to for switch in rig.core.overrides.switches] == ["fiber"]

    rig.play(scene)


def test_a_switch_to_what_is_drained_or_while_all_is_frozen_says_so(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("drain", target="solo/wireless")
        await rig.told("freeze")
        answer = await rig.told("switch", branch="solo", to="solo/wireless")
        assert answer["notes"] == [
            "wireless is drained by drain 1 of solo/wireless: that comes first",
            "moves are frozen by freeze 2: it waits for that",
        ]

    rig.play(scene)


@pytest.mark.parametrize(
    ("target", "rate", "branches_a_minute"),
    [
        ("isp:isp-fiber", None, 60),
        ("hub:hq/telkom", None, 60),
        ("isp:isp-fiber", "all", 0),
        ("isp:isp-fiber", "120/h", 2),
        ("bandung/fiber", None, 0),
        ("bandung/fiber", "5/min", 5),
    ],
)
def test_a_drain_of_an_isp_or_of_the_hub_goes_from_branch_to_branch(
    rig: Rig, target: str, rate: str | None, branches_a_minute: float
) -> None:
    async def scene() -> None:
        await rig.told("drain", target=target, rate=rate)
        assert rig.core.overrides.drains[0].rate == branches_a_minute

    rig.play(scene)


def test_a_drain_at_a_rate_keeps_its_turns_over_another_configuration_and_a_restart(rig: Rig) -> None:
    solo, bandung = TunnelId("solo", "fiber"), rig.core.intent.branches["bandung"]

    async def said() -> None:
        await rig.told("drain", target="isp:isp-fiber", rate="1/min")
        rig.core.later(1.1)
        await until(lambda: rig.core.view.overridden("solo").drained == {solo})

    async def after() -> None:
        assert rig.core.view.overridden("solo").drained == {solo}
        assert rig.core.view.overridden("bandung").drained == {FIBER}

    rig.play(said)
    rig.core.intent = a_network(a_branch("ambon", number=3), bandung, rig.core.intent.branches["solo"])
    rig.play(after)


def test_a_drain_that_moves_nothing_says_so(rig: Rig) -> None:
    async def scene() -> None:
        solo = replace(rig.core.intent.branches["solo"], mode=Mode.OBSERVE)
        rig.core.intent = a_network(rig.core.intent.branches["bandung"], solo)
        assert (await rig.told("drain", target="bandung/fiber"))["notes"] == []
        await rig.told("undrain", target="bandung/fiber")
        await rig.told("freeze", until="14:00")
        frozen = "moves are frozen by freeze 2: it waits for that"
        observed = "solo has mode observe: nothing is moved there"
        assert (await rig.told("drain", target="isp:isp-fiber"))["notes"] == [frozen, observed]
        assert (await rig.told("drain", target="solo/wireless", at="14:00", force=True, reason="x"))["notes"] == [
            observed
        ]

    rig.play(scene)


def test_of_several_freezes_one_is_ended_by_its_number(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("freeze", **{"for": "1h"})
        await rig.told("freeze")
        assert "there are 2 freezes (1 now until 13:00 by" in await rig.refused("unfreeze")
        assert (await rig.told("unfreeze", number=1))["notes"] == ["moves stay frozen by freeze 2"]
        await rig.told("unfreeze")
        assert rig.core.overrides.freezes == ()

    rig.play(scene)


def test_what_is_over_ends_by_itself_and_is_remembered(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("drain", target="bandung/fiber", **{"for": "30m"})
        rig.core.later(31)
        await until(lambda: not rig.core.overrides.drains)
        assert await rig.standing() == []
        (over,) = (await rig.told("overrides", all=True))["overrides"]
        assert (over["state"], over["because"], over["ended_by"]) == ("over", "over", None)

    rig.play(scene)
    assert "drain 1 of bandung/fiber is over" in rig.said


def test_what_was_over_while_nobody_ran_ends_at_the_start(rig: Rig) -> None:
    async def said() -> None:
        await rig.told("drain", target="bandung/fiber", **{"for": "30m"})

    async def later() -> None:
        await until(lambda: not rig.core.overrides.drains)

    rig.play(said)
    rig.core.later(60)
    rig.play(later)


def test_when_a_drain_ended_is_known_after_a_restart(rig: Rig) -> None:
    async def ended() -> None:
        await rig.told("drain", target="bandung/fiber")
        await rig.told("drain", target="solo/fiber", at="13:00")
        await rig.told("undrain", target="bandung/fiber")
        await rig.told("undrain", target="solo/fiber")
        assert rig.core.view.undrained == {FIBER: rig.core.moment.monotonic}

    async def after() -> None:
        assert rig.core.view.undrained == {FIBER: rig.core.moment.monotonic - 600}

    rig.play(ended)
    rig.core.later(10)
    rig.play(after)


def test_a_drain_that_ends_while_nobody_runs_ended_then(rig: Rig) -> None:
    async def said() -> None:
        await rig.told("drain", target="bandung/fiber", **{"for": "30m"})

    async def after() -> None:
        assert rig.core.view.undrained == {FIBER: rig.core.moment.monotonic - 600}
        assert rig.core.view.in_force == {}

    rig.play(said)
    rig.core.later(40)
    rig.play(after, after)


def test_what_is_scheduled_says_when_it_begins(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("drain", target="bandung/fiber", at="12:30")
        (listed,) = (await rig.told("overrides"))["overrides"]
        assert listed["state"] == "scheduled"
        assert "drain 1 of bandung/fiber begins" not in rig.said
        assert rig.core.view.in_force == {}
        rig.core.later(31)
        await until(lambda: "drain 1 of bandung/fiber begins" in rig.said)
        assert rig.core.view.overridden("bandung").drained == {FIBER}

    rig.play(scene)


def test_ten_minutes_before_its_end_a_drain_warns_until_it_is_extended(rig: Rig) -> None:
    warning = "drain of bandung/fiber ends in 9m: extend it, or its traffic may come back"

    async def scene() -> None:
        await rig.told("drain", target="bandung/fiber", **{"for": "1h"})
        rig.core.later(49)
        await asyncio.sleep(0.05)
        assert rig.core.problems == {}
        rig.core.later(1.5)
        await until(lambda: rig.core.problems)
        assert rig.core.problems == {"drain:1": (warning, "pointsman drain 1 --extend 1h")}
        await rig.told("drain", target="bandung/fiber", extend="1h")
        assert rig.core.problems == {}

    rig.play(scene)
    assert rig.said.count(f"{warning} (pointsman drain 1 --extend 1h)") == 1


def test_who_asks_is_told_by_the_kernel(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("freeze", uid=4711, user="anna", author="anna")
        assert rig.core.overrides.freezes[0].author.user == ME

    rig.play(scene)


def test_another_configuration_is_told_what_is_in_force(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("drain", target="bandung/fiber")
        rig.core.view = replace(rig.core.view, in_force={})  # as a loop does for a branch that was away
        rig.core.intent = a_network(*rig.core.intent.branches.values())
        await until(lambda: rig.core.view.overridden("bandung").drained == {FIBER})

    rig.play(scene)


def test_a_clock_that_is_put_back_makes_what_had_begun_wait_again(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("drain", target="bandung/fiber", at="12:30")
        rig.core.later(31)
        await until(lambda: rig.core.view.in_force)
        rig.core.later(-20)
        await until(lambda: not rig.core.view.in_force)

    rig.play(scene)


def test_what_is_no_longer_configured_means_nothing_and_can_be_ended(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("drain", target="solo/fiber")
        rig.core.intent = a_network(a_branch())
        (listed,) = (await rig.told("overrides"))["overrides"]
        assert listed["tunnels"] == []
        assert (await rig.told("drain", number=1))["safe"] is False
        await until(lambda: rig.core.view.in_force == {})
        await rig.told("undrain", target="solo/fiber")

    rig.play(scene)
