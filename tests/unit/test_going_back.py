"""Going back to the configuration before: by a word, by itself, and what may stand in its way."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from changing_rig import FIBER, ONLY_WIRELESS, WIRELESS, on
from config_directories import BANDUNG, written
from confirming_rig import FIVE, OTHER, Waiting, applied, hurry, is_back, live, nothing_but_awaited

from hub.bgp.reload import Outcome
from hub.control.places import Places
from hub.controller import changing as changing_module
from hub.controller import confirming as confirming_module
from hub.controller import ending as ending_module
from hub.controller.main import first
from hub.lab_overrides import LabOverrides


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    written(tmp_path / "config", {})
    return Places(tmp_path / "config", tmp_path / "run", tmp_path / "state")


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
    monkeypatch.setattr(ending_module, "LEAVE_WITHIN", 30.0)

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
    monkeypatch.setattr(ending_module, "LEAVE_WITHIN", 30.0)

    async def scene(scene: Waiting) -> None:
        scene.write(bandung=ONLY_WIRELESS)
        applying = asyncio.create_task(scene.ask(ask="apply", confirm_within="10s"))
        await scene.until(lambda: scene.kept["confirm"] is not None)
        scene.clock.pass_by(timedelta(seconds=10))
        assert (await applying)["waiting"] == ["bandung/fiber"]
        await scene.until(lambda: scene.kept["gone_back"] is not None)
        await scene.until(lambda: not scene.loop.intent.branches["bandung"].leaving)
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
    change = first(places, LabOverrides())
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
