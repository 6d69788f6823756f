"""What liveness asks of the hub: packets a second, beside what the forwarder holds."""

from __future__ import annotations

from collections.abc import Iterable

from hub.config.drafts import BranchDraft
from hub.config.problems import Place, Problem, warning
from policies.model.intent import LivenessMethod, LivenessTimers

PACKETS_HELD = 10_000
"""BFD packets a second, sent and received, that one core of the forwarder holds in time.

Measured with `scripts/bench sessions` (docs/reference/measured.md has the machine): a packet costs 45 to 50
microseconds of a core, the kernel's part included, so that 200 sessions at 50 ms, 9,100 packets a second, take 40 to 45
per cent of it. Above half a core the packets begin to be sent late."""
_BFD_JITTER = 0.875
"""The mean of the 75 to 100 % of the interval after which BFD sends (RFC 5880, section 6.8.7)."""


def packets_a_second(branches: Iterable[BranchDraft]) -> float:
    """Both directions of every tunnel; in each branch the one that costs most by it carries the traffic."""
    return sum(map(_of_branch, branches))


def too_many_packets(branches: Iterable[BranchDraft], place: Place) -> Iterable[Problem]:
    """A warning if the hub would have to send and receive more than it holds."""
    branches = tuple(branches)
    rate = packets_a_second(branches)
    if rate > PACKETS_HELD:
        sessions = sum(len(branch.tunnels) for branch in branches)
        text = (
            f"the liveness of {sessions} tunnels takes {rate:,.0f} packets a second: from {PACKETS_HELD:,} on one core "
            "sends them late, which looks like dead tunnels"
        )
        yield warning(place, text, "give branches slower timers, for example liveness: normal or relaxed")


def _of_branch(branch: BranchDraft) -> float:
    standing_by = sum(_rate(tunnel.liveness.idle) for tunnel in branch.tunnels)
    more = [_rate(tunnel.liveness.active) - _rate(tunnel.liveness.idle) for tunnel in branch.tunnels]
    return standing_by + max([0.0, *more])


def _rate(timers: LivenessTimers) -> float:
    jitter = _BFD_JITTER if timers.method is LivenessMethod.BFD else 1.0
    return 2 / (timers.interval.total_seconds() * jitter)
