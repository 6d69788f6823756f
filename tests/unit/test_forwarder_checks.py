"""What on the machine would keep traffic from flowing."""

from __future__ import annotations

import pytest

from hub.forwarder import checks
from hub.forwarder.orders import Probe

CONF = "/proc/sys/net/ipv4/conf/"


@pytest.mark.parametrize(
    ("effective", "missing"),
    [
        ("000001ffffffffff", []),
        ("0000000000003000", []),
        ("0000000000001000", ["CAP_NET_RAW"]),
        ("0000000000000000", ["CAP_NET_ADMIN", "CAP_NET_RAW"]),
    ],
)
def test_missing_capabilities_are_named(effective: str, missing: list[str]) -> None:
    assert checks.missing_capabilities(lambda _path: f"Name:\tx\nCapEff:\t{effective}\n") == missing


@pytest.mark.parametrize(("content", "wrong"), [("0\n", True), ("1\n", False), (None, False)])
def test_disabled_forwarding_is_found(content: str | None, wrong: bool) -> None:
    problems = checks.forwarding(lambda _path: content)
    assert [problem.mend for problem in problems.values()] == (["sysctl -w net.ipv4.ip_forward=1"] if wrong else [])


@pytest.mark.parametrize(
    ("everywhere", "own", "strict"),
    [("0", "0", False), ("0", "1", True), ("1", "0", True), ("1", "2", False), ("2", "1", False), ("0", "", False)],
)
def test_the_larger_of_both_filters_counts(everywhere: str, own: str, strict: bool) -> None:
    files = {f"{CONF}all/rp_filter": everywhere, f"{CONF}wg0/rp_filter": own}
    (problems,) = checks.strict_filtering(["wg0"], files.get)
    assert bool(problems) == strict


def test_many_strict_interfaces_are_one_problem_found_in_steps() -> None:
    *steps, problems = checks.strict_filtering([f"wg{number}" for number in range(100)], lambda _path: "1")
    assert steps == [None, None]
    assert problems is not None
    (problem,) = problems.values()
    assert "wg0, wg1, wg2 and 97 more" in problem.text


def test_a_missing_interface_and_one_that_is_down_are_told_apart() -> None:
    problems = checks.interfaces({"a/x": "wg1", "a/y": "wg2", "a/z": "wg3"}, {"wg1": True, "wg2": False})
    assert [problem.text for problem in problems.values()] == [
        "interface wg2 of a/y is down",
        "interface wg3 of a/z is not there",
    ]


@pytest.mark.parametrize(
    ("addresses", "source"),
    [
        ([b"\x0a\0\0\x09", b"\x0a\0\0\x01"], "10.0.0.1"),
        ([b"\x0a\0\0\x09", b"\x0a\0\0\x08", b"\xc0\xa8\0\x01"], "10.0.0.8"),
        ([b"\xc0\xa8\0\x01"], None),
        ([b"\0" * 16], None),
    ],
)
def test_the_probe_has_an_own_address_within_the_announced_prefixes(addresses: list[bytes], source: str | None) -> None:
    probe = Probe(("10.0.0.0/16",), "10.0.0.1")
    assert checks.probe_source(probe, addresses) == source
    assert bool(checks.probe_problem(probe, source)) == (source is None)


def test_the_mend_for_a_missing_probe_address_can_be_typed() -> None:
    (problem,) = checks.probe_problem(Probe(("10.0.0.0/16",)), None).values()
    assert "ip addr add 10.0.0.1/32 dev lo" in problem.mend
