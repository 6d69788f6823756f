"""What liveness and health probes ask of the hub: packets a second, beside what the forwarder holds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from hub.config.drafts import BranchDraft, TunnelDraft
from hub.config.probing import probe_rate, sent_beside
from hub.config.problems import Place, Problem, warning
from policies.model.intent import LivenessMethod, LivenessTimers
from speaker.bfd.timing import beside_echo

PACKETS_HELD = 10_000
"""Packets a second, of BFD and of echoes, sent and received, that one core of the forwarder holds in time.

Measured with `scripts/bench sessions` (docs/reference/measured.md has the machine): a packet costs 45 to 50
microseconds of a core, the kernel's part included, so that 200 sessions at 50 ms, 9,100 packets a second, take 40 to 45
per cent of it; a health probe, which is two, costs 75 (docs/reference/liveness.md). Above half a core the packets begin
to be sent late."""
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
            f"liveness and health probes of {sessions} tunnels take {rate:,.0f} packets a second: "
            f"from {PACKETS_HELD:,} on one core sends them late, which looks like dead tunnels"
        )
        yield warning(place, text, "give branches slower timers, for example liveness: normal or relaxed")


def _of_branch(branch: BranchDraft) -> float:
    rates = [_of_tunnel(tunnel) for tunnel in branch.tunnels]
    return sum(idle for idle, _ in rates) + max([0.0, *(active - idle for idle, active in rates)])


def _of_tunnel(tunnel: TunnelDraft) -> tuple[float, float]:
    """While it stands by, and while it carries traffic."""
    liveness, probes = tunnel.liveness, probe_rate(tunnel.liveness, metered=tunnel.uplink.metered)
    return (
        _rate(liveness.idle, probes.idle, echo=liveness.echo),
        _rate(liveness.active, probes.active, echo=liveness.echo),
    )


def _rate(timers: LivenessTimers, probing: timedelta, *, echo: bool) -> float:
    rate = 2 / probing.total_seconds() if sent_beside(timers, probing, echo=echo) else 0.0
    interval = timers.interval.total_seconds()
    if timers.method is LivenessMethod.ICMP:
        return rate + 2 / interval
    bfd = beside_echo(round(interval * 1e9)) / 1e9 if echo else interval
    return rate + 2 / (bfd * _BFD_JITTER) + (2 / interval if echo else 0.0)
