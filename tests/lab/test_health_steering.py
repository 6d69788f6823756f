"""A tunnel that lives but loses packets, or has become slow, is left in both directions without being cut."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from running_hub import RunningHub, copy_of_two_branches, running_hub

from hub.lab import disturb

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One lab for all tests of this file."""
    directory = copy_of_two_branches(tmp_path_factory.mktemp("health") / "config")
    with running_hub("health", directory, timers="relaxed") as built:
        yield built


def health(hub: RunningHub, branch: str, tunnel: str) -> dict[str, object]:
    found: dict[str, object] = next(t for t in hub.branch(branch)["tunnels"] if t["tunnel"] == tunnel)["health"]
    return found


def test_every_tunnel_is_measured(hub: RunningHub) -> None:
    hub.wait_for(
        lambda report: all(t["health"]["state"] == "up" for b in report["branches"] for t in b["tunnels"]),
        "the health of every tunnel known",
    )
    assert health(hub, "bandung", "fiber")["loss"] == 0.0


def test_a_tunnel_that_loses_packets_is_left_and_another_branch_stays(hub: RunningHub) -> None:
    disturb.disturb(hub.lab, "bandung/fiber", loss=0.1)
    hub.wait_until_on("bandung", "wireless")
    seen = health(hub, "bandung", "fiber")
    assert (seen["state"], str(seen["reason"]).split()[0]) == ("degraded", "loss")
    assert hub.branch("bandung")["reason"] == "the preferred tunnel is degraded"
    assert hub.branch("tegal")["on"] == "fiber"
    disturb.heal(hub.lab, "all")
