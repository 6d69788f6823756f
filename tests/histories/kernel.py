"""The hub's kernel: it forwards whatever else lives or dies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hub.forwarder.classes import ForwardingClass


@dataclass(slots=True)
class Kernel:
    """The Kernel has a nexthop (a tunnel) for each class, and for each prefix the class that it goes by."""

    changed: Callable[[], None]
    nexthops: dict[str, str | None] = field(default_factory=dict)
    routes: dict[str, str] = field(default_factory=dict)

    def tunnel_of(self, prefix: str) -> str | None:
        """Where packets to this prefix go."""
        return self.nexthops.get(self.routes.get(prefix, ""))

    def want(self, classes: Mapping[str, ForwardingClass], *, sweep: bool) -> None:
        """Hold exactly these classes, and others of before only while nothing may be swept."""
        nexthops = {name: each.active for name, each in classes.items()}
        routes = {prefix: each.name for each in classes.values() for prefix in each.prefixes}
        if not sweep:
            nexthops = self.nexthops | nexthops
            routes = self.routes | routes
        if nexthops != self.nexthops or routes != self.routes:
            self.nexthops, self.routes = nexthops, routes
            self.changed()
