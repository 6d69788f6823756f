"""A plan and what may come between it and its apply: health, drains, limits; and what it says of the files."""

from __future__ import annotations

import time
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import pytest
from changing_rig import (
    FIBER,
    ONLY_WIRELESS,
    WIRELESS,
    Scene,
    on,
    places_in,
    play,
    without_waiting,
)
from config_directories import BANDUNG, NETWORK, written

from hub.control.places import Places
from hub.controller.change_asks import ChangeAsks
from hub.controller.not_applied import NotAppliedError
from policies.health.course import Course
from policies.health.judge import judge
from policies.health.memory import NOTHING_REMEMBERED, HealthMemory, remember
from policies.model.announcement import Announcement
from policies.model.clock import Instant
from policies.model.health import HealthLimits
from policies.model.ids import TunnelId
from policies.model.overrides import InForce
from policies.model.view import ClassView, Heard, SessionState, SessionView, View


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    without_waiting(monkeypatch)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return places_in(tmp_path)


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
