"""What `status` and `why` show, from the report that the controller gives."""

from __future__ import annotations

import io
import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_network
from typing import Any

import pytest
from rich.console import Console, RenderableType
from small_network import a_branch, a_network

from hub.cli.durations import round_trip
from hub.cli.render_status import status_view
from hub.cli.render_why import why_view
from hub.cli.screen import show
from hub.controller.report import Surroundings, branch_report, network_report
from hub.controller.signs import Gap
from policies.decide import decide
from policies.lengths import spoken
from policies.model.announcement import Announcement
from policies.model.clock import Instant, Now
from policies.model.health import Figures, HealthState, HealthView
from policies.model.ids import TunnelId
from policies.model.intent import Session, SessionKind
from policies.model.view import (
    ClassView,
    Heard,
    LivenessState,
    LivenessView,
    PathSeen,
    SessionState,
    SessionView,
    View,
)

NOW = Now(Instant(1000.0), datetime(2026, 3, 2, 14, 4, 21, tzinfo=UTC))
BRANCH = a_branch()
INTENT = a_network(BRANCH, a_branch("bogor", number=2))
FIBER, WIRELESS = (tunnel.id for tunnel in BRANCH.tunnels)
LAN, HQ = BRANCH.prefixes[0], ip_network("10.0.0.0/16")


def session(med: int, *, up: bool = True) -> SessionView:
    held = None if up else Instant(870.0)
    return SessionView(
        SessionState.UP if up else SessionState.DOWN,
        Instant(100.0),
        complete=up,
        sent={HQ: Announcement(med)},
        heard={LAN: Heard(Instant(100.0), held)},
        end_of_rib=up,
    )


def moved() -> View:
    """Bandung's fiber died 130 seconds ago; of bogor nothing is known."""
    forwarded = ClassView("bandung", "bandung", WIRELESS, (WIRELESS, FIBER), (LAN,), 1, Instant(870.0), "dead")
    return View(
        liveness={
            FIBER: LivenessView(LivenessState.DOWN, Instant(870.0), "silent for 150 ms (3 x 50 ms)"),
            WIRELESS: LivenessView(LivenessState.UP, Instant(100.0), "BFD up"),
        },
        sessions={FIBER: session(1000, up=False), WIRELESS: session(990)},
        classes={"bandung": forwarded},
        paths={("bandung", 4): PathSeen(WIRELESS, Instant(870.1), Instant(999.6))},
        forwarder=True,
        speakers=frozenset({1}),
    )


def shown(view: RenderableType, width: int = 160) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(view)
    return out.getvalue()


@pytest.fixture
def report() -> dict[str, object]:
    decision, _ = decide(INTENT, moved(), {}, NOW)
    around = Surroundings("/etc/pointsman", Instant(0.0), problems={"k": ("strict filtering on wg1", "set it to 2")})
    return network_report(INTENT, moved(), decision.verdicts, around, NOW)


def test_the_report_is_plain_data(report: dict[str, object]) -> None:
    assert json.loads(json.dumps(report)) == report


def test_status_says_who_moved_and_what_is_down(report: dict[str, object]) -> None:
    text = shown(status_view(report))
    assert "2 branches: 0 on their preferred tunnel, 1 moved, 1 on none · 1 down: bandung/fiber" in text
    assert "fiber down 2m · wireless up" in text
    assert text.splitlines()[1] == "hub hq of kencana, /etc/pointsman"


def test_status_of_a_labs_hub_names_the_lab(report: dict[str, object]) -> None:
    assert shown(status_view(report, "second")).splitlines()[1] == "hub hq of kencana, /etc/pointsman · lab second"


def test_a_narrow_terminal_keeps_numbers_and_units_together(report: Any) -> None:
    for branch in report["branches"]:
        for tunnel in branch["tunnels"]:
            tunnel.update(liveness="up", session="up", rtt_ms=2.413)
    text = shown(status_view(report), width=66)
    assert "fiber 2.4 ms ·\n" in "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    assert text.count("2.4 ms") == 4


def test_a_pipe_gets_whole_lines_without_blanks_at_their_ends(
    report: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    show(status_view(report))
    lines = capsys.readouterr().out.splitlines()
    assert all(line == line.rstrip() for line in lines)
    assert any(line.endswith("fiber down 2m · wireless up") for line in lines)


def test_a_reader_who_went_away_is_no_exit_of_its_own(
    report: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", buffering=1) as closed:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr("sys.stdout", closed)
        with pytest.raises(BrokenPipeError):
            show(status_view(report))
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)


def test_status_names_a_branch_that_no_tunnel_reaches_first() -> None:
    down = LivenessView(LivenessState.DOWN, Instant(900.0), "silent")
    cut_off = replace(moved(), liveness={FIBER: down, WIRELESS: down})
    report = network_report(INTENT, cut_off, {}, Surroundings("/etc/pointsman", Instant(0.0)), NOW)
    text = shown(status_view(report))
    assert text.startswith("UNREACHABLE: bandung · 2 branches: 0 on their preferred tunnel")


def test_status_says_what_is_frozen_and_switched_once(report: dict[str, Any]) -> None:
    by = {"number": 5, "kind": "freeze", "target": None, "to": None, "rate": None, "until": None, "forced": False}
    freeze = by | {"reason": "cut-over", "made": report["at"], "by": {"uid": 0, "user": "root"}}
    branches = [{**branch, "overrides": [freeze]} for branch in report["branches"]]
    assert shown(status_view({**report, "branches": branches})).count("5 freeze, said") == 1
    assert "freeze" not in shown(status_view(report))


def test_status_shows_problems_with_their_mend(report: dict[str, object]) -> None:
    text = shown(status_view(report))
    assert "! strict filtering on wg1" in text
    assert "mend: set it to 2" in text


def test_status_of_the_forwarder_alone_says_so() -> None:
    snapshot = {
        "controller": False,
        "tunnels": [{"tunnel": "bandung/fiber", "state": "down"}],
        "classes": [{"name": "bandung", "active": "bandung/wireless", "since": 0.0, "order": ["bandung/fiber"]}],
        "problems": [],
    }
    text = shown(status_view(snapshot))
    assert "no controller is running" in text
    assert "fiber down" in text
    assert "the controller does not answer" in shown(status_view({**snapshot, "busy": True}))


def explanation() -> dict[str, Any]:
    decision, _ = decide(INTENT, moved(), {}, NOW)
    around = Surroundings("/etc/pointsman", Instant(0.0))
    return branch_report(BRANCH, moved(), decision.verdicts["bandung"], around, NOW)


def test_why_is_folded_and_never_cut() -> None:
    whole, folded = (shown(why_view(explanation()), width=width) for width in (400, 40))
    assert "".join(re.findall(r"[\w./]", folded)) == "".join(re.findall(r"[\w./]", whole))


def test_why_says_the_time_zone_in_the_heading_and_of_what_is_next() -> None:
    jakarta = Now(NOW.monotonic, NOW.wall.astimezone(timezone(timedelta(hours=7))))
    decision, _ = decide(INTENT, moved(), {}, jakarta)
    report = branch_report(BRANCH, moved(), decision.verdicts["bandung"], Surroundings("/", Instant(0.0)), jakarta)
    report["next"] = {"what": "failback", "at": "2026-03-02T21:05:11+07:00"}
    text = shown(why_view(report))
    assert "since 21:02:11.000 +07:00 (2m 10s)" in text
    assert "failback: not before 21:05:11 +07:00" in text


def test_why_tells_the_whole_story() -> None:
    text = shown(why_view(explanation()))
    for expected in (
        "bandung -> wireless since 14:02:11.000 +00:00 (2m 10s): only usable",
        "down     silent for 150 ms (3 x 50 ms)",
        "1 wireless (up)   2 fiber (down)   policy standard",
        "wireless: 10.0.0.0/16 med 990 (survivor: better than fiber's med 1000, which it may still hold)",
        "wireless, both ways (return-path probe 0.4 s ago; since 14:02:11.100)",
        "10.1.0.0/24 by fiber held 2m 10s; by wireless 15m",
        "10.1.0.0/24 -> class bandung -> wireless (wg51009-bandung), since 14:02:11.000 (dead)",
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (59, "59s"), (130, "2m 10s"), (3600, "1h"), (10_920, "3h 2m"), (90_000, "1d 1h"), (1_036_900, "12d")],
)
def test_lengths_of_time_are_short(seconds: float, text: str) -> None:
    assert spoken(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(59, "59s"), (130, "2m"), (10_920, "3h"), (90_000, "1d"), (0, "0s")])
def test_in_a_table_one_unit_is_enough(seconds: float, text: str) -> None:
    assert spoken(seconds, units=1) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0.8, "0.8 ms"), (0.0412, "0.041 ms"), (2.413, "2.4 ms"), (9.96, "10 ms"), (31.2, "31 ms"), (1234.5, "1234 ms")],
)
def test_a_round_trip_has_two_digits_and_its_unit(milliseconds: float, text: str) -> None:
    assert round_trip(milliseconds) == text


def test_a_tunnel_has_one_name() -> None:
    assert TunnelId.parse(str(FIBER)) == FIBER
    with pytest.raises(ValueError, match="write branch/tunnel"):
        TunnelId.parse("bandung")


def test_why_says_local_preferences_where_they_steer_and_what_is_refused() -> None:
    branch = replace(BRANCH, session=Session(SessionKind.IBGP))
    around = Surroundings("/", Instant(0.0), refusals={WIRELESS: {"our own AS is in the path": 2}})
    text = shown(why_view(branch_report(branch, moved(), None, around, NOW)))
    assert "local preference 999010" in text
    assert "2 routes by wireless: our own AS is in the path" in text


def test_an_answer_of_long_ago_does_not_say_where_the_branch_sends_now() -> None:
    later = replace(NOW, monotonic=Instant(NOW.monotonic + 60))
    assert branch_report(BRANCH, moved(), None, Surroundings("/", Instant(0.0)), later)["uses"] is None


@pytest.mark.parametrize(
    ("measured", "line"),
    [
        ({"wg": {"handshake_at": -40.0, "endpoint": "203.0.113.7:51014"}}, "handshake 40s ago from 203.0.113.7:51014"),
        (
            {"wg": {"handshake_at": -40.0, "endpoint": "1.2.3.4:5", "roamed": {"from": "6.7.8.9:5", "at": -300.0}}},
            "handshake 40s ago from 1.2.3.4:5, for 5m; before from 6.7.8.9:5",
        ),
        ({"wg": {"handshake_at": None, "endpoint": None}}, "no handshake yet"),
        ({"mtu": {"size": 1420, "ok": True, "works": None}}, "packets of 1420 bytes pass"),
        ({"mtu": {"size": 1420, "ok": False, "works": 1380}}, "packets of 1420 bytes do not pass, 1380 do"),
        ({"mtu": {"size": 1420, "ok": None, "works": None}}, "whether packets of 1420 bytes pass is not known"),
    ],
)
def test_why_says_what_is_looked_at_now_and_then(measured: dict[str, Any], line: str) -> None:
    if (peer := measured.get("wg")) is not None and peer["handshake_at"] is not None:
        roamed = peer.get("roamed")
        moved_at = {} if roamed is None else {"roamed": roamed | {"at": NOW.monotonic + roamed["at"]}}
        measured = {"wg": peer | {"handshake_at": NOW.wall.timestamp() + peer["handshake_at"]} | moved_at}
    around = Surroundings("/", Instant(0.0), measured={str(WIRELESS): measured})
    report = branch_report(BRANCH, moved(), None, around, NOW)
    assert json.loads(json.dumps(report)) == report
    assert f"{line}\n" in "".join(f"{each.rstrip()}\n" for each in shown(why_view(report)).splitlines())


@pytest.mark.parametrize(
    ("ended", "words"),
    [(-310.0, " (2.5 s without an answer in between)"), (-400.0, "")],
    ids=["the gap in which it moved", "another gap"],
)
def test_why_says_how_long_a_tunnel_was_silent_whose_far_end_moved(ended: float, words: str) -> None:
    roamed = {"from": "6.7.8.9:5", "at": NOW.monotonic - 300.0}
    peer = {"handshake_at": None, "endpoint": "1.2.3.4:5", "roamed": roamed}
    over = Instant(NOW.monotonic + ended)
    gaps = {WIRELESS: Gap(Instant(over - 2.5), over)}
    around = Surroundings("/", Instant(0.0), measured={str(WIRELESS): {"wg": peer}}, gaps=gaps)
    lines = [line.rstrip() for line in shown(why_view(branch_report(BRANCH, moved(), None, around, NOW))).splitlines()]
    assert any(line.endswith(f"for 5m; before from 6.7.8.9:5{words}") for line in lines)


def test_why_of_a_controller_from_before_that_knows_of_none_of_it_is_shown() -> None:
    report = branch_report(BRANCH, moved(), None, Surroundings("/", Instant(0.0)), NOW)
    for tunnel in report["tunnels"]:
        del tunnel["wg"], tunnel["mtu"]
    assert "handshake" not in shown(why_view(report))


def test_a_degraded_tunnel_shows_by_which_figures() -> None:
    health = HealthView(
        HealthState.DEGRADED, Instant(990.0), "loss 6 % over 5 s (limit 3 %)", Figures(0.06, 0.031), usual_rtt=0.03
    )
    view = replace(moved(), health={WIRELESS: health})
    decision, _ = decide(INTENT, view, {}, NOW)
    report = network_report(INTENT, view, decision.verdicts, Surroundings("/etc/pointsman", Instant(0.0)), NOW)
    assert "wireless degraded 31 ms 6.0 %" in shown(status_view(report))
    explained = shown(why_view(report["branches"][0]))
    assert "degraded: loss 6 % over 5 s (limit 3 %); loss 6.0 % · rtt 31 ms (usual 30 ms)" in explained
