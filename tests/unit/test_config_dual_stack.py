"""IPv6 beside IPv4, iBGP, sessions, aggregates between branches and routers: what is meant, and what is refused."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest
from config_directories import ALLOCATIONS, BANDUNG, EXAMPLE, NETWORK, reading, said, written
from hypothesis import given
from hypothesis import strategies as st

from hub.config import read
from hub.config.allocation import RefusedError, plan_allocations
from hub.config.scalars import UnreadableError, read_prefix, read_secret
from policies.model.intent import Intent, RouterKind, Session, SessionKind

DUAL_STACK = EXAMPLE.parent / "dual-stack"
NETWORK6 = NETWORK.replace("[10.0.0.0/16]", "[10.0.0.0/16, 2001:db8::/48]")
POOL6 = NETWORK6.replace("pools: {", 'pools: {links-ipv6: "fd00:255::/64", ')
BANDUNG6 = BANDUNG.replace("[10.1.0.0/24]", "[10.1.0.0/24, 2001:db8:1::/56]")
ALLOCATIONS6 = ALLOCATIONS.replace("0/31,", '0/31, link-ipv6: "fd00:255::2/127",').replace(
    "2/31,", '2/31, link-ipv6: "fd00:255::4/127",'
)
BOGOR = BANDUNG.replace("65001", "65002").replace("10.1.", "10.2.")
MORE = ALLOCATIONS.replace("bandung", "bogor").replace("0/31", "8/31").replace("2/31", "10/31").replace("5100", "5200")
RIGHT6 = {"network.yaml": POOL6, "branches/bandung.yaml": BANDUNG6, "allocations.yaml": ALLOCATIONS6}


def intent_of(directory: Path, files: dict[str, str]) -> Intent:
    configuration = reading(directory, files)
    assert configuration.intent is not None, said(configuration)
    assert said(configuration) == ""
    return configuration.intent


def with_hub(text: str, network: str = NETWORK) -> str:
    return network.replace("  uplinks:\n", f"  {text}\n  uplinks:\n", 1)


def test_the_example_has_every_kind_of_branch() -> None:
    configuration = read(DUAL_STACK)
    assert said(configuration) == ""
    assert configuration.intent is not None
    branches = configuration.intent.branches
    assert {name: branch.versions for name, branch in branches.items()} == {
        "bandung": (4, 6),
        "bogor": (6,),
        "cirebon": (4,),
    }
    assert branches["bandung"].session == Session(SessionKind.EBGP, "bandung.password", ttl_security=True)
    assert branches["cirebon"].session.kind is SessionKind.IBGP
    assert branches["cirebon"].asn == configuration.intent.hub.asn
    assert branches["bogor"].router is RouterKind.FRR
    assert configuration.intent.hub.between_branches == (IPv4Network("10.0.0.0/8"), IPv6Network("2001:db8::/32"))


def test_a_tunnel_has_an_ipv6_link_only_where_its_branch_has_ipv6() -> None:
    intent = read(DUAL_STACK).intent
    assert intent is not None
    fiber = intent.branches["bandung"].tunnels[0].link
    assert (fiber.hub6, fiber.branch6) == (IPv6Address("fd00:255::2"), IPv6Address("fd00:255::3"))
    assert all(tunnel.link.hub6 is None for tunnel in intent.branches["cirebon"].tunnels)


@pytest.mark.parametrize("prefix", ["2001:db8:1::/56", '"2001:db8:1::/56"', "2001:0DB8:1:0::/56"])
def test_an_ipv6_prefix_may_be_written_with_and_without_quotes(tmp_path: Path, prefix: str) -> None:
    files = RIGHT6 | {"branches/bandung.yaml": BANDUNG.replace("10.1.0.0/24", f"10.1.0.0/24, {prefix}")}
    assert intent_of(tmp_path, files).branches["bandung"].prefixes[1] == IPv6Network("2001:db8:1::/56")


def test_what_a_branch_had_of_ipv6_stays_allocated_and_is_not_used_without_ipv6(tmp_path: Path) -> None:
    intent = intent_of(tmp_path, RIGHT6 | {"branches/bandung.yaml": BANDUNG})
    assert {tunnel.link.hub6 for tunnel in intent.tunnels().values()} == {None}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"network.yaml": NETWORK6, "allocations.yaml": ALLOCATIONS},
            (
                "network.yaml:11:1: bandung/fiber carries IPv6 and has no IPv6 link, and there is no pool of them\n"
                '    mend: add one, for example links-ipv6: "fd00:255::/64"'
            ),
        ),
        (
            {"allocations.yaml": ALLOCATIONS},
            (
                "bandung.yaml:2:1: no IPv6 link is allocated to bandung/fiber and bandung/wireless\n"
                "    mend: run: pointsman allocate "
            ),
        ),
        (
            {"network.yaml": NETWORK},
            "bandung.yaml:2:25: prefix 2001:db8:1::/56 of bandung is IPv6, and the hub announces none of that",
        ),
        (
            {"branches/bandung.yaml": BANDUNG.replace("10.1.0.0/24", "2001:db8:1::/56")},
            'bandung.yaml:2:1: "router-id" is missing: there is no IPv4 prefix to take it from',
        ),
        (
            {"branches/bandung.yaml": BANDUNG6.replace("2001:db8:1:", "2001:db8:0:100:")},
            "bandung.yaml:2:25: prefix 2001:db8:0:100::/56 lies inside 2001:db8::/48 of the hub",
        ),
        (
            {"branches/bandung.yaml": BANDUNG6.replace("2001:db8:1::/56", "fd00:255::/64")},
            "pool fd00:255::/64 is also prefix of bandung (branches/bandung.yaml:2)",
        ),
        (
            {"allocations.yaml": ALLOCATIONS6.replace("::4/127", "::2/127")},
            "link fd00:255::2/127 of bandung/wireless is also that of bandung/fiber (allocations.yaml:1)",
        ),
        ({"network.yaml": POOL6.replace('"fd00:255::/64"', "10.9.0.0/16")}, "links-ipv6: 10.9.0.0/16 is IPv4"),
        (
            {"network.yaml": POOL6.replace("10.255.0.0/19", "fd00::/64")},
            "links: fd00::/64 is IPv6, and every tunnel has",
        ),
        ({"network.yaml": POOL6.replace("fd00:255::/64", "fd00:255::/127")}, "a prefix from /16 to /126"),
        (
            {"branches/bandung.yaml": BANDUNG6 + 'tunnels: {fiber: {link-ipv6: "fd00::/64"}}'},
            "link-ipv6: link fd00::/64 is a /64\n    mend: write a /127, for example fd00::/127",
        ),
        (
            {"branches/bandung.yaml": BANDUNG6 + 'tunnels: {fiber: {link: "fd00::/127"}}'},
            "link: link fd00::/127 is IPv6, which a tunnel has beside IPv4\n    mend: write it as link-ipv6",
        ),
        (
            {"branches/bandung.yaml": BANDUNG6 + 'tunnels: {fiber: {link-ipv6: "fd00:9::/127"}}'},
            "warning: link-ipv6 fd00:9::/127 counts, not fd00:255::2/127",
        ),
        ({"branches/bandung.yaml": BANDUNG6 + "router-id: fd00::1"}, "fd00::1 has colons"),
        ({"branches/bandung.yaml": BANDUNG6 + 'router-id: "fd00::1"'}, '"fd00::1" is an IPv6 address'),
    ],
)
def test_what_is_wrong_with_ipv6_is_said(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    assert expected in said(reading(tmp_path, RIGHT6 | files))


def test_a_line_gets_an_ipv6_link_and_nothing_else(tmp_path: Path) -> None:
    lines = (
        "bandung/fiber:   {port: 51000,  to: telkom, link: 10.255.0.0/31}   # leased\n"
        "bandung/wireless: { to: biznet, link: 10.255.0.2/31, port: 51001, process: 3 }\n"
    )
    plan = plan_allocations(written(tmp_path, RIGHT6 | {"allocations.yaml": lines}))
    assert plan.text == (
        'bandung/fiber:   {port: 51000,  to: telkom, link: 10.255.0.0/31, link-ipv6: "fd00:255::2/127"}   # leased\n'
        'bandung/wireless: { to: biznet, link: 10.255.0.2/31, port: 51001, process: 3, link-ipv6: "fd00:255::4/127" }\n'
    )


def test_allocate_says_that_two_lines_hold_the_same(tmp_path: Path) -> None:
    directory = written(tmp_path, {"allocations.yaml": ALLOCATIONS.replace("10.255.0.2", "10.255.0.0")})
    with pytest.raises(RefusedError) as refused:
        plan_allocations(directory)
    assert "link 10.255.0.0/31 of bandung/wireless is also that of bandung/fiber" in str(refused.value.problems[0])


@pytest.mark.parametrize("asn", ["", "as: 65000\n"])
def test_an_ibgp_branch_is_in_the_hubs_as(tmp_path: Path, asn: str) -> None:
    files = {
        "branches/bandung.yaml": BANDUNG.replace("as: 65001\n", f"{asn}bgp: ibgp\n"),
        "branches/bogor.yaml": BOGOR.replace("as: 65002\n", "bgp: ibgp\n"),
        "allocations.yaml": ALLOCATIONS + MORE,
    }
    branches = intent_of(tmp_path, files).branches.values()
    assert [branch.asn for branch in branches] == [65000, 65000]
    assert {branch.session.kind for branch in branches} == {SessionKind.IBGP}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "as: 65001",
            "as: 65001\nbgp: ibgp",
            (
                "1:5: as 65001 is not the hub's 65000 (network.yaml:5), and iBGP is within one AS\n"
                "    mend: write as: 65000, or remove bgp: ibgp"
            ),
        ),
        (
            "as: 65001",
            "as: 65000",
            "also that of the hub (network.yaml:5)\n    mend: give it its own, or write bgp: ibgp",
        ),
        ("as: 65001\n", "bgp: ebgp\n", '1:1: "as" is missing\n    mend: add it, for example as: 65001'),
        (
            "as: 65001",
            "as: 65001\nbgp: iBGP",
            '2:6: bgp: "iBGP" is not known: one of ebgp, ibgp\n    mend: write "ibgp"',
        ),
        ("as: 65001", "as: 65001\npassword: x", "2:1: a password is never written here"),
        (
            "as: 65001",
            "as: 65001\nsession: {password: x}",
            "mend: put it into a file in secrets/ of the state directory",
        ),
        ("as: 65001", "as: 65001\nsession: {passwordfile: x}", 'mend: write "password-file"'),
        (
            "as: 65001",
            "as: 65001\nsession: {password-file: ../x}",
            '"../x" is neither a file name nor an absolute path',
        ),
        ("as: 65001", "as: 65001\nsession: {password-file: /a/../x}", '"/a/../x" is neither a file name'),
        ("as: 65001", "as: 65001\nsession: {ttl-security: yes}", "mend: write true"),
        ("as: 65001", "as: 65001\nsession: {hold: 9s}", '"hold" is not supported yet'),
        ("as: 65001", "as: 65001\nrouter: {kind: mikrotik}", 'kind: "mikrotik" is not known: one of routeros, frr'),
        ("as: 65001", "as: 65001\nrouter: {version: 7.18}", '"kind" of router is missing'),
        ("as: 65001", "as: 65001\nrouter: {kind: frr, version: 8.4}", 'mend: quote it: "8.4"'),
        ("as: 65001", "as: 65001\nrouter: frr", 'router: "frr" where a map is wanted'),
    ],
)
def test_a_mistake_of_bgp_is_said_at_its_place(tmp_path: Path, before: str, after: str, expected: str) -> None:
    configuration = reading(tmp_path, {"branches/bandung.yaml": BANDUNG.replace(before, after, 1)})
    assert expected in said(configuration)
    assert configuration.intent is None


@pytest.mark.parametrize(
    ("hub", "branch", "expected"),
    [
        ("", "", Session()),
        ("{ttl-security: true}", "", Session(ttl_security=True)),
        ("{ttl-security: true}", "{ttl-security: false}", Session()),
        ("{password-file: all}", "{ttl-security: true}", Session(SessionKind.EBGP, "all", ttl_security=True)),
        ("{password-file: all}", "{password-file: mine}", Session(SessionKind.EBGP, "mine")),
        ("{password-file: all}", "{password-file: false}", Session()),
        ("{password-file: /etc/keys/all}", "", Session(SessionKind.EBGP, "/etc/keys/all")),
    ],
)
def test_a_session_is_as_the_branch_says_else_as_the_hub_says(
    tmp_path: Path, hub: str, branch: str, expected: Session
) -> None:
    network = with_hub(f"session: {hub}") if hub else NETWORK
    text = f"{BANDUNG}session: {branch}\n" if branch else BANDUNG
    intent = intent_of(tmp_path, {"network.yaml": network, "branches/bandung.yaml": text})
    assert intent.branches["bandung"].session == expected


@pytest.mark.parametrize("file", ["secrets/bandung", "bandung"])
def test_a_password_file_inside_the_configuration_is_refused(tmp_path: Path, file: str) -> None:
    files = {file: "x", "branches/bandung.yaml": BANDUNG + "session: {password-file: bandung}\n"}
    configuration = reading(tmp_path, files)
    assert configuration.intent is None
    assert f"6:26: password-file: {tmp_path / file} is in the configuration directory" in said(configuration)


def test_an_absolute_path_into_the_configuration_is_refused_even_by_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "hub", target_is_directory=True)
    files = {"key": "x", "branches/bandung.yaml": f"{BANDUNG}session: {{password-file: {link}/key}}\n"}
    assert "is in the configuration directory" in said(reading(tmp_path / "hub", files))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(0o600, ""), (0o400, ""), (0o640, "can be read by others (mode 0640)"), (None, "there is no file")],
)
def test_a_password_file_that_can_be_seen_is_looked_at(tmp_path: Path, mode: int | None, expected: str) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    if mode is not None:
        (secrets / "bandung").write_text("x")
        (secrets / "bandung").chmod(mode)
    branch = BANDUNG + "session: {password-file: bandung}\n"
    configuration = read(written(tmp_path / "hub", {"branches/bandung.yaml": branch}), secrets=secrets)
    assert configuration.intent is not None
    assert bool(said(configuration)) == bool(expected)
    assert expected in said(configuration)


def test_nothing_is_said_of_passwords_where_the_state_directory_is_not(tmp_path: Path) -> None:
    branch = BANDUNG + "session: {password-file: bandung}\n"
    directory = written(tmp_path, {"branches/bandung.yaml": branch})
    assert said(read(directory, secrets=tmp_path / "nowhere" / "secrets")) == ""


@pytest.mark.parametrize(
    ("aggregates", "expected"),
    [
        ("[10.0.0.0/8]", ""),
        ("[10.1.0.0/16, 10.0.0.0/8]", ""),
        ("[0.0.0.0/0]", "7:22: between-branches: 0.0.0.0/0 is the default route"),
        ("[2001:db8::/32]", "7:22: between-branches: 2001:db8::/32 is IPv6, and the hub announces none of that"),
        ("[10.1.0.0/24]", "7:22: between-branches: 10.1.0.0/24 lies inside 10.1.0.0/24 of bandung"),
        ("[10.1.0.128/25]", "7:22: between-branches: 10.1.0.128/25 lies inside 10.1.0.0/24 of bandung"),
        ("[10.0.0.0/8, 10.0.0.0/8]", "7:34: between-branches: 10.0.0.0/8 is here twice"),
        ("[172.16.0.0/12]", "7:22: warning: between-branches: no branch has a prefix inside 172.16.0.0/12"),
    ],
)
def test_aggregates_between_branches_hold_their_prefixes(tmp_path: Path, aggregates: str, expected: str) -> None:
    network = NETWORK.replace("  prefixes:", f"  between-branches: {aggregates}\n  prefixes:")
    configuration = reading(tmp_path, {"network.yaml": network})
    assert expected in said(configuration)
    assert bool(said(configuration)) == bool(expected)
    assert (configuration.intent is None) == (bool(expected) and "warning" not in expected)


@pytest.mark.parametrize(
    ("announce", "possible"),
    [
        ("first: 991900", True),
        ("first: 991901", False),
        ("step: 400000, add-degraded: 400000, add-drained: 599000", True),
        ("step: 400000, add-degraded: 400000, add-drained: 599001", False),
    ],
)
def test_no_value_beyond_the_highest_is_ever_announced(tmp_path: Path, announce: str, possible: bool) -> None:
    files = {"policies/p.yaml": f"announce: {{{announce}}}\n", "branches/bandung.yaml": BANDUNG + "policy: p\n"}
    configuration = reading(tmp_path, files)
    assert (configuration.intent is not None) == possible
    expected = "policies/p.yaml:1:11: announce: a branch with 2 tunnels would be told up to 1000001: at most 1000000"
    assert (expected in said(configuration)) != possible


def test_a_directory_without_branches_is_usable_and_says_so(tmp_path: Path) -> None:
    directory = written(tmp_path, {})
    (directory / "branches" / "bandung.yaml").unlink()
    configuration = read(directory)
    assert "branches: warning: there are no branches" in said(configuration)
    assert configuration.intent is not None
    assert configuration.intent.branches == {}


def test_the_process_of_a_tunnel_is_the_first_unless_its_line_says_another(tmp_path: Path) -> None:
    lines = ALLOCATIONS.replace("port: 51001", "port: 51001, process: 2")
    intent = intent_of(tmp_path, {"allocations.yaml": lines})
    assert [tunnel.process for tunnel in intent.tunnels().values()] == [1, 2]
    assert intent.processes() == (1, 2)


def test_a_crowded_process_is_said(tmp_path: Path) -> None:
    files = {}
    for number in range(101):
        branch = BANDUNG.replace("65001", str(4200000001 + number)).replace("10.1.0.0/24", f"10.{number + 1}.0.0/24")
        tunnels = "tunnels:\n"
        for n, name in enumerate(("fiber", "wireless")):
            link, port = f"10.254.{number}.{2 * n}/31", 51000 + 2 * number + n
            tunnels += f"  {name}: {{link: {link}, port: {port}, to: {('telkom', 'biznet')[n]}}}\n"
        files[f"branches/b{number}.yaml"] = branch + tunnels
    network = NETWORK.replace("10.255.0.0/19", "172.16.0.0/16")
    directory = written(tmp_path, files | {"network.yaml": network, "allocations.yaml": ""})
    (directory / "branches" / "bandung.yaml").unlink()
    assert "allocations.yaml: warning: ExaBGP process 1 holds 202 sessions" in said(read(directory))


@given(st.ip_addresses(v=6), st.integers(0, 128))
def test_an_ipv6_prefix_is_read_as_it_is_or_refused(address: IPv6Address, length: int) -> None:
    network = IPv6Network((address, length), strict=False)
    for text in (str(network), network.exploded, str(network).upper()):
        try:
            assert read_prefix(text) == network
        except UnreadableError as refused:
            assert "never routed" in str(refused)


@given(st.ip_addresses(), st.integers(0, 128), st.text(max_size=4))
def test_what_is_no_prefix_is_refused_and_nothing_else_happens(
    address: IPv4Address | IPv6Address, length: int, more: str
) -> None:
    for text in (f"{address}/{length}", f"{address}/{length}{more}", f"{more}{address}", f"{address}%{more}/{length}"):
        try:
            assert str(read_prefix(text).network_address) in (str(address), text.partition("/")[0])
        except UnreadableError as refused:
            assert str(refused)


@given(st.text() | st.sampled_from(["/", "//", "/a//b", "a/b", "..", ".", "/..", ".x", "a" * 300]))
def test_a_password_file_is_a_plain_name_or_an_absolute_path(text: str) -> None:
    try:
        path = read_secret(text)
    except UnreadableError:
        return
    assert path.startswith("/") or "/" not in path
    assert ".." not in path.split("/")
    assert path.isprintable()
