"""What the demonstration says of branches that were not as they should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.lab import demo
from hub.lab.outages import Direction, Outage
from hub.lab.probe import ProbeReport

WELL = Direction(1000, 10, (Outage(1.0, 100.0, 10, ended=True),), 10.0)
AWAY = Direction(1000, 500, (Outage(1.0, 2900.0, 500, ended=False),), 10.0)
WHOLE = Direction(1000, 0, (), 10.0)


def test_a_way_that_did_not_come_back_is_named_with_its_branch() -> None:
    assert list(demo._amiss("all of telkom", "bandung", ProbeReport(WELL, AWAY))) == [
        "cutting all of telkom: bandung, branch to hub: did not return"
    ]
    assert not list(demo._amiss("all of telkom", "bandung", ProbeReport(WELL, WELL)))


def test_a_branch_that_lost_packets_on_the_way_back_is_named() -> None:
    seen = {"bandung": ProbeReport(WHOLE, WHOLE), "bogor": ProbeReport(WHOLE, WELL)}
    assert list(demo._lost("all of telkom", seen)) == ["healing all of telkom: bogor: 10 packets lost on the way back"]


def test_the_end_lists_what_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines: list[str] = []
    monkeypatch.setattr(demo, "_await_well", lambda _: None)
    monkeypatch.setattr(demo, "hub_report", lambda _: None)
    monkeypatch.setattr(demo, "_cut_one", lambda *_: ())
    monkeypatch.setattr(demo, "_cut_isp", lambda *_: ("bandung: did not return",))
    scene = demo.Scene(type("Built", (), {"place": tmp_path})(), "bandung", "fiber", "telkom")  # type: ignore[arg-type]
    assert not demo._play(scene, 2, lines.append, lambda _: None)
    assert lines[-2:] == ["FAILED:", "    bandung: did not return"]
