"""What is announced over each tunnel: marks of its state, and the halves that steer where MEDs are not compared."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
from small_network import HUB_PREFIX, POLICY, a_branch

from policies.announcing import announcements, halves_of
from policies.model.announcement import GRACEFUL_SHUTDOWN, Announcement, Announcements
from policies.model.policy import Announce, Marks
from policies.model.view import SessionView, View
from policies.survivor import Standing

FIBER, WIRELESS = (tunnel.id for tunnel in a_branch().tunnels)
OURS = Marks(communities=((65000, 20),), large_communities=((65000, 1, 2),))
LOWER, UPPER = ip_network("10.0.0.0/17"), ip_network("10.0.128.0/17")


def standing(**state: object) -> Standing:
    whole = Standing(
        FIBER,
        1000,
        alive=True,
        dead=False,
        session_up=True,
        complete=True,
        sent=1000,
        lowest_held=1000,
        highest_sent=1000,
    )
    return replace(whole, **state)  # type: ignore[arg-type]


CHOSEN = replace(standing(), tunnel=WIRELESS, med=1100, sent=990, lowest_held=990, highest_sent=990)


def over_fiber(
    announce: Announce, chosen: Standing = CHOSEN, sent: Announcements | None = None, **state: object
) -> Announcements:
    """What fiber announces while wireless is the chosen tunnel."""
    fiber = standing(**state)
    view = View(sessions={FIBER: SessionView(sent=sent or {})})
    meds = {FIBER: fiber.med, WIRELESS: 990}
    return announcements([HUB_PREFIX], meds, [fiber, chosen], WIRELESS, announce, view)[FIBER]


ANNOUNCE = POLICY.announce


@pytest.mark.parametrize(
    ("state", "announce", "expected"),
    [
        ({}, ANNOUNCE, Announcement(1000)),
        ({}, replace(ANNOUNCE, up=OURS), Announcement(1000, OURS.communities, OURS.large_communities)),
        ({"degraded": True}, replace(ANNOUNCE, up=OURS), Announcement(1000)),
        (
            {"degraded": True},
            replace(ANNOUNCE, degraded=OURS),
            Announcement(1000, OURS.communities, OURS.large_communities),
        ),
        ({"drained": True}, ANNOUNCE, Announcement(1000, (GRACEFUL_SHUTDOWN,))),
        (
            {"drained": True, "degraded": True},
            replace(ANNOUNCE, degraded=OURS),
            Announcement(1000, (GRACEFUL_SHUTDOWN,)),
        ),
    ],
)
def test_the_marks_are_those_of_the_tunnels_state(
    state: dict[str, bool], announce: Announce, expected: Announcement
) -> None:
    assert over_fiber(announce, **state) == {HUB_PREFIX: expected}


WITHDRAWS = replace(ANNOUNCE, degraded=Marks(withdraw=True))


def test_what_is_to_be_withdrawn_is_so_once_the_chosen_tunnel_can_be_relied_on() -> None:
    assert over_fiber(WITHDRAWS, degraded=True) == {}
    assert over_fiber(WITHDRAWS, replace(CHOSEN, arrived=False), degraded=True) == {HUB_PREFIX: Announcement(1000)}


def test_the_chosen_tunnel_is_never_withdrawn_nor_marked_as_going() -> None:
    drained = standing(drained=True)
    marks = replace(ANNOUNCE, drained=Marks(withdraw=True))
    said = announcements([HUB_PREFIX], {FIBER: 900}, [drained], FIBER, marks, View())
    assert said == {FIBER: {HUB_PREFIX: Announcement(900)}}


HALVES = replace(ANNOUNCE, more_specifics=True)


def test_the_halves_go_over_the_chosen_tunnel_only() -> None:
    every = announcements([HUB_PREFIX], {FIBER: 1000, WIRELESS: 990}, [standing(), CHOSEN], WIRELESS, HALVES, View())
    assert {tunnel: set(said) for tunnel, said in every.items()} == {
        WIRELESS: {HUB_PREFIX, LOWER, UPPER},
        FIBER: {HUB_PREFIX},
    }


def test_halves_that_were_sent_stay_until_the_chosen_tunnel_has_them() -> None:
    sent = {LOWER: Announcement(1000), UPPER: Announcement(1000)}
    assert set(over_fiber(HALVES, replace(CHOSEN, arrived=False), sent)) == {HUB_PREFIX, LOWER, UPPER}
    assert set(over_fiber(HALVES, CHOSEN, sent)) == {HUB_PREFIX}


def test_a_single_address_has_no_halves() -> None:
    assert halves_of(ip_network("10.0.0.1/32")) == []
    assert halves_of(ip_network("0.0.0.0/0")) == [ip_network("0.0.0.0/1"), ip_network("128.0.0.0/1")]
