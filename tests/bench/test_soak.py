"""A short soak with a real cut, a stop and a freeze in it: all are found where they are. No verdict about timing."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from soak import as_json, main
from soak_count import Eye, Kind, unexplained
from soak_course import Course, Result, run
from soak_network import SoakNetwork, Wanted
from soak_record import Watchers

from hub.lab.namespaces import NAMED_NAMESPACES

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

CUT = "b001/fiber"
SLOW = Wanted(branches=2, interval_ms=300, multiplier=5)
"""Timers that a busy machine keeps: a death of a tunnel that is well would spoil the counts."""


def cut(network: SoakNetwork, _watchers: Watchers) -> None:
    network.cut(CUT)


def heal(network: SoakNetwork, _watchers: Watchers) -> None:
    network.heal()


def freeze(_network: SoakNetwork, watchers: Watchers) -> None:
    """What the watcher sees when the machine stands still."""
    os.kill(watchers.pid(), signal.SIGSTOP)
    time.sleep(0.3)
    os.kill(watchers.pid(), signal.SIGCONT)


def soaked(wanted: Wanted, course: Course) -> Result:
    """Both tunnels of one branch fall silent for 4 s, and the watcher stops long after that."""
    return run(wanted, course, [(4.0, cut), (8.0, heal), (13.0, freeze)], say=lambda _: None)


@pytest.fixture(scope="module")
def pointsman() -> Result:
    return soaked(SLOW, Course(seconds=16.0, loss=0.02, busy=1, stops=2, seed=3))


def test_a_real_cut_is_a_death_in_both_sides_eyes(pointsman: Result) -> None:
    hub, branch = ([d for d in pointsman.deaths if d.change.eye is eye and d.change.tunnel == CUT] for eye in Eye)
    assert hub[0].kind in (Kind.CONFIRMED, Kind.EXPIRED)
    assert [death.kind for death in branch] in ([Kind.EXPIRED], [Kind.TOLD])
    assert any(death.change.tunnel == CUT for death in unexplained(pointsman.deaths))


def test_its_deaths_are_while_it_was_cut(pointsman: Result) -> None:
    at = [death.change.at - pointsman.within.begins for death in pointsman.deaths if death.change.tunnel == CUT]
    assert at
    assert 4.0 < min(at) <= max(at) < 10.0


def test_a_stopped_watcher_is_a_freeze(pointsman: Result) -> None:
    at = pointsman.within.begins + 13.0
    seen = [freeze for freeze in pointsman.freezes if freeze.processor is None and freeze.overlaps(at + 0.1, at + 0.3)]
    assert seen[0].ends - seen[0].begins >= 0.29


def test_the_forwarder_was_stopped_and_is_still_there(pointsman: Result) -> None:
    assert [stop.ends - stop.begins >= 0.1 for stop in pointsman.stops] == [True, True]
    assert pointsman.lost == []


def test_packets_were_lost_both_ways_and_the_forwarder_counted_its_own(pointsman: Result) -> None:
    assert 0 < pointsman.to_hub.dropped < pointsman.to_hub.arrived
    assert 0 < pointsman.to_branches.dropped < pointsman.to_branches.arrived
    assert pointsman.counters["bfd-sent"] > 0 < pointsman.counters["bfd-received"]


def test_plain_bird_is_judged_in_the_same_way() -> None:
    result = soaked(Wanted(branches=1, interval_ms=300, multiplier=5, plain_bird=True), Course(15.0, loss=0.02))
    found = [death for death in result.deaths if death.change.tunnel == CUT]
    assert {death.change.eye for death in found} == set(Eye)
    assert Kind.EXPIRED in {death.kind for death in found}


def test_nothing_is_left_of_a_soak_and_all_of_it_can_be_written(pointsman: Result) -> None:
    assert not list(NAMED_NAMESPACES.glob(f"soak{os.getpid()}-*"))
    assert json.loads(json.dumps(as_json(pointsman)))["tunnels"] == 4


def test_the_command_prints_a_table_and_fails_on_a_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pointsman: Result
) -> None:
    monkeypatch.setattr("soak.run", lambda *_: pointsman)
    monkeypatch.setattr("sys.argv", ["soak", "--json", str(tmp_path / "soak.json")])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert main() == 1
    assert "branch: hard, by detection time" in capsys.readouterr().out
    assert json.loads((tmp_path / "soak.json").read_text())["deaths"]
