"""What is allocated stays: whatever is added, removed or turned round, no existing line changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest
from config_directories import ALLOCATIONS, BANDUNG, NETWORK, written
from hypothesis import given
from hypothesis import strategies as st

from hub.config import read
from hub.config.allocate import (
    MOST_NEIGHBORS,
    Allocation,
    Allocations,
    ExhaustedError,
    Pools,
    allocate,
    processes,
    settled,
)
from hub.config.allocation import RefusedError, plan_allocations
from hub.config.allocations_file import HEADER, with_lines, write
from hub.config.drafts import TunnelDraft
from hub.config.problems import Place
from hub.config.raw import RawTunnel
from hub.config.scalars import PortRange
from policies.model.ids import TunnelId
from policies.model.intent import Liveness, LivenessMethod, LivenessTimers, Uplink

TIMERS = LivenessTimers(LivenessMethod.BFD, timedelta(milliseconds=100), 3)
PLACE = Place("branches/x.yaml", 1, 1)
HUB_ISPS = {"telkom": "telkom", "biznet": "biznet"}
POOLS = Pools(IPv4Network("10.255.0.0/24"), PortRange(51000, 51127), IPv6Network("fd00:255::/120"))


def tunnel(
    branch: str,
    name: str,
    isp: str,
    to: str | None = None,
    link: IPv4Network | None = None,
    port: int | None = None,
    *,
    ipv6: bool = False,
) -> TunnelDraft:
    uplink = Uplink(name=name, isp=isp, kind="other", metered=False)
    identity, liveness = TunnelId(branch, name), Liveness(TIMERS, TIMERS)
    return TunnelDraft(identity, PLACE, uplink, liveness, ipv6, to, link, None, port, {}, RawTunnel())


tunnels = st.dictionaries(
    st.tuples(st.sampled_from(["bandung", "bogor", "solo", "tegal"]), st.sampled_from(["fiber", "lte", "dsl"])),
    st.tuples(
        st.sampled_from(["telkom", "indosat", "biznet"]),
        st.none() | st.sampled_from(["telkom", "biznet"]),
        st.none() | st.integers(0, 5).map(lambda n: IPv4Network((0x0AFF0000 + 2 * n, 31))),
        st.none() | st.integers(51000, 51005),
        st.booleans(),
    ),
).map(lambda made: [tunnel(branch, name, *rest, ipv6=ipv6) for (branch, name), (*rest, ipv6) in made.items()])


def allocated(drafts: list[TunnelDraft], existing: dict[TunnelId, Allocation]) -> dict[TunnelId, Allocation]:
    return {**existing, **allocate(drafts, existing, HUB_ISPS, POOLS)}


@given(tunnels)
def test_allocating_twice_is_allocating_once(drafts: list[TunnelDraft]) -> None:
    once = allocated(drafts, {})
    assert allocate(drafts, once, HUB_ISPS, POOLS) == {}


@given(tunnels, tunnels, st.randoms())
def test_adding_removing_and_turning_round_changes_no_line(
    before: list[TunnelDraft], after: list[TunnelDraft], random: object
) -> None:
    lines = allocated(before, {})
    random.shuffle(after)  # type: ignore[attr-defined]
    now = allocated(after, lines)
    for identity, line in lines.items():
        for mine, later in (
            (line.to, now[identity].to),
            (line.link, now[identity].link),
            (line.port, now[identity].port),
            (line.link_ipv6, now[identity].link_ipv6),
        ):
            assert mine is None or mine == later


@given(tunnels, tunnels)
def test_every_tunnel_has_all_it_needs_and_nothing_is_given_twice(
    before: list[TunnelDraft], after: list[TunnelDraft]
) -> None:
    lines = allocated(after, allocated(before, {}))
    assert not any(settled(draft, lines).lacks(ipv6=draft.ipv6, loopbacks=draft.loopbacks) for draft in after)
    links = [line.link for line in lines.values() if line.link]
    assert len(set(links)) == len(links)
    ipv6 = [line.link_ipv6 for line in lines.values() if line.link_ipv6]
    assert len(set(ipv6)) == len(ipv6)
    ports = [line.port for line in lines.values() if line.port]
    assert len(set(ports)) == len(ports)


@given(tunnels)
def test_what_is_written_for_one_tunnel_is_not_given_to_another(drafts: list[TunnelDraft]) -> None:
    made = allocated(drafts, {}).values()
    assert not {draft.link for draft in drafts if draft.link} & {line.link for line in made}
    assert not {draft.port for draft in drafts if draft.port} & {line.port for line in made}


@given(tunnels, st.randoms())
def test_the_order_of_branches_means_nothing(drafts: list[TunnelDraft], random: object) -> None:
    turned = list(drafts)
    random.shuffle(turned)  # type: ignore[attr-defined]
    assert allocated(drafts, {}) == allocated(turned, {})


def test_a_tunnel_goes_to_the_hub_uplink_of_its_isp_else_to_the_one_its_branch_uses_least() -> None:
    made = allocate([tunnel("solo", "a", "indosat"), tunnel("solo", "b", "biznet")], {}, HUB_ISPS, POOLS)
    assert {identity.name: line.to for identity, line in made.items()} == {"a": "telkom", "b": "biznet"}


def test_what_a_removed_branch_had_is_not_given_away() -> None:
    gone = {TunnelId("old", "fiber"): Allocation("telkom", IPv4Network("10.255.0.0/31"), port=51000)}
    made = allocate([tunnel("solo", "fiber", "telkom")], gone, HUB_ISPS, POOLS)
    assert made == {TunnelId("solo", "fiber"): Allocation("telkom", IPv4Network("10.255.0.2/31"), port=51001)}


@pytest.mark.parametrize(
    ("links", "ports", "pool"), [("10.255.0.0/31", "1-9", "links"), ("10.255.0.0/24", "1-1", "ports")]
)
def test_a_pool_that_is_used_up_is_said(links: str, ports: str, pool: str) -> None:
    first, last = map(int, ports.split("-"))
    drafts = [tunnel("solo", "a", "telkom"), tunnel("solo", "b", "telkom")]
    with pytest.raises(ExhaustedError, match=pool):
        allocate(drafts, {}, HUB_ISPS, Pools(IPv4Network(links), PortRange(first, last)))


def test_new_lines_go_to_their_sorted_place_and_the_others_stay_byte_for_byte() -> None:
    text = "# mine\na/x:   {to: telkom, link: 10.255.0.0/31, port: 51000}  # old\nc/x: {port: 51001}\n"
    new = {TunnelId("b", "x"): Allocation("biznet", IPv4Network("10.255.0.4/31"), port=51002)}
    assert with_lines(text, new) == (
        "# mine\na/x:   {to: telkom, link: 10.255.0.0/31, port: 51000}  # old\n"
        "b/x: {to: biznet, link: 10.255.0.4/31, port: 51002}\nc/x: {port: 51001}\n"
    )


def test_a_new_file_begins_with_what_it_is() -> None:
    assert with_lines("", {TunnelId("b", "x"): Allocation(port=5)}) == HEADER + "b/x: {port: 5}\n"


def test_a_line_that_gets_more_keeps_its_comment(tmp_path: Path) -> None:
    directory = written(tmp_path, {"allocations.yaml": ALLOCATIONS.replace(", port: 51000}", "}  # leased")})
    plan = plan_allocations(directory)
    assert "bandung/fiber: {to: telkom, link: 10.255.0.0/31, port: 51000}  # leased\n" in plan.text


def test_what_was_planned_is_what_check_then_finds(tmp_path: Path) -> None:
    bogor = BANDUNG.replace("65001", "65002").replace("10.1.", "10.2.")
    directory = written(tmp_path, {"branches/bogor.yaml": bogor})
    write(directory / "allocations.yaml", plan_allocations(directory).text)
    assert (directory / "allocations.yaml").read_text().startswith(ALLOCATIONS)
    assert read(directory).intent is not None
    assert sorted(path.name for path in directory.iterdir()) == ["allocations.yaml", "branches", "network.yaml"]


def test_what_ipsec_protects_gets_its_loopbacks_beside_its_link(tmp_path: Path) -> None:
    directory = written(tmp_path, {"branches/bandung.yaml": f"{BANDUNG}tunnels: {{fiber: {{transport: ipsec}}}}\n"})
    plan = plan_allocations(directory)
    assert plan.text == ALLOCATIONS.replace("51000}", "51000, loopbacks: 10.255.0.4/31}")
    write(directory / "allocations.yaml", plan.text)
    assert read(directory).intent is not None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"branches/bandung.yaml": "as: x"}, "branches/bandung.yaml:1:5"),
        (
            {"network.yaml": NETWORK.replace("10.255.0.0/19", "10.254.0.0/31"), "allocations.yaml": ""},
            "the pool of links",
        ),
        ({"allocations.yaml": "bandung/fiber:\n  port: 51000\n"}, "bandung/fiber is spread over several lines"),
        ({"allocations.yaml": "{bandung/fiber: {to: telkom}}\n"}, "nothing can be added here"),
    ],
)
def test_nothing_is_allocated_while_something_is_wrong(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    directory = written(tmp_path, files)
    with pytest.raises(RefusedError) as refused:
        plan_allocations(directory)
    assert expected in "\n".join(map(str, refused.value.problems))


def test_a_new_tunnel_goes_to_the_lowest_process_with_room() -> None:
    has = {TunnelId(f"b{n}", "fiber"): Allocation(port=n + 1) for n in range(MOST_NEIGHBORS - 1)}
    has[TunnelId("other", "fiber")] = Allocation(process=2)
    new = [TunnelId("n", str(n)) for n in range(MOST_NEIGHBORS + 1)]
    assert list(processes(new, has).values()) == [None, *[2] * (MOST_NEIGHBORS - 1), 3]


def test_new_tunnels_of_one_hub_uplink_share_a_process() -> None:
    drafts = [tunnel(f"b{n:03}", isp, isp) for n in range(MOST_NEIGHBORS) for isp in HUB_ISPS]
    pools = Pools(IPv4Network("10.0.0.0/16"), PortRange(1, 60000))
    made = allocate(drafts, {}, HUB_ISPS, pools)
    assert {(line.to, line.process) for line in made.values()} == {("biznet", None), ("telkom", 2)}


def test_no_process_gets_more_neighbors_than_it_should_and_no_line_changes_its_own() -> None:
    pools = Pools(IPv4Network("10.0.0.0/16"), PortRange(1, 60000))
    lines: Allocations = {}
    for branches in (70, 71, 200, 260):
        drafts = [tunnel(f"b{n:03}", isp, isp) for n in range(branches) for isp in HUB_ISPS]
        made = allocate(drafts, lines, HUB_ISPS, pools)
        assert not made.keys() & lines.keys()
        lines = {**lines, **made}
        counts = [sum((line.process or 1) == number for line in lines.values()) for number in range(1, 10)]
        assert max(counts) <= MOST_NEIGHBORS
        assert counts == sorted(counts, reverse=True)


def test_a_line_that_is_there_never_gets_a_process() -> None:
    full = {TunnelId(f"b{n}", "fiber"): Allocation(port=n + 1) for n in range(MOST_NEIGHBORS)}
    lines = {**full, TunnelId("solo", "fiber"): Allocation("telkom")}
    made = allocate([tunnel("solo", "fiber", "telkom")], lines, HUB_ISPS, POOLS)
    assert made[TunnelId("solo", "fiber")].process is None


def test_ipv6_links_are_no_anycast_addresses() -> None:
    drafts = [tunnel(f"b{n}", "fiber", "telkom", ipv6=True) for n in range(3)]
    made = allocate(drafts, {}, HUB_ISPS, replace(POOLS, links_ipv6=IPv6Network("fd00:0:0:1:ffff:ffff:ffff:ff00/120")))
    assert [str(line.link_ipv6) for line in made.values()] == [f"fd00::1:ffff:ffff:ffff:ff0{n}/127" for n in (0, 2, 4)]
    top = replace(POOLS, links_ipv6=IPv6Network("fd00::ffff:ffff:ffff:ff80/121"))
    with pytest.raises(ExhaustedError, match="links-ipv6"):
        allocate(drafts[:1], {}, HUB_ISPS, top)
    zero = allocate(drafts[:1], {}, HUB_ISPS, replace(POOLS, links_ipv6=IPv6Network("fd00::/64")))
    assert [str(line.link_ipv6) for line in zero.values()] == ["fd00::2/127"]
