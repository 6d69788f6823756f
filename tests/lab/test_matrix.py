"""Every kind of branch with the hub as in production and traffic as the judge: BIRD, FRR, eBGP, iBGP, both versions."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from mixed_branches import Site, write
from running_hub import RunningHub, lost, running_hub, ways

from hub.lab import disturb

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

SITES = (
    Site("bird", "bird"),
    Site("frr", "frr"),
    Site("frr-icmp", "frr", bfd=False),
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One lab for all tests of this file."""
    configuration = write(tmp_path_factory.mktemp("matrix") / "config", *SITES, both=False)
    with running_hub("matrix", configuration, timers="normal") as built:
        yield built


@pytest.fixture(autouse=True)
def well(hub: RunningHub) -> Iterator[None]:
    """Every test begins with everything up, and ends with nothing cut."""
    hub.wait_until_well()
    yield
    disturb.heal(hub.lab)


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
def test_a_cut_moves_both_directions_and_the_way_back_loses_nothing(hub: RunningHub, site: Site) -> None:
    with hub.probing(site.name) as probe:
        disturb.cut(hub.lab, f"{site.name}/fiber")
        hub.wait_until_on(site.name, "wireless")
        probe.mark("moved")
        disturb.heal(hub.lab)
        hub.wait_until_well()
        probe.mark("back")
        after = probe.report("moved", "back")
        before = probe.report(None, "moved")
    assert all(way.outages and all(outage.ended for outage in way.outages) for way in ways(before))
    assert lost(after) == 0
