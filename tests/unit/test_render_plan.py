"""How a plan and its apply read."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType
from small_network import a_branch, a_network
from test_plan import BEFORE, NOW, only, view, with_bandung
from test_plan_guards import moving
from test_plan_outlook import (
    LOSSY,
    METERED,
    PREFERS_WIRELESS,
    SEMARANG,
    died_lately,
    judged_by,
    live,
    planned,
    with_rule,
)

from hub.cli.render_plan import applied_view, plan_view
from hub.config.file_changes import FileChange
from hub.controller.ending import Applied
from hub.controller.plan_report import applied_report, plan_report
from policies.model.guards import AtMost, Guards
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.policy import RuleChange
from policies.plan import Plan, plan


def text_of(view: RenderableType) -> str:
    console = Console(width=200, highlight=False)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def shown(after: Intent, *, proposal: bool = False) -> str:
    return text_of(plan_view(plan_report(plan(BEFORE, after, view(), NOW)), proposal=proposal))


GOLDEN = Path(__file__).parents[1] / "golden" / "plan"
LIMIT = FileChange("policies/standard.yaml", "health default degraded-when-any loss", "3% over 5s", "2% over 5s")
RULED = with_rule(SEMARANG, RuleChange(prefer=("wireless", "fiber")), hub_prefixes=(ip_network("10.0.10.0/24"),))
TIGHT = Guards(max_moves=AtMost(share=0.25))
SEVEN = tuple(replace(judged_by(0.03, a_branch(f"b{n}", number=n))) for n in range(2, 9))
STRICTER = tuple(judged_by(0.02, branch) for branch in SEVEN)
COMING_BACK = died_lately(live(), TunnelId("semarang", "wireless"))
GOLDEN_PLANS: dict[str, tuple[Plan, tuple[FileChange, ...]]] = {
    "a-stricter-limit": (
        plan(
            a_network(METERED, *SEVEN),
            a_network(judged_by(0.02, METERED), *STRICTER),
            live(METERED),
            NOW,
            LOSSY,
            {"semarang": 3.1e9},
        ),
        (LIMIT,),
    ),
    "a-rule-for-a-hub-prefix": (planned(SEMARANG, RULED, live()), ()),
    "another-preference-after-a-hold": (planned(SEMARANG, PREFERS_WIRELESS, COMING_BACK), ()),
    "a-guard-that-speaks-against-it": (moving(3, 8, TIGHT, TIGHT), ()),
    "more-branches-than-can-be-told-of": (moving(21, 21), ()),
    "without-the-forwarder": (planned(SEMARANG, PREFERS_WIRELESS, live(forwarder=False)), ()),
}


@pytest.mark.parametrize("name", GOLDEN_PLANS)
def test_a_plan_reads_as_its_golden_file(name: str) -> None:
    found, files = GOLDEN_PLANS[name]
    text = text_of(plan_view(plan_report(found, files), proposal=False)).replace(found.id, "7f3a91c2")
    assert text == (GOLDEN / f"{name}.txt").read_text()


def test_nothing_to_do_is_one_line() -> None:
    assert shown(BEFORE) == "nothing would change: 2 branches stay as they are\n"


def test_a_tunnel_that_goes_shows_the_move_and_how_to_do_it() -> None:
    text = shown(with_bandung(only("wireless")))
    number = plan(BEFORE, with_bandung(only("wireless")), view(), NOW).id
    assert text.splitlines() == [
        "  bandung  fiber (it goes) -> wireless",
        "           left on one path",
        "           session on fiber closed",
        "           - tunnel fiber",
        "           ranking: fiber, wireless -> wireless",
        "           - fiber tells 10.0.0.0/16",
        "           wireless tells 10.0.0.0/16: med 1100 -> med 1000",
        "           route 10.1.0.0/24: over fiber, then wireless -> over wireless",
        "  1 branch unchanged",
        f"plan {number}: 1 branch changed, 1 branch moves, 1 left on one path",
        f"do it:  pointsman apply {number}              with a way back:  pointsman apply {number} --confirm-within 5m",
    ]


def test_branches_that_come_and_go_are_marked() -> None:
    text = shown(a_network(a_branch(), a_branch("solo", number=3)))
    assert "+ solo   2 sessions opened; it is served once its router connects" in text
    assert "- tegal  withdrawn from, 2 sessions closed, no longer forwarded to" in text


def test_a_session_that_restarts_says_what_carries_meanwhile() -> None:
    branch = replace(BEFORE.branches["bandung"], asn=65099)
    assert "session on fiber, wireless restarts: the branch's static floor carries then" in shown(with_bandung(branch))


def test_another_directory_is_shown_without_the_way_to_apply_it() -> None:
    assert "do it" not in shown(a_network(), proposal=True)


def test_a_guard_is_named_with_the_way_round_it() -> None:
    text = shown(a_network())
    assert "guard: all 2 branches would be removed" in text
    assert "--force" in text


def test_an_apply_that_still_waits_says_for_what() -> None:
    planned = plan(BEFORE, with_bandung(only("wireless")), view(), NOW)
    report: dict[str, Any] = applied_report(Applied(planned, ("bandung/fiber",), ()))
    assert "bandung/fiber still carries its branch" in text_of(applied_view(report))


def test_an_apply_says_which_moves_are_still_to_come() -> None:
    found, _ = GOLDEN_PLANS["another-preference-after-a-hold"]
    report: dict[str, Any] = applied_report(Applied(found))
    assert "semarang  fiber -> wireless         in 30 s\n" in text_of(applied_view(report))


def test_an_apply_that_only_makes_tunnels_says_what_was_made() -> None:
    made = {"slice": "firewall", "target": "firewall", "text": "put the rules in force", "removes": False}
    report = applied_report(Applied(plan(BEFORE, BEFORE, view(), NOW), made=(made,)))
    lines = [line.rstrip() for line in text_of(applied_view(report)).splitlines()]
    assert lines == [
        "no route had to change",
        "+ firewall  put the rules in force",
        "tunnels, uplinks and firewall: 1 change",
    ]


def test_an_apply_that_changes_nothing_says_so() -> None:
    report = applied_report(Applied(plan(BEFORE, BEFORE, view(), NOW)))
    assert text_of(applied_view(report)) == "nothing had to change\n"
