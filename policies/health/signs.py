"""signs: what is looked at beside the probes, now and then: the size of packets that pass, handshakes, the session.

Packets of full size that do not pass speak against a tunnel, as a check that fails does. All else explains: an old
handshake names the cause of a death that liveness has found, and moves nothing by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from policies.model.clock import Instant
from policies.model.health import Hint
from policies.model.path_mtu import PathMtu
from policies.model.view import LivenessState, LivenessView, SessionState, SessionView

REJECT_AFTER_TIME = timedelta(seconds=180)
"""After this time WireGuard sends nothing more by the keys of a handshake (whitepaper, section 6.1)."""
SAME = 2.0
"""Seconds by which the instant of the same handshake may differ: it is told by the wall clock."""


def too_large(mtu: PathMtu | None) -> tuple[str, ...]:
    """What the size of packets says against a tunnel, in words for `HealthView.failing`; most often nothing."""
    if mtu is None or not mtu.is_sure:
        return ()
    works = f": largest that does {mtu.works}" if mtu.works is not None else ""
    return (f"full-size packets of {mtu.size} bytes do not pass{works}",)


def hints(
    liveness: LivenessView,
    session: SessionView,
    handshake: Instant | None,
    now: Instant,
    before: Sequence[Hint] = (),
    sa: Hint | None = None,
) -> tuple[Hint, ...]:
    """What may explain the state of a tunnel; `handshake` is when WireGuard shook hands last, None: not known.

    Liveness asks all the time, so that WireGuard always has something to send and shakes hands every two minutes.
    `sa` is what speaks against its SA (policies.health.ike).
    `before` are the hints of the last look: what goes on keeps its instant.
    """
    found = [] if sa is None else [sa]
    if handshake is not None and now - handshake > REJECT_AFTER_TIME.total_seconds():
        found.append(Hint("no WireGuard handshake", handshake))
    if liveness.state is LivenessState.UP and session.state is SessionState.DOWN:
        found.append(Hint("no BGP session", max(session.since, liveness.since)))
    return tuple(_same(hint, before) for hint in found)


def _same(hint: Hint, before: Sequence[Hint]) -> Hint:
    return next((was for was in before if was.text == hint.text and abs(was.since - hint.since) < SAME), hint)
