"""Applying with a way back: confirmed, gone back from by hand or by the clock, over restarts, and what is said."""

from __future__ import annotations

import asyncio
import getpass
import json
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from config_directories import BANDUNG, written
from test_changing import FIBER, ONLY_WIRELESS, WIRELESS, Scene, on

from hub.bgp.reload import Outcome
from hub.config.provenance import Confirmation
from hub.config.scalars import UnreadableError
from hub.control.confirm_within import read_confirm_within
from hub.control.confirm_within import written as within_written
from hub.control.places import Places
from hub.controller import changing as changing_module
from hub.controller import confirming as confirming_module
from hub.controller import leaving as leaving_module
from hub.controller.change_asks import ChangeAsks
from hub.controller.changing import NotAppliedError
from hub.controller.confirming import Confirming, deadline, is_over
from hub.controller.main import first
from hub.controller.server import ControlServer
from hub.lab_overrides import Overrides
from policies.model.clock import Instant, Now

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
FIVE = timedelta(minutes=5)
OTHER = BANDUNG.replace("65001", "65009")
"""Restarts the sessions and moves nobody."""


@dataclass
class Clock:
    """Both clocks of the machine, over all lives of its controllers."""

    wall: datetime = START
    monotonic: float = 1000.0

    def now(self) -> Now:
        return Now(Instant(self.monotonic), self.wall)

    def pass_by(self, time: timedelta) -> None:
        self.wall += time
        self.monotonic += time.total_seconds()


class Waiting(Scene):
    """A Waiting is a controller that also watches for confirmations."""

    def __init__(self, places: Places, clock: Clock) -> None:
        super().__init__(places)
        self.clock = clock
        cast("Any", self.loop).now = clock.now
        record = cast("Any", type("Said", (), {"say": lambda _, text: self.said.append(text)})())
        self.confirming = Confirming(self.changing, cast("Any", self.loop), record)
        self.asks = ChangeAsks(self.changing, self.confirming)

    async def ask(self, **message: Any) -> dict[str, Any]:
        answer = await self.asks.answer(message, 0)
        found: dict[str, Any] = answer.get("answer", answer)
        return found

    async def some_looks(self) -> None:
        """Long enough for the watch to have acted, if it meant to."""
        for _ in range(5):
            await asyncio.sleep(0.02)

    @property
    def asn(self) -> int:
        return self.loop.intent.branches["bandung"].asn

    @property
    def kept(self) -> Any:
        return self.confirming.report()


Life = Callable[[Waiting], Awaitable[None]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in (
        (changing_module, "LOOK_EVERY", 0.01),
        (leaving_module, "LOOK_EVERY", 0.01),
        (changing_module, "LEAVE_WITHIN", 0.05),
        (confirming_module, "LOOK_SECONDS", 0.01),
        (confirming_module, "FILES_SECONDS", 0.0),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    written(tmp_path / "config", {})
    return Places(tmp_path / "config", tmp_path / "run", tmp_path / "state")


def live(places: Places, *lives: Life, clock: Clock | None = None, down: timedelta = timedelta()) -> None:
    """One life of a controller after the other, each killed at its end; `down` is the time between two."""
    clock = clock or Clock()

    async def one(life: Life) -> None:
        made = Waiting(places, clock)
        tasks = [asyncio.create_task(part.run()) for part in (made.changing, made.confirming)]
        await asyncio.wait_for(life(made), 60)
        broken = [task.exception() for task in tasks if task.done()]
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert broken == []

    for life in lives:
        asyncio.run(one(life))
        clock.pass_by(down)


async def applied(scene: Waiting) -> None:
    """Another AS for bandung is in force, to be confirmed within 5 minutes."""
    scene.write(bandung=OTHER)
    answer = await scene.ask(ask="apply", confirm_within="5m")
    assert answer["configuration"]["confirm"] == {"until": "2026-11-21T12:05:00+00:00", "within": 300.0, "left": 300.0}
    assert answer["configuration"]["by"] == "root"
    assert scene.asn == 65009


async def nothing_but_awaited(scene: Waiting) -> None:
    await scene.some_looks()
    assert scene.kept["confirm"] is not None
    assert scene.asn == 65009


async def is_back(scene: Waiting) -> None:
    await scene.until(lambda: scene.asn == 65001)
    assert scene.kept["confirm"] is None


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


def test_rollback_goes_back_at_once_and_says_who_and_from_what(places: Places) -> None:
    async def scene(scene: Waiting) -> None:
        await applied(scene)
        plan = scene.kept["plan"]
        answer = await scene.ask(ask="rollback")
        assert scene.asn == 65001
        assert answer["configuration"]["gone_back"] == {"from": plan, "why": "root asked for it"}
        assert [branch["branch"] for branch in answer["plan"]["branches"]] == ["bandung"]
        assert f"going back from configuration {plan}: root asked for it" in scene.said
        scene.clock.pass_by(2 * FIVE)
        await scene.some_looks()
        assert scene.asn == 65001

    live(places, scene)


def test_rollback_without_anything_to_confirm_goes_back_once(places: Places) -> None:
    async def scene(scene: Waiting) -> None:
        assert "no configuration before the present one is kept" in (await scene.ask(ask="rollback"))["error"]
        scene.write(bandung=OTHER)
        await scene.ask(ask="apply")
        first_plan = scene.kept["plan"]
        scene.write(bandung=OTHER.replace("65009", "65010"))
        await scene.ask(ask="apply")
        planned = await scene.ask(ask="plan", back=True)
        assert planned["totals"]["changed"] == 1
        assert scene.asn == 65010
        answer = await scene.ask(ask="rollback")
        assert scene.asn == 65009
        assert answer["configuration"]["plan"] == first_plan
        again = await scene.ask(ask="rollback")
        assert again["error"].startswith("what is in force was gone back to already")
        assert "pointsman apply" in again["error"]

    async def restarted(scene: Waiting) -> None:
        assert scene.asn == 65009
        assert "error" in await scene.ask(ask="rollback")

    live(places, scene, restarted)


def test_after_going_back_it_is_said_that_the_files_differ_until_they_do_not(places: Places) -> None:
    async def scene(scene: Waiting) -> None:
        await applied(scene)
        await scene.ask(ask="rollback")
        assert scene.kept["files_differ"] is True
        planned = await scene.ask(ask="plan")
        assert planned["totals"]["changed"] == 1
        assert planned["configuration"]["files_differ"] is True

    async def mended(scene: Waiting) -> None:
        await scene.some_looks()
        assert scene.kept["files_differ"] is True
        scene.write(bandung=BANDUNG)
        await scene.until(lambda: scene.kept["files_differ"] is False)

    async def taken(scene: Waiting) -> None:
        scene.write(bandung=OTHER)
        await scene.until(lambda: scene.kept["files_differ"])
        await scene.ask(ask="apply")
        assert scene.kept["gone_back"] is None
        assert scene.kept["files_differ"] is None

    live(places, scene, mended, taken)


def test_an_apply_that_changes_nothing_needs_no_confirmation_and_forgets_not_what_was_before(places: Places) -> None:
    async def scene(scene: Waiting) -> None:
        scene.write(bandung=OTHER)
        await scene.ask(ask="apply")
        scene.write(bandung=f"{OTHER}# a remark\n")
        answer = await scene.ask(ask="apply", confirm_within="5m")
        assert answer["configuration"]["confirm"] is None
        await scene.ask(ask="rollback")
        assert scene.asn == 65001

    live(places, scene)


def test_a_tunnel_that_goes_on_the_way_back_is_left_by_its_traffic_first(places: Places) -> None:
    async def scene(scene: Waiting) -> None:
        scene.write(bandung=BANDUNG)
        await scene.ask(ask="apply", confirm_within="5m")
        scene.loop.view = on(WIRELESS)
        scene.clock.pass_by(FIVE)
        await scene.until(lambda: scene.loop.intent.branches["bandung"].leaving == {WIRELESS})
        await scene.some_looks()
        assert "removed: bandung/wireless" not in scene.said

    async def restarted(scene: Waiting) -> None:
        assert scene.loop.intent.branches["bandung"].leaving == {WIRELESS}
        scene.loop.view = on(FIBER)
        await scene.until(lambda: "removed: bandung/wireless" in scene.said)
        assert set(scene.loop.intent.tunnels()) == {FIBER}

    only_fiber = BANDUNG.replace("  wireless: {isp: indosat, kind: lte, metered: true}\n", "")
    (places.config / "branches" / "bandung.yaml").write_text(only_fiber)
    live(places, scene, restarted)


def test_while_an_apply_waits_for_traffic_to_leave_somebody_can_confirm_it(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changing_module, "LEAVE_WITHIN", 30.0)

    async def scene(scene: Waiting) -> None:
        scene.write(bandung=ONLY_WIRELESS)
        applying = asyncio.create_task(scene.ask(ask="apply", confirm_within="10s"))
        await scene.until(lambda: scene.kept["confirm"] is not None)
        await scene.ask(ask="confirm")
        scene.clock.pass_by(FIVE)
        await scene.some_looks()
        assert not applying.done()
        scene.loop.view = on(WIRELESS)
        assert (await applying)["waiting"] == []
        assert set(scene.loop.intent.tunnels()) == {WIRELESS}

    live(places, scene)


def test_an_apply_that_is_gone_back_from_while_it_waits_says_that_it_did_not_end(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changing_module, "LEAVE_WITHIN", 30.0)

    async def scene(scene: Waiting) -> None:
        scene.write(bandung=ONLY_WIRELESS)
        applying = asyncio.create_task(scene.ask(ask="apply", confirm_within="10s"))
        await scene.until(lambda: scene.kept["confirm"] is not None)
        scene.clock.pass_by(timedelta(seconds=10))
        assert (await applying)["waiting"] == ["bandung/fiber"]
        await scene.until(lambda: scene.kept["gone_back"] is not None)
        assert scene.loop.intent.branches["bandung"].leaving == frozenset()
        assert set(scene.loop.intent.tunnels()) == {FIBER, WIRELESS}

    live(places, scene)


def test_a_guard_that_would_hold_up_an_apply_is_said_and_holds_up_no_going_back(places: Places) -> None:
    async def scene(scene: Waiting) -> None:
        tegal = BANDUNG.replace("65001", "65002").replace("10.1.0.0", "10.2.0.0")
        solo = tegal.replace("65002", "65003").replace("10.2.0.0", "10.3.0.0")
        scene.write(tegal=tegal, solo=solo)
        lines = "".join(
            f"{name}/{tunnel}: {{to: {to}, link: 10.255.0.{4 + 2 * n}/31, port: {51002 + n}}}\n"
            for n, (name, tunnel, to) in enumerate(
                (name, tunnel, to)
                for name in ("tegal", "solo")
                for tunnel, to in (("fiber", "telkom"), ("wireless", "biznet"))
            )
        )
        with (places.config / "allocations.yaml").open("a") as file:
            file.write(lines)
        assert "configuration" in await scene.ask(ask="apply", confirm_within="5m")
        answer = await scene.ask(ask="rollback")
        assert any("2 of 3 branches would be removed" in guard for guard in answer["plan"]["guards"])
        assert list(scene.loop.intent.branches) == ["bandung"]

    live(places, scene)


def test_what_exabgp_refuses_to_go_back_to_stays_is_said_and_tried_again(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirming_module, "AGAIN_SECONDS", 10.0)

    async def scene(scene: Waiting) -> None:
        await applied(scene)
        plan = scene.kept["plan"]
        scene.neighbors.outcome = Outcome(("ExaBGP refuses it",), taken=False)
        scene.clock.pass_by(FIVE)
        await scene.until(lambda: scene.loop.problems)
        ((text, mend),) = scene.loop.problems.values()
        assert text == f"configuration {plan} was not confirmed and cannot be gone back from: ExaBGP refuses it"
        assert "pointsman confirm" in mend
        assert scene.asn == 65009
        scene.neighbors.outcome = Outcome()
        await nothing_but_awaited(scene)
        assert scene.said.count(text) == 1
        scene.clock.pass_by(timedelta(seconds=10))
        await is_back(scene)
        await scene.until(lambda: scene.loop.problems == {})

    live(places, scene)


def test_a_spoilt_configuration_before_stays_a_problem_until_somebody_keeps_the_present_one(places: Places) -> None:
    async def scene(scene: Waiting) -> None:
        await applied(scene)
        before = scene.changing.kept.before
        assert before is not None
        (before / "branches" / "bandung.yaml").write_text("as: nonsense\n")
        scene.clock.pass_by(FIVE)
        await scene.until(lambda: scene.loop.problems)
        shutil.rmtree(before)
        scene.clock.pass_by(FIVE)
        await scene.until(lambda: "not there any more" in str(scene.loop.problems))
        assert "error" in await scene.ask(ask="rollback")
        assert scene.asn == 65009
        await scene.ask(ask="confirm")
        await scene.until(lambda: scene.loop.problems == {})
        assert scene.asn == 65009

    live(places, scene)


def test_a_fault_of_our_own_on_the_way_back_ends_nothing_and_is_tried_again(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(scene: Waiting) -> None:
        await applied(scene)
        with monkeypatch.context() as patched:

            def broken(*_: object) -> None:
                raise ZeroDivisionError("oh")

            patched.setattr(changing_module, "plan", broken)
            scene.clock.pass_by(FIVE)
            await scene.until(lambda: "ZeroDivisionError: oh" in str(scene.loop.problems))
        scene.clock.pass_by(FIVE)
        await is_back(scene)

    live(places, scene)


def test_a_spoilt_provenance_is_said_and_what_is_in_force_stays(places: Places) -> None:
    async def scene(scene: Waiting) -> None:
        await scene.until(lambda: scene.loop.problems)
        assert "provenance.json" in str(scene.loop.problems)
        scene.clock.pass_by(2 * FIVE)
        await scene.some_looks()
        assert scene.asn == 65009

    async def spoil(scene: Waiting) -> None:
        await applied(scene)
        (places.state / "applied" / "provenance.json").write_text("{")

    live(places, spoil, scene)


def test_a_start_with_a_copy_that_was_never_confirmed_and_is_spoilt_goes_back_rather_than_to_the_files(
    places: Places, capfd: pytest.CaptureFixture[str]
) -> None:
    live(places, applied)
    (places.state / "applied" / "branches" / "bandung.yaml").write_text("as: nonsense\n")
    change = first(places, Overrides())
    assert change is not None
    assert change.final.branches["bandung"].asn == 65001
    assert "going back from configuration" in capfd.readouterr().err

    async def restarted(scene: Waiting) -> None:
        assert scene.asn == 65001
        assert scene.kept["gone_back"]["why"] == "it cannot be used any more, and nobody had confirmed it"

    live(places, restarted)


def test_without_a_copy_of_what_is_in_force_nothing_can_be_tried(places: Places) -> None:
    async def scene(scene: Waiting) -> None:
        shutil.rmtree(places.state)
        cast("Any", scene.changing.kept)._place = None
        scene.write(bandung=OTHER)
        answer = await scene.ask(ask="apply", confirm_within="5m")
        assert "has no copy of what is in force" in answer["error"]
        assert scene.asn == 65001

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
