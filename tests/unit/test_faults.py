"""What is wrong although the traffic flows."""

from __future__ import annotations

import pytest
from small_network import a_branch

from hub.bgp.closing import worded
from policies.faults import SESSION_MISSING_FOR, faults
from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.model.view import Heard, LivenessState, LivenessView, SessionState, SessionView, View

FIBER = TunnelId("bandung", "fiber")
BRANCH = a_branch()
REFUSED = worded("notification sent (2,2)", said=65009, written=65001, hub=65000)
REFUSES = worded("notification received (2,2)", said=None, written=65001, hub=65000)
LONG = 100.0 + SESSION_MISSING_FOR.total_seconds()


def view(
    liveness: LivenessState, session: SessionState, *, forwarder: bool = True, reason: str = "hold time expired"
) -> View:
    held = {BRANCH.prefixes[0]: Heard(Instant(1.0), Instant(100.0))}
    return View(
        liveness={FIBER: LivenessView(liveness, Instant(50.0))},
        sessions={FIBER: SessionView(session, Instant(100.0), reason, heard=held)},
        forwarder=forwarder,
    )


def test_a_live_tunnel_without_its_session_is_a_fault_after_a_while() -> None:
    (fault,) = faults(BRANCH, view(LivenessState.UP, SessionState.DOWN), Instant(LONG))
    assert (fault.tunnel, fault.since) == (FIBER, 100.0)
    assert "no BGP session (hold time expired); 1 of its routes are held" in fault.text


@pytest.mark.parametrize(
    ("reason", "mend"),
    [
        ("hold time expired", "look at BGP on the branch's router, and at ExaBGP's log"),
        ("the branch closed it: bad peer AS (2,2)", "look at BGP on the branch's router, and at ExaBGP's log"),
        (REFUSED, "make both AS numbers in the branch's router those of its file and of network.yaml"),
        (REFUSES, "make both AS numbers in the branch's router those of its file and of network.yaml"),
        ("the hub refuses the branch's OPEN: unacceptable hold time (2,6)", "compare AS, router ID, hold time"),
        ("the branch refuses the hub's OPEN (2,99)", "compare AS, router ID, hold time"),
    ],
)
def test_a_refused_open_is_mended_at_what_the_two_ends_say_of_each_other(reason: str, mend: str) -> None:
    (fault,) = faults(BRANCH, view(LivenessState.UP, SessionState.DOWN, reason=reason), Instant(LONG))
    assert fault.mend.startswith(mend)


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
