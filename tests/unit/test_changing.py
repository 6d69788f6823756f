"""Applying: what is refused and why, what is remembered, and where a restarted controller goes on."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from changing_rig import (
    FIBER,
    ONLY_WIRELESS,
    TEGAL,
    WIRELESS,
    WITH_TEGAL,
    Scene,
    leave_fiber,
    on,
    places_in,
    play,
    without_waiting,
)
from config_directories import BANDUNG, written

from hub.bgp.reload import Outcome
from hub.config.applied import in_force
from hub.control.places import Places
from hub.controller import changing as changing_module
from hub.controller import kept as kept_module
from hub.controller import leaving as leaving_module
from hub.controller import taking as taking_module
from hub.controller.main import first
from hub.controller.not_applied import NotAppliedError
from hub.lab_overrides import LabOverrides
from policies.model.view import View


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    without_waiting(monkeypatch)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return places_in(tmp_path)


def test_a_tunnel_that_was_being_left_is_still_there_after_a_restart_and_left_to_the_end(places: Places) -> None:
    async def restarted(scene: Scene) -> None:
        assert scene.started.leaving == {FIBER}
        assert set(scene.loop.intent.tunnels()) == {FIBER, WIRELESS}
        scene.loop.view = View(speakers=frozenset({1}))
        await asyncio.sleep(0.1)
        scene.loop.view = on(WIRELESS, speakers=frozenset())
        await asyncio.sleep(0.1)
        assert scene.neighbors.taken == []
        scene.loop.view = on(WIRELESS)
        await scene.until(lambda: "removed: bandung/fiber" in scene.said)
        assert [set(intent.tunnels()) for intent in scene.neighbors.taken] == [{WIRELESS}]

    async def again(scene: Scene) -> None:
        assert scene.started.leaving == frozenset()
        assert set(scene.loop.intent.tunnels()) == {WIRELESS}

    play(places, leave_fiber, restarted, again)


def test_an_exabgp_that_never_answers_holds_up_nothing_for_ever(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving_module, "TOLD_WITHIN", 0.1)

    async def scene(scene: Scene) -> None:
        await leave_fiber(scene)
        scene.loop.view = on(WIRELESS, speakers=frozenset())
        await scene.until(lambda: "removed: bandung/fiber" in scene.said)

    play(places, scene)


def test_a_tunnel_that_is_wanted_again_is_left_no_more_nor_after_a_restart(places: Places) -> None:
    async def wanted_again(scene: Scene) -> None:
        await leave_fiber(scene)
        scene.write(bandung=BANDUNG)
        assert (await scene.changing.apply(None, force=False)).waiting == ()

    async def restarted(scene: Scene) -> None:
        assert scene.started.leaving == frozenset()
        assert set(scene.loop.intent.tunnels()) == {FIBER, WIRELESS}

    play(places, wanted_again, restarted)


def test_what_exabgp_refuses_changes_neither_what_is_in_force_nor_what_is_being_left(places: Places) -> None:
    async def scene(scene: Scene) -> None:
        await leave_fiber(scene)
        scene.neighbors.outcome = Outcome(("ExaBGP refuses it",), taken=False)
        scene.write(bandung=ONLY_WIRELESS.replace("65001", "65009"))
        with pytest.raises(NotAppliedError, match="ExaBGP refuses it"):
            await scene.changing.apply(None, force=False)

    async def restarted(scene: Scene) -> None:
        assert scene.started.leaving == {FIBER}
        assert scene.started.final.branches["bandung"].asn == 65001

    play(places, scene, restarted)


def test_a_first_start_puts_the_files_in_force(places: Places) -> None:
    async def nothing(_: Scene) -> None:
        pass

    async def restarted(scene: Scene) -> None:
        assert scene.loop.intent.branches["bandung"].asn == 65001

    play(places, nothing)
    assert in_force(places.config, places.state) is not None
    (places.config / "branches" / "bandung.yaml").write_text("as: nonsense\n")
    play(places, restarted)


def test_files_that_cannot_be_copied_are_read_all_the_same(places: Places, capfd: pytest.CaptureFixture[str]) -> None:
    places.state.write_text("no directory")
    assert first(places, LabOverrides()) is not None
    assert f"{places.state}" in capfd.readouterr().err


def test_wrong_files_are_not_put_in_force(places: Places, capfd: pytest.CaptureFixture[str]) -> None:
    (places.config / "branches" / "bandung.yaml").write_text("as: nonsense\n")
    assert first(places, LabOverrides()) is None
    assert "branches/bandung.yaml:1:5" in capfd.readouterr().err
    assert in_force(places.config, places.state) is None


def test_a_copy_in_force_that_is_no_longer_accepted_is_said_before_the_files_take_its_place(
    places: Places, capfd: pytest.CaptureFixture[str]
) -> None:
    first(places, LabOverrides())
    kept = in_force(places.config, places.state)
    assert kept is not None
    assert capfd.readouterr().err == ""
    (kept / "branches" / "bandung.yaml").write_text("as: nonsense\n")
    (places.config / "branches" / "bandung.yaml").write_text(BANDUNG.replace("65001", "65009"))
    change = first(places, LabOverrides())
    assert change is not None
    assert change.final.branches["bandung"].asn == 65009
    said = capfd.readouterr().err
    assert f"{kept}/branches/bandung.yaml:1:5: " in said
    assert f"{kept} was in force and cannot be used any more: {places.config} is in force from here on" in said
    assert '"pointsman check' in said


def test_a_copy_that_is_accepted_is_taken_without_a_word(places: Places, capfd: pytest.CaptureFixture[str]) -> None:
    first(places, LabOverrides())
    assert first(places, LabOverrides()) is not None
    assert capfd.readouterr().err == ""


def test_a_spoilt_memory_of_what_is_left_is_said_and_keeps_nobody_from_starting(
    places: Places, capfd: pytest.CaptureFixture[str]
) -> None:
    play(places, leave_fiber)
    kept = in_force(places.config, places.state)
    assert kept is not None
    (kept / "leaving.json").write_text("{")
    change = first(places, LabOverrides())
    assert change is not None
    assert change.leaving == frozenset()
    assert "leaving.json" in capfd.readouterr().err


WITH_PASSWORD = f"{BANDUNG}session: {{password-file: bandung.bgp}}\n"


def password(places: Places, text: str) -> None:
    places.secrets.mkdir(parents=True, exist_ok=True)
    (places.secrets / "bandung.bgp").write_text(text)
    (places.secrets / "bandung.bgp").chmod(0o600)


def test_a_new_text_of_a_password_is_in_the_plan_and_restarts_the_branchs_sessions_only(places: Places) -> None:
    async def scene(scene: Scene) -> None:
        password(places, "first-secret")
        before = await scene.changing.plan()
        assert before.empty
        password(places, "other-secret")
        planned = await scene.changing.plan()
        (branch,) = planned.branches
        assert branch.restarted == ("fiber", "wireless")
        (change,) = branch.changes
        assert (change.what, change.was) == ("session password", "bandung.bgp")
        assert "secret" not in repr(planned)
        password(places, "third-secret")
        assert (await scene.changing.plan()).id != planned.id
        with pytest.raises(NotAppliedError, match=f"{planned.id} is not the present plan"):
            await scene.changing.apply(planned.id, force=False)
        await scene.changing.apply(None, force=False)
        assert (await scene.changing.plan()).empty

    password(places, "first-secret\n")
    (places.config / "branches" / "bandung.yaml").write_text(WITH_PASSWORD)
    play(places, scene)


def test_apply_refuses_a_password_in_the_configuration_directory_as_check_does(places: Places) -> None:
    async def scene(scene: Scene) -> None:
        scene.write(bandung=WITH_PASSWORD)
        (places.config / "bandung.bgp").write_text("secret")
        for asked in (scene.changing.plan(), scene.changing.apply(None, force=True)):
            with pytest.raises(NotAppliedError, match="is in the configuration directory"):
                await asked
        assert scene.neighbors.taken == []

    play(places, scene)


def test_a_signal_that_would_remove_most_branches_is_refused_in_one_line_with_its_mend(places: Places) -> None:
    async def scene(scene: Scene) -> None:
        for name in ("tegal", "solo"):
            (places.config / "branches" / f"{name}.yaml").unlink()
        scene.changing.ask()
        await scene.until(lambda: scene.loop.problems)
        ((text, mend),) = scene.loop.problems.values()
        assert "2 of 3 branches would be removed" in text
        assert scene.said == [text]
        assert "\n" not in text
        assert "pointsman apply --force" in mend
        with pytest.raises(NotAppliedError, match=r"2 of 3 branches would be removed.* Use --force"):
            await scene.changing.apply(None, force=False)
        await scene.changing.apply(None, force=True)
        assert list(scene.loop.intent.branches) == ["bandung"]
        assert scene.loop.problems == {}

    solo = TEGAL.replace("65002", "65003").replace("10.2.0.0", "10.3.0.0")
    more = WITH_TEGAL + (
        "solo/fiber: {to: telkom, link: 10.255.0.8/31, port: 51004}\n"
        "solo/wireless: {to: biznet, link: 10.255.0.10/31, port: 51005}\n"
    )
    written(places.config, {"branches/tegal.yaml": TEGAL, "branches/solo.yaml": solo, "allocations.yaml": more})
    play(places, scene)


@pytest.mark.parametrize(
    ("module", "slow"), [(changing_module, "plan"), (taking_module, "transition"), (kept_module, "put_in_force")]
)
def test_no_failover_waits_for_what_a_change_takes_long_for(
    places: Places, monkeypatch: pytest.MonkeyPatch, module: ModuleType, slow: str
) -> None:
    loop_goes_on = threading.Event()
    real = getattr(module, slow)

    async def scene(scene: Scene) -> None:
        loop = asyncio.get_running_loop()

        def held_up(*arguments: Any) -> Any:
            loop.call_soon_threadsafe(loop_goes_on.set)
            assert loop_goes_on.wait(10), f"{slow} holds the loop"
            return real(*arguments)

        monkeypatch.setattr(module, slow, held_up)
        await scene.changing.apply(None, force=False)

    play(places, scene)
