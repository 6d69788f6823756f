"""Real ExaBGP (by our launcher), real BIRD 2, and the speaker between them."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from bgp_bench import Bench, bench
from bgp_controller import FIBER, HUB, OWN, OWN6, WIRELESS, Controller, play
from bgp_network import HUB6, branch, network

from hub.bgp.reload import reconfigure
from policies.model.announcement import Announcement
from policies.model.events import (
    AnnouncementsSent,
    EndOfRibHeard,
    RouteRefused,
    RoutesHeard,
    RoutesWithdrawn,
    SessionChanged,
    SetSent,
    SpeakerConnected,
    SpeakerLost,
    SpeakerReady,
)
from policies.model.ids import TunnelId
from policies.model.intent import Session, SessionKind
from policies.model.view import SessionState

pytestmark = pytest.mark.integration

KINDS = [SessionKind.EBGP, SessionKind.IBGP]


@pytest.fixture(params=KINDS, ids=[kind.value for kind in KINDS])
def kind(request: pytest.FixtureRequest) -> SessionKind:
    """Every test with this fixture, also through `lab`, is made for both kinds of session."""
    found: SessionKind = request.param
    return found


@pytest.fixture
def lab(kind: SessionKind) -> Iterator[Bench]:
    """One branch with two tunnels."""
    with bench(network(1, session=Session(kind))) as made:
        yield made


def test_a_session_gets_its_set_and_end_of_rib_and_is_moved_by_med(lab: Bench) -> None:
    async def scene() -> None:
        controller = Controller(lab)
        controller.want(1000, 1100)
        await controller.until_told(SetSent, 2)
        await controller.until_told(EndOfRibHeard, 2)
        assert lab.meds("b1/fiber") == {str(HUB): 1000}
        assert lab.meds("b1/wireless") == {str(HUB): 1100}
        assert {e.tunnel: e.prefixes for e in controller.told(RoutesHeard)} == {FIBER: (OWN,), WIRELESS: (OWN,)}
        controller.want(1000, 990, urgent=frozenset({WIRELESS}))
        await controller.until(lambda: lab.meds("b1/wireless") == {str(HUB): 990}, "the survivor's MED at the branch")
        assert not controller.speaker.problems
        assert controller.speaker.counters == {"connected": 1}
        await controller.stop()

    play(scene())


def test_what_is_no_longer_wanted_is_withdrawn(lab: Bench) -> None:
    async def scene() -> None:
        controller = Controller(lab)
        controller.want(1000, 1100)
        await controller.until_told(SetSent, 2)
        controller.speaker.want({FIBER: {}, WIRELESS: {HUB: Announcement(1100)}}, frozenset())
        await controller.until(lambda: lab.meds("b1/fiber") == {}, "nothing announced over fiber")
        assert lab.meds("b1/wireless") == {str(HUB): 1100}
        await controller.stop()

    play(scene())


def test_the_branch_takes_back_a_prefix(lab: Bench) -> None:
    async def scene() -> None:
        controller = Controller(lab)
        await controller.until_told(RoutesHeard, 2)
        lab.birdc("disable", "lan_b1_fiber")
        await controller.until_told(RoutesWithdrawn)
        assert controller.told(RoutesWithdrawn)[0].tunnel == FIBER
        assert controller.told(RoutesWithdrawn)[0].prefixes == (OWN,)
        await controller.stop()

    play(scene())


def test_when_the_relay_dies_no_session_notices_and_the_truth_is_found_again(lab: Bench) -> None:
    async def scene() -> None:
        controller = Controller(lab)
        controller.want(1000, 1100)
        await controller.until_told(SetSent, 2)
        await controller.until_told(EndOfRibHeard, 2)
        before = lab.up_since("b1/fiber"), lab.up_since("b1/wireless")
        mark = len(controller.events)
        os.kill(lab.relay_pid(), signal.SIGKILL)
        await controller.until_told(SpeakerReady, after=mark)
        await controller.until_told(SetSent, 2, after=mark)
        assert controller.told(SpeakerLost, after=mark)[0].exabgp_gone is False
        sent = {event.tunnel: event.announced for event in controller.told(AnnouncementsSent, after=mark)}
        assert sent == {FIBER: {HUB: Announcement(1000)}, WIRELESS: {HUB: Announcement(1100)}}
        assert {event.tunnel for event in controller.told(RoutesHeard, after=mark)} == {FIBER, WIRELESS}
        assert all(e.state is SessionState.UP for e in controller.told(SessionChanged, after=mark))
        assert (lab.up_since("b1/fiber"), lab.up_since("b1/wireless")) == pytest.approx(before, abs=0.5)
        await controller.stop()

    play(scene())


def test_what_was_decided_while_the_relay_was_dead_reaches_the_branch(lab: Bench) -> None:
    async def scene() -> None:
        controller = Controller(lab)
        controller.want(1000, 1100)
        await controller.until_told(SetSent, 2)
        mark = len(controller.events)
        os.kill(lab.relay_pid(), signal.SIGKILL)
        await controller.until_told(SpeakerLost, after=mark)
        controller.want(1000, 990, urgent=frozenset({WIRELESS}))
        await controller.until(lambda: lab.meds("b1/wireless") == {str(HUB): 990}, "the new MED")
        await controller.stop()

    play(scene())


def test_a_new_controller_is_told_what_was_sent_and_heard(lab: Bench) -> None:
    async def scene() -> None:
        first = Controller(lab)
        first.want(1000, 1100)
        await first.until_told(SetSent, 2)
        await first.until_told(EndOfRibHeard, 2)
        await first.stop()
        before = lab.up_since("b1/fiber")
        second = Controller(lab)
        await second.until_told(SpeakerReady)
        told = second.events[: second.events.index(second.told(SpeakerReady)[0])]
        assert isinstance(told[0], SpeakerConnected)
        assert {type(event) for event in told[1:]} == {
            SessionChanged,
            AnnouncementsSent,
            RoutesHeard,
            EndOfRibHeard,
            SetSent,
        }
        second.want(900, 1100)
        await second.until(lambda: lab.meds("b1/fiber") == {str(HUB): 900}, "the second controller's MED")
        assert lab.up_since("b1/fiber") == pytest.approx(before, abs=0.5)
        await second.stop()

    play(scene())


def test_when_exabgp_dies_it_is_known_and_the_next_one_gets_everything(lab: Bench) -> None:
    async def scene() -> None:
        controller = Controller(lab)
        controller.want(1000, 1100)
        await controller.until_told(SetSent, 2)
        mark = len(controller.events)
        lab.stop(lab.exabgp)
        await controller.until_told(SpeakerLost, after=mark)
        assert controller.told(SpeakerLost, after=mark)[0].exabgp_gone is True
        lab.start_exabgp()
        await controller.until_told(SetSent, 2, after=mark)
        await controller.until(lambda: lab.meds("b1/fiber") == {str(HUB): 1000}, "the set again")
        await controller.stop()

    play(scene())


def test_a_closed_session_comes_back_with_its_set(lab: Bench) -> None:
    async def scene() -> None:
        controller = Controller(lab)
        controller.want(1000, 1100)
        await controller.until_told(SetSent, 2)
        other = lab.up_since("b1/wireless")
        mark = len(controller.events)
        controller.speaker.close(FIBER)
        await controller.until_told(SetSent, after=mark)
        assert [e.state for e in controller.told(SessionChanged, after=mark)] == [SessionState.DOWN, SessionState.UP]
        assert lab.up_since("b1/wireless") == pytest.approx(other, abs=0.5)
        await controller.stop()

    play(scene())


def test_alien_routes_are_refused_and_the_good_ones_count(kind: SessionKind) -> None:
    with bench(0) as made:
        intent = network(1, session=Session(kind))
        made.add_links(intent.branches["b1"])
        made.configuration.write_text(made.rendered(intent))
        made.stop(made.exabgp)
        made.start_exabgp()
        made.extra["b1/fiber"] = (
            "route 10.1.0.0/24 unreachable; route 10.2.0.0/24 unreachable; route 0.0.0.0/0 unreachable; "
            "route 10.0.0.0/16 unreachable; route 10.1.0.64/26 unreachable { bgp_path.prepend(65000); };"
        )
        made.reconfigure_bird(intent)

        async def scene() -> None:
            controller = Controller(made, intent)
            await controller.until_told(EndOfRibHeard, 2)
            heard = [event.prefixes for event in controller.told(RoutesHeard) if event.tunnel == FIBER]
            assert heard == [(OWN,)]
            refused = {e.prefix: e.reason for e in controller.told(RouteRefused)}
            assert refused["10.2.0.0/24"] == "the prefix is not one of this branch's prefixes"
            assert refused["0.0.0.0/0"] == "a branch may not announce the default route"
            assert refused["10.0.0.0/16"] == "the prefix is the hub's own, or overlaps it"
            assert refused["10.1.0.64/26"] == "our own AS is in the path"
            await controller.stop()

        play(scene())


def test_a_branch_is_added_and_removed_without_touching_the_other(lab: Bench, kind: SessionKind) -> None:
    async def scene() -> None:
        both = replace(lab.intent, branches={**lab.intent.branches, "b2": branch(2, session=Session(kind))})
        site = lab.site()
        controller = Controller(lab)
        controller.want(1000, 1100)
        await controller.until_told(SetSent, 2)
        before = lab.up_since("b1/fiber"), lab.up_since("b1/wireless")

        lab.add_links(both.branches["b2"])
        lab.reconfigure_bird(both)
        outcome = await reconfigure(controller.speaker, lab.intent, both, site)
        assert outcome.problems == ()
        new = TunnelId("b2", "fiber")
        wanted = {FIBER: {HUB: Announcement(1000)}, WIRELESS: {HUB: Announcement(1100)}, new: {HUB: Announcement(1000)}}
        controller.speaker.want(wanted, frozenset())
        await controller.until(lambda: lab.meds("b2/fiber") == {str(HUB): 1000}, "the new branch's set")
        await controller.until_told(SetSent, 3)
        await controller.until_told(EndOfRibHeard, 4)

        lab.birdc("debug", "b2_fiber", "{", "routes,", "events", "}")
        mark = len(controller.events)
        outcome = await reconfigure(controller.speaker, both, lab.intent, site)
        assert outcome.problems == ()
        assert not [event for event in controller.events[mark:] if getattr(event, "tunnel", FIBER).branch == "b2"]
        await controller.until(lambda: not lab.up_since("b2/fiber"), "the removed branch's session gone")
        log = lab.log("bird.log")
        assert re.search(r"b2_fiber.ipv4 > removed \S+ 10.0.0.0/16.*b2_fiber: Received: Admin", log, re.DOTALL)
        assert controller.speaker.counters["dropped"] == 0
        assert (lab.up_since("b1/fiber"), lab.up_since("b1/wireless")) == pytest.approx(before, abs=0.5)
        await controller.stop()

    play(scene())


def test_an_address_that_comes_late_is_listened_on_all_the_same() -> None:
    made = Bench(network(1))
    try:
        made.set_up()
        made.configuration.write_text(made.rendered(network(2)))
        made.start_exabgp()
        made.wait(made.socket.exists, "the relay listens")
        made.add_links(branch(2))
        made.start_bird(network(2))
        made.wait(lambda: made.up_since("b2/fiber"), "a session on the late address")
        made.wait(lambda: made.up_since("b1/fiber"), "the other sessions")
    finally:
        made.tear_down()


def test_one_session_carries_ipv4_and_ipv6(kind: SessionKind) -> None:
    with bench(network(1, versions=(4, 6), session=Session(kind))) as made:

        async def scene() -> None:
            controller = Controller(made)
            wanted = {HUB: Announcement(1000), HUB6: Announcement(1000)}
            controller.speaker.want({FIBER: wanted, WIRELESS: {p: Announcement(1100) for p in wanted}}, frozenset())
            await controller.until_told(SetSent, 2)
            await controller.until_told(EndOfRibHeard, 2)
            assert made.meds("b1/fiber") == {str(HUB): 1000, str(HUB6): 1000}
            assert made.next_hops("b1/fiber") == {str(HUB): "10.255.1.0", str(HUB6): "fd00:1::"}
            heard = {prefix for event in controller.told(RoutesHeard) for prefix in event.prefixes}
            assert heard == {OWN, OWN6}
            assert not controller.told(RouteRefused)

            made.birdc("disable", "lan_b1_fiber_6")
            await controller.until_told(RoutesWithdrawn)
            assert controller.told(RoutesWithdrawn)[0].prefixes == (OWN6,)

            mark = len(controller.events)
            os.kill(made.relay_pid(), signal.SIGKILL)
            await controller.until_told(SpeakerReady, after=mark)
            await controller.until_told(SetSent, 2, after=mark)
            sent = {p: a for e in controller.told(AnnouncementsSent, after=mark) for p, a in e.announced.items()}
            assert sent.keys() == {HUB, HUB6}
            heard = {(e.tunnel, p) for e in controller.told(RoutesHeard, after=mark) for p in e.prefixes}
            assert heard == {(FIBER, OWN), (WIRELESS, OWN), (WIRELESS, OWN6)}

            controller.speaker.want({FIBER: {HUB: Announcement(1000)}, WIRELESS: wanted}, frozenset())
            await controller.until(lambda: made.meds("b1/fiber") == {str(HUB): 1000}, "IPv6 withdrawn")
            await controller.until(lambda: made.meds("b1/wireless")[str(HUB6)] == 1000, "IPv6 on the other tunnel")
            assert controller.speaker.problems == {}
            assert controller.speaker.counters["said_again"] == 0
            await controller.stop()

        play(scene())


def test_a_branch_of_ipv6_only_is_told_ipv6_only() -> None:
    with bench(network(1, versions=(6,))) as made:

        async def scene() -> None:
            controller = Controller(made)
            wanted = {HUB: Announcement(1000), HUB6: Announcement(1000)}
            controller.speaker.want({FIBER: wanted}, frozenset())
            await controller.until_told(SetSent)
            await controller.until_told(EndOfRibHeard, 2)
            assert made.meds("b1/fiber") == {str(HUB6): 1000}
            assert controller.speaker.problems == {}
            await controller.stop()

        play(scene())


def test_a_branch_without_ipv6_on_its_session_gets_ipv4_and_is_a_problem() -> None:
    with bench(network(1, versions=(4, 6)), bird_versions=(4,)) as made:

        async def scene() -> None:
            controller = Controller(made)
            wanted = {HUB: Announcement(1000), HUB6: Announcement(1000)}
            controller.speaker.want({FIBER: wanted, WIRELESS: wanted}, frozenset())
            await controller.until_told(SetSent, 2)
            await controller.until_told(EndOfRibHeard, 2)
            assert made.meds("b1/fiber") == {str(HUB): 1000}
            assert "carries no IPv6" in controller.speaker.problems[f"version {FIBER}"]
            await controller.stop()
            second = Controller(made)
            await second.until_told(SetSent, 2)
            assert "carries no IPv6" in second.speaker.problems[f"version {WIRELESS}"]
            await second.stop()

        play(scene())


def test_what_a_reload_allows_counts_at_once_and_a_new_name_is_told(lab: Bench) -> None:
    new = IPv4Network("10.7.0.0/24")
    for tunnel in ("b1/fiber", "b1/wireless"):
        lab.extra[tunnel] = f"route {OWN} unreachable; route {new} unreachable;"
    lab.reconfigure_bird(lab.intent)
    site = lab.site()
    b1 = lab.intent.branches["b1"]
    wider = replace(lab.intent, branches={"b1": replace(b1, prefixes=(OWN, new))})
    glass = TunnelId("b1", "glass")
    tunnels = (replace(b1.tunnels[0], id=glass), b1.tunnels[1])
    renamed = replace(lab.intent, branches={"b1": replace(b1, prefixes=(OWN, new), tunnels=tunnels)})

    async def scene() -> None:
        controller = Controller(lab)
        controller.want(1000, 1100)
        await controller.until_told(SetSent, 2)
        await controller.until_told(RouteRefused, 2)
        alien = {"the prefix is not one of this branch's prefixes": 1}
        assert controller.speaker.refusals == {FIBER: alien, WIRELESS: alien}
        before = lab.up_since("b1/fiber"), lab.up_since("b1/wireless")

        mark = len(controller.events)
        outcome = await reconfigure(controller.speaker, lab.intent, wider, site)
        assert outcome.problems == ()
        assert {(e.tunnel, e.prefixes) for e in controller.told(RoutesHeard, after=mark)} == {
            (FIBER, (new,)),
            (WIRELESS, (new,)),
        }
        assert controller.speaker.refusals == {}
        assert not controller.told(SpeakerLost, after=mark)

        mark = len(controller.events)
        outcome = await reconfigure(controller.speaker, wider, renamed, site)
        assert outcome.problems == ()
        await controller.until_told(SpeakerReady, after=mark)
        states = {e.tunnel: e.state for e in controller.told(SessionChanged, after=mark)}
        assert states == {glass: SessionState.UP, WIRELESS: SessionState.UP}
        assert {e.tunnel for e in controller.told(SetSent, after=mark)} == {glass, WIRELESS}
        assert not [e for e in controller.told(AnnouncementsSent, after=mark) if e.withdrawn]
        assert (lab.up_since("b1/fiber"), lab.up_since("b1/wireless")) == pytest.approx(before, abs=0.5)
        assert controller.speaker.counters["dropped"] == 0
        await controller.stop()

    play(scene())
