"""The simulated forwarder obeys and refuses orders as the real one does."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from small_network import HUB, a_branch, moment

from policies.model.clock import Instant
from policies.model.events import RoutesWithdrawn, SessionChanged
from policies.model.ids import TunnelId
from policies.model.view import ClassView, LivenessState, LivenessView, SessionState
from policies.simulation.hub import SimulatedHub, well

FIBER, WIRELESS = TunnelId("bandung", "fiber"), TunnelId("bandung", "wireless")
ONE, OTHER = ip_network("10.1.0.0/24"), ip_network("10.1.1.0/24")
DEAD = LivenessView(LivenessState.DOWN, Instant(1000.0), "silent")


def with_a_class_that_only_fiber_had() -> SimulatedHub:
    """Fiber is dead; in the kernel one prefix is on it alone, and two are with both tunnels."""
    hub = well(HUB, replace(a_branch(), prefixes=(ONE, OTHER)), Instant(1000.0))
    hub.take(RoutesWithdrawn(WIRELESS, (OTHER,), Instant(1000.0)))
    hub.take(SessionChanged(FIBER, SessionState.DOWN, Instant(1000.0)))
    known = [
        ClassView("bandung", "bandung", WIRELESS, (WIRELESS, FIBER), (ONE,), 1, Instant(900.0), ""),
        ClassView("bandung:fiber", "bandung", FIBER, (FIBER,), (ONE, OTHER), 1, Instant(900.0), ""),
    ]
    classes = {each.name: each for each in known}
    hub.view = replace(hub.view, liveness={**hub.view.liveness, FIBER: DEAD}, classes=classes)
    return hub


def test_where_all_tunnels_of_an_order_are_dead_its_prefixes_count_all_the_same() -> None:
    hub = with_a_class_that_only_fiber_had()
    hub.decide(moment(1001.0))
    assert {name: each.prefixes for name, each in hub.view.classes.items()} == {
        "bandung": (ONE,),
        "bandung:fiber": (OTHER,),
    }
    assert hub.view.classes["bandung:fiber"].active == FIBER
