"""A configuration before allocation, as a value: what its files say, and what is wrong with it so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hub.config.allocate import Allocation, Pools
from hub.config.document import Document
from hub.config.drafts import BranchDraft, TunnelDraft
from hub.config.load import Sources
from hub.config.policy.build import Built
from hub.config.problems import Problem
from hub.config.raw import RawHub, RawNetwork
from policies.model.ids import TunnelId


@dataclass(frozen=True, slots=True)
class HubDraft:
    """A HubDraft is the hub with its name, and the path in network.yaml under which it stands."""

    name: str
    raw: RawHub
    document: Document
    at: tuple[str, ...]

    @property
    def versions(self) -> frozenset[int]:
        """The IP versions of its prefixes."""
        return frozenset(prefix.version for prefix in self.raw.prefixes)


@dataclass(frozen=True, slots=True)
class Survey:
    """A Survey is the configuration before allocation, and all that is wrong with it so far.

    `policies` are those of the branches, by the branch; one whose policy cannot be told has none.
    """

    sources: Sources
    hub: HubDraft | None
    branches: tuple[BranchDraft, ...]
    policies: Mapping[str, Built]
    problems: tuple[Problem, ...]

    @property
    def network(self) -> RawNetwork | None:
        """network.yaml, if it is right in itself."""
        return self.sources.network.raw if self.sources.network else None

    def allocations(self) -> dict[TunnelId, Allocation]:
        """What allocations.yaml holds."""
        return {
            tunnel: Allocation(raw.to, raw.link, raw.link_ipv6, raw.port, raw.loopbacks, raw.process)
            for tunnel, (raw, _) in self.sources.allocations.items()
        }

    def pools(self) -> Pools | None:
        """What is allocated from, if network.yaml is right in itself."""
        if self.network is None:
            return None
        written = self.network.pools
        return Pools(written.links, written.ports, written.links_ipv6)

    def tunnels(self) -> Iterator[TunnelDraft]:
        """The tunnels of all branches."""
        for branch in self.branches:
            yield from branch.tunnels
