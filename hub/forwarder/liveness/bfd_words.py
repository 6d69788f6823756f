"""What is said of a BFD session: why it fell, and how its timers differ from the written ones."""

from __future__ import annotations

from hub.forwarder.liveness.model import Timers, TunnelSpec, milliseconds, silent
from speaker.bfd.packet import Diagnostic, State
from speaker.bfd.transitions import Change


def unlike_timers(detection_time: int, multiplier: int, timers: Timers, spec: TunnelSpec) -> str | None:
    """How what the branch sends differs from `timers`; None if it does not.

    `detection_time` (nanoseconds) and `multiplier` are what its packets come to.
    """
    interval = detection_time // multiplier
    # A branch sends one multiplier, whatever the hub's timers for carrying and for standing by say.
    if multiplier in {spec.active.multiplier, spec.idle.multiplier} and interval == timers.interval_ns:
        return None
    return (
        f"the branch sends every {milliseconds(interval)} with multiplier {multiplier}, configured are "
        f"{milliseconds(timers.interval_ns)} and {timers.multiplier}: "
        f"its death is seen after {milliseconds(detection_time)}"
    )


def why_it_fell(change: Change) -> str:
    """Why a session that was Up no longer is."""
    if change.diagnostic is Diagnostic.DETECTION_TIME_EXPIRED:
        return silent(change.silent_for, change.intervals, change.interval)
    if change.remote_state is State.ADMIN_DOWN:
        return "the branch closed its BFD session (administratively down)"
    return f"the branch says down ({_diagnostic(change.remote_diagnostic)})"


def _diagnostic(number: int) -> str:
    try:
        return Diagnostic(number).name.lower().replace("_", " ")
    except ValueError:
        return f"diagnostic {number}"
