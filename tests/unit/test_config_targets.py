"""Targets, checks and external targets as they are written: what they mean, and what is wrong with them and where."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from config_directories import BANDUNG, NETWORK, reading, said

from policies.changes import branch_changes, hub_changes
from policies.model.intent import Intent
from policies.model.targets import Check, DnsQuery, HttpGet, Ping, Run, TcpConnect, Timing, Via

ENDPOINT = "endpoint: 198.51.100.2"
IPV6 = {
    "network.yaml": NETWORK.replace("[10.0.0.0/16]", '[10.0.0.0/16, "2001:db8::/48"]').replace(
        "links: 10", 'links-ipv6: "fd00:255::/64", links: 10'
    ),
    "allocations.yaml": 'bandung/fiber: {to: telkom, link: 10.255.0.0/31, link-ipv6: "fd00:255::2/127", port: 51000}\n'
    'bandung/wireless: {to: biznet, link: 10.255.0.2/31, link-ipv6: "fd00:255::4/127", port: 51001}\n',
}
BOTH = BANDUNG.replace("[10.1.0.0/24]", '[10.1.0.0/24, "2001:db8:1::/56"]')


def intent_of(directory: Path, branch: str = BANDUNG, network: str = NETWORK, **others: str) -> Intent:
    configuration = reading(directory, {"branches/bandung.yaml": branch, "network.yaml": network, **others})
    assert configuration.intent is not None, said(configuration)
    return configuration.intent


def checks(directory: Path, written: str) -> tuple[Check, ...]:
    return intent_of(directory, f"{BANDUNG}{written}").branches["bandung"].targets


@pytest.mark.parametrize(
    ("written", "question"),
    [
        ("icmp: 10.1.0.10", Ping(ip_address("10.1.0.10"))),
        ("tcp: 10.1.0.10:443", TcpConnect(ip_address("10.1.0.10"), 443)),
        ('http: "http://10.1.0.10/health"', HttpGet(ip_address("10.1.0.10"), 80, "/health", 200)),
        ("http: http://10.1.0.10:8080, expect: 401", HttpGet(ip_address("10.1.0.10"), 8080, "/", 401)),
        ("dns: {server: 10.1.0.53, name: erp.example}", DnsQuery(ip_address("10.1.0.53"), "erp.example")),
    ],
)
def test_a_target_is_asked_as_it_says(tmp_path: Path, written: str, question: object) -> None:
    (check,) = checks(tmp_path, f"targets: {{erp: {{{written}}}}}\n")
    assert check == Check("erp", question, Timing(), Via.EACH)  # type: ignore[arg-type]


def test_what_a_target_says_of_its_timing_counts(tmp_path: Path) -> None:
    (check,) = checks(
        tmp_path, "targets: {erp: {icmp: 10.1.0.9, interval: 1m, timeout: 500ms, fall: 5, rise: 1, via: active}}\n"
    )
    assert (check.timing, check.via) == (Timing(timedelta(minutes=1), timedelta(milliseconds=500), 5, 1), Via.ACTIVE)


def test_the_timeout_is_never_longer_than_the_interval(tmp_path: Path) -> None:
    (check,) = checks(tmp_path, "targets: {erp: {icmp: 10.1.0.9, interval: 1s}}\n")
    assert check.timing.timeout == timedelta(seconds=1)


def test_a_check_is_run_for_the_branch_unless_per_tunnel(tmp_path: Path) -> None:
    one, two = checks(
        tmp_path, "checks:\n  a: {run: /bin/true, args: [-x, '1']}\n  b: {python: /bin/true, per: tunnel}\n"
    )
    assert (one.question, one.via) == (Run("/bin/true", ("-x", "1")), Via.ACTIVE)
    assert (two.question, two.via) == (Run("/bin/true", python=True), Via.EACH)


def test_an_ipv6_target_is_asked_by_the_routes(tmp_path: Path) -> None:
    files = {**IPV6, "branches/bandung.yaml": BOTH + 'targets: {erp: {tcp: "[2001:db8:1::10]:443"}}\n'}
    configuration = reading(tmp_path, files)
    assert configuration.intent is not None, said(configuration)
    (check,) = configuration.intent.branches["bandung"].targets
    assert (check.question, check.via) == (TcpConnect(ip_address("2001:db8:1::10"), 443), Via.ACTIVE)


@pytest.mark.parametrize(("quorum", "means"), [("", 2), (", quorum: majority", 2), (", quorum: 3", 3)])
def test_an_uplink_is_out_by_a_majority_or_as_many_as_it_says(tmp_path: Path, quorum: str, means: int) -> None:
    written = f"{ENDPOINT}, targets: [1.1.1.1, 8.8.8.8, 9.9.9.9]{quorum}"
    uplinks = intent_of(tmp_path, network=NETWORK.replace(ENDPOINT, written)).hub.uplinks
    assert [check.name for check in uplinks["telkom"].targets] == ["1.1.1.1", "8.8.8.8", "9.9.9.9"]
    assert (uplinks["telkom"].quorum, uplinks["biznet"].targets, uplinks["biznet"].quorum) == (means, (), 0)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{tcp: 10.1.0.10}", '7:12: tcp: "10.1.0.10" has no port\n    mend: write it like "10.1.0.10:443"'),
        ('{tcp: "2001:db8:1::10"}', 'has no port\n    mend: write it like "[2001:db8:1::10]:443"'),
        ("{tcp: 10.1.0.10:70000}", "7:12: tcp: port 70000: from 1 to 65535"),
        (
            "{tcp: erp.example:443}",
            '7:12: tcp: "erp.example" is no IP address\n    mend: write the address that it has',
        ),
        ("{icmp: 127.0.0.1}", "7:13: icmp: 127.0.0.1 is not the address of one machine elsewhere"),
        ("{icmp: 10.2.0.1}", "target x: 10.2.0.1 lies in no prefix of bandung: its tunnels do not carry it"),
        ('{http: "https://10.1.0.10/"}', "https is not supported yet"),
        ('{http: "http://erp/"}', '"erp" is no IP address'),
        ('{http: "http://u:p@10.1.0.10/"}', "is no URL of a target"),
        ('{http: "http://10.1.0.10:x/"}', "is no URL"),
        ('{http: "http://10.1.0.10/a b"}', "is no URL of a target"),
        ("{http: http://10.1.0.10/, expect: 20}", "expect: 20 is too small: at least 100"),
        ("{icmp: 10.1.0.10, expect: 200}", "7:24: expect is of http, not of icmp\n    mend: remove it"),
        ("{dns: {server: 10.1.0.53}}", '"name" of dns is missing'),
        ("{dns: {server: 10.1.0.53, name: a..b}}", '"a..b" is no domain name'),
        ("{dns: {server: 10.1.0.53, nam: a.b}}", 'unknown key "nam"\n    mend: write "name"'),
        ("{}", "7:3: target x says not how it is asked: one of icmp, tcp, http, dns is wanted"),
        ("{icmp: 10.1.0.1, tcp: 10.1.0.1:1}", "7:3: target x has icmp and tcp"),
        ("{pnig: 10.1.0.1}", 'unknown key "pnig"'),
        ("{icmp: 10.1.0.10, fall: 1}", "fall: 1 is too small: at least 2"),
        ("{icmp: 10.1.0.10, rise: 11}", "rise: 11 is too large: at most 10"),
        ("{icmp: 10.1.0.10, interval: 10}", "interval: 10 has no unit"),
        ("{icmp: 10.1.0.10, interval: 100ms}", "interval: from 1s to 1h"),
        ("{icmp: 10.1.0.10, timeout: 20s}", "timeout: from 50ms to 30s, and not longer than the interval"),
        ("{icmp: 10.1.0.10, via: all}", 'via: "all" is not known: one of each, active'),
    ],
)
def test_what_is_wrong_with_a_target_is_said_at_its_place(tmp_path: Path, written: str, expected: str) -> None:
    configuration = reading(tmp_path, {"branches/bandung.yaml": f"{BANDUNG}targets:\n  x: {written}\n"})
    assert configuration.intent is None
    assert said(configuration).startswith("branches/bandung.yaml:7:")
    assert expected in said(configuration)


def test_each_tunnel_cannot_be_asked_separately_in_ipv6(tmp_path: Path) -> None:
    files = {**IPV6, "branches/bandung.yaml": BOTH + 'targets: {x: {icmp: "2001:db8:1::1", via: each}}\n'}
    assert "via: each is of IPv4" in said(reading(tmp_path, files))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{per: tunnel}", "7:3: check x wants either run or python\n    mend: x: {run: checks/x.sh}, or"),
        ("{run: a, python: b}", "7:3: check x wants either run or python"),
        ("{run: ../a}", 'run: "../a" is no path of a program'),
        ("{run: a, per: site}", 'per: "site" is not known: one of branch, tunnel'),
        ("{run: a, args: -x}", 'args: "-x" where a list is wanted\n    mend: write [-x]'),
        ("{run: a, args: [1]}", "args: the number 1 where text is wanted"),
        ("{run: a, via: each}", 'unknown key "via"'),
    ],
)
def test_what_is_wrong_with_a_check_is_said_at_its_place(tmp_path: Path, written: str, expected: str) -> None:
    configuration = reading(tmp_path, {"branches/bandung.yaml": f"{BANDUNG}checks:\n  x: {written}\n"})
    assert configuration.intent is None
    assert expected in said(configuration)


def test_a_check_is_not_called_like_a_target(tmp_path: Path) -> None:
    branch = f"{BANDUNG}targets: {{x: {{icmp: 10.1.0.1}}}}\n\nchecks: {{x: {{run: /bin/true}}}}\n"
    configuration = reading(tmp_path, {"branches/bandung.yaml": branch})
    assert "8:10: x is also a target of this branch" in said(configuration)


@pytest.mark.parametrize(
    ("mode", "key", "expected"),
    [
        (None, "run", "warning: run: there is no file"),
        (0o644, "run", "cannot be executed"),
        (0o757, "run", "can be written by everybody"),
        (0o755, "run", ""),
        (0o644, "python", ""),
    ],
)
def test_a_check_whose_file_is_not_right_is_a_warning(
    tmp_path: Path, mode: int | None, key: str, expected: str
) -> None:
    if mode is not None:
        file = tmp_path / "checks" / "x.sh"
        file.parent.mkdir()
        file.write_text("#!/bin/sh\n")
        file.chmod(mode)
    branch = f"{BANDUNG}checks: {{x: {{{key}: checks/x.sh}}}}\n"
    configuration = reading(tmp_path, {"branches/bandung.yaml": branch})
    assert configuration.intent is not None
    assert expected in said(configuration)
    assert bool(expected) == bool(said(configuration))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("targets: [1.1.1.1]", "uplink telkom has 1 external target: at least 2"),
        ("targets: [1.1.1.1, 1.1.1.1]", "1.1.1.1 is here twice"),
        ("targets: [1.1.1.1, 10.0.0.1]", "10.0.0.1 lies in a prefix of the hub itself"),
        ("targets: [1.1.1.1, 8.8.8.8], quorum: 3", "quorum: 3 of 2 targets cannot be silent"),
        ("targets: [1.1.1.1, 8.8.8.8], quorum: 1", "quorum: 1 is too small: at least 2, as one dead target"),
        ("targets: [1.1.1.1, 8.8.8.8], quorum: most", '"most" is neither a number nor majority'),
        ("targets: [one.one, 8.8.8.8]", '"one.one" is no IP address'),
        ("targets: 1.1.1.1", "where a list is wanted"),
        ("quorum: 2", "uplink telkom has no external targets: at least 2"),
    ],
)
def test_what_is_wrong_with_external_targets_is_said_at_its_place(tmp_path: Path, written: str, expected: str) -> None:
    configuration = reading(tmp_path, {"network.yaml": NETWORK.replace(ENDPOINT, f"{ENDPOINT}, {written}")})
    assert configuration.intent is None
    assert said(configuration).startswith("network.yaml:9:")
    assert expected in said(configuration)


def test_external_targets_want_an_interface(tmp_path: Path) -> None:
    network = NETWORK.replace("interface: eth0, ", "targets: [1.1.1.1, 8.8.8.8], ")
    assert "network.yaml:9:5: uplink telkom has targets and no interface" in said(
        reading(tmp_path, {"network.yaml": network})
    )


def test_a_plan_shows_targets_that_change(tmp_path: Path) -> None:
    before = intent_of(tmp_path / "a", BANDUNG + "targets: {erp: {tcp: 10.1.0.10:443}}\n")
    network = NETWORK.replace(ENDPOINT, f"{ENDPOINT}, targets: [1.1.1.1, 8.8.8.8]")
    after = intent_of(tmp_path / "b", BANDUNG + "targets: {erp: {tcp: 10.1.0.10:80}}\n", network)
    (change,) = branch_changes(before.branches["bandung"], after.branches["bandung"])
    assert change.what == "target erp"
    assert change.was == "tcp 10.1.0.10:443 every 10 s for 2 s at most, fall 3, rise 2, by each tunnel"
    (change,) = hub_changes(before.hub, after.hub)
    assert (change.what, change.now) == ("uplink telkom: targets", "1.1.1.1, 8.8.8.8; out when 2 are silent")
