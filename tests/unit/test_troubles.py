"""What takes long to be sure of is told when it begins and when it is over; and what metered tunnels carried."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from small_network import HUB_PREFIX, a_branch, a_network, moment, with_failback

from hub.controller.loop import Loop
from hub.controller.meter import Meter
from hub.controller.record import Record
from hub.controller.troubles import Believed, Troubles
from policies.model.announcement import Announcement
from policies.model.clock import Instant
from policies.model.events import LivenessChanged
from policies.model.ids import TunnelId
from policies.model.overrides import NO_OVERRIDES, Author, Overrides, Switch
from policies.model.policy import FailbackMode
from policies.model.view import ClassView, Heard, LivenessState, LivenessView, SessionState, SessionView, View
from policies.off_preferred import Carried
from policies.overrides.schedule import in_force_at

_MANUAL = with_failback(a_branch(), FailbackMode.MANUAL)
_FIBER, _PLAIN = _MANUAL.tunnels
_WIRELESS = replace(_PLAIN, uplink=replace(_PLAIN.uplink, metered=True))
_BRANCH = replace(_MANUAL, tunnels=(_FIBER, _WIRELESS))
_NETWORK = a_network(_BRANCH)
_HOURS = 3 * 3600.0
NOON = moment(0).wall


def believed(seconds: float, on: TunnelId = _WIRELESS.id) -> Believed:
    up = SessionView(
        SessionState.UP,
        Instant(1.0),
        complete=True,
        sent={HUB_PREFIX: Announcement(1000)},
        heard={_BRANCH.prefixes[0]: Heard(Instant(1.0))},
        end_of_rib=True,
    )
    known = ClassView("bandung", "bandung", on, (on,), _BRANCH.prefixes, 1, Instant(0.5), "")
    view = View(
        liveness={t.id: LivenessView(LivenessState.UP, Instant(1.0)) for t in _BRANCH.tunnels},
        sessions={t.id: up for t in _BRANCH.tunnels},
        classes={"bandung": known},
        forwarder=True,
        speakers=frozenset({1}),
    )
    now = moment(seconds)
    return Believed(_NETWORK, view, NO_OVERRIDES, replace(now, wall=now.wall + timedelta(seconds=seconds)))


def test_a_branch_off_its_preferred_tunnel_is_told_once_with_its_mend_and_once_when_it_is_over() -> None:
    said: list[str] = []
    counts = {_WIRELESS.interface: 500}
    troubles = Troubles(lambda: believed(0), said.append, lambda: counts)
    for seconds in (10.0, _HOURS, _HOURS + 200):
        troubles.take(troubles.look(believed(seconds)))
        counts[_WIRELESS.interface] += 1_000_000
    (told,) = said
    assert told.startswith("bandung is on wireless since 12:00, though fiber, the better one, is well")
    assert "1 MB over the metered wireless since 12:00" in told
    assert told.endswith("(mend: pointsman failback bandung)")
    text, mend = troubles.problems["off-preferred:bandung"]
    assert "2 MB over" in text
    assert mend == "pointsman failback bandung"
    troubles.take(troubles.look(believed(_HOURS + 400, on=_FIBER.id)))
    assert said[1:] == [f"over: {text}"]
    assert not troubles.problems
    assert not troubles.carried


def test_what_was_meant_until_now_has_time_to_go_back() -> None:
    """A switch of a week ends: the branch was on a lesser tunnel for long, and is not any more within seconds."""
    switch = Switch(4, Author(0, "root"), NOON, NOON, NOON + timedelta(hours=3), "", "bandung", "wireless")
    troubles = Troubles(lambda: believed(0), [].append, dict)
    for seconds in (10.0, _HOURS - 2, _HOURS + 2, _HOURS + 121):
        now = believed(seconds)
        overrides = Overrides(switches=(switch,)).at(now.now.wall)
        view = replace(now.view, in_force=in_force_at(overrides, _NETWORK, now.now.wall))
        found = troubles.look(replace(now, view=view, overrides=overrides))
        assert found == (), seconds
    (fault,) = troubles.look(believed(_HOURS + 123))
    assert fault.key == "off-preferred:bandung"


def test_a_watchdog_that_fails_says_so_itself_and_what_it_found_stands() -> None:
    said: list[str] = []
    spoilt: list[Exception] = []

    def counts() -> dict[str, int]:
        for error in spoilt:
            raise error
        return {_WIRELESS.interface: 500}

    troubles = Troubles(lambda: believed(0), said.append, counts)
    for seconds in (10.0, _HOURS, _HOURS + 200):
        troubles.take(troubles.look(believed(seconds)))
    spoilt.append(ValueError("spoilt"))
    troubles.take(troubles.look(believed(_HOURS + 300)))
    assert len(said) == 1
    assert troubles.problems.keys() == {"off-preferred:bandung", "off-preferred"}
    text = "judging who stays on a lesser tunnel failed: ValueError: spoilt; what was found before stands"
    assert troubles.problems["off-preferred"] == (text, "a fault of Pointsman: please report it")
    spoilt.clear()
    troubles.take(troubles.look(believed(_HOURS + 400)))
    assert troubles.problems.keys() == {"off-preferred:bandung"}


def test_where_targets_cannot_be_judged_lesser_tunnels_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_believed: object) -> None:
        raise ValueError("spoilt")

    monkeypatch.setattr("hub.controller.troubles.check_faults", fails)
    troubles = Troubles(lambda: believed(0), [].append, dict)
    for seconds in (10.0, _HOURS, _HOURS + 200):
        troubles.take(troubles.look(believed(seconds)))
    assert troubles.problems.keys() == {"off-preferred:bandung", "targets"}


def test_a_network_without_lesser_tunnels_in_use_reads_no_counters() -> None:
    def read() -> dict[str, int]:
        pytest.fail("read")

    Troubles(lambda: believed(0), SimpleNamespace, read).look(believed(_HOURS, on=_FIBER.id))  # type: ignore[arg-type]


def test_a_meter_counts_from_when_it_was_first_asked() -> None:
    meter, asked = Meter(), {_WIRELESS.id: "wg1"}
    meter.read(asked, {"wg1": 500}, Instant(10.0))
    meter.read(asked, {"wg1": 700}, Instant(20.0))
    assert meter.carried == {_WIRELESS.id: Carried(Instant(10.0), 200)}


def test_an_interface_that_was_made_anew_counts_from_then() -> None:
    meter, asked = Meter(), {_WIRELESS.id: "wg1"}
    for at, count in ((10.0, 500), (20.0, 3), (30.0, 5)):
        meter.read(asked, {"wg1": count}, Instant(at))
    assert meter.carried == {_WIRELESS.id: Carried(Instant(20.0), 2)}


def test_what_is_not_asked_for_any_more_begins_anew() -> None:
    meter, asked = Meter(), {_WIRELESS.id: "wg1"}
    meter.read(asked, {"wg1": 500}, Instant(10.0))
    meter.read({}, {"wg1": 600}, Instant(20.0))
    assert meter.carried == {}
    meter.read(asked, {"wg1": 700}, Instant(30.0))
    assert meter.carried == {_WIRELESS.id: Carried(Instant(30.0), 0)}


def test_an_interface_that_is_not_there_has_no_count() -> None:
    meter = Meter()
    meter.read({_WIRELESS.id: "wg1"}, {}, Instant(10.0))
    assert meter.carried == {}


def test_tunnels_that_share_their_fate_are_told_with_their_mend() -> None:
    said: list[str] = []
    troubles = Troubles(lambda: believed(0), said.append, dict)
    endpoints = {_FIBER.id: "203.0.113.7:51820", _WIRELESS.id: "203.0.113.7:51821"}
    for seconds in (10.0, 80.0):
        troubles.take(troubles.look(replace(believed(seconds, on=_FIBER.id), endpoints=endpoints)))
    (told,) = said
    assert told.startswith("fiber and wireless of bandung both arrive from 203.0.113.7")
    assert "(mend: " in told
    assert "shared-fate:bandung:from 203.0.113.7" in troubles.problems


def test_branches_that_never_connected_are_no_trouble_of_their_isp() -> None:
    intent = a_network(*(a_branch(name, number=number) for number, name in enumerate(("bandung", "bogor", "tegal"))))
    dead = {TunnelId(name, "fiber") for name in ("bandung", "bogor")}
    view = View(
        liveness={
            t: LivenessView(LivenessState.DOWN if t in dead else LivenessState.UP, Instant(1.0))
            for t in intent.tunnels()
        },
        forwarder=True,
    )
    looked_at = Believed(intent, view, NO_OVERRIDES, moment(10.0))
    isp = intent.tunnels()[TunnelId("bandung", "fiber")].uplink.isp
    troubles = Troubles(lambda: looked_at, lambda _: None, dict)
    assert f"isp:{isp}" in {each.key for each in troubles.look(looked_at)}
    never = replace(looked_at, never_up=frozenset(dead))
    assert f"isp:{isp}" not in {each.key for each in troubles.look(never)}


def test_the_controller_tells_which_tunnels_were_never_up() -> None:
    loop = Loop(_NETWORK, Record(), "/etc/pointsman")

    async def believed_now() -> Believed:
        loop.health.heard(LivenessChanged(_FIBER.id, LivenessView(LivenessState.UP, Instant(1.0))), Instant(1.0))
        return loop.troubles.believed()

    assert asyncio.run(believed_now()).never_up == {_WIRELESS.id}
