"""The branch's router: what it holds from each session, its best path (RFC 4271 section 9.1), its BFD, its floor."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from histories.lines import Lines
from histories.situation import Situation
from histories.timeline import Timeline
from policies.model.announcement import HIGHEST_MED
from policies.model.ids import Prefix, TunnelId, lies_within

PING_GUARD = 20.0
"""Seconds until a gateway that answers no ping is believed to be gone: two checks of ten seconds."""
RETURNS = 0.5


class Branch:
    """A Branch routes by the best value that it holds, else by its floor. It asks the hub nothing.

    `changed` is called after each change of what it uses, `down` when its own BFD gives a tunnel up.
    """

    def __init__(self, timeline: Timeline, situation: Situation, lines: Lines) -> None:
        self._timeline, self._situation, self._lines = timeline, situation, lines
        self.changed: Callable[[], None] = lambda: None
        self.down: Callable[[TunnelId], None] = lambda _: None
        self.holds: dict[TunnelId, dict[Prefix, int]] = {tunnel: {} for tunnel in lines.lines}
        self.heard_at: dict[TunnelId, float] = dict.fromkeys(lines.lines, 0.0)
        self.guarded: dict[TunnelId, bool] = dict.fromkeys(lines.lines, True)
        self.guarded_since: dict[TunnelId, float] = dict.fromkeys(lines.lines, 0.0)
        self._tokens: dict[TunnelId, int] = dict.fromkeys(lines.lines, 0)
        if situation.branch_detection is not None:
            self._detection = situation.branch_detection
        elif situation.floor == "ping":
            self._detection = PING_GUARD
        else:
            self._detection = 0.0
        lines.watchers.append(self._line_changed)

    # routes

    def hear(self, tunnel: TunnelId, announced: dict[Prefix, int], withdrawn: Iterable[Prefix]) -> None:
        """An UPDATE of the present session of this tunnel."""
        held = self.holds[tunnel]
        self.heard_at[tunnel] = self._timeline.now
        for prefix in withdrawn:
            held.pop(prefix, None)
        held.update(announced)
        self.changed()

    def session_ended(self, tunnel: TunnelId) -> None:
        """Its routes go with it."""
        if self.holds[tunnel]:
            self.holds[tunnel] = {}
            self.changed()

    def best(self, prefix: Prefix) -> list[TunnelId]:
        """The tunnels of the best value; more than one is a tie."""
        held = [(self._preference(routes[prefix]), tunnel) for tunnel, routes in self.holds.items() if prefix in routes]
        if not held:
            return []
        first = min(held, key=lambda entry: entry[0])[0]
        return [tunnel for value, tunnel in held if value == first]

    def uses(self, prefix: Prefix) -> list[TunnelId]:
        """The tunnels that packets to this prefix take, by its route or the next longer one that holds it.

        A tie is broken by address, or spread over all of it.
        """
        best = self.best(self.route_to(prefix))
        if best:
            return best if self._situation.spreads else best[:1]
        return self.floor()

    def route_to(self, prefix: Prefix) -> Prefix:
        """The longest prefix held that has all of this one; itself if there is none."""
        held = {each for routes in self.holds.values() for each in routes if lies_within(prefix, (each,))}
        return max(held, key=lambda each: each.prefixlen, default=prefix)

    def floor(self) -> list[TunnelId]:
        """The first tunnel whose guard holds, else the first of all."""
        tunnels = list(self.holds)
        if self._situation.floor != "nothing":
            return [next((tunnel for tunnel in tunnels if self.guarded[tunnel]), tunnels[0])]
        return tunnels[:1]

    def _preference(self, med: int) -> int:
        """The smaller the better: of local preferences the highest wins, of MEDs the lowest."""
        return -(HIGHEST_MED - med) if self._situation.ibgp else med

    # its own BFD, or what guards its floor

    def _line_changed(self, tunnel: TunnelId) -> None:
        if not self._detection or self._lines[tunnel].since != self._timeline.now:
            return
        token = self._tokens[tunnel] = self._tokens[tunnel] + 1
        live = self._lines[tunnel].live
        if live == self.guarded[tunnel]:
            return

        def notice() -> None:
            if token != self._tokens[tunnel]:
                return
            self.guarded[tunnel], self.guarded_since[tunnel] = live, self._timeline.now
            if not live and self._situation.branch_detection is not None:
                self.down(tunnel)
            self.changed()

        self._timeline.after(RETURNS if live else self._detection, notice)
