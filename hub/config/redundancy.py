"""What a branch would lose at once: warnings about tunnels that share their fate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hub.config.drafts import BranchDraft, TunnelDraft
from hub.config.problems import Problem, warning
from policies.model.ids import TunnelId


def redundancy_warnings(branch: BranchDraft, to: Mapping[TunnelId, str], hub_uplinks: int) -> Iterator[Problem]:
    """What one outage would take from this branch. `to` is the hub uplink of each tunnel that has one."""
    if not branch.tunnels:
        return
    if len(branch.tunnels) == 1:
        only = branch.tunnels[0]
        place = branch.document.key_place("uplinks")
        yield warning(
            place, f"{branch.name} has one tunnel: nothing is left when {only.id.name} fails", "add an uplink"
        )
        return
    yield from _shared_isp(branch)
    ends = {to.get(tunnel.id) for tunnel in branch.tunnels}
    end = next(iter(ends))
    if hub_uplinks > 1 and len(ends) == 1 and end is not None:
        text = f"all tunnels of {branch.name} go to hub uplink {end}: one outage takes all"
        yield warning(branch.document.key_place("uplinks"), text, "write to: UPLINK in one of its tunnels")


def _shared_isp(branch: BranchDraft) -> Iterator[Problem]:
    by_isp: dict[str, list[TunnelDraft]] = {}
    for tunnel in branch.tunnels:
        by_isp.setdefault(tunnel.uplink.isp, []).append(tunnel)
    for isp, tunnels in by_isp.items():
        if len(tunnels) == 1:
            continue
        *names, last = [tunnel.id.name for tunnel in tunnels]
        both = "both" if len(tunnels) == 2 else "all"
        text = f"{', '.join(names)} and {last} are {both} with isp {isp}: one outage takes {both}"
        yield warning(max(tunnel.place for tunnel in tunnels), text)
