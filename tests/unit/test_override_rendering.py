"""Where `status` and `why` show what operators said."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from override_values import a_drain, a_freeze, a_switch, drains, minutes
from small_network import a_branch, a_network
from test_rendering import moved, shown

from hub.cli.durations import day_and_time
from hub.cli.render_status import status_view
from hub.cli.render_why import why_view
from hub.controller.report import Surroundings, branch_report, network_report
from hub.overrides.wording import ends_soon
from policies.model.clock import Instant, Now
from policies.model.overrides import Drain, Overrides
from policies.overrides.schedule import drained_by

BRANCH = a_branch()
INTENT = a_network(BRANCH, a_branch("bogor", number=2))


def now() -> Now:
    """The clock's time: a screen shows the date of what is not today."""
    return Now(Instant(1000.0), datetime.now(ZoneInfo("Asia/Jakarta")))


def lasting(drain: Drain, hours: float | None) -> Drain:
    """The same, made an hour ago, and so many hours from now on."""
    moment = now().wall
    made = moment - timedelta(hours=1)
    return replace(drain, made=made, begins=made, until=moment + timedelta(hours=hours) if hours is not None else None)


def around(overrides: Overrides) -> Surroundings:
    wall = now().wall
    drained = drained_by(overrides, INTENT, wall)
    return Surroundings("/etc/pointsman", Instant(0.0), overrides=overrides.at(wall), drained=drained)


def status(overrides: Overrides) -> str:
    return shown(status_view(network_report(INTENT, moved(), {}, around(overrides), now())))


def explained(overrides: Overrides) -> dict[str, Any]:
    return branch_report(BRANCH, moved(), None, around(overrides), now())


def test_a_drained_tunnel_says_until_when() -> None:
    drain = lasting(a_drain(5, "bandung/wireless"), 24 * 7)
    assert drain.until is not None
    assert f"fiber down 2m · wireless drained until {drain.until:%Y-%m-%d %H:%M}" in status(drains(drain))
    assert re.search(r"· wireless drained *\n", status(drains(lasting(drain, None))))


def test_of_several_drains_the_last_end_counts() -> None:
    short, long = lasting(a_drain(5, "bandung/wireless"), 1), lasting(a_drain(6, "isp:isp-wireless"), 50)
    (tunnel,) = [t for t in explained(drains(short, long))["tunnels"] if t["tunnel"] == "wireless"]
    assert tunnel["drained"]["drains"] == [5, 6]
    assert datetime.fromisoformat(tunnel["drained"]["until"]) == long.until.replace(microsecond=0)  # type: ignore[union-attr]
    (tunnel,) = [t for t in explained(drains(short, lasting(long, None)))["tunnels"] if t["tunnel"] == "wireless"]
    assert tunnel["drained"]["until"] is None


def test_a_drained_tunnel_that_is_down_says_both() -> None:
    assert "fiber drained; down 2m" in status(drains(lasting(a_drain(5, "bandung/fiber"), None)))


def test_why_says_who_when_and_why() -> None:
    drain = lasting(a_drain(5, "isp:isp-fiber", reason="splice"), 24 * 7)
    drain = replace(drain, forced=True)
    assert drain.until is not None
    switch = replace(a_switch(6, "bandung", "wireless"), made=drain.made, begins=drain.made)
    freeze = replace(a_freeze(7), made=drain.made, begins=drain.made)
    others = replace(switch, number=8, branch="bogor")
    text = shown(why_view(explained(Overrides((drain,), (switch, others), (freeze,)))), width=200)
    made = day_and_time(drain.made.isoformat())
    until = f"{drain.until:%Y-%m-%d %H:%M}"
    assert f"drain      5 drain isp:isp-fiber until {until}, said {made} by root, forced: splice" in text
    assert f"switch     6 switch bandung to wireless, said {made} by root" in text
    assert f"freeze     7 freeze, said {made} by root" in text
    assert "bogor" not in text


def test_why_says_that_a_failback_was_asked_for() -> None:
    until = now().wall + timedelta(days=2)
    text = shown(why_view(explained(Overrides(failback=(("bandung", until), ("bogor", until))))))
    assert text.count(f"failback   asked for; the word counts until {until:%Y-%m-%d %H:%M}") == 1


def test_what_is_scheduled_is_not_shown_as_if_it_were_so() -> None:
    later = replace(lasting(a_drain(5, "bandung/wireless"), None), begins=now().wall + timedelta(hours=1))
    assert "drained" not in status(drains(later))
    assert explained(drains(later))["overrides"] == []


@pytest.mark.parametrize(
    ("lasts", "after", "warning"),
    [
        (60, 49.9, None),
        (60, 50, "10m"),
        (60, 50.1, "9m"),
        (60, 59.5, "30s"),
        (60, 60, None),
        (6, 2.9, None),
        (6, 3, "3m"),
        (None, 1000, None),
    ],
)
def test_a_drain_warns_ten_minutes_before_its_end_a_short_one_from_its_half_on(
    lasts: float | None, after: float, warning: str | None
) -> None:
    drain = a_drain(5, "solo", 0, lasts)
    said = ends_soon(drain, drain.begins + minutes(after))
    expected = f"drain of solo ends in {warning}: extend it, or its traffic may come back"
    assert said == ((expected, "pointsman drain 5 --extend 1h") if warning is not None else None)
