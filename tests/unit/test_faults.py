"""What is wrong although the traffic flows."""

from __future__ import annotations

import pytest
from small_network import a_branch

from policies.faults import SESSION_MISSING_FOR, faults
from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.model.view import Heard, LivenessState, LivenessView, SessionState, SessionView, View

FIBER = TunnelId("bandung", "fiber")
BRANCH = a_branch()
LONG = 100.0 + SESSION_MISSING_FOR.total_seconds()


def view(liveness: LivenessState, session: SessionState, *, forwarder: bool = True) -> View:
    held = {BRANCH.prefixes[0]: Heard(Instant(1.0), Instant(100.0))}
    return View(
        liveness={FIBER: LivenessView(liveness, Instant(50.0))},
        sessions={FIBER: SessionView(session, Instant(100.0), "hold time expired", heard=held)},
        forwarder=forwarder,
    )


def test_a_live_tunnel_without_its_session_is_a_fault_after_a_while() -> None:
    (fault,) = faults(BRANCH, view(LivenessState.UP, SessionState.DOWN), Instant(LONG))
    assert (fault.tunnel, fault.since) == (FIBER, 100.0)
    assert "no BGP session (hold time expired); 1 of its routes are held" in fault.text


@pytest.mark.parametrize(
    ("believed", "now"),
    [
        (view(LivenessState.UP, SessionState.DOWN), LONG - 1),
        (view(LivenessState.UP, SessionState.UP), LONG),
        (view(LivenessState.UP, SessionState.UNKNOWN), LONG),
        (view(LivenessState.DOWN, SessionState.DOWN), LONG),
        (view(LivenessState.UP, SessionState.DOWN, forwarder=False), LONG),
        (View(forwarder=True), LONG),
    ],
    ids=["not long enough", "up", "unknown", "the tunnel is dead", "no forwarder", "nothing known"],
)
def test_nothing_is_wrong_otherwise(believed: View, now: float) -> None:
    assert not list(faults(BRANCH, believed, Instant(now)))
