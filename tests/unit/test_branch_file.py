"""A new branch's file: what it says, what is proposed for what was not said, and what an uplink may be written like."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.config.document import parse
from hub.config.new_branch import NewBranch, NewUplink, read_uplink, text_of, usual_uplinks
from hub.config.proposed import next_as, next_prefix
from hub.config.scalars import UnreadableError
from policies.model.ids import Prefix

GOLDEN = Path(__file__).parents[1] / "golden" / "branch"
OFFICE = (IPv4Network("10.9.0.0/24"),)
TWO = (NewUplink("fiber", "telkom"), NewUplink("wireless", "indosat", metered=True))
BRANCHES = {
    "two-uplinks": NewBranch("malang", 65009, OFFICE, TWO),
    "to-be-written": NewBranch("malang", 65009, OFFICE, usual_uplinks()),
    "everything": NewBranch(
        name="malang",
        asn=None,
        prefixes=(*OFFICE, IPv4Network("10.9.8.0/22"), IPv6Network("2001:db8:9::/56")),
        uplinks=(
            NewUplink("fiber", "telkom", transport="ipsec"),
            NewUplink("office-lte", "indosat", kind="lte", metered=True, behind_nat=True),
            NewUplink("third", "biznet"),
        ),
        router="routeros",
        router_id="10.255.255.9",
        schema="# yaml-language-server: $schema=../../schema/branch.json",
    ),
    "ipsec": NewBranch("malang", 65009, OFFICE, TWO, router="frr", transport="ipsec"),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_the_file_of_a_branch_is_the_golden_one(name: str) -> None:
    assert text_of(BRANCHES[name]) == (GOLDEN / f"{name}.yaml").read_text()


def test_every_golden_file_is_of_a_branch() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == BRANCHES.keys()


@pytest.mark.parametrize("name", BRANCHES)
def test_what_waits_is_marked_and_the_rest_can_be_judged_without_it(name: str) -> None:
    branch = BRANCHES[name]
    assert ("isp: TODO" in text_of(branch)) is branch.waits
    assert "isp: TODO" not in text_of(branch, judged=True)
    document, problems = parse("x.yaml", text_of(branch, judged=True))
    assert document is not None
    assert problems == []


@pytest.mark.parametrize(
    ("text", "uplink"),
    [
        ("fiber:telkom", NewUplink("fiber", "telkom")),
        ("wireless:indosat,metered", NewUplink("wireless", "indosat", metered=True)),
        ("fiber:telkom,fiber", NewUplink("fiber", "telkom")),
        (
            "spare:indosat,lte,behind-nat,ipsec",
            NewUplink("spare", "indosat", "lte", behind_nat=True, transport="ipsec"),
        ),
    ],
)
def test_an_uplink_is_its_name_its_isp_and_words(text: str, uplink: NewUplink) -> None:
    assert read_uplink(text) == uplink


@pytest.mark.parametrize(
    ("text", "what", "mend"),
    [
        ("fiber", "no NAME:ISP", "write it like fiber:telkom"),
        ("fiber:", "no NAME:ISP", "write it like"),
        ("fiber:telkom,meterd", '"meterd" is none of metered', 'write "metered"'),
        ("Fiber:telkom", 'name "Fiber"', 'write "fiber"'),
        ("x:telkom,lte,5g", "lte and 5g at once", "leave one"),
        ("x:telkom,ipsec,wireguard", "ipsec and wireguard at once", "leave one"),
    ],
)
def test_what_is_no_uplink_is_said_with_its_mend(text: str, what: str, mend: str) -> None:
    with pytest.raises(UnreadableError) as refused:
        read_uplink(text)
    assert what in str(refused.value)
    assert mend in (refused.value.mend or "")


@pytest.mark.parametrize(
    ("hub", "branches", "expected"),
    [
        (65000, [65001, 65002, 65008], 65009),
        (65000, [], 65001),
        (65010, [65008, 65009], 65011),
        (65000, [65534], 64512),
        (64512, [65534, 64513], 64514),
        (65000, [4200000000, 65001], 4200000001),
        (3333, [3334], 65001),
        (65000, range(64512, 65535), None),
    ],
)
def test_the_next_as_is_the_private_one_after_the_branches(hub: int, branches: list[int], expected: int | None) -> None:
    assert next_as(hub, branches) == expected


def networks(*texts: str) -> list[Prefix]:
    return [ip_network(text) for text in texts]


@pytest.mark.parametrize(
    ("row", "taken", "expected"),
    [
        (["10.1.0.0/24", "10.2.0.0/24", "10.3.0.0/24"], [], "10.4.0.0/24"),
        (["10.1.0.0/24", "10.3.0.0/24", "10.2.0.0/24"], ["10.4.0.0/16"], "10.5.0.0/24"),
        (["10.1.0.0/24", "10.2.0.0/24", "10.5.0.0/24", "10.6.0.0/24"], [], "10.7.0.0/24"),
        (["192.168.254.0/24", "192.168.253.0/24"], [], "192.168.255.0/24"),
        (["192.168.254.0/24", "192.168.255.0/24"], [], None),
        (["10.1.0.0/24"], [], None),
        (["10.1.0.0/24", "10.2.0.0/23"], [], None),
        (["10.1.0.0/24", "10.2.0.0/24", "172.16.3.0/24", "192.168.9.0/24"], [], None),
        (["10.1.0.0/24", "10.2.0.0/24"], ["0.0.0.0/0"], "10.3.0.0/24"),
        (["2001:db8:1::/56", "2001:db8:2::/56"], ["2001:db8:3::/48"], "2001:db8:4::/56"),
    ],
)
def test_the_next_prefix_goes_on_with_the_row(row: list[str], taken: list[str], expected: str | None) -> None:
    found = next_prefix(networks(*row), networks(*taken))
    assert (str(found) if found else None) == expected


@given(
    st.integers(0, 200),
    st.integers(1, 12),
    st.integers(2, 12),
    st.lists(st.integers(0, 255).map(lambda n: IPv4Network((n << 16 | 10 << 24, 16))), max_size=20),
)
def test_what_is_proposed_collides_with_nothing_and_keeps_the_step(
    first: int, step: int, count: int, taken: list[Prefix]
) -> None:
    row: list[Prefix] = [IPv4Network(((10 << 24) + (first + n * step) * 256, 24)) for n in range(count)]
    found = next_prefix(row, [*row, *taken])
    if found is not None:
        assert not any(found.overlaps(other) for other in (*row, *taken))
        steps = {int(b.network_address) - int(a.network_address) for a, b in pairwise([*row, found])}
        assert min(steps) == step * 256
        assert all(each % (step * 256) == 0 for each in steps)
