"""What a branch's traffic comes to a day, by the counters of its tunnels' interfaces."""

from __future__ import annotations

from typing import Any, cast

import pytest
from small_network import a_branch, a_network

from hub.config.traffic import monthly_bytes, monthly_look_bytes
from hub.controller.traffic import DAY, EVERY, INSIDE, LARGE_INSIDE, Traffic
from policies.model.clock import Instant
from policies.model.view import ClassView, View

BRANCH = a_branch()
NETWORK = a_network(BRANCH)
FIBER, WIRELESS = BRANCH.tunnels
ON_FIBER = View(
    classes={"bandung": ClassView("bandung", "bandung", FIBER.id, (FIBER.id,), BRANCH.prefixes, 1, Instant(0.0), "")}
)
OWN = monthly_bytes(FIBER.liveness).active * INSIDE / 30 / DAY

LOOKS = monthly_look_bytes() * LARGE_INSIDE / 30 / DAY


def counted(seconds: float, a_second: float, *, begins: float = 0.0, traffic: Traffic | None = None) -> Traffic:
    """The counters of so many seconds, in which fiber has so many bytes a second and wireless none but our own."""
    traffic = traffic or Traffic(cast("Any", None))
    at = begins
    while at <= begins + seconds:
        totals = {FIBER.interface: round(at * (a_second + OWN)), WIRELESS.interface: round(at * OWN), "eth0": 1}
        traffic.take(totals, at, NETWORK, ON_FIBER)
        at += EVERY
    return traffic


def test_of_less_than_an_hour_no_day_is_made() -> None:
    assert counted(3000, 1000).daily(NETWORK) == {}


def test_an_hour_is_taken_for_a_day_less_what_we_send_ourselves() -> None:
    daily = counted(3660, 10_000).daily(NETWORK)
    assert daily["bandung"] == pytest.approx(10_000 * DAY, rel=0.01)


def test_a_quiet_branch_has_next_to_nothing() -> None:
    assert counted(3660, 0).daily(NETWORK)["bandung"] < 0.01 * OWN * DAY


def test_the_looks_for_the_paths_mtu_are_no_traffic_of_the_branch() -> None:
    assert counted(3660, LOOKS).daily(NETWORK)["bandung"] < 0.05 * LOOKS * DAY


def test_what_is_older_than_a_day_does_not_count() -> None:
    traffic = counted(DAY, 100_000)
    before, after = traffic.daily(NETWORK)["bandung"], 0.0
    totals = round(DAY * (100_000 + OWN))
    for minute in range(1, 25 * 60):
        at = DAY + minute * EVERY
        again = {FIBER.interface: totals + round(minute * EVERY * OWN)}
        traffic.take(again, at, NETWORK, ON_FIBER)
        after = traffic.daily(NETWORK)["bandung"]
    assert before == pytest.approx(100_000 * DAY, rel=0.01)
    assert after < 0.01 * before


def test_an_interface_that_was_made_anew_takes_nothing_away() -> None:
    traffic = counted(3660, 10_000)
    before = traffic.daily(NETWORK)["bandung"]
    traffic.take({FIBER.interface: 5, WIRELESS.interface: 5}, 3700.0, NETWORK, ON_FIBER)
    assert traffic.daily(NETWORK)["bandung"] == before


def test_a_branch_that_is_gone_is_forgotten() -> None:
    traffic = counted(3660, 10_000)
    traffic.take({}, 3700.0, a_network(), View())
    traffic.take({}, 3701.0, NETWORK, View())
    assert traffic.daily(NETWORK) == {}
