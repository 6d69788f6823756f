"""`status --problems`: what is wrong, worst first, and nothing twice."""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from override_values import NOW, a_drain, drains
from rich.console import Console
from small_network import HUB_PREFIX, a_branch, a_network, with_failback

from hub.cli.main import main
from hub.cli.problems import problems
from hub.cli.render_problems import problems_view
from hub.cli.render_status import status_view
from hub.cli.render_why import why_view
from hub.controller.report import Surroundings, branch_report, network_report
from policies.blame import tunnel_blames
from policies.decide import decide
from policies.model.announcement import Announcement
from policies.model.clock import Instant
from policies.model.health import HealthState, HealthView
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent
from policies.model.overrides import NO_OVERRIDES, Overrides
from policies.model.policy import FailbackMode
from policies.model.view import ClassView, Heard, LivenessState, LivenessView, SessionState, SessionView, View
from policies.overrides.schedule import drained_by, in_force_at

AGO = Instant(NOW.monotonic - 130)
LONG_AGO = Instant(NOW.monotonic - 3 * 3600)


def view_of(intent: Intent, *down: str, lesser: tuple[str, ...] = (), mute: tuple[str, ...] = ()) -> View:
    """All up on the first tunnel that is, but what is `down` (`bandung/fiber`); `lesser` are on their last one."""
    dead = {tunnel for tunnel in intent.tunnels() if str(tunnel) in down}
    session = SessionView(
        SessionState.UP, Instant(1.0), complete=True, sent={HUB_PREFIX: Announcement(1000)}, end_of_rib=True
    )
    classes, sessions = {}, {}
    for branch in intent.branches.values():
        ids = [tunnel.id for tunnel in branch.tunnels if tunnel.id not in dead]
        on = (ids or [branch.tunnels[0].id])[-1 if branch.name in lesser else 0]
        classes[branch.name] = ClassView(branch.name, branch.name, on, tuple(ids), branch.prefixes, 1, Instant(1.0), "")
        for tunnel in branch.tunnels:
            known = replace(session, heard={branch.prefixes[0]: Heard(Instant(1.0))})
            silent = str(tunnel.id) in mute or tunnel.id in dead
            sessions[tunnel.id] = replace(known, state=SessionState.DOWN, since=AGO) if silent else known
    liveness = {
        tunnel: LivenessView(LivenessState.DOWN, AGO, "silent for 150 ms")
        if tunnel in dead
        else LivenessView(LivenessState.UP, Instant(2.0))
        for tunnel in intent.tunnels()
    }
    return View(liveness, sessions, classes, forwarder=True, speakers=frozenset({1}))


def report_of(
    intent: Intent,
    view: View,
    overrides: Overrides = NO_OVERRIDES,
    *,
    new: tuple[str, ...] = (),
    made: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    **faults: tuple[str, str],
) -> dict[str, Any]:
    """What is reported; `new` are the branches no tunnel of which was ever up, `made` is what the provisioner knows."""
    view = replace(view, in_force=in_force_at(overrides, intent, NOW.wall))
    decision, _ = decide(intent, view, {}, NOW)
    around = Surroundings(
        "/etc/pointsman",
        Instant(0.0),
        problems=faults,
        connected=frozenset(tunnel for tunnel in intent.tunnels() if tunnel.branch not in new),
        made=made,
        overrides=overrides,
        drained=drained_by(overrides, intent, NOW.wall),
        blamed=tunnel_blames(intent, view, NOW.monotonic),
    )
    return network_report(intent, view, decision.verdicts, around, NOW)


def branch(name: str, number: int, *tunnels: str) -> Branch:
    return a_branch(name, tunnels or ("fiber", "wireless"), number)


BANDUNG, BOGOR, GARUT = branch("bandung", 1), branch("bogor", 2), branch("garut", 3, "fiber")
INTENT = a_network(BANDUNG, BOGOR, GARUT)


def told(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(problem.kind, problem.place) for problem in problems(report)]


def text_of(report: dict[str, Any]) -> str:
    out = io.StringIO()
    Console(file=out, width=400).print(problems_view(problems(report), report))
    return out.getvalue()


def test_nothing_is_wrong_where_all_is_well() -> None:
    report = report_of(INTENT, view_of(INTENT))
    assert told(report) == []
    assert text_of(report) == "nothing is wrong: 3 branches\n"


def test_the_worst_comes_first() -> None:
    view = view_of(INTENT, "garut/fiber", "bogor/fiber")
    bad = {TunnelId("bandung", "fiber"): HealthView(HealthState.DEGRADED, AGO, "loss 6.0 % over 5 s")}
    report = report_of(
        INTENT, replace(view, health=bad), drains(a_drain(4, "bandung/wireless")), strict=("strict filtering", "set it")
    )
    assert told(report) == [
        ("isolated", "garut"),
        ("down", "bogor/fiber"),
        ("degraded", "bandung/fiber"),
        ("one path left", "bandung"),
        ("one path left", "bogor"),
        ("drained", "bandung/wireless"),
        ("fault", ""),
    ]


def test_each_says_for_how_long_why_and_what_helps() -> None:
    lines = text_of(report_of(INTENT, view_of(INTENT, "bogor/fiber"))).splitlines()
    assert lines == [
        "1 down, 1 one path left",
        "down           bogor/fiber for 2m 10s (silent for 150 ms)",
        "    mend: pointsman why bogor",
        "one path left  bogor only wireless: fiber is down",
        "    mend: pointsman why bogor",
    ]


def hindered(tunnel: str, interface: str) -> dict[str, dict[str, Any]]:
    """What the provisioner says of a tunnel that it could not make."""
    why = {"text": "this kernel makes no gre interfaces", "mend": "modprobe ip_gre"}
    return {tunnel: {"interface": interface, "hindered": why}}


def faults_of_missing(tunnel: str, interface: str) -> dict[str, tuple[str, str]]:
    """What forwarder and provisioner say where the interface is missing because of that."""
    return {
        f"check:interface:{interface}": (f"interface {interface} of {tunnel} is not there", "make it"),
        f"tunnels:ipsec:{tunnel}": (f"{tunnel}: this kernel makes no gre interfaces", "modprobe ip_gre"),
    }


def test_a_tunnel_that_could_not_be_made_says_why_once_and_what_helps() -> None:
    interface = BOGOR.tunnels[0].interface
    faults = faults_of_missing("bogor/fiber", interface)
    made = hindered("bogor/fiber", interface)
    lines = text_of(report_of(INTENT, view_of(INTENT, "bogor/fiber"), made=made, **faults)).splitlines()
    assert lines[:3] == [
        "1 down, 1 one path left",
        "down           bogor/fiber not made: this kernel makes no gre interfaces",
        "    mend: modprobe ip_gre; then pointsman apply",
    ]
    assert len(lines) == 5


def test_a_branch_none_of_whose_tunnels_could_be_made_says_why_and_what_helps() -> None:
    interface = GARUT.tunnels[0].interface
    faults, made = faults_of_missing("garut/fiber", interface), hindered("garut/fiber", interface)
    report = report_of(INTENT, view_of(INTENT, "garut/fiber"), new=("garut",), made=made, **faults)
    (problem,) = problems(report)
    assert (problem.kind, problem.place) == ("isolated", "garut")
    assert problem.text == "fiber not made: this kernel makes no gre interfaces"
    assert problem.mend == "modprobe ip_gre; then pointsman apply"


def test_what_hindered_a_tunnel_that_is_up_by_now_is_told_as_a_fault() -> None:
    interface = BOGOR.tunnels[0].interface
    fault = {"tunnels:ipsec:bogor/fiber": ("bogor/fiber: something else", "see there")}
    report = report_of(INTENT, view_of(INTENT), made=hindered("bogor/fiber", interface), **fault)
    assert [(each.kind, each.text) for each in problems(report)] == [("fault", "bogor/fiber: something else")]


def test_a_branch_whose_router_has_never_connected_is_not_isolated() -> None:
    report = report_of(INTENT, view_of(INTENT, "bogor/fiber", "bogor/wireless"), new=("bogor",))
    assert text_of(report).splitlines() == [
        "1 not connected",
        "not connected  bogor its router has never connected",
        "    mend: pointsman router print bogor",
    ]


def test_a_branch_that_was_connected_by_one_tunnel_once_is_isolated() -> None:
    view = view_of(INTENT, "bogor/fiber", "bogor/wireless")
    assert told(report_of(INTENT, view)) == [("isolated", "bogor")]


def test_a_new_branch_says_also_which_tunnel_the_hub_could_not_make() -> None:
    made = hindered("bogor/fiber", BOGOR.tunnels[0].interface)
    report = report_of(INTENT, view_of(INTENT, "bogor/fiber", "bogor/wireless"), new=("bogor",), made=made)
    assert told(report) == [("down", "bogor/fiber"), ("not connected", "bogor")]


def test_status_says_what_to_do_about_a_branch_whose_router_has_never_connected() -> None:
    out = io.StringIO()
    report = report_of(INTENT, view_of(INTENT, "bogor/fiber", "bogor/wireless"), new=("bogor",))
    Console(file=out, width=200).print(status_view(report))
    said = out.getvalue()
    assert "its router has never connected: pointsman router print bogor" in said
    assert "1 never connected" in said
    assert "UNREACHABLE" not in said
    assert " down" not in said


def test_why_says_that_the_router_has_never_connected_and_what_hindered_a_tunnel() -> None:
    out = io.StringIO()
    made = hindered("bogor/fiber", BOGOR.tunnels[0].interface)
    report = report_of(INTENT, view_of(INTENT, "bogor/fiber", "bogor/wireless"), new=("bogor",), made=made)
    (bogor,) = [branch for branch in report["branches"] if branch["branch"] == "bogor"]
    Console(file=out, width=200).print(why_view(bogor))
    said = out.getvalue()
    assert "its router has never connected" in said
    assert "mend: pointsman router print bogor" in said
    assert "not made: this kernel makes no gre interfaces" in said
    assert "mend: modprobe ip_gre; then pointsman apply" in said


def test_what_sets_up_a_router_is_of_the_files_of_the_hub_that_runs() -> None:
    around = Surroundings("/srv/my hub", Instant(0.0), state="/srv/state")
    report = branch_report(BOGOR, view_of(INTENT, "bogor/fiber", "bogor/wireless"), None, around, NOW)
    said = "pointsman router print bogor --config '/srv/my hub' --state-dir /srv/state"
    assert [problem.mend for problem in problems({"branches": [report], "problems": []})] == [said]


def test_a_new_branch_whose_interfaces_are_not_there_does_not_wait_for_its_router() -> None:
    faults = {
        f"check:interface:{tunnel.interface}": (f"interface {tunnel.interface} of {tunnel.id} is not there", "make it")
        for tunnel in BOGOR.tunnels
    }
    report = report_of(INTENT, view_of(INTENT, "bogor/fiber", "bogor/wireless"), new=("bogor",), **faults)
    assert told(report) == [("isolated", "bogor")]
    out = io.StringIO()
    (bogor,) = [branch for branch in report["branches"] if branch["branch"] == "bogor"]
    Console(file=out, width=400).print(status_view(report), why_view(bogor))
    said = text_of(report) + out.getvalue()
    assert "never connected" not in said
    assert said.count(f"interface {BOGOR.tunnels[0].interface} of bogor/fiber is not there") == 4
    first = report_of(
        INTENT, view_of(INTENT, "bogor/fiber", "bogor/wireless"), new=("bogor",), **dict([next(iter(faults.items()))])
    )
    assert told(first) == [("down", "bogor/fiber"), ("not connected", "bogor")]


def test_whose_trouble_it_is_is_said_where_it_is_not_the_tunnels_own() -> None:
    report = report_of(INTENT, view_of(INTENT, "bogor/fiber", "bandung/fiber"))
    assert "isp-fiber: several branches have trouble on it at once" in text_of(report)


def test_a_drained_tunnel_that_is_down_is_no_trouble_of_its_own() -> None:
    report = report_of(INTENT, view_of(INTENT, "bogor/fiber"), drains(a_drain(4, "bogor/fiber", until=60)))
    assert told(report) == [("one path left", "bogor"), ("drained", "bogor/fiber")]
    (_, drained) = problems(report)
    assert "; down for 2m 10s: 4 drain bogor/fiber" in drained.text
    assert drained.mend == "pointsman undrain 4"


def test_a_drain_is_not_told_again_as_off_preferred() -> None:
    view = view_of(INTENT, lesser=("bogor",))
    report = report_of(INTENT, view, drains(a_drain(4, "bogor/fiber", until=60)))
    assert told(report) == [("one path left", "bogor"), ("drained", "bogor/fiber")]


def test_a_branch_off_its_preferred_tunnel_is_told_once() -> None:
    intent = a_network(with_failback(BANDUNG, FailbackMode.MANUAL))
    known = view_of(intent, lesser=("bandung",))
    faults = {"off-preferred:bandung": ("bandung is on wireless, though", "pointsman failback bandung")}
    report = report_of(intent, known, **faults)
    assert told(report) == [("off preferred", "bandung")]
    assert problems(report)[0].mend == "pointsman failback bandung"


def test_a_tunnel_without_a_session_is_no_path() -> None:
    report = report_of(INTENT, view_of(INTENT, mute=("bogor/wireless",)))
    assert told(report) == [("one path left", "bogor")]
    assert problems(report)[0].text == "only fiber: wireless is without a BGP session"


def test_what_is_not_known_is_no_problem() -> None:
    view = view_of(INTENT)
    unknown = {tunnel: LivenessView() for tunnel in INTENT.tunnels()}
    assert told(report_of(INTENT, replace(view, liveness=unknown, forwarder=False))) == []
    half = {**view.liveness, TunnelId("bogor", "fiber"): LivenessView()}
    assert told(report_of(INTENT, replace(view, liveness=half))) == []


def test_where_the_only_other_one_is_not_known_that_is_said() -> None:
    view = view_of(INTENT, "bogor/fiber")
    unknown = {**view.liveness, TunnelId("bogor", "wireless"): LivenessView()}
    found = problems(report_of(INTENT, replace(view, liveness=unknown)))
    assert [problem.kind for problem in found] == ["down", "one path left"]
    assert found[1].text == "none that is up and not drained: fiber is down, wireless is not known to be up"


def test_where_all_sessions_are_gone_tunnels_are_paths() -> None:
    assert told(report_of(INTENT, view_of(INTENT, mute=("bogor/wireless", "bogor/fiber")))) == []


def test_the_forwarder_alone_tells_what_is_dead() -> None:
    snapshot = {
        "controller": False,
        "at": "",
        "tunnels": [{"tunnel": "bogor/fiber", "state": "down", "reason": "silent"}],
        "problems": [{"key": "k", "text": "strict filtering", "mend": "set it"}],
    }
    assert told(snapshot) == [("down", "bogor/fiber"), ("fault", ""), ("fault", "")]


def answering(path: Path, report: dict[str, Any]) -> Iterator[Path]:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path / "control.sock"))
    listener.listen(4)

    def serve() -> None:
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            with one:
                one.recv(1 << 16)
                one.sendall(json.dumps({"answer": report}).encode() + b"\n")

    threading.Thread(target=serve, daemon=True).start()
    yield path
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.mark.parametrize(("down", "status"), [(("bogor/fiber",), 1), ((), 0)])
def test_the_exit_status_says_whether_anything_is_wrong(
    down: tuple[str, ...], status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in answering(tmp_path, report_of(INTENT, view_of(INTENT, *down))):
        where = ["--run-dir", str(place)]
        assert main(["status", "--problems", *where]) == status
        assert ("down           bogor/fiber" in capsys.readouterr().out) is bool(down)
        assert main(["status", "--problems", "--json", *where]) == status
        found = json.loads(capsys.readouterr().out)
        assert [problem["kind"] for problem in found["problems"]] == (["down", "one path left"] if down else [])
        assert main(["status", *where]) == 0


def test_a_time_of_a_problem_is_in_seconds() -> None:
    report = report_of(INTENT, view_of(INTENT, "bogor/fiber"))
    assert problems(report)[0].ago == timedelta(seconds=130).total_seconds()
