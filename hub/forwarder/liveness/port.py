"""What the forwarder needs of the liveness engine, and what it is told by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from hub.forwarder.health.burst import BurstOrder
from hub.forwarder.liveness.model import LivenessReport, SessionMemory, TunnelSpec, Version


class Liveness(Protocol):
    """What is needed of the liveness engine; see `hub.forwarder.liveness.engine.Engine`."""

    @property
    def counters(self) -> Mapping[str, int]:
        """What was counted."""
        ...

    def set_tunnels(self, tunnels: Sequence[TunnelSpec], remembered: Mapping[str, SessionMemory] = ...) -> None:
        """Watch exactly these tunnels."""

    def set_carrying(self, names: frozenset[str]) -> None:
        """These carry traffic."""

    def set_probe(self, source: str | None, source6: str | None) -> None:
        """Where return-path probes come from, for each IP version."""

    def look(self, branches: frozenset[str]) -> None:
        """Probe the return paths of these closely."""

    def burst(self, order: BurstOrder) -> None:
        """Send many health probes over one tunnel."""

    def link_changed(self, interface: str, up: bool) -> None:  # noqa: FBT001  the engine's signature
        """An interface went down, or came up."""

    def reports(self) -> list[LivenessReport]:
        """What is known of every tunnel."""
        ...

    def memory(self) -> dict[str, SessionMemory]:
        """What the next process must know."""
        ...


OnLiveness = Callable[[LivenessReport], None]
OnPath = Callable[[str, str, int, Version], None]
OnProblem = Callable[[str, str | None, str | None], None]
MakeLiveness = Callable[[OnLiveness, OnPath, OnProblem], Liveness]
