"""faults: what is wrong with a branch although its traffic flows, so that nobody would notice. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from policies.model.clock import NEVER, Instant
from policies.model.ids import TunnelId
from policies.model.intent import Branch
from policies.model.view import LivenessState, SessionState, View

SESSION_MISSING_FOR = timedelta(seconds=60)
"""How long a live tunnel may be without its BGP session before that is a fault: sessions come back within seconds."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A Fault is one thing that is wrong with a tunnel, since when, and how to mend it."""

    tunnel: TunnelId
    since: Instant
    text: str
    mend: str


def faults(branch: Branch, view: View, now: Instant) -> Iterator[Fault]:
    """What is wrong with this branch now."""
    for tunnel in branch.tunnels:
        liveness, session = view.liveness_of(tunnel.id), view.session_of(tunnel.id)
        lives = liveness.state is LivenessState.UP and view.forwarder
        since = max(session.since, liveness.since)
        missing = session.state is SessionState.DOWN and session.since != NEVER
        if not (lives and missing and now - since >= SESSION_MISSING_FOR.total_seconds()):
            continue
        held = sum(heard.held_since is not None for heard in session.heard.values())
        kept = f"; {held} of its routes are held since then" if held else ""
        yield Fault(
            tunnel.id,
            since,
            f"{tunnel.id} lives, but has no BGP session{f' ({session.reason})' if session.reason else ''}{kept}: "
            "the branch cannot be told to move",
            _mend(session.reason),
        )


def _mend(reason: str) -> str:
    """What helps, by the words of `hub.bgp.closing`."""
    if not reason.startswith(("the hub refuses ", "the branch refuses ")):
        return "look at BGP on the branch's router, and at ExaBGP's log"
    if reason.endswith("(2,2)"):
        return (
            "make both AS numbers in the branch's router those of its file and of network.yaml, or the other way round"
        )
    return "compare AS, router ID, hold time and capabilities in the branch's router with its file"
