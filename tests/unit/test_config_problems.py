"""What `check` finds in the files: each mistake by itself, at its place, with its mend."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_directories import ALLOCATIONS, BANDUNG, NETWORK, reading, said

from hub.config import read

BOGOR = "as: 65002\nprefixes: [10.2.0.0/24]\nuplinks:\n  fiber: {isp: telkom}\n  wireless: {isp: indosat}\n"
MORE = """\
bogor/fiber: {to: telkom, link: 10.255.0.4/31, port: 51002}
bogor/wireless: {to: biznet, link: 10.255.0.6/31, port: 51003}
"""


def test_a_right_configuration_has_no_problems(tmp_path: Path) -> None:
    configuration = reading(tmp_path, {"branches/bogor.yaml": BOGOR, "allocations.yaml": ALLOCATIONS + MORE})
    assert said(configuration) == ""
    assert configuration.intent is not None
    assert configuration.files == 4


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "as: 65001",
            'as: "65001"',
            '1:5: as: "65001" where a whole number is wanted\n    mend: write 65001, without quotes',
        ),
        ("as: 65001", "as: 0", "1:5: as: 0 is too small: at least 1"),
        ("as: 65001", "as: 65535", "1:5: as 65535 is reserved (RFC 7300)"),
        ("as: 65001", "as: 65000", "1:5: as 65000 is also that of the hub (network.yaml:5)"),
        ("as: 65001\n", "", '1:1: "as" is missing\n    mend: add it, for example as: 65001'),
        ("as: 65001", "as: 3333", "1:5: warning: as 3333 is not private"),
        (
            "10.1.0.0/24",
            "10.1.0.1/24",
            "2:12: prefixes: 10.1.0.1/24 has bits set behind its length\n    mend: write 10.1.0.0/24",
        ),
        ("10.1.0.0/24", "10.1.0.0", '2:12: prefixes: "10.1.0.0" has no prefix length\n    mend: write 10.1.0.0/24'),
        ("10.1.0.0/24", "127.1.0.0/24", "2:12: prefixes: prefix 127.1.0.0/24 lies in 127.0.0.0/8"),
        ("10.1.0.0/24", "10.1.0.0/33", '2:12: prefixes: "10.1.0.0/33" is no IPv4 prefix'),
        (
            "10.1.0.0/24",
            "2001:db8:1::/48",
            "2:12: prefix 2001:db8:1::/48 of bandung is IPv6, and the hub announces none",
        ),
        (
            "10.1.0.0/24",
            "2001:db8:1::1/48",
            "has bits set behind its length\n    mend: write 2001:db8:1::/48, or 2001:db8:1::1/128",
        ),
        (
            "10.1.0.0/24",
            '"2001:db8:1::"',
            '2:12: prefixes: "2001:db8:1::" has no prefix length\n    mend: write 2001:db8:1::/64',
        ),
        ("10.1.0.0/24", "fe80::/64", "2:12: prefixes: prefix fe80::/64 lies in fe80::/10, which is never routed"),
        ("10.1.0.0/24", '"fd00::%eth0/64"', '2:12: prefixes: "fd00::%eth0/64" is no IPv6 prefix'),
        (
            "10.1.0.0/24",
            "0.0.0.0/0",
            "2:12: prefix 0.0.0.0/0: a branch announces its own networks, never the default route",
        ),
        (
            "[10.1.0.0/24]",
            "10.1.0.0/24",
            '2:11: prefixes: "10.1.0.0/24" where a list is wanted\n    mend: write [10.1.0.0/24]',
        ),
        ("[10.1.0.0/24]", "[]", "2:11: prefixes is empty: at least one is wanted"),
        ("10.1.0.0/24", "10.0.5.0/24", "2:12: prefix 10.0.5.0/24 lies inside 10.0.0.0/16 of the hub (network.yaml:7)"),
        (
            "10.1.0.0/24",
            "10.255.1.0/24",
            "2:12: prefix 10.255.1.0/24 lies inside 10.255.0.0/19 of the links (network.yaml:11)",
        ),
        ("[10.1.0.0/24]", "[10.1.0.0/24, 10.1.0.0/24]", "2:25: prefix 10.1.0.0/24 is here twice"),
        ("metered: true", "metered: yes", '5:48: metered: "yes" where true or false is wanted\n    mend: write true'),
        ("kind: lte", "kind: fibre", '5:34: kind: "fibre" is not known: one of fiber, wireless'),
        ("kind: lte", "knd: lte", '5:28: unknown key "knd"\n    mend: write "kind"'),
        ("{isp: telkom}", "{}", '4:3: "isp" of fiber is missing\n    mend: add it, for example isp: telkom'),
        ("{isp: telkom}", "telkom", '4:13: fiber: "telkom" where a map is wanted'),
        ("{isp: telkom}", "{isp: 7}", '4:19: isp: the number 7 where text is wanted\n    mend: quote it: "7"'),
        ("{isp: telkom}", "{isp: Telkom ID}", '4:19: isp: name "Telkom ID" is not'),
        ("fiber: ", "FIBER: ", '4:3: name "FIBER" is not of small letters'),
        ("as: 65001", "as: 65001\npolicy: stndard", '2:9: there is no policy "stndard"\n    mend: write "standard"'),
        (
            "as: 65001",
            "as: 65001\nprefer: [fibr]",
            '2:10: prefer: "fibr" is neither a kind of uplink nor a tunnel of this branch\n    mend: write "fiber"',
        ),
        (
            "as: 65001",
            "as: 65001\ntimezone: Asia/Jakrta",
            '2:11: timezone "Asia/Jakrta" is not known\n    mend: write "Asia/Jakarta"',
        ),
        (
            "as: 65001",
            "as: 65001\nliveness: quick",
            '2:11: liveness: "quick" is not known: one of fast, normal, relaxed',
        ),
        ("as: 65001", "as: 65001\nliveness: {interval: 60}", "2:22: interval: 60 has no unit"),
        ("as: 65001", "as: 65001\nliveness: {interval: 60}", "mend: write 60ms if milliseconds are meant"),
        ("as: 65001", "as: 65001\nliveness: {interval: 5ms}", "2:22: interval: from 10ms to 1s"),
        ("as: 65001", "as: 65001\nliveness: {interval: 50ms, multiplier: 2}", "2:40: multiplier: from 3 to 10"),
        (
            "as: 65001",
            "as: 65001\nliveness: {interval: 50ms, idle: relaxed}",
            "2:11: liveness has timers of its own and active or idle ones",
        ),
        (
            "as: 65001",
            "as: 65001\nliveness: {method: bfd, idle: {method: icmp}}",
            "2:11: a tunnel has one method of liveness",
        ),
        (
            "as: 65001",
            "as: 65001\nliveness: {method: icmp, echo: true}",
            "2:32: echo stands beside BFD\n    mend: leave it out",
        ),
        (
            "as: 65001",
            "as: 65001\ntunnels: {fiber: {over: fibre}}",
            '2:25: tunnel "fiber" goes over "fibre", which is no uplink of this branch\n    mend: write "fiber"',
        ),
        (
            "as: 65001",
            "as: 65001\ntunnels: {copper: {port: 52000}}",
            '2:11: tunnel "copper": there is no uplink "copper"',
        ),
        (
            "as: 65001",
            "as: 65001\ntunnels: {fiber: {to: telcom}}",
            '2:23: to: the hub has no uplink "telcom"\n    mend: write "telkom"',
        ),
        (
            "as: 65001",
            "as: 65001\ntunnels: {fiber: {link: 10.255.1.0/30}}",
            "2:25: link: link 10.255.1.0/30 is a /30\n    mend: write a /31",
        ),
        (
            "as: 65001",
            "as: 65001\ntunnels: {fiber: {link: 10.254.0.15/31}}",
            "10.254.0.15/31 has bits set behind its length\n    mend: write 10.254.0.14/31",
        ),
        (
            "as: 65001",
            "as: 65001\ntunnels: {fiber: {link: 10.254.0.15/32}}",
            "link 10.254.0.15/32 is a /32\n    mend: write a /31, for example 10.254.0.14/31",
        ),
        (
            "as: 65001",
            "as: 65001\ntunnels: {fiber: {link: 10.255.0.2/31}}",
            "of bandung/wireless is also that of bandung/fiber",
        ),
        (
            "as: 65001",
            "as: 65001\ntunnels: {fiber: {port: 51001}}",
            "of bandung/wireless is also that of bandung/fiber",
        ),
        ("as: 65001", "as: 65001\ntunnels: {fiber: {port: 52000}}", "2:25: warning: port 52000 counts, not 51000"),
        (
            "as: 65001",
            "as: 65001\ntunnels: {fiber: {link: 10.1.0.0/31}}",
            "2:25: link 10.1.0.0/31 lies inside 10.1.0.0/24 of bandung",
        ),
        ("  wireless: {isp: indosat, kind: lte, metered: true}\n", "", "3:1: warning: bandung has one tunnel"),
        (
            "isp: indosat",
            "isp: telkom",
            "5:3: warning: fiber and wireless are both with isp telkom: one outage takes both",
        ),
        (
            "isp: indosat",
            "isp: telcom",
            '5:19: warning: isp "telcom" is used only here\n    mend: write "telkom" if that is meant',
        ),
    ],
)
def test_a_mistake_in_a_branch_is_said_at_its_place(tmp_path: Path, before: str, after: str, expected: str) -> None:
    assert before in BANDUNG
    configuration = reading(tmp_path, {"branches/bandung.yaml": BANDUNG.replace(before, after, 1)})
    assert expected in said(configuration)
    assert (configuration.intent is None) == ("error" in {problem.severity.value for problem in configuration.problems})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("network: kencana\n", "", '1:1: "network" is missing\n    mend: add it, for example network: kencana'),
        ("  name: hq\n", "", '3:1: "name" of hub is missing'),
        ("  router-id: 10.0.0.1\n", "", '3:1: "router-id" of hub is missing'),
        ("as: 65000", "as: 65001", "as 65001 is also that of the hub"),
        ("198.51.100.2", "198.51.100.2:51820", "9:54: endpoint: endpoint"),
        ("203.0.113.2", "198.51.100.2", "warning: endpoint 198.51.100.2 is also that of telkom"),
        (
            "interface: eth0",
            "interface: a-very-long-interface",
            '9:38: interface: "a-very-long-interface" is no interface name',
        ),
        (
            "10.255.0.0/19",
            "10.1.0.0/19",
            "bandung.yaml:2:12: prefix 10.1.0.0/24 lies inside 10.1.0.0/19 of the links (network.yaml:11)",
        ),
        ("51000-54999", "54999-51000", "ports: ports 54999-51000: from a lower to a higher one"),
        ("51000-54999", "51000", "ports: the number 51000 where text is wanted"),
        (
            "    biznet: {isp: biznet, interface: eth1, endpoint: 203.0.113.2}\n",
            "",
            "8:3: warning: the hub has one uplink",
        ),
    ],
)
def test_a_mistake_in_network_yaml_is_said(tmp_path: Path, before: str, after: str, expected: str) -> None:
    assert before in NETWORK
    assert expected in said(reading(tmp_path, {"network.yaml": NETWORK.replace(before, after, 1)}))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "as: 65002",
            "as: 65001",
            "branches/bogor.yaml:1:5: as 65001 is also that of bandung (branches/bandung.yaml:1)",
        ),
        (
            "10.2.0.0/24",
            "10.1.0.128/25",
            "bogor.yaml:2:12: prefix 10.1.0.128/25 lies inside 10.1.0.0/24 of bandung (branches/bandung.yaml:2)",
        ),
        (
            "10.2.0.0/24",
            "10.1.0.0/24",
            "bogor.yaml:2:12: prefix 10.1.0.0/24 is also prefix of bandung (branches/bandung.yaml:2)",
        ),
        ("as: 65002", "as: 65002\nrouter-id: 10.1.0.1", "bogor.yaml:2:12: router id 10.1.0.1 is also that of bandung"),
    ],
)
def test_two_branches_that_collide_are_named_both(tmp_path: Path, before: str, after: str, expected: str) -> None:
    files = {"branches/bogor.yaml": BOGOR.replace(before, after), "allocations.yaml": ALLOCATIONS + MORE}
    assert expected in said(reading(tmp_path, files))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "bogor/fiber: {to: telkom, link: 10.255.0.2/31, port: 51002}",
            "link 10.255.0.2/31 of bogor/fiber is also that of bandung/wireless (allocations.yaml:2)",
        ),
        (
            "bogor/fiber: {to: telkom, link: 10.255.0.4/31, port: 51000}",
            "port 51000 of bogor/fiber is also that of bandung/fiber (allocations.yaml:1)",
        ),
        ("bogor: {port: 51002}", 'allocations.yaml:3:1: "bogor" is no tunnel'),
        ("bogor/fiber: {prt: 51002}", 'allocations.yaml:3:15: unknown key "prt"\n    mend: write "port"'),
        ("bogor/fiber: 5", "allocations.yaml:3:14: bogor/fiber: the number 5 where a map is wanted"),
    ],
)
def test_a_mistake_in_allocations_yaml_is_said(tmp_path: Path, line: str, expected: str) -> None:
    assert expected in said(reading(tmp_path, {"allocations.yaml": f"{ALLOCATIONS}{line}\n"}))


def test_a_list_with_one_wrong_thing_in_it_is_not_said_to_be_empty(tmp_path: Path) -> None:
    configuration = reading(tmp_path, {"branches/bandung.yaml": BANDUNG.replace("10.1.0.0/24", "10.1.0.5/24")})
    assert "10.1.0.5/24 has bits set behind its length" in said(configuration)
    assert "is empty" not in said(configuration)


def test_a_tunnel_without_allocation_is_told_to_run_allocate(tmp_path: Path) -> None:
    configuration = reading(tmp_path, {"branches/bogor.yaml": BOGOR})
    assert configuration.intent is None
    expected = "branches/bogor.yaml:3:1: no link or port is allocated to bogor/fiber and bogor/wireless"
    assert said(configuration) == f"{expected}\n    mend: run: pointsman allocate {tmp_path}"


def test_an_allocated_hub_uplink_that_is_gone_is_an_error(tmp_path: Path) -> None:
    configuration = reading(tmp_path, {"allocations.yaml": ALLOCATIONS.replace("biznet", "lintas")})
    assert 'bandung/wireless goes to "lintas", which is no uplink of the hub' in said(configuration)


def test_all_tunnels_over_one_hub_uplink_is_a_warning(tmp_path: Path) -> None:
    configuration = reading(tmp_path, {"allocations.yaml": ALLOCATIONS.replace("biznet", "telkom")})
    assert "warning: all tunnels of bandung go to hub uplink telkom" in said(configuration)
    assert configuration.intent is not None


def test_a_hub_may_announce_the_default_route_round_everything(tmp_path: Path) -> None:
    network = NETWORK.replace("[10.0.0.0/16]", "[0.0.0.0/0]")
    assert said(reading(tmp_path, {"network.yaml": network})) == ""


def test_all_mistakes_of_all_files_are_said_at_once(tmp_path: Path) -> None:
    files = {
        "network.yaml": NETWORK.replace("as: 65000", "as: x"),
        "branches/bandung.yaml": BANDUNG.replace("kind: lte", "kind: x").replace("as: 65001", "as: y"),
        "branches/bogor.yaml": "a: [\n",
        "policies/careful.yaml": "metered: never",
    }
    places = {(problem.file, problem.line) for problem in reading(tmp_path, files).problems}
    assert places == {
        ("network.yaml", 5),
        ("branches/bandung.yaml", 1),
        ("branches/bandung.yaml", 5),
        ("branches/bogor.yaml", 2),
        ("policies/careful.yaml", 1),
    }


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("branches/bogor.yaml", b"as: \xff\xfe", "branches/bogor.yaml:1:1: is not UTF-8 text"),
        ("branches/bogor.yaml", b"", "branches/bogor.yaml:1:1: the file is empty"),
        ("branches/bogor.yaml", b"- a\n- b\n", "branches/bogor.yaml:1:1: the file is not a map of keys and values"),
        ("branches/bogor.yaml", b"as: \x00", "branches/bogor.yaml:1:5: not YAML: it has a control character"),
        ("branches/Bogor City.yaml", b"as: 65002", 'branches/Bogor City.yaml: the file\'s name "Bogor City"'),
        ("branches/bogor.yml", b"as: 65002", "branches/bogor.yml: warning: is not read"),
        ("network.yaml", b"x" * (5 << 20), "network.yaml: is larger than 4 MB"),
        ("allocations.yaml", b"- a", "allocations.yaml:1:1: the file is not a map of tunnels"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_problem(tmp_path: Path, file: str, content: bytes, expected: str) -> None:
    assert expected in said(reading(tmp_path, {file: content}))


def test_a_directory_in_the_place_of_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "branches" / "bogor.yaml").mkdir(parents=True)
    assert "branches/bogor.yaml: is not a file" in said(reading(tmp_path, {}))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nothing", "there is no directory"),
        ("a\0b", "there is no directory"),
        ("file", "is a file: name its directory"),
        ("file/x", "cannot be used as a directory: Not a directory"),
        ("loop", "cannot be used as a directory: Too many levels of symbolic links"),
        ("a" * 5000, "cannot be used as a directory: File name too long"),
    ],
    ids=["nothing", "zero byte", "file", "below a file", "loop", "long"],
)
def test_a_directory_that_is_none_is_one_problem(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    configuration = read(tmp_path / name)
    assert configuration.intent is None
    assert len(configuration.problems) == 1
    assert expected in said(configuration)


def test_an_empty_directory_has_no_network_yaml(tmp_path: Path) -> None:
    assert f"network.yaml: there is no file {tmp_path}/network.yaml" in said(read(tmp_path))


def test_files_of_editors_are_not_read(tmp_path: Path) -> None:
    files = {"branches/.#bogor.yaml": "a", "branches/bogor.yaml~": "a", "branches/README": "a"}
    assert said(reading(tmp_path, files)) == ""


NOT_YET = [
    (
        "branches/bandung.yaml",
        BANDUNG + "router: {kind: frr, manage: push}",
        '6:29: manage: "push" is not supported yet\n    mend: write print, or remove it',
    ),
    ("branches/bandung.yaml", BANDUNG.replace("kind: lte", "budget: 20GB"), '"budget" is not supported yet'),
    ("branches/bandung.yaml", BANDUNG.replace("kind: lte", "contract: {}"), '"contract" is not supported yet'),
    ("branches/bandung.yaml", BANDUNG + "guards: {}", '6:1: "guards" is not supported yet: remove it'),
    ("policies/p.yaml", "guards: {}", 'policies/p.yaml:1:1: "guards" is not supported yet: remove it'),
    ("network.yaml", NETWORK.replace("198.51.100.2", '"2001:db8::2"'), "IPv6 is not supported yet"),
]


@pytest.mark.parametrize(("file", "content", "expected"), NOT_YET)
def test_a_key_of_later_work_is_refused_as_not_yet(tmp_path: Path, file: str, content: str, expected: str) -> None:
    configuration = reading(tmp_path, {file: content})
    assert expected in said(configuration)
    assert configuration.intent is None


def test_more_than_one_hub_is_not_yet(tmp_path: Path) -> None:
    hub = "{as: 65000, router-id: 10.0.0.1, prefixes: [10.0.0.0/16], uplinks: {telkom: {isp: telkom}}}"
    pools = "pools: {links: 10.255.0.0/19, ports: 51000-54999}"
    network = f"network: kencana\nhubs:\n  hq: {hub}\n  hq2: {hub}\n{pools}\n"
    assert "network.yaml:2:1: more than one hub is not supported yet" in said(
        reading(tmp_path, {"network.yaml": network})
    )
