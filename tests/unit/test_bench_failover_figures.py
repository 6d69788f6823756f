"""The failover benchmark's reckoning: figures, what it reads in logs and of the kernel, the hubs' configurations."""

from __future__ import annotations

import socket
import statistics
import struct
import sys
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from failover_cuts import rounds
from failover_figures import difference_of_medians, figures, median_of, quantile
from failover_hubs import KINDS, bird_hub, frr_hub, liveness_of
from failover_monitor import Change, changes, read_changes
from failover_network import Wanted, further_prefixes, planned, write_configuration
from failover_picture import picture
from failover_reaction import bird_losses, frr_losses

FEW = 200
"""Draws, for quick tests."""
samples = st.lists(st.floats(0, 10_000), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([5.0], 0.95, 5.0),
        ([1.0, 2.0], 0.5, 1.0),
        ([2.0, 1.0], 0.51, 2.0),
        ([float(n) for n in range(1, 21)], 0.95, 19.0),
        ([float(n) for n in range(1, 101)], 0.95, 95.0),
        ([3.0, 1.0, 2.0], 0.0, 1.0),
        ([3.0, 1.0, 2.0], 1.0, 3.0),
    ],
)
def test_a_quantile_is_by_nearest_rank(values: list[float], share: float, expected: float) -> None:
    assert quantile(values, share) == expected


def test_no_values_have_no_figures() -> None:
    for attempt in (lambda: quantile([], 0.5), lambda: median_of([], 1), lambda: difference_of_medians([], [1.0], 1)):
        with pytest.raises(ValueError, match="of no values"):
            attempt()


@given(samples, st.integers(0, 99))
def test_the_interval_lies_within_the_sample_and_about_its_median(values: list[float], seed: int) -> None:
    found = median_of(values, seed, FEW)
    assert found.value == statistics.median(values)
    assert min(values) <= found.low <= found.high <= max(values)


@given(samples, st.floats(1, 1000))
def test_a_sample_that_is_slower_throughout_has_a_difference_above_zero(values: list[float], slower: float) -> None:
    above = max(values) - min(values) + slower
    found = difference_of_medians([value + above for value in values], values, 1, FEW)
    assert found.low > 0


def test_the_difference_of_a_sample_to_itself_is_about_zero() -> None:
    values = [float(n) for n in range(60)]
    found = difference_of_medians(values, values, 1)
    assert found.value == 0
    assert found.low < 0 < found.high


def test_the_interval_of_the_median_is_the_known_one() -> None:
    """By order statistics the 95 % interval for 100 values is from the 40th to the 61st."""
    found = median_of([float(n) for n in range(1, 101)], 3)
    assert found.low == pytest.approx(40.5, abs=1.5)
    assert found.high == pytest.approx(60.5, abs=1.5)


def test_figures_are_repeatable_by_their_seed() -> None:
    values = [1.0, 5.0, 9.0, 2.0]
    assert figures(values, 7) == figures(values, 7)
    assert (figures(values, 7).n, figures(values, 7).highest) == (4, 9.0)


@given(st.integers(1, 200), st.integers(0, 200))
def test_slow_hubs_take_part_in_as_many_rounds_as_wanted(cuts: int, slow: int) -> None:
    plan = rounds(cuts, slow)
    assert len(plan) == cuts
    assert sum(plan) == min(cuts, slow)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1700.250000 <TRACE> bfd1: Session to 10.255.0.1 changed state from Up to Down", [(1700.25, "10.255.0.1")]),
        (
            "1700.250000 <TRACE> bfd1: Session to 10.255.0.1 changed state from Up to AdminDown",
            [(1700.25, "10.255.0.1")],
        ),
        ("1700.250000 <TRACE> bfd1: Session to 10.255.0.1 changed state from Init to Up", []),
        ("1700.500000 <RMT> over_a: Error: Hold timer expired", [(1700.5, "over_a")]),
        ("1700.500000 <RMT> over_a: Received: Hold timer expired", [(1700.5, "over_a")]),
        ("1700.500000 <RMT> over_a: Received: Administrative shutdown", [(1700.5, "over_a")]),
        ("1700.500000 <TRACE> over_a: Got KEEPALIVE", []),
    ],
)
def test_a_loss_of_liveness_is_found_in_the_log_of_bird(line: str, expected: list[tuple[float, str]]) -> None:
    assert list(bird_losses(line + "\n")) == expected


AT = "2026/11/21 11:45:38.808473"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            f"{AT} BFD: [SEY1D-NT8EQ] state-change: [mhop:no peer:10.255.0.3 ifname:wg51001-bandung] up -> down",
            "10.255.0.3",
        ),
        (f"{AT} BFD: [J1C6V] state-change: [mhop:no peer:10.255.0.1 local:0.0.0.0 vrf:default] init -> up", None),
        (
            f"{AT} BGP: [HZN6M-XRM1G] %NOTIFICATION: sent to neighbor 10.255.0.3 4/0 (Hold Timer Expired) 0 bytes",
            "10.255.0.3",
        ),
        (
            f"{AT} BGP: [PXVXG-TFNNT] %ADJCHANGE: neighbor 10.255.0.1(Unknown) in vrf default Down BGP Notification",
            "10.255.0.1",
        ),
        (f"{AT} BGP: [N9HHH-F8H1M] %ADJCHANGE: neighbor 10.255.0.1(Unknown) in vrf default Up", None),
        ("2026/11/21 11:45:32 ZEBRA: [T83RR-8SM5G] zebra 8.4.4 starting: vty@0", None),
    ],
)
def test_a_loss_of_liveness_is_found_in_the_logs_of_frr(line: str, expected: str | None) -> None:
    at = datetime(2026, 11, 21, 11, 45, 38, 808473).astimezone().timestamp()
    assert list(frr_losses(line + "\n")) == ([] if expected is None else [(at, expected)])


def netlink(kind: int, head: bytes, *attributes: tuple[int, bytes]) -> bytes:
    body = head + b"".join(_padded(struct.pack("=HH", 4 + len(value), name) + value) for name, value in attributes)
    return _padded(struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


ROUTE = netlink(24, bytes([2, 24]) + bytes(10), (1, socket.inet_aton("10.201.0.0")), (4, struct.pack("=I", 7)))
NEXTHOP = netlink(104, bytes(8), (5, struct.pack("=I", 9)))
REMOVED = netlink(25, bytes([2, 24]) + bytes(10), (1, socket.inet_aton("10.201.0.0")), (4, struct.pack("=I", 7)))


def test_new_routes_and_nexthops_are_told_with_their_interface() -> None:
    found = list(changes(ROUTE + REMOVED + NEXTHOP, 5))
    assert found == [Change(5, "route", 7, "10.201.0.0/24"), Change(5, "nexthop", 9, "-")]
    assert read_changes("".join(change.line() for change in found) + "17 rou") == found


@given(st.binary(max_size=200))
def test_whatever_the_kernel_says_is_read_without_an_error(data: bytes) -> None:
    list(changes(data, 0))


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if not kind.is_pointsman])
def test_bfd_is_at_both_ends_or_at_neither(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    configuration = write_configuration(
        tmp_path / "c", Wanted(), liveness=liveness_of(kind, "bfd"), confirm=kind.confirm
    )
    network, _ = planned(configuration)
    text = bird_hub(network, bfd=kind.bfd) if kind.program == "bird" else frr_hub(network, bfd=kind.bfd)
    assert [tunnel.bfd for tunnel in network.branches[0].tunnels] == [kind.bfd] * 2
    assert ("bfd on;" in text or " bfd profile " in text) is kind.bfd


@pytest.mark.parametrize("name", ["pointsman", "pointsman-plain"])
def test_pointsman_confirms_or_not_by_its_configuration(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    write_configuration(tmp_path / "c", Wanted(), liveness="bfd", confirm=kind.confirm)
    assert f"confirm: {str(kind.confirm).lower()}" in (tmp_path / "c" / "branches" / "bandung.yaml").read_text()


def test_as_many_prefixes_are_announced_as_wanted_and_the_probed_one_is_first(tmp_path: Path) -> None:
    network, _ = planned(write_configuration(tmp_path / "c", Wanted(prefixes=300), liveness="bfd", confirm=True))
    reaches = network.branches[0].reaches
    assert len(set(reaches)) == 300
    assert reaches[0] == "10.0.0.0/24"
    assert len(set(further_prefixes(299))) == 299


def test_the_picture_is_svg_with_a_dot_for_every_cut() -> None:
    text = picture("a <b>", {"one way": {"bird": [0.0, 120.0, 7000.0], "frr": []}, "other": {"bird": [1.0]}}, 1)
    root = ET.fromstring(text)  # noqa: S314 - our own text
    assert len(root.findall("{http://www.w3.org/2000/svg}circle")) == 4
