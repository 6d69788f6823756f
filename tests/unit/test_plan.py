"""A plan says what would happen, and is another when that is another."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest
from small_network import HUB, HUB_PREFIX, a_branch, a_network, moment

from policies.model.announcement import Announcement
from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent
from policies.model.transport import Existing
from policies.model.view import ClassView, Heard, LivenessState, LivenessView, SessionState, SessionView, View
from policies.plan import BranchPlan, Kind, plan

FIBER, WIRELESS = TunnelId("bandung", "fiber"), TunnelId("bandung", "wireless")
BRANCH = a_branch()
BEFORE = a_network(BRANCH, a_branch("tegal", number=2))
NOW = moment(1000.0)


def session(med: int) -> SessionView:
    return SessionView(
        SessionState.UP,
        Instant(2.0),
        complete=True,
        sent={HUB_PREFIX: Announcement(med)},
        heard={BRANCH.prefixes[0]: Heard(Instant(2.0))},
        end_of_rib=True,
    )


def view(*, wireless: LivenessState = LivenessState.UP) -> View:
    known = Instant(1.0)
    return View(
        liveness={
            FIBER: LivenessView(LivenessState.UP, known, after_death=False),
            WIRELESS: LivenessView(wireless, known, after_death=False),
        },
        sessions={FIBER: session(1000), WIRELESS: session(1100)},
        classes={"bandung": ClassView("bandung", "bandung", FIBER, (FIBER, WIRELESS), BRANCH.prefixes, 1, known, "")},
        forwarder=True,
        speakers=frozenset({1}),
    )


def with_bandung(branch: Branch) -> Intent:
    return replace(BEFORE, branches={**BEFORE.branches, "bandung": branch})


def only(name: str, branch: Branch = BRANCH) -> Branch:
    return replace(branch, tunnels=tuple(tunnel for tunnel in branch.tunnels if tunnel.id.name == name))


def of_bandung(after: Intent, believed: View) -> BranchPlan:
    return next(planned for planned in plan(BEFORE, after, believed, NOW).branches if planned.branch == "bandung")


def test_the_same_configuration_changes_nothing() -> None:
    planned = plan(BEFORE, BEFORE, view(), NOW)
    assert planned.empty
    assert planned.unchanged == 2


def test_branches_that_come_and_go_are_named() -> None:
    after = a_network(BRANCH, a_branch("solo", number=3))
    planned = plan(BEFORE, after, view(), NOW)
    assert [(each.branch, each.kind) for each in planned.branches] == [("solo", Kind.ADDED), ("tegal", Kind.REMOVED)]
    assert planned.unchanged == 1


def test_another_preference_moves_the_branch() -> None:
    prefers = replace(BRANCH, policy=replace(BRANCH.policy, prefer=("wireless", "fiber")))
    planned = of_bandung(with_bandung(prefers), view())
    assert (planned.on, planned.to) == ("fiber", "wireless")
    assert [change.what for change in planned.policy] == ["prefer"]


@pytest.mark.parametrize(
    ("changed", "item"), [({"confirm": False}, "late packets"), ({"echo": True}, "echo beside BFD")]
)
def test_how_silences_are_judged_is_a_change_like_any_other(changed: dict[str, bool], item: str) -> None:
    tunnels = tuple(replace(t, liveness=replace(t.liveness, **changed)) for t in BRANCH.tunnels)
    planned = of_bandung(with_bandung(replace(BRANCH, tunnels=tunnels)), view())
    assert [change.what for change in planned.changes] == [f"fiber: {item}", f"wireless: {item}"]


def test_a_tunnel_that_goes_is_one_change_and_leaves_one_path() -> None:
    planned = of_bandung(with_bandung(only("wireless")), view())
    assert (planned.to, planned.closed, planned.on_one_path) == ("wireless", ("fiber",), True)
    assert [(change.what, change.now) for change in planned.changes] == [("tunnel fiber", None)]


def test_a_tunnel_that_becomes_an_adopted_one_is_another_tunnel_and_counts_for_the_guard() -> None:
    fiber, wireless = BRANCH.tunnels
    adopted = replace(BRANCH, tunnels=(replace(fiber, interface="wg-old", transport=Existing()), wireless))
    planned = of_bandung(with_bandung(adopted), view())
    assert (planned.closed, planned.opened) == (("fiber",), ("fiber",))
    assert planned.on_one_path
    assert [(change.what, change.now) for change in planned.changes] == [("fiber: interface", "wg-old")]
    dead = plan(BEFORE, with_bandung(adopted), view(wireless=LivenessState.DOWN), NOW)
    assert "bandung would be cut off" in dead.guards[0]


def test_a_branch_is_not_cut_off_unless_it_is_forced() -> None:
    planned = plan(BEFORE, with_bandung(only("wireless")), view(wireless=LivenessState.DOWN), NOW)
    assert "bandung would be cut off" in planned.guards[0]


def test_a_directory_without_branches_is_not_taken_for_a_wish() -> None:
    planned = plan(BEFORE, a_network(), view(), NOW)
    assert "all 2 branches would be removed" in planned.guards[0]


@pytest.mark.parametrize(
    ("removed", "total", "guarded"),
    [
        (0, 8, False),
        (1, 8, False),
        (4, 8, False),
        (5, 8, True),
        (8, 8, True),
        (1, 2, False),
        (2, 3, True),
        (1, 1, True),
        (100, 200, False),
        (101, 200, True),
    ],
)
def test_more_than_half_of_the_branches_are_not_removed_unless_it_is_forced(
    removed: int, total: int, guarded: bool
) -> None:
    branches = [a_branch(f"b{number}", number=number) for number in range(1, total + 1)]
    planned = plan(a_network(*branches), a_network(*branches[removed:]), View(), NOW)
    which = f"all {total} branches" if removed == total else f"{removed} of {total} branches"
    which = "the only branch" if total == 1 else which
    assert planned.guards == ((f"{which} would be removed (is the directory complete?)",) if guarded else ())


def test_branches_that_come_do_not_make_up_for_those_that_go() -> None:
    after = a_network(*(a_branch(f"new{number}", number=10 + number) for number in range(5)), BEFORE.branches["tegal"])
    before = a_network(*(a_branch(f"b{number}", number=number) for number in range(1, 4)), BEFORE.branches["tegal"])
    assert plan(before, after, View(), NOW).guards[0].startswith("3 of 4 branches")


def test_a_new_prefix_of_the_hub_is_a_change_of_the_hub() -> None:
    after = replace(BEFORE, hub=replace(HUB, prefixes=(*HUB.prefixes, ip_network("172.16.0.0/24"))))
    planned = plan(BEFORE, after, view(), NOW)
    assert [(change.what, change.was, change.now) for change in planned.hub] == [
        ("prefix 172.16.0.0/24", None, "announced")
    ]


def test_the_number_of_a_plan_follows_files_and_health() -> None:
    after = with_bandung(only("wireless"))
    same = plan(BEFORE, after, view(), NOW).id
    assert plan(BEFORE, after, view(), moment(1001.0)).id == same
    assert plan(BEFORE, after, view(wireless=LivenessState.DOWN), NOW).id != same
    assert plan(BEFORE, with_bandung(only("fiber")), view(), NOW).id != same


NUMBER_OF_A_PLAN = """
from dataclasses import replace
from small_network import a_branch, a_network, moment
from policies.model.ids import TunnelId
from policies.model.view import View
from policies.plan import plan
going = frozenset(TunnelId("bandung", f"uplink-{number}") for number in range(9))
before = a_network(replace(a_branch(), leaving=going))
print(plan(before, a_network(a_branch(number=2)), View(), moment(1.0)).id)
"""


def test_the_number_of_a_plan_is_the_same_in_every_process() -> None:
    path = os.pathsep.join(str(Path(__file__).parents[up]) for up in (1, 2))
    numbers = {
        subprocess.run(
            [sys.executable, "-c", NUMBER_OF_A_PLAN],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(numbers) == 1


def test_a_branch_that_is_leaving_other_tunnels_is_another_plan() -> None:
    bandung = replace(BRANCH, leaving=frozenset({FIBER}))
    after = with_bandung(only("wireless"))
    assert (
        plan(BEFORE, after, view(), NOW).id
        != plan(a_network(bandung, a_branch("tegal", number=2)), after, view(), NOW).id
    )
