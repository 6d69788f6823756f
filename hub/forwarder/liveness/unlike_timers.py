"""Whether a branch's BFD has the timers that were written for it."""

from __future__ import annotations

from hub.forwarder.liveness.model import Timers, TunnelSpec, milliseconds


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
