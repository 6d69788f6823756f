"""The branches of a configuration as rows of a list, from its files alone: also those that are off, or have errors."""

from __future__ import annotations

from dataclasses import dataclass

from hub.config.adopted import interface_name
from hub.config.allocate import Allocation, settled
from hub.config.drafts import BranchDraft, TunnelDraft
from hub.config.survey import Survey


@dataclass(frozen=True, slots=True)
class TunnelRow:
    """A TunnelRow is one tunnel; `transport` may be `existing` too; what is not known is None."""

    name: str
    transport: str
    uplink: str
    isp: str
    kind: str
    metered: bool
    to: str | None
    link: str | None
    port: int | None
    interface: str | None


@dataclass(frozen=True, slots=True)
class BranchRow:
    """A BranchRow is one branch. `readable` is False where its file is wrong in itself; then only its name is known."""

    name: str
    readable: bool = True
    asn: int | None = None
    bgp: str = "ebgp"
    prefixes: tuple[str, ...] = ()
    mode: str = ""
    router: str | None = None
    policy: str = ""
    tunnels: tuple[TunnelRow, ...] = ()


def branch_rows(looked: Survey) -> tuple[BranchRow, ...]:
    """All branches, by name."""
    drafts = {draft.name: draft for draft in looked.branches}
    names = sorted(looked.sources.branch_names)
    return tuple(_row(drafts[name], looked) if name in drafts else BranchRow(name, readable=False) for name in names)


def _row(draft: BranchDraft, looked: Survey) -> BranchRow:
    raw, network = draft.raw, looked.network
    hub_as = looked.hub.raw.asn if looked.hub is not None else None
    allocations = looked.allocations()
    return BranchRow(
        name=draft.name,
        asn=hub_as if raw.bgp == "ibgp" else raw.asn,
        bgp=raw.bgp,
        prefixes=tuple(map(str, raw.prefixes)),
        mode=raw.mode or (network.mode if network else "act"),
        router=raw.router.kind if raw.router else None,
        policy=raw.policy or (network.policy if network else "standard"),
        tunnels=tuple(_tunnel(tunnel, settled(tunnel, allocations)) for tunnel in draft.tunnels),
    )


def _tunnel(draft: TunnelDraft, has: Allocation) -> TunnelRow:
    written = draft.written
    interface = interface_name(draft.id.branch, has.port) if has.port else None
    return TunnelRow(
        name=draft.id.name,
        transport="existing" if written.existing is not None else written.transport,
        uplink=draft.uplink.name,
        isp=draft.uplink.isp,
        kind=draft.uplink.kind,
        metered=draft.uplink.metered,
        to=has.to,
        link=str(has.link) if has.link else None,
        port=has.port,
        interface=written.existing or interface,
    )
