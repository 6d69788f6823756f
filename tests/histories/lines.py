"""The lines below the tunnels: each direction passes packets or does not. This is the truth that nobody is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from histories.timeline import Timeline
from policies.model.ids import TunnelId


@dataclass(slots=True)
class Line:
    """A Line is one tunnel's truth. `since` is when it became live or dead; a direction's cut has its own time.

    `died` is when it last became dead, whether or not it has been live since.
    """

    to_branch: bool = True
    to_hub: bool = True
    since: float = 0.0
    to_branch_since: float = 0.0
    to_hub_since: float = 0.0
    died: float = 0.0

    @property
    def live(self) -> bool:
        """Whether packets pass both ways."""
        return self.to_branch and self.to_hub


@dataclass(slots=True)
class Lines:
    """The Lines of all tunnels; `watchers` are told of each change after it."""

    timeline: Timeline
    lines: Mapping[TunnelId, Line]
    watchers: list[Callable[[TunnelId], None]] = field(default_factory=list)

    def __getitem__(self, tunnel: TunnelId) -> Line:
        return self.lines[tunnel]

    def set(self, tunnel: TunnelId, *, to_branch: bool, to_hub: bool) -> None:
        """From now on these directions pass."""
        line, now = self.lines[tunnel], self.timeline.now
        if (line.to_branch, line.to_hub) == (to_branch, to_hub):
            return
        was_live = line.live
        if line.to_branch != to_branch:
            line.to_branch, line.to_branch_since = to_branch, now
        if line.to_hub != to_hub:
            line.to_hub, line.to_hub_since = to_hub, now
        if line.live != was_live:
            line.since, line.died = now, line.died if line.live else now
        for watcher in self.watchers:
            watcher(tunnel)

    def live(self) -> list[TunnelId]:
        """The tunnels that pass packets both ways."""
        return [tunnel for tunnel, line in self.lines.items() if line.live]
