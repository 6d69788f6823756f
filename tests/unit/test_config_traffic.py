"""What liveness costs: from RFC sizes and intervals to bytes a month."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.config.traffic import MonthlyBytes, monthly_bytes, monthly_look_bytes, monthly_probe_bytes, packet_bytes
from policies.model.intent import Liveness, LivenessMethod, LivenessTimers, ProbeRate


@pytest.mark.parametrize(
    ("method", "size"),
    [
        (LivenessMethod.BFD, 124),  # 20 IP + 8 UDP + 32 WireGuard + (20 + 8 + 24, padded to 64)
        (LivenessMethod.ICMP, 108),  # 20 IP + 8 UDP + 32 WireGuard + (20 + 8 + 20, padded to 48)
    ],
)
def test_a_packet_is_as_large_as_the_isp_counts_it(method: LivenessMethod, size: int) -> None:
    assert packet_bytes(method) == size


def test_a_month_of_bfd_is_two_directions_at_the_jittered_rate() -> None:
    timers = LivenessTimers(LivenessMethod.BFD, timedelta(seconds=1), 5)
    slow = LivenessTimers(LivenessMethod.ICMP, timedelta(seconds=1), 5)
    cost = monthly_bytes(Liveness(active=timers, idle=slow))
    assert cost.active == round(2 * 124 * 30 * 86400 / 0.875)
    assert cost.idle == 2 * 108 * 30 * 86400


def test_an_echo_beside_bfd_slows_bfd_down_to_pay_for_itself() -> None:
    timers = LivenessTimers(LivenessMethod.BFD, timedelta(milliseconds=50), 3)
    cost = monthly_bytes(Liveness(timers, timers, echo=True))
    month = 30 * 86400
    assert cost.active == round(2 * 124 * month / 0.35 / 0.875) + round(2 * 108 * month / 0.05)
    assert cost.active < 1.1 * monthly_bytes(Liveness(timers, timers)).active


MONTH = 30 * 86400
RATE = ProbeRate(active=timedelta(milliseconds=200), idle=timedelta(seconds=10))


def timers(method: LivenessMethod, milliseconds: int) -> LivenessTimers:
    return LivenessTimers(method, timedelta(milliseconds=milliseconds), 3)


def test_health_probes_are_echoes_at_their_own_rates() -> None:
    bfd = timers(LivenessMethod.BFD, 100)
    cost = monthly_probe_bytes(Liveness(bfd, bfd, probe=RATE))
    assert cost == MonthlyBytes(active=2 * 108 * MONTH * 5, idle=2 * 108 * MONTH // 10)


def test_echoes_of_liveness_serve_as_health_probes_where_they_are_as_frequent() -> None:
    often, seldom = timers(LivenessMethod.ICMP, 200), timers(LivenessMethod.ICMP, 20_000)
    assert monthly_probe_bytes(Liveness(often, often, probe=RATE)) == MonthlyBytes(0, 0)
    assert monthly_probe_bytes(Liveness(often, seldom, probe=RATE)).idle == 2 * 108 * MONTH // 10
    bfd = timers(LivenessMethod.BFD, 100)
    assert monthly_probe_bytes(Liveness(bfd, bfd, echo=True, probe=RATE)) == MonthlyBytes(0, 0)


def test_a_tunnel_that_is_not_probed_costs_nothing() -> None:
    bfd = timers(LivenessMethod.BFD, 100)
    assert monthly_probe_bytes(Liveness(bfd, bfd)) == MonthlyBytes(0, 0)


def test_looking_for_the_path_mtu_is_a_full_size_packet_each_way_every_five_minutes() -> None:
    assert monthly_look_bytes() == 2 * 1480 * MONTH // 300
