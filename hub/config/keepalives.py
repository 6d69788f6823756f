"""Keepalives that come too seldom for the router of somebody else that stands before a branch: warnings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from hub.config.drafts import BranchDraft
from hub.config.problems import Problem, warning
from policies.model.intent import Uplink

LONGEST = timedelta(seconds=25)
"""Many routers and mobile networks forget a UDP flow after 30 s of silence, though RFC 4787 (section 4.3) asks for two
minutes; WireGuard's own advice for such a place is 25 s (wg(8), persistent-keepalive)."""
_MOBILE = frozenset({"lte", "5g"})


def keepalive_warnings(branch: BranchDraft) -> Iterator[Problem]:
    """WireGuard tunnels over an uplink with NAT before it whose branch is silent for too long, or has no keepalive."""
    for tunnel in branch.tunnels:
        written, why = tunnel.written, _before(tunnel.uplink)
        kept = written.keepalive
        if written.transport != "wireguard" or written.existing is not None or kept is None or not why:
            continue
        if timedelta() < kept <= LONGEST:
            continue
        much = "is off" if not kept else f"is {round(kept.total_seconds())}s"
        text = (
            f"keepalive of {tunnel.id} {much}, and {tunnel.uplink.name} {why}: routers forget a silent UDP flow, often "
            "after 30s, and then the hub cannot reach the branch until it speaks"
        )
        place = branch.document.place("tunnels", tunnel.id.name, "keepalive")
        yield warning(place, text, f"write {round(LONGEST.total_seconds())}s or less, or leave it out for 15s")


def _before(uplink: Uplink) -> str:
    """Why there is most likely NAT; "" where there is most likely none."""
    if uplink.behind_nat:
        return "is behind NAT"
    if uplink.kind in _MOBILE:
        return f"is of kind {uplink.kind}, where there is NAT"
    return "is metered, as mobile lines are, where there is NAT" if uplink.metered else ""
