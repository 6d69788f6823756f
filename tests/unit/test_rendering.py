"""What `status` and `why` show, from the report that the controller gives."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from rich.console import Console, RenderableType
from small_network import a_branch, a_network

from hub.cli.durations import ago
from hub.cli.render_status import status_view
from hub.cli.render_why import why_view
from hub.controller.report import Surroundings, branch_report, network_report
from policies.decide import decide
from policies.model.announcement import Announcement
from policies.model.clock import Instant, Now
from policies.model.ids import TunnelId
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
        paths={"bandung": PathSeen(WIRELESS, Instant(870.1), Instant(999.6))},
        forwarder=True,
        speaker=True,
    )


def shown(view: RenderableType) -> str:
    out = io.StringIO()
    Console(file=out, width=160).print(view)
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
    assert "fiber down 2m 10s · wireless up" in text


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


def test_why_tells_the_whole_story() -> None:
    decision, _ = decide(INTENT, moved(), {}, NOW)
    around = Surroundings("/etc/pointsman", Instant(0.0))
    text = shown(why_view(branch_report(BRANCH, moved(), decision.verdicts["bandung"], around, NOW)))
    for expected in (
        "bandung -> wireless since 14:02:11.000 (2m 10s): only usable",
        "down     silent for 150 ms (3 x 50 ms)",
        "1 wireless (up)   2 fiber (down)   policy standard",
        "wireless: 10.0.0.0/16 med 990 (survivor)",
        "wireless, both ways (return-path probe 0.4 s ago)",
        "10.1.0.0/24 by fiber held 2m 10s; by wireless",
        "10.1.0.0/24 -> class bandung -> wireless (wg51009-bandung)",
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (59, "59s"), (130, "2m 10s"), (3600, "1h"), (10_920, "3h 2m"), (90_000, "1d 1h"), (1_036_900, "12d")],
)
def test_lengths_of_time_are_short(seconds: float, text: str) -> None:
    assert ago(seconds) == text


def test_a_tunnel_has_one_name() -> None:
    assert TunnelId.parse(str(FIBER)) == FIBER
    with pytest.raises(ValueError, match="write branch/tunnel"):
        TunnelId.parse("bandung")
