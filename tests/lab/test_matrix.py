"""Every kind of branch with the hub as in production and traffic as the judge: BIRD, FRR, eBGP, iBGP, both versions,
WireGuard alone and beside IPsec.

One ISP is taken from all branches at once and given back; what each of them noticed is then judged by itself.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest
from lab_world import output, succeeds
from mixed_branches import Site, write
from patient_policy import judged_patiently
from running_hub import Report, RunningHub, kill, running_hub

from hub.lab import disturb
from hub.lab.network import HQ_HOST, Branch
from hub.lab.outages import Direction
from hub.lab.probe import IPV6, ProbeReport

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

SITES = (
    Site("bird", "bird"),
    Site("frr", "frr"),
    Site("bird-ibgp", "bird", kind="ibgp", secured=True),
    Site("frr-ibgp", "frr", kind="ibgp", secured=True),
    Site("frr-icmp", "frr", bfd=False),
    Site("mixed", "bird", ipsec=True),
)
INTERVAL = 0.01
every_site = pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)


@pytest.fixture(scope="module", params=[False, True], ids=["ipv4", "dual"])
def both(request: pytest.FixtureRequest) -> bool:
    """Whether the branches have IPv6 beside IPv4."""
    return bool(request.param)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, both: bool) -> Iterator[RunningHub]:
    """One lab for all tests of one set of versions."""
    configuration = judged_patiently(write(tmp_path_factory.mktemp("matrix") / "config", *SITES, both=both))
    with running_hub(f"matrix{6 if both else 4}", configuration, timers="relaxed") as built:
        yield built


@dataclass(frozen=True)
class Played:
    """A Played is what traffic noticed of the ISP's death, and of its return; and what branches knew meanwhile."""

    death: Mapping[str, ProbeReport]
    way_back: Mapping[str, ProbeReport]
    values_before: Mapping[str, dict[str, int]]
    values_during: Mapping[str, dict[str, int]]
    neighbors_reached: bool


@pytest.fixture(scope="module")
def played(hub: RunningHub) -> Played:
    """The ISP of every branch's best tunnel dies, and comes back."""
    hub.wait_for(lambda _: all(values(hub, site) == standing(site) for site in SITES), "nothing boosted any more")
    before = {site.name: values(hub, site) for site in SITES}
    with hub.probing(interval=INTERVAL) as probe:
        disturb.cut(hub.lab, "isp:telkom")
        for site in SITES:
            hub.wait_until_on(site.name, "wireless")
        probe.mark("moved")
        during = {site.name: values(hub, site) for site in SITES}
        reached = reaches_others(hub)
        disturb.heal(hub.lab)
        hub.wait_until_well()
        probe.mark("back")
        return Played(probe.report(None, "moved"), probe.report("moved", "back"), before, during, reached)


def ways(seen: Mapping[str, ProbeReport], site: Site) -> list[Direction]:
    """Both directions, of every version that the site has."""
    reports = [report for name, report in seen.items() if name in (site.name, site.name + IPV6)]
    return [way for report in reports for way in (report.to_branch, report.to_hub)]


@every_site
def test_a_dead_isp_is_an_outage_that_ends_in_both_directions(played: Played, both: bool, site: Site) -> None:
    seen = ways(played.death, site)
    assert len(seen) == (4 if both else 2)
    assert all(way.outages and all(outage.ended for outage in way.outages) for way in seen)


@every_site
def test_the_way_back_loses_nothing(played: Played, site: Site) -> None:
    assert [way.outages for way in ways(played.way_back, site) if way.lost] == []


@every_site
def test_the_branch_is_steered_by_the_value_that_its_kind_of_session_knows(played: Played, site: Site) -> None:
    assert played.values_before[site.name] == standing(site)


def standing(site: Site) -> dict[str, int]:
    """The values of a branch while all is well."""
    best, second = (999_000, 998_900) if site.kind == "ibgp" else (1000, 1100)
    return {"fiber": best, "wireless": second}


@every_site
def test_the_survivor_beats_what_the_branch_holds_of_the_dead_one(played: Played, site: Site) -> None:
    survivor = played.values_during[site.name]["wireless"]
    assert survivor > 999_000 if site.kind == "ibgp" else survivor < 1000


def test_branches_reach_each_other_before_and_after_a_death(hub: RunningHub, played: Played) -> None:
    assert played.neighbors_reached
    assert reaches_others(hub)


@every_site
@pytest.mark.usefixtures("played")
def test_a_branch_hears_what_it_shall_and_never_its_own(hub: RunningHub, site: Site) -> None:
    branch = the_branch(hub, site)
    assert heard(hub, site) == set(branch.reaches)
    assert not set(branch.reaches) & set(branch.prefixes)


@pytest.fixture(scope="module")
def killed(hub: RunningHub, played: Played) -> Mapping[str, ProbeReport]:
    """What traffic noticed of ExaBGP's death while the best tunnel of every branch was dead already."""
    assert played.death
    hub.wait_until_well()
    disturb.cut(hub.lab, "isp:telkom")
    for site in SITES:
        hub.wait_until_on(site.name, "wireless")
    # The hub finds the dead tunnel by its probes; the guard of a branch's floor takes BFD's whole time.
    guarded = [site for site in SITES if site.router == "bird" and site.bfd]
    hub.wait_for(lambda _: not any(fiber_is_up(hub, site) for site in guarded), "the guards of the floors")
    with hub.probing(interval=INTERVAL) as probe:
        before = hub.pid("exabgp-1")
        probe.mark("killed")
        kill(before)
        hub.wait_for(hub.is_back("exabgp-1", before), "a new ExaBGP")
        hub.wait_for(live_sessions_up, "the sessions of the live tunnels")
        hub.wait_for(lambda _: all_answer(hub), "an answer from every branch")
        hub.wait_for(lambda _: is_over(probe.report("killed")), "the end of every outage")
        probe.mark("back")
        seen = probe.report("killed", "back")
    disturb.heal(hub.lab)
    return seen


def fiber_is_up(hub: RunningHub, site: Site) -> bool:
    sessions = [line.split() for line in birdc(hub, site, "show", "bfd", "sessions").splitlines()]
    return any("fiber" in session and "Up" in session for session in sessions)


def is_over(reports: Mapping[str, ProbeReport]) -> bool:
    ways = (way for report in reports.values() for way in (report.to_branch, report.to_hub))
    return all(outage.ended for way in ways for outage in way.outages)


def live_sessions_up(report: Report) -> bool:
    return all(t["session"] == "up" for b in report["branches"] for t in b["tunnels"] if t["tunnel"] == "wireless")


@every_site
def test_exabgp_killed_while_a_tunnel_is_dead_costs_nothing_towards_the_branch(
    killed: Mapping[str, ProbeReport], site: Site
) -> None:
    assert not any(way.lost for way in ways(killed, site)[::2])


@every_site
def test_exabgp_killed_while_a_tunnel_is_dead_costs_nothing_from_the_branch_if_bfd_guards_its_floor(
    killed: Mapping[str, ProbeReport], site: Site
) -> None:
    """Only BIRD's floor has a guard, and only of IPv4; the others are out until ExaBGP is back."""
    guarded = site.router == "bird" and site.bfd
    outages = killed[site.name].to_hub.outages
    assert not outages if guarded else all(outage.ended for outage in outages)


def the_branch(hub: RunningHub, site: Site) -> Branch:
    found = hub.lab.network.branch(site.name)
    assert found is not None
    return found


def reaches_others(hub: RunningHub) -> bool:
    """Whether the first branch's host reaches every other one's, in every version."""
    first, *others = hub.lab.network.branches
    return reaches(hub, first.lan.host, others)


def all_answer(hub: RunningHub) -> bool:
    """Whether headquarters' host gets an answer from every branch's, in every version."""
    return reaches(hub, HQ_HOST, hub.lab.network.branches)


def reaches(hub: RunningHub, node: str, branches: Sequence[Branch]) -> bool:
    addresses = [branch.lan.host_address_of(version) for branch in branches for version in branch.versions]
    pings = "; ".join(f"ping -q -c 1 -W 1 {address} || exit 1" for address in addresses)
    return succeeds(hub.lab, node, "sh", "-c", pings)


def values(hub: RunningHub, site: Site) -> dict[str, int]:
    """What the branch's router holds of each tunnel for headquarters: the MED, or the local preference with iBGP."""
    if site.router == "bird":
        text = birdc(hub, site, "show", "route", "10.0.0.0/16", "all")
        key = "BGP.local_pref" if site.kind == "ibgp" else "BGP.med"
        routes = [route for route in re.split(r"\n(?=[^\t])", text) if "BGP.as_path" in route]
        tunnels = [re.search(r"via \S+ on (\S+)", route) for route in routes]
        said = [re.search(rf"{re.escape(key)}: (\d+)", route) for route in routes]
        return {tunnel[1]: int(value[1]) for tunnel, value in zip(tunnels, said, strict=True) if tunnel and value}
    paths = vtysh(hub, site, "show bgp ipv4 unicast 10.0.0.0/16 json").get("paths", [])
    links = {tunnel.hub_link: tunnel.branch_interface for tunnel in the_branch(hub, site).tunnels}
    key = "locPrf" if site.kind == "ibgp" else "metric"
    return {links[path["peer"]["peerId"]]: path[key] for path in paths}


def heard(hub: RunningHub, site: Site) -> set[str]:
    """All that the branch's router holds from the hub."""
    if site.router == "bird":
        text = birdc(hub, site, "show", "route", "where", "source = RTS_BGP")
        return set(re.findall(r"^(\S+/\d+)\s", text, re.MULTILINE))
    found: set[str] = set()
    for version in the_branch(hub, site).versions:
        routes = vtysh(hub, site, f"show bgp ipv{version} unicast json")["routes"]
        found |= {prefix for prefix, paths in routes.items() if any(path["peerId"] != "(unspec)" for path in paths)}
    return found


def birdc(hub: RunningHub, site: Site, *command: str) -> str:
    return output(hub.lab, site.name, "birdc", "-s", str(hub.lab.place.bird_socket(site.name)), *command)


def vtysh(hub: RunningHub, site: Site, command: str) -> Report:
    said: Report = json.loads(output(hub.lab, site.name, "vtysh", "-c", command))
    return said
