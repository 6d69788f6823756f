"""What on the machine would keep traffic from flowing."""

from __future__ import annotations

import errno

import pytest

from hub.forwarder import checks

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


def test_ipv6_forwarding_counts_only_where_ipv6_is_to_be_carried() -> None:
    files = {"/proc/sys/net/ipv4/ip_forward": "1\n", "/proc/sys/net/ipv6/conf/all/forwarding": "0\n"}
    assert checks.forwarding(files.get) == {}
    (problem,) = checks.forwarding(files.get, ipv6=True).values()
    assert "IPv6 forwarding is off" in problem.text
    assert problem.mend.startswith("sysctl -w net.ipv6.conf.all.forwarding=1")


def test_tunnels_on_which_ipv6_is_switched_off_are_named() -> None:
    files = {"/proc/sys/net/ipv6/conf/wg2/disable_ipv6": "1\n"}
    (problems,) = checks.disabled_ipv6(["wg1", "wg2"], files.get)
    assert problems is not None
    assert [problem.mend for problem in problems.values()] == ["sysctl -w net.ipv6.conf.wg2.disable_ipv6=0"]


def test_a_machine_out_of_descriptors_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_descriptor(*_arguments: object, **_options: object) -> str:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(checks.Path, "read_text", no_descriptor)
    assert checks.read_file("/proc/sys/net/ipv4/ip_forward") is None
