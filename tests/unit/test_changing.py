"""Applying: what is refused and why, what is remembered, and where a restarted controller goes on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from config_directories import ALLOCATIONS, BANDUNG, NETWORK, written
from small_network import moment

from hub.bgp.reload import Outcome, nothing_more
from hub.config.applied import in_force
from hub.control.places import Places
from hub.controller import changing as changing_module
from hub.controller import kept as kept_module
from hub.controller import leaving as leaving_module
from hub.controller.change_asks import ChangeAsks
from hub.controller.changing import Changing, NotAppliedError
from hub.controller.main import first, read_of
from hub.controller.signs import TunnelSigns
from hub.lab_overrides import LabOverrides
from policies.health.course import Course
from policies.health.judge import judge
from policies.health.memory import NOTHING_REMEMBERED, HealthMemory, remember
from policies.model.announcement import Announcement
from policies.model.clock import Instant, Now
from policies.model.health import HealthLimits
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.overrides import InForce
from policies.model.view import ClassView, Heard, LivenessState, LivenessView, SessionState, SessionView, View
from policies.transition import Transition

FIBER, WIRELESS = TunnelId("bandung", "fiber"), TunnelId("bandung", "wireless")
ONLY_WIRELESS = BANDUNG.replace("  fiber:    {isp: telkom}\n", "")
TEGAL = BANDUNG.replace("65001", "65002").replace("10.1.0.0", "10.2.0.0")
WITH_TEGAL = ALLOCATIONS + (
    "tegal/fiber: {to: telkom, link: 10.255.0.4/31, port: 51002}\n"
    "tegal/wireless: {to: biznet, link: 10.255.0.6/31, port: 51003}\n"
)


@dataclass
class FakeLoop:
    """The loop's intent and view, as the tests set them."""

    intent: Intent
    view: View
    problems: dict[str, tuple[str, str]] = field(default_factory=dict)
    health: Any = field(default_factory=type("Unmeasured", (), {"memories": {}}))
    signs: TunnelSigns = field(default_factory=TunnelSigns)

    def now(self) -> Now:
        return moment(time.monotonic())


class FakeNeighbors:
    """ExaBGP takes whatever it is given."""

    def __init__(self, loop: FakeLoop) -> None:
        self._loop = loop
        self.taken: list[Intent] = []
        self.outcome = Outcome()

    async def take(self, intent: Intent, on_valid: Callable[[], Awaitable[None]] = nothing_more) -> Outcome:
        if self.outcome.taken:
            await on_valid()
            self._loop.intent = intent
            self.taken.append(intent)
        return self.outcome


class Scene:
    """A Scene is a controller's Changing, from its start on, in a directory."""

    def __init__(self, places: Places) -> None:
        started = first(places, LabOverrides())
        assert started is not None
        self.started: Transition = started
        self.places = places
        self.loop = FakeLoop(started.interim, on(FIBER))
        self.neighbors = FakeNeighbors(self.loop)
        self.said: list[str] = []
        record = cast("Any", type("Said", (), {"say": lambda _, text: self.said.append(text)})())
        parts = (cast("Any", self.loop), cast("Any", self.neighbors), record)
        self.changing = Changing(places.config, places.state, read_of(places, LabOverrides()), *parts, started)

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.places.config / "branches" / f"{name}.yaml").write_text(text)

    async def until(self, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < deadline, self.said
            await asyncio.sleep(0.01)


def on(tunnel: TunnelId, *, forwarder: bool = True, speakers: frozenset[int] = frozenset({1})) -> View:
    """Both tunnels of bandung live, and the hub sends over this one."""
    up = LivenessView(LivenessState.UP, Instant(1.0))
    carried = ClassView("bandung", "bandung", tunnel, (tunnel,), (), 1, Instant(1.0), "")
    return View({FIBER: up, WIRELESS: up}, classes={"bandung": carried}, forwarder=forwarder, speakers=speakers)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing_module, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(leaving_module, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(changing_module, "LEAVE_WITHIN", 0.05)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    written(tmp_path / "config", {})
    return Places(tmp_path / "config", tmp_path / "run", tmp_path / "state")


def play(places: Places, *scenes: Callable[[Scene], Awaitable[None]]) -> None:
    """One life of a controller after the other; each ends without a word, as by SIGKILL."""

    async def life(scene: Callable[[Scene], Awaitable[None]]) -> None:
        made = Scene(places)
        task = asyncio.create_task(made.changing.run())
        await asyncio.wait_for(scene(made), 30)
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()
        await asyncio.gather(task, return_exceptions=True)

    for scene in scenes:
        asyncio.run(life(scene))


async def leave_fiber(scene: Scene) -> None:
    """Apply a configuration without bandung/fiber, which still carries the branch."""
    scene.write(bandung=ONLY_WIRELESS)
    applied = await scene.changing.apply(None, force=False)
    assert applied.waiting == ("bandung/fiber",)


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
    ("module", "slow"), [(changing_module, "plan"), (changing_module, "transition"), (kept_module, "put_in_force")]
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


def judged(loss: float) -> HealthMemory:
    """A tunnel that has lost so much until now, of probes that nobody has made anything of yet."""
    now, memory = time.monotonic(), NOTHING_REMEMBERED
    for second in range(120, 0, -1):
        memory = remember(memory, Course(loss).samples(now - second, now - second + 1))
    return judge(memory, HealthLimits(), None, (), Instant(now))[0]


def up_and_told(on_tunnel: TunnelId) -> View:
    """As `on`, with the sessions and what the branch announced."""
    view, lan = on(on_tunnel), ip_network("10.1.0.0/24")
    told = {FIBER: 1000, WIRELESS: 1100}
    sessions = {
        tunnel: SessionView(
            SessionState.UP,
            Instant(2.0),
            complete=True,
            sent={ip_network("10.0.0.0/16"): Announcement(med)},
            heard={lan: Heard(Instant(2.0))},
            end_of_rib=True,
        )
        for tunnel, med in told.items()
    }
    carried = ClassView("bandung", "bandung", on_tunnel, (FIBER, WIRELESS), (lan,), 1, Instant(1.0), "")
    return replace(view, sessions=sessions, classes={"bandung": carried})


STRICT = "extends: standard\nhealth: {default: {degraded-when-any: {loss: 2% over 5s}}}\n"


def test_a_plan_is_refused_when_health_by_its_limits_is_another_by_then(places: Places) -> None:
    async def scene(scene: Scene) -> None:
        scene.loop.view = up_and_told(FIBER)
        scene.loop.health.memories = {FIBER: judged(0.024), WIRELESS: judged(0.0)}
        scene.write(bandung=f"{BANDUNG}policy: strict\n")
        (places.config / "policies").mkdir()
        (places.config / "policies" / "strict.yaml").write_text(STRICT)
        planned = await scene.changing.plan()
        ((move,),) = (branch.moves for branch in planned.branches)
        assert move.to == "wireless"
        assert move.because.endswith("% loss")
        scene.loop.health.memories = {FIBER: judged(0.0), WIRELESS: judged(0.0)}
        with pytest.raises(NotAppliedError, match=f"{planned.id} is not the present plan: files or health"):
            await scene.changing.apply(planned.id, force=False)
        assert scene.neighbors.taken == []

    play(places, scene)


def test_a_plan_is_refused_when_somebody_drains_what_it_moves_to(places: Places) -> None:
    async def scene(scene: Scene) -> None:
        scene.loop.view = up_and_told(FIBER)
        scene.write(bandung=f"{BANDUNG}prefer: [wireless, fiber]\npolicy: free\n")
        (places.config / "policies").mkdir()
        (places.config / "policies" / "free.yaml").write_text("metered: allowed\n")
        planned = await scene.changing.plan()
        assert planned.branches[0].to == "wireless"
        drained = {"bandung": InForce(drained=frozenset({WIRELESS}))}
        scene.loop.view = replace(scene.loop.view, in_force=drained)
        with pytest.raises(NotAppliedError, match="is not the present plan"):
            await scene.changing.apply(planned.id, force=False)
        assert scene.neighbors.taken == []

    play(places, scene)


def test_above_a_limit_that_is_in_force_an_apply_is_refused_unless_it_is_forced(places: Places) -> None:
    async def scene(scene: Scene) -> None:
        scene.loop.view = up_and_told(FIBER)
        scene.write(bandung=ONLY_WIRELESS)
        (places.config / "network.yaml").write_text(NETWORK)
        scene.loop.view = replace(up_and_told(FIBER), forwarder=True)
        refusal = r"1 of 1 branches would be left on one path; max-one-path \(0\) allows 0.* Use --force"
        with pytest.raises(NotAppliedError, match=refusal):
            await scene.changing.apply(None, force=False)
        assert scene.neighbors.taken == []
        await scene.changing.apply(None, force=True)
        assert scene.neighbors.taken != []

    written(places.config, {"network.yaml": f"{NETWORK}guards: {{max-one-path: 0}}\n"})
    play(places, scene)


def test_what_differs_in_the_files_is_said_with_the_plan(places: Places) -> None:
    async def scene(scene: Scene) -> None:
        assert await scene.changing.files() == ()
        scene.write(bandung=BANDUNG.replace("65001", "65009"))
        asks = ChangeAsks(scene.changing, cast("Any", type("Nobody", (), {"report": lambda _: None})()))
        answer = (await asks.answer({"ask": "plan"}, 0))["answer"]
        change = {"file": "branches/bandung.yaml", "what": "as", "was": "65001", "now": "65009"}
        assert answer["files"] == [change]
        await scene.changing.apply(None, force=False)
        assert await scene.changing.files() == ()
        assert [each.now for each in await scene.changing.files(back=True)] == ["65001"]

    play(places, scene)
