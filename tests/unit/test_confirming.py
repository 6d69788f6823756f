"""Applying with a way back: confirmed, gone back from by hand or by the clock, over restarts, and what is said."""

from __future__ import annotations

import asyncio
import getpass
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from config_directories import written
from confirming_rig import FIVE, OTHER, START, Clock, Waiting, applied, hurry, is_back, live, nothing_but_awaited

from hub.bgp.reload import Outcome
from hub.config.provenance import Confirmation
from hub.config.scalars import UnreadableError
from hub.control.confirm_within import read_confirm_within
from hub.control.places import Places
from hub.controller.confirming import deadline, is_over
from hub.controller.not_applied import NotAppliedError
from hub.controller.server import ControlServer
from policies.lengths import written as within_written
from policies.model.clock import Instant, Now


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    written(tmp_path / "config", {})
    return Places(tmp_path / "config", tmp_path / "run", tmp_path / "state")


def test_what_nobody_confirms_goes_back_at_its_time_and_not_before(places: Places) -> None:
    async def scene(scene: Waiting) -> None:
        await applied(scene)
        plan = scene.kept["plan"]
        scene.clock.pass_by(FIVE - timedelta(seconds=1))
        await nothing_but_awaited(scene)
        scene.clock.pass_by(timedelta(seconds=1))
        await is_back(scene)
        assert scene.kept["gone_back"] == {"from": plan, "why": "nobody confirmed it within 5m"}
        assert f"configuration {plan} goes back at 12:05:00 unless confirmed: pointsman confirm" in scene.said
        assert f"going back from configuration {plan}: nobody confirmed it within 5m" in scene.said

    live(places, scene)


def test_what_is_confirmed_stays_and_after_a_restart_too(places: Places) -> None:
    async def confirmed(scene: Waiting) -> None:
        await applied(scene)
        answer = await scene.ask(ask="confirm")
        assert answer["configuration"]["confirm"] is None
        scene.clock.pass_by(2 * FIVE)
        await scene.some_looks()
        assert scene.asn == 65009
        assert f"configuration {scene.kept['plan']} is confirmed by root: it stays" in scene.said

    async def restarted(scene: Waiting) -> None:
        await scene.some_looks()
        assert scene.asn == 65009
        assert "waits to be confirmed" in (await scene.ask(ask="confirm"))["error"]

    live(places, confirmed, restarted)


def test_only_the_plan_that_is_named_is_confirmed(places: Places) -> None:
    async def scene(scene: Waiting) -> None:
        await applied(scene)
        plan = scene.kept["plan"]
        answer = await scene.ask(ask="confirm", plan="12345678")
        assert answer == {"error": f"it is {plan} that waits to be confirmed, not 12345678"}
        assert scene.kept["confirm"] is not None
        assert (await scene.ask(ask="confirm", plan=plan))["configuration"]["plan"] == plan

    live(places, scene)


def test_a_restarted_controller_goes_on_waiting_and_goes_back_at_the_time(places: Places) -> None:
    async def restarted(scene: Waiting) -> None:
        await nothing_but_awaited(scene)
        scene.clock.pass_by(FIVE - timedelta(minutes=2))
        await is_back(scene)

    async def again(scene: Waiting) -> None:
        await scene.some_looks()
        assert scene.asn == 65001
        assert scene.kept["gone_back"] is not None

    live(places, applied, nothing_but_awaited, restarted, again, down=timedelta(minutes=1))


def test_a_controller_that_was_down_at_the_time_goes_back_at_its_start(places: Places) -> None:
    live(places, applied, is_back, down=FIVE)


def test_a_wall_clock_that_is_set_back_makes_nobody_wait_longer_than_asked_for(places: Places) -> None:
    clock = Clock()

    async def set_back(scene: Waiting) -> None:
        await nothing_but_awaited(scene)
        clock.monotonic += FIVE.total_seconds()
        await is_back(scene)

    async def before(scene: Waiting) -> None:
        await applied(scene)
        clock.wall = datetime(1970, 1, 1, tzinfo=UTC)

    live(places, before, set_back, clock=clock)


@pytest.mark.parametrize(
    ("wall", "monotonic", "over"),
    [(0, 0, False), (299, 299, False), (300, 299, True), (299, 300, True), (-86_400, 299, False), (-86_400, 300, True)],
)
def test_it_is_over_when_either_clock_says_so(wall: int, monotonic: int, over: bool) -> None:
    awaited = Confirmation(START + FIVE, FIVE)
    latest = deadline(awaited, Now(Instant(1000.0), START))
    assert is_over(awaited, latest, Now(Instant(1000.0 + monotonic), START + timedelta(seconds=wall))) is over


def test_a_second_apply_is_refused_until_the_first_is_confirmed_or_gone_back_from(places: Places) -> None:
    async def scene(scene: Waiting) -> None:
        await applied(scene)
        plan = scene.kept["plan"]
        for question in ({"force": True}, {"confirm_within": "10m"}):
            answer = await scene.ask(ask="apply", **question)
            assert (
                f"configuration {plan} goes back at 12:05 unless confirmed; until then nothing is applied"
                in answer["error"]
            )
            assert 'first "pointsman confirm" to keep it, or "pointsman rollback"' in answer["error"]
        scene.changing.ask()
        await scene.until(lambda: scene.loop.problems)
        assert scene.kept["plan"] == plan
        await scene.ask(ask="confirm")
        assert "plan" in await scene.ask(ask="apply")

    live(places, scene)


@pytest.mark.parametrize("within", ["5", "9s", "8d", "soon", 300, [], None])
def test_a_time_to_confirm_in_is_between_ten_seconds_and_a_week(within: object) -> None:
    with pytest.raises(UnreadableError):
        read_confirm_within(within)


@pytest.mark.parametrize("within", ["10s", "90s", "5m", "2h", "7d"])
def test_it_is_said_as_it_was_written(within: str) -> None:
    assert within_written(read_confirm_within(within)) == within


def test_a_time_that_is_none_changes_nothing(places: Places) -> None:
    async def scene(scene: Waiting) -> None:
        scene.write(bandung=OTHER)
        assert "at least 10s" in (await scene.ask(ask="apply", confirm_within="1s"))["error"]
        assert scene.asn == 65001

    live(places, scene)


def test_the_control_socket_tells_who_asked_by_the_kernel_and_status_what_becomes_of_it(places: Places) -> None:
    async def scene(scene: Waiting) -> None:
        cast("Any", scene.loop).status = lambda: {"branches": []}
        path = places.config.parent / "control.sock"
        serving = asyncio.create_task(ControlServer(path, cast("Any", scene.loop), scene.asks, print).run())
        await scene.until(path.exists)
        scene.write(bandung=OTHER)
        reader, writer = await asyncio.open_unix_connection(str(path))

        async def asked(**question: object) -> dict[str, Any]:
            writer.write(json.dumps(question).encode() + b"\n")
            answer: dict[str, Any] = json.loads(await reader.readline())
            return answer

        await asked(ask="apply", confirm_within="5m", by="somebody else")
        configuration = (await asked(ask="status"))["answer"]["configuration"]
        assert configuration["by"] == getpass.getuser()
        assert configuration["confirm"]["left"] == 300.0
        assert "no question" in (await asked(ask="keep"))["error"]
        assert (await asked(ask="confirm"))["answer"]["configuration"]["confirm"] is None
        assert "waits to be confirmed" in (await asked(ask="confirm"))["error"]
        writer.close()
        serving.cancel()

    live(places, scene)


def test_a_failed_apply_leaves_nothing_to_confirm(places: Places) -> None:
    async def scene(scene: Waiting) -> None:
        scene.neighbors.outcome = Outcome(("ExaBGP refuses it",), taken=False)
        scene.write(bandung=OTHER)
        assert await scene.ask(ask="apply", confirm_within="5m") == {"error": "ExaBGP refuses it"}
        assert scene.kept["confirm"] is None
        with pytest.raises(NotAppliedError):
            await scene.changing.confirm(None, "root")

    async def restarted(scene: Waiting) -> None:
        assert scene.kept["confirm"] is None
        assert scene.asn == 65001

    live(places, scene, restarted)
