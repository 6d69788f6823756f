"""A second network on one machine is one fault: the tunnels that are not there because of it stand under it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from test_problems import BANDUNG, BOGOR, GARUT, INTENT, report_of, text_of, told, view_of

from hub.cli.problems import problems
from hub.cli.render_why import why_view
from hub.control.client import NotRunningError
from hub.controller.tunnels import Tunnels
from hub.forwarder.checks import interfaces
from policies.model.intent import Branch, Intent, Security
from policies.model.transport import Existing

TEXT = "another network of Pointsman, melati, has tunnels here (wg52000-medan and 1 more), and a machine has one"
MEND = "run one of the two in a network namespace of its own"
MACHINE = {"tunnels:machine:all": (TEXT, MEND)}
EVERY = tuple(str(tunnel) for tunnel in INTENT.tunnels())


def missing(*branches: Branch, up: Mapping[str, bool] | None = None) -> dict[str, tuple[str, str]]:
    """What the forwarder says of tunnels whose interfaces are not there, or down (`up`: False)."""
    wanted = {str(tunnel.id): tunnel.interface for branch in branches for tunnel in branch.tunnels}
    return {key: (problem.text, problem.mend) for key, problem in interfaces(wanted, up or {}).items()}


def with_every_tunnel_missing(intent: Intent = INTENT, **more: Any) -> dict[str, Any]:
    return report_of(intent, view_of(intent, *EVERY), **more, **MACHINE, **missing(*intent.branches.values()))


@pytest.mark.parametrize("new", [("bandung", "bogor", "garut"), ()])
def test_of_a_second_network_one_fault_is_told(new: tuple[str, ...]) -> None:
    report = with_every_tunnel_missing(new=new)
    (problem,) = problems(report)
    assert problem.text == (
        f"{TEXT}; so 5 tunnels of 3 branches are not there, and bandung, bogor, garut cannot be reached"
    )
    assert problem.mend == MEND
    assert [each["key"] for each in report["problems"]] == ["tunnels:machine:all"]


def test_without_that_fault_each_tunnel_that_is_not_there_is_told() -> None:
    report = report_of(INTENT, view_of(INTENT, *EVERY), **missing(BANDUNG, BOGOR, GARUT))
    assert [kind for kind, _ in told(report)].count("isolated") == 3
    assert len(report["problems"]) == 5


def test_it_comes_before_what_is_wrong_beside_it() -> None:
    view = view_of(INTENT, "bandung/fiber", "bandung/wireless", "garut/fiber")
    report = report_of(INTENT, view, **MACHINE, **missing(BANDUNG))
    assert told(report) == [("fault", ""), ("isolated", "garut")]
    assert text_of(report).splitlines()[1].startswith(f"fault          {TEXT}; so 2 tunnels of 1 branch are not there")


def test_where_nothing_follows_from_it_it_is_a_fault_like_others() -> None:
    report = report_of(INTENT, view_of(INTENT, "garut/fiber"), **MACHINE)
    assert told(report) == [("isolated", "garut"), ("fault", "")]
    assert problems(report)[1].text == TEXT


def test_of_a_branch_the_tunnel_that_is_there_is_told_by_itself() -> None:
    wireless = {BANDUNG.tunnels[1].interface: True}
    view = view_of(INTENT, "bandung/fiber", "bandung/wireless")
    report = report_of(INTENT, view, **MACHINE, **missing(BANDUNG, up=wireless))
    assert told(report) == [("fault", ""), ("isolated", "bandung")]
    assert problems(report)[1].text == "wireless down 2m 10s (silent for 150 ms)"


def test_a_branch_with_one_tunnel_left_is_told_that_it_has_one_path() -> None:
    wireless = {BANDUNG.tunnels[1].interface: True}
    report = report_of(INTENT, view_of(INTENT, "bandung/fiber"), **MACHINE, **missing(BANDUNG, up=wireless))
    assert told(report) == [("fault", ""), ("one path left", "bandung")]
    assert problems(report)[1].text == "only wireless: fiber is down"


def test_an_interface_that_is_down_and_one_that_somebody_else_makes_follow_from_nothing() -> None:
    adopted = tuple(replace(tunnel, transport=Existing()) for tunnel in BOGOR.tunnels)
    intent = replace(INTENT, branches={**INTENT.branches, "bogor": replace(BOGOR, tunnels=adopted)})
    down = missing(GARUT, up={GARUT.tunnels[0].interface: False})
    report = report_of(intent, view_of(intent, *EVERY), **MACHINE, **missing(BOGOR), **down)
    kept = {f"check:interface:{tunnel.interface}" for tunnel in (*BOGOR.tunnels, *GARUT.tunnels)}
    assert {each["key"] for each in report["problems"]} == {*kept, *MACHINE}
    assert ("isolated", "bogor") in told(report)


def test_why_names_the_mend_of_the_fault_that_it_follows_from() -> None:
    report = with_every_tunnel_missing(new=("bogor",))
    console = Console(width=200)
    with console.capture() as capture:
        console.print(why_view(next(each for each in report["branches"] if each["branch"] == "bogor")))
    assert MEND in capture.get()
    assert "plan --only tunnels says why" not in capture.get()


def test_a_provisioner_that_refuses_for_that_says_it_without_a_target(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"slice": "machine", "target": "all", "text": TEXT, "mend": MEND}
    status = {"targets": {}, "refused": [refused], "findings": [], "failed": []}

    async def answered(_self: Tunnels, question: dict[str, Any], _patience: float) -> dict[str, Any]:
        if question["ask"] != "status":
            raise NotRunningError("nobody")
        return status

    monkeypatch.setattr(Tunnels, "_ask", answered)
    loop = SimpleNamespace(intent=SimpleNamespace(security=Security()), problems={}, made={})
    tunnels = Tunnels(None, loop, lambda _: None)  # type: ignore[arg-type]
    asyncio.run(tunnels._look())
    assert loop.problems == MACHINE
