"""A new path is accepted: what is usual is forgotten, on the disk too, and who wanted that is said."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import pytest
from small_network import a_branch, a_network, moment
from waiting import until

from hub.cli.main import main
from hub.controller.health import HealthWatch, Kept
from hub.controller.health_file import HealthFile
from hub.controller.loop import Loop
from hub.controller.server import ControlServer
from hub.controller.usual_asks import UsualAsks
from policies.health.usual import NO_USUAL, learnt
from policies.model.clock import Instant
from policies.model.events import Event, HealthChanged, LivenessChanged, SamplesTaken
from policies.model.health import HealthLimits, HealthState, HealthView, Limit, Metric, Samples
from policies.model.ids import TunnelId
from policies.model.view import LivenessState, LivenessView

LIMITS = HealthLimits(
    (Limit(Metric.RTT, 0.08, timedelta(seconds=5), above_usual=True),),
    (Limit(Metric.RTT, 0.04, timedelta(seconds=60), above_usual=True),),
)
BRANCH = replace(a_branch(), policy=replace(a_branch().policy, health=MappingProxyType({"default": LIMITS})))
INTENT = a_network(BRANCH)
FIBER, WIRELESS = (tunnel.id for tunnel in BRANCH.tunnels)
FOUR_MS = learnt(NO_USUAL, 0.004, 7000.0)


class Rig:
    """A controller's health with its file and its asks."""

    def __init__(self, directory: Path) -> None:
        self.events: list[Event] = []
        self.said: list[str] = []
        self.watch = HealthWatch(INTENT, self.events.append, lambda tunnel, probes: None, lambda tunnel: ())
        self.watch.recall({FIBER: Kept(FOUR_MS), WIRELESS: Kept(FOUR_MS)})
        self.path = directory / "health.json"
        self.file = HealthFile(self.path, self.watch, self.said.append)
        self.loop = cast("Loop", SimpleNamespace(intent=INTENT, health=self.watch, now=lambda: moment(100.0)))
        self.asks = UsualAsks(self.loop, self.file, self.said.append)

    def reset(self, tunnel: object) -> dict[str, Any]:
        return asyncio.run(self.asks.asks["usual-reset"]({"ask": "usual-reset", "tunnel": tunnel}, 0))

    def sample(self, at: float, rtt: float, *, burst: bool = False) -> None:
        samples = Samples(Instant(at - 1), Instant(at), 10, 0, (rtt,) * 10, burst)
        self.watch.heard(SamplesTaken({FIBER: (samples,)}), Instant(at))

    @property
    def health(self) -> HealthView:
        return [e.health for e in self.events if isinstance(e, HealthChanged) and e.tunnel == FIBER][-1]


def on_disk(path: Path) -> set[str]:
    return set(json.loads(path.read_text()))


def test_it_is_forgotten_kept_on_the_disk_and_said_by_whom(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.watch.look(Instant(100.0))
    rig.file.write()
    assert on_disk(rig.path) == {"bandung/fiber", "bandung/wireless"}
    answer = rig.reset("bandung/fiber")["answer"]
    assert answer["tunnel"] == "bandung/fiber"
    assert answer["was_ms"] == pytest.approx(4.0, rel=0.05)
    assert answer["by"] == "root"
    assert answer["notes"] == ["until there are 10 minutes of it only absolute limits count on bandung/fiber"]
    assert rig.health.usual_rtt is None
    assert on_disk(rig.path) == {"bandung/wireless"}
    (said,) = rig.said
    assert said.startswith("bandung/fiber: the usual round trip of ")
    assert said.endswith(" ms is forgotten by root: a new one is learnt")


def test_a_path_that_is_slower_for_good_is_taken_as_it_is(tmp_path: Path) -> None:
    """Degraded by what was usual, it is up again by itself, and a new one is learnt."""
    rig = Rig(tmp_path)
    rig.watch.heard(LivenessChanged(FIBER, LivenessView(LivenessState.UP, Instant(1.0))), Instant(1.0))
    at = 2.0
    while at < 40.0:
        rig.sample(at, 0.2, burst=at > 12)
        at += 1
    assert rig.health.state is HealthState.DEGRADED
    rig.watch.forget_usual(FIBER, Instant(at))
    while at < 140.0:
        rig.sample(at, 0.2)
        at += 1
    assert rig.health.state is HealthState.UP
    while at < 900.0:
        rig.sample(at, 0.2)
        at += 1
    assert rig.health.usual_rtt == pytest.approx(0.2, rel=0.05)
    assert rig.health.state is HealthState.UP


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bandung/fibre", 'there is no tunnel "bandung/fibre": did you mean "bandung/fiber"?'),
        ("bandung", '"bandung" is a branch: name one of its tunnels, bandung/fiber, bandung/wireless'),
        ("isp:telkom", 'there is no tunnel "isp:telkom": there are bandung/fiber, bandung/wireless …'),
        (None, '"tunnel" is missing'),
    ],
)
def test_a_tunnel_that_is_not_there_is_refused_and_nothing_is_changed(name: object, said: str, tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    assert rig.reset(name)["error"].startswith(said)
    assert (rig.said, rig.path.exists()) == ([], False)
    assert rig.watch.kept[FIBER].usual == FOUR_MS


def test_a_disk_that_does_not_take_it_is_told(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "nowhere")
    answer = rig.reset("bandung/fiber")["answer"]
    assert "a restarted controller may know the old one again" in answer["notes"][1]
    assert rig.health.usual_rtt is None


def test_what_was_not_known_yet_is_said_so(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.watch.forget_usual(WIRELESS, Instant(100.0))
    answer = rig.reset("bandung/wireless")["answer"]
    assert (answer["was_ms"], answer["measured_for"]) == (None, 0.0)
    assert rig.said == [
        "bandung/wireless: the usual round trip, not known yet, is forgotten by root: a new one is learnt"
    ]


def through_the_socket(rig: Rig, directory: Path, scene: Callable[[], None]) -> None:
    async def whole() -> None:
        path = directory / "control.sock"
        server = asyncio.create_task(ControlServer(path, rig.loop, None, rig.said.append, None, rig.asks).run())
        await until(path.exists)
        await asyncio.to_thread(scene)
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)

    asyncio.run(asyncio.wait_for(whole(), 60))


def test_the_command_resets_it_over_the_socket(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rig = Rig(tmp_path)

    def scene() -> None:
        where = ["--run-dir", str(tmp_path)]
        assert main(["usual", "reset", "bandung/fiber", *where]) == 0
        out = capsys.readouterr().out
        assert out.startswith(
            "forgotten  the usual round trip of bandung/fiber (4 ms, over 1h 56m): a new one is learnt\n"
        )
        assert "note       until there are 10 minutes" in out
        assert main(["usual", "reset", "bandung/wireless", "--json", *where]) == 0
        assert json.loads(capsys.readouterr().out)["tunnel"] == "bandung/wireless"
        assert main(["usual", "reset", "bandung/lte", *where]) == 1
        assert "there is no tunnel" in capsys.readouterr().err

    through_the_socket(rig, tmp_path, scene)


def test_where_no_hub_runs_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usual", "reset", "bandung/fiber", "--run-dir", str(tmp_path)]) == 3
    assert "no hub is running here" in capsys.readouterr().err


def test_a_question_that_nobody_answers_names_those_that_are(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    def scene() -> None:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(tmp_path / "control.sock"))
            asking.sendall(b'{"ask": "usual-forget"}\n')
            assert "status, why, usual-reset" in json.loads(asking.recv(1 << 16))["error"]

    through_the_socket(rig, tmp_path, scene)


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["usual", "--help"], ["usual", "reset", "--help"]):
        with pytest.raises(SystemExit):
            main(command)
        assert "pointsman usual reset bandung/fiber" in capsys.readouterr().out
    assert TunnelId.parse("bandung/fiber") == FIBER
