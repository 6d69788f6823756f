"""The hub's kernel: it forwards whatever else lives or dies. Some sources have tables of routes of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hub.forwarder.classes import ForwardingClass


@dataclass(slots=True)
class Kernel:
    """The Kernel has a nexthop (a tunnel) for each class, and for each prefix the class that it goes by.

    `routes` are those of the main table, `sourced` those of the tables of sources, by source and prefix.
    """

    changed: Callable[[], None]
    nexthops: dict[str, str | None] = field(default_factory=dict)
    routes: dict[str, str] = field(default_factory=dict)
    sourced: dict[tuple[str, str], str] = field(default_factory=dict)

    def class_of(self, prefix: str, sources: Sequence[str] = ()) -> str:
        """The class by which packets to this prefix go; `sources` are those that hold their source, longest first."""
        own = next((self.sourced[source, prefix] for source in sources if (source, prefix) in self.sourced), None)
        return own if own is not None else self.routes.get(prefix, "")

    def tunnel_of(self, prefix: str, sources: Sequence[str] = ()) -> str | None:
        """Where packets to this prefix go."""
        return self.nexthops.get(self.class_of(prefix, sources))

    def want(self, classes: Mapping[str, ForwardingClass], *, sweep: bool) -> None:
        """Hold exactly these classes, and others of before only while nothing may be swept."""
        nexthops = {name: each.active for name, each in classes.items()}
        routes = {prefix: each.name for each in classes.values() if not each.sources for prefix in each.prefixes}
        sourced = {
            (s, prefix): each.name for each in classes.values() for s in each.sources for prefix in each.prefixes
        }
        if not sweep:
            nexthops = self.nexthops | nexthops
            routes, sourced = self.routes | routes, self.sourced | sourced
        if (nexthops, routes, sourced) != (self.nexthops, self.routes, self.sourced):
            self.nexthops, self.routes, self.sourced = nexthops, routes, sourced
            self.changed()
