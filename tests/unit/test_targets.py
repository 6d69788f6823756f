"""What is believed of targets: many outcomes alike change a standing, and what it is held against."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest
from small_network import a_branch

from policies.model.clock import Instant
from policies.model.events import ChecksTaken
from policies.model.ids import TunnelId
from policies.model.intent import Branch
from policies.model.targets import (
    NOT_ASKED,
    Check,
    CheckKey,
    CheckResult,
    CheckView,
    Outcome,
    Ping,
    Run,
    TargetStanding,
    TcpConnect,
    Timing,
    Via,
)
from policies.model.view import LivenessState, LivenessView, View
from policies.observe import observe
from policies.targets import failing_tunnels, standing_of, step

TIMING = Timing(interval=timedelta(seconds=10), timeout=timedelta(seconds=2), fall=3, rise=2)
ERP = Check("erp", TcpConnect(ip_address("10.1.0.10"), 443), TIMING)
FIBER, WIRELESS = TunnelId("bandung", "fiber"), TunnelId("bandung", "wireless")
OUTCOMES = {"a": Outcome.ANSWERED, "f": Outcome.FAILED, "u": Outcome.UNKNOWN}


def bandung(*checks: Check) -> Branch:
    return replace(a_branch("bandung"), targets=checks or (ERP,))


def result(tunnel: str, outcome: str, at: float, check: Check = ERP) -> CheckResult:
    text = {"a": "", "f": "no answer in 2 s", "u": "there is no interface"}[outcome]
    trip = 0.012 if outcome == "a" else None
    return CheckResult(CheckKey("bandung", check.name, tunnel), OUTCOMES[outcome], Instant(at), TIMING, trip, text)


NOTHING_YET = View()


def lived(view: View = NOTHING_YET, *, down: tuple[str, ...] = ()) -> View:
    states = {t: LivenessState.DOWN if t.name in down else LivenessState.UP for t in (FIBER, WIRELESS)}
    liveness = {tunnel: LivenessView(state, Instant(1.0)) for tunnel, state in states.items()}
    return replace(view, liveness=liveness, forwarder=True)


def after(view: View, *results: CheckResult) -> View:
    for one in results:
        view = observe(view, ChecksTaken((one,)))
    return view


def asked(series: dict[str, str], view: View | None = None, *, start: float = 100.0, check: Check = ERP) -> View:
    """A view after series of outcomes by tunnel, one every ten seconds; the second tunnel is five seconds later."""
    results = [
        result(tunnel, outcome, start + 10 * turn + 5 * order, check)
        for order, (tunnel, outcomes) in enumerate(series.items())
        for turn, outcome in enumerate(outcomes)
    ]
    return after(lived() if view is None else view, *sorted(results, key=lambda one: one.at))


def standings(series: str) -> list[str]:
    view, found = NOT_ASKED, []
    for turn, outcome in enumerate(series):
        view = step(view, result("fiber", outcome, 100.0 + 10 * turn))
        found.append(view.standing.value)
    return found


@pytest.mark.parametrize(
    ("series", "ends"),
    [
        ("", "unknown"),
        ("a", "unknown"),
        ("aa", "ok"),
        ("aaf", "ok"),
        ("aaff", "ok"),
        ("aafff", "failing"),
        ("aaffaff", "ok"),
        ("aafffa", "failing"),
        ("aafffaa", "ok"),
        ("aafffafa", "failing"),
        ("fff", "failing"),
        ("aau", "ok"),
        ("aauuu", "unknown"),
        ("aaffuf", "ok"),
        ("fffuua", "failing"),
    ],
)
def test_as_many_alike_as_rise_or_fall_say_change_the_standing(series: str, ends: str) -> None:
    assert ["unknown", *standings(series)][-1] == ends


def test_what_was_not_asked_for_three_intervals_is_not_known() -> None:
    known = CheckView(standing=TargetStanding.FAILING, at=Instant(100.0), timing=TIMING)
    assert standing_of(known, Instant(132.0)) is TargetStanding.FAILING
    assert standing_of(known, Instant(132.1)) is TargetStanding.UNKNOWN


def test_why_it_fails_stays_until_it_is_fine_again() -> None:
    view = asked({"fiber": "aafffa"})
    known = view.targets[CheckKey("bandung", "erp", "fiber")]
    assert (known.standing, known.text) == (TargetStanding.FAILING, "no answer in 2 s")
    assert asked({"fiber": "aafffaa"}).targets[CheckKey("bandung", "erp", "fiber")].text == ""


def test_a_target_that_fails_by_one_tunnel_and_answers_by_another_is_that_tunnels_trouble() -> None:
    view = asked({"fiber": "aafff", "wireless": "aaaaa"})
    words = failing_tunnels(bandung(), view, Instant(146.0))
    assert words == {
        FIBER: ("target erp (10.1.0.10:443) does not answer (no answer in 2 s) by it, but by wireless it does",)
    }


def test_a_target_that_fails_by_every_tunnel_is_held_against_none() -> None:
    assert failing_tunnels(bandung(), asked({"fiber": "aafff", "wireless": "aafff"}), Instant(146.0)) == {}


@pytest.mark.parametrize("turns", range(1, 20))
def test_a_target_that_dies_and_comes_back_is_never_held_against_a_tunnel(turns: int) -> None:
    series = "aaaaffffffffaaaaaaaa"
    both = {"fiber": series[:turns], "wireless": series[:turns]}
    view = asked(both)
    for now in range(100, 100 + 10 * turns, 5):
        assert failing_tunnels(bandung(), asked(both), Instant(float(now))) == {}
    early = asked({"fiber": series[: turns + 1], "wireless": series[:turns]}, view)
    assert failing_tunnels(bandung(), early, Instant(100.0 + 10 * turns)) == {}


def test_a_dead_tunnel_has_no_say() -> None:
    view = asked({"fiber": "aaaaa", "wireless": "aafff"}, lived(down=("fiber",)))
    assert view.targets[CheckKey("bandung", "erp", "fiber")].standing is TargetStanding.UNKNOWN
    assert failing_tunnels(bandung(), view, Instant(146.0)) == {}


def test_what_failed_while_its_tunnel_was_dead_is_not_held_against_it_afterwards() -> None:
    view = lived(asked({"fiber": "fffff", "wireless": "aaaaa"}, lived(down=("fiber",))))
    assert failing_tunnels(bandung(), view, Instant(146.0)) == {}


def test_a_target_that_cannot_be_asked_is_neither_fine_nor_failing() -> None:
    view = asked({"fiber": "aauuu", "wireless": "aaaaa"})
    assert failing_tunnels(bandung(), view, Instant(146.0)) == {}


def test_a_target_asked_by_the_routes_is_held_against_no_tunnel() -> None:
    check = replace(ERP, via=Via.ACTIVE)
    view = asked({"": "aafff"}, check=check)
    assert failing_tunnels(bandung(check), view, Instant(146.0)) == {}


def test_a_custom_check_of_each_tunnel_is_judged_like_a_target() -> None:
    check = Check("mtu", Run("checks/mtu.sh"), TIMING)
    view = asked({"fiber": "aafff", "wireless": "aaaaa"}, check=check)
    assert failing_tunnels(bandung(check), view, Instant(146.0)) == {
        FIBER: ("check mtu fails (no answer in 2 s) by it, but by wireless it does",)
    }


def test_every_failing_target_is_named() -> None:
    other = Check("dc", Ping(ip_address("10.1.0.2")), TIMING)
    view = asked({"fiber": "aafff", "wireless": "aaaaa"})
    view = asked({"fiber": "aafff", "wireless": "aaaaa"}, view, check=other)
    words = failing_tunnels(bandung(ERP, other), view, Instant(146.0))
    assert [text.split()[1] for text in words[FIBER]] == ["erp", "dc"]


def test_what_is_asked_no_more_is_forgotten() -> None:
    key = CheckKey("bandung", "erp", "fiber")
    view = observe(asked({"fiber": "aa", "wireless": "aa"}), ChecksTaken(gone=frozenset({key})))
    assert set(view.targets) == {CheckKey("bandung", "erp", "wireless")}
