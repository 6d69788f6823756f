"""AS numbers: the operator's table, whose longest prefix counts; and tunnels of a branch that come from one AS.

bandung: fiber (isp-fiber, to telkom), wireless (isp-wireless, to biznet).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from config_directories import NETWORK, reading, said, written
from hypothesis import given
from hypothesis import strategies as st
from small_network import a_branch, a_network, moment

from hub.config import read
from hub.config.applied import put_in_force, stage
from hub.config.file_changes import file_changes
from policies.arrivals import ARRIVING_FOR, ONE_WAY_FOR, Ways
from policies.model.as_numbers import AsNumbers, SharedFateSigns
from policies.model.clock import Instant
from policies.model.ids import Prefix
from policies.model.intent import Branch, HubUplink
from policies.model.outer_path import OuterPath, Trace
from policies.model.view import LivenessState, LivenessView, View
from policies.plan import plan
from policies.shared_fate import Fates, look, shared_fates

BANDUNG = a_branch()
FIBER, WIRELESS = (tunnel.id for tunnel in BANDUNG.tunnels)
TELKOM, BIZNET = "203.0.113.7", "198.51.100.7"
BOTH_OF_7713 = {"203.0.113.0/24": 7713, "198.51.100.0/24": 7713}
APART = {"203.0.113.0/24": 7713, "198.51.100.0/24": 17451, "192.0.2.0/24": 7713}


def table(lines: Mapping[str, int], names: Mapping[int, str] | None = None) -> AsNumbers:
    prefixes = [(ip_network(prefix), number) for prefix, number in lines.items()]
    return AsNumbers.of(prefixes, names or {}, str(hash(tuple(sorted(lines.items())))))


def told(
    numbers: AsNumbers,
    branch: Branch = BANDUNG,
    endpoints: tuple[str, str] = (TELKOM, BIZNET),
    paths: tuple[str, str] | None = None,
    after: timedelta = ONE_WAY_FOR,
) -> list[str]:
    """What is told when this has been so for that long; of a path the last hop is given, `!` behind it: it answered."""
    intent = replace(a_network(branch), shared_fate=SharedFateSigns(as_numbers=numbers))
    view = View(
        liveness={each.id: LivenessView(LivenessState.UP, Instant(1.0)) for each in branch.tunnels}, forwarder=True
    )
    found = {
        tunnel.id: OuterPath(
            Trace(to, (None, hop.removesuffix("!")), hop.endswith("!")), tunnel.hub_uplink.name, Instant(0)
        )
        for tunnel, to, hop in zip(branch.tunnels, endpoints, paths or (), strict=False)
    }
    ways = Ways({FIBER: f"{endpoints[0]}:1", WIRELESS: f"{endpoints[1]}:2"}, found)
    later = moment(after.total_seconds(), moment(0).wall + after)
    fates = look(Fates(), intent, view, ways, moment(0))
    return [each.text for each in shared_fates(look(fates, intent, view, ways, later), intent, later)]


def test_two_tunnels_from_one_as_are_told_with_its_name() -> None:
    (text,) = told(table(BOTH_OF_7713, {7713: "Telkom Indonesia"}), after=ARRIVING_FOR)
    assert text == (
        "fiber and wireless of bandung both arrive from AS7713 (Telkom Indonesia), though their ISPs are isp-fiber and "
        "isp-wireless, since 12:00: one outage takes both"
    )


def of_one_isp(branch: Branch) -> Branch:
    tunnels = tuple(replace(tunnel, uplink=replace(tunnel.uplink, isp="telkom")) for tunnel in branch.tunnels)
    return replace(branch, tunnels=tunnels)


@pytest.mark.parametrize(
    ("numbers", "branch", "endpoints"),
    [
        (AsNumbers(), BANDUNG, (TELKOM, BIZNET)),
        (table(APART), BANDUNG, (TELKOM, BIZNET)),
        (table({"203.0.113.0/24": 7713}), BANDUNG, (TELKOM, BIZNET)),
        (table({**BOTH_OF_7713, "198.51.100.0/28": 17451}), BANDUNG, (TELKOM, BIZNET)),
        (table(BOTH_OF_7713), of_one_isp(BANDUNG), (TELKOM, BIZNET)),
        (table(BOTH_OF_7713), BANDUNG, ("10.0.0.1", "10.9.0.1")),
    ],
    ids=["no table", "two AS", "one that the table has not", "the longest prefix says otherwise",
         "meant: one ISP, as written", "addresses that are nobody's"],
)  # fmt: skip
def test_what_the_table_does_not_say_is_not_told(
    numbers: AsNumbers, branch: Branch, endpoints: tuple[str, str]
) -> None:
    assert told(numbers, branch, endpoints) == []


def test_tunnels_from_one_address_are_not_told_of_its_as_too() -> None:
    (text,) = told(table(BOTH_OF_7713), endpoints=(TELKOM, TELKOM))
    assert "both arrive from 203.0.113.7" in text


def by_one_uplink(branch: Branch) -> Branch:
    uplink: HubUplink = branch.tunnels[0].hub_uplink
    return replace(branch, tunnels=tuple(replace(tunnel, hub_uplink=uplink) for tunnel in branch.tunnels))


def test_the_last_router_says_the_as_too() -> None:
    (text,) = told(table(APART), paths=("198.18.0.1", "192.0.2.9!"))
    assert "both arrive from AS7713 (by 192.0.2.9, the last router before wireless), though" in text


@pytest.mark.parametrize(("hop", "number"), [("192.0.2.9!", 1), ("192.0.2.9", 0)])
def test_by_one_uplink_of_the_hub_only_if_it_is_seen_to_be_the_last(hop: str, number: int) -> None:
    """Else it may be the hub's own provider, behind which the branch's is silent."""
    assert len(told(table(APART), by_one_uplink(BANDUNG), paths=("198.18.0.1", hop))) == number


def test_a_router_must_be_seen_for_longer_than_an_address() -> None:
    assert told(table(APART), paths=("198.18.0.1", "192.0.2.9!"), after=ARRIVING_FOR) == []


PREFIXES = st.one_of(
    st.builds(lambda a, n: ip_network((a << 24, n), strict=False), st.integers(0, 3), st.integers(6, 32)),
    st.builds(lambda a, n: ip_network((a << 120, n), strict=False), st.integers(0, 3), st.integers(6, 128)),
)


@given(st.dictionaries(PREFIXES, st.integers(1, 5)), st.integers(0, 3), st.sampled_from([24, 120]))
def test_the_longest_prefix_counts(lines: dict[Prefix, int], front: int, shift: int) -> None:
    address = ip_address((front << shift).to_bytes(4 if shift == 24 else 16, "big"))
    holding = [prefix for prefix in lines if address.version == prefix.version and address in prefix]
    longest = max(holding, key=lambda prefix: prefix.prefixlen, default=None)
    expected = None if longest is None else lines[longest]
    assert AsNumbers.of(lines.items(), {}, "x").of_address(str(address)) == expected


# The file

WITH = NETWORK + "shared-fate: {as-numbers: indonesia.asn}\n"
RIGHT = """\
; IP-ASN32-DAT file
# made by hand

203.0.113.0/24\t7713\tTelkom Indonesia
203.0.113.0/25 7713
2001:db8::/32  as4787  PT Example
"""


def test_a_table_is_read(tmp_path: Path) -> None:
    configuration = reading(tmp_path, {"network.yaml": WITH, "indonesia.asn": RIGHT})
    assert said(configuration) == ""
    assert configuration.intent is not None
    numbers = configuration.intent.shared_fate.as_numbers
    assert [numbers.of_address(each) for each in ("203.0.113.200", "2001:db8::1", "192.0.2.1")] == [7713, 4787, None]
    assert [numbers.words(each) for each in (7713, 4787, 1)] == [
        "AS7713 (Telkom Indonesia)",
        "AS4787 (PT Example)",
        "AS1",
    ]


def test_of_a_file_that_is_no_table_nothing_is_repeated(tmp_path: Path) -> None:
    text = "correct-horse-battery\npassword: staple/24\n"
    shown = said(reading(tmp_path, {"network.yaml": WITH, "indonesia.asn": text}))
    assert "indonesia.asn:1:1: does not begin with a prefix" in shown
    assert not any(word in shown for word in ("correct", "password", "staple"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("203.0.113.0 24 7713", "indonesia.asn:2:1: 203.0.113.0 has no prefix length"),
        ("203.0.113.7/24 7713", "indonesia.asn:2:1: 203.0.113.0/24 is meant, and 203.0.113.7/24 has host bits set"),
        ("telkom/24 7713", "indonesia.asn:2:1: does not begin with a prefix"),
        ("203.0.113.0/24", "indonesia.asn:2:1: 203.0.113.0/24 has no AS number"),
        ("203.0.113.0/24 Telkom", 'indonesia.asn:2:1: "Telkom" is no AS number'),
        ("203.0.113.0/24 0", 'indonesia.asn:2:1: "0" is no AS number'),
        ("203.0.113.0/24 4294967295", 'indonesia.asn:2:1: "4294967295" is no AS number'),
        ("203.0.113.0/24 {7713,4787}", 'indonesia.asn:2:1: "{7713,4787}" is no AS number'),
        ("0.0.0.0/0 7713", "indonesia.asn:2:1: 0.0.0.0/0 is the whole internet"),
        ("198.51.100.0/24 4787", "indonesia.asn:2:1: 198.51.100.0/24 is also of AS17451 in this file"),
    ],
)
def test_a_line_that_is_wrong_is_named_and_nothing_is_used(tmp_path: Path, line: str, problem: str) -> None:
    configuration = reading(tmp_path, {"network.yaml": WITH, "indonesia.asn": f"198.51.100.0/24 17451\n{line}\n"})
    assert said(configuration).startswith(problem)
    assert "mend: " in said(configuration)
    assert configuration.intent is None


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "indonesia.asn: is not a file\n    mend: network.yaml names it (shared-fate: as-numbers)"),
        ({"indonesia.asn": "# nothing\n"}, "indonesia.asn: has no prefix"),
        ({"indonesia.asn": b"\xff"}, "indonesia.asn:1:1: is not UTF-8 text"),
        ({"indonesia.asn": "x\n" * 40}, "indonesia.asn: 30 more lines are wrong"),
        ({"indonesia.asn": "#" * (4 << 20) + "\n"}, "indonesia.asn: is larger than 4 MB"),
    ],
    ids=["missing", "empty", "no text", "another kind of file", "too large"],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, files: dict[str, str | bytes], problem: str) -> None:
    configuration = reading(tmp_path, {"network.yaml": WITH, **files})
    assert problem in said(configuration)
    assert configuration.intent is None


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.asn", "indonesia.txt", ".asn"])
def test_only_a_file_beside_network_yaml_can_be_named(tmp_path: Path, name: str) -> None:
    text = NETWORK + f"shared-fate: {{as-numbers: {name}}}\n"
    assert "is no name of a table of AS numbers" in said(reading(tmp_path, {"network.yaml": text}))


def test_paths_are_traced_unless_that_is_switched_off(tmp_path: Path) -> None:
    usual, off = reading(tmp_path / "usual", {}), NETWORK + "shared-fate: {paths: off}\n"
    assert usual.intent is not None
    assert usual.intent.shared_fate.paths
    without = reading(tmp_path / "off", {"network.yaml": off})
    assert without.intent is not None
    assert not without.intent.shared_fate.paths
    (change,) = plan(usual.intent, without.intent, View(), moment(0)).hub
    assert (change.what, change.was, change.now) == ("paths of shared-fate", "on", "off")


def test_another_table_is_a_change_and_is_kept_with_what_is_in_force(tmp_path: Path) -> None:
    directory = written(tmp_path / "config", {"network.yaml": WITH, "indonesia.asn": RIGHT})
    before = read(directory)
    kept = put_in_force(stage(directory, tmp_path / "state"))
    (directory / "indonesia.asn").write_text(RIGHT + "192.0.2.0/24 7713\n")
    after, still = read(directory), read(kept, origin=directory)
    assert before.intent is not None
    assert after.intent is not None
    assert [change.file for change in file_changes(kept, directory)] == ["indonesia.asn"]
    (change,) = plan(before.intent, after.intent, View(), moment(0)).hub
    assert change.what == "AS numbers"
    assert (change.was or "").startswith("3 prefixes (")
    assert (change.now or "").startswith("4 prefixes (")
    assert still.intent == before.intent


def test_a_large_table_is_not_written_out_where_a_configuration_is() -> None:
    lines = {f"10.{n // 256}.{n % 256}.0/24": n + 1 for n in range(2000)}
    assert len(repr(table(lines, {1: "x" * 1000}))) < 100
