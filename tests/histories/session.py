"""The BGP sessions between ExaBGP and the branch, with TCP below them: what is sent into a cut arrives after it.

Each end has its own belief. They differ while packets do not pass, until a hold timer, a reset or a NOTIFICATION ends
the one that stands alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from histories.lines import Lines
from histories.situation import HOLD_TIME, Situation
from histories.timeline import Timeline
from policies.model.ids import TunnelId

VERSIONS = (4, 6)
"""The IP versions that every session carries."""

SHORTEST_RETRANSMISSION = 0.2
LONGEST_RETRANSMISSION = 3.0


@dataclass(slots=True)
class Ends:
    """The two ends of the session of one tunnel: the number of the session that each believes in, None for none."""

    hub: int | None = None
    branch: int | None = None
    hub_since: float = 0.0
    branch_since: float = 0.0
    to_branch: list[Callable[[], None]] = field(default_factory=list)
    to_hub: list[Callable[[], None]] = field(default_factory=list)
    last_to_branch: float = 0.0
    last_to_hub: float = 0.0
    attempts: int = 0
    cuts: int = 0


class Sessions:
    """The Sessions of all tunnels. `accepts` says whether the hub takes a connection; the callbacks what became."""

    def __init__(self, timeline: Timeline, situation: Situation, lines: Lines) -> None:
        self._timeline, self._situation, self._lines = timeline, situation, lines
        self.ends = {tunnel: Ends() for tunnel in lines.lines}
        self.accepts: Callable[[TunnelId], bool] = lambda _: False
        self.hub_up: Callable[[TunnelId], None] = lambda _: None
        self.hub_down: Callable[[TunnelId, str], None] = lambda *_: None
        self.branch_up: Callable[[TunnelId], None] = lambda _: None
        self.branch_down: Callable[[TunnelId], None] = lambda _: None
        self._numbers = 0
        lines.watchers.append(self._line_changed)

    @property
    def retransmission(self) -> float:
        """How long after a heal TCP sends again what did not pass before."""
        return min(LONGEST_RETRANSMISSION, max(SHORTEST_RETRANSMISSION, self._situation.resetting))

    def begin(self) -> None:
        """The branch begins to connect."""
        for tunnel in self.ends:
            self._connect_after(tunnel, self._situation.connecting)

    # data

    def say_to_branch(self, tunnel: TunnelId, action: Callable[[], None]) -> None:
        """What the hub sends on the present session; `action` is what it does at the branch."""
        ends = self.ends[tunnel]
        number = ends.hub

        def arrive() -> None:
            if ends.branch == number:
                action()

        if not self._lines[tunnel].to_branch or ends.to_branch:
            ends.to_branch.append(arrive)
            return
        when = max(ends.last_to_branch, self._timeline.now + self._situation.wire + self._situation.router)
        ends.last_to_branch = when
        self._timeline.at(when, arrive)

    def say_to_hub(self, tunnel: TunnelId, action: Callable[[], None]) -> None:
        """What the branch sends on the present session."""
        ends = self.ends[tunnel]
        number = ends.branch

        def arrive() -> None:
            if ends.hub == number:
                action()

        if not self._lines[tunnel].to_hub or ends.to_hub:
            ends.to_hub.append(arrive)
            return
        when = max(ends.last_to_hub, self._timeline.now + self._situation.wire)
        ends.last_to_hub = when
        self._timeline.at(when, arrive)

    # the ends

    def end_hub(self, tunnel: TunnelId, why: str, *, tell: bool = True) -> None:
        """The hub's end goes; the branch hears of it if its packets pass."""
        ends = self.ends[tunnel]
        number = ends.hub
        if number is None:
            return
        ends.to_hub = []
        self.say_to_branch(tunnel, lambda: self.end_branch(tunnel, tell=False))
        ends.hub, ends.hub_since = None, self._timeline.now
        if tell:
            self.hub_down(tunnel, why)
        self._look_for_difference(tunnel)

    def end_branch(self, tunnel: TunnelId, *, tell: bool = True) -> None:
        """The branch's end goes, and it connects anew after a while."""
        ends = self.ends[tunnel]
        if ends.branch is None:
            return
        ends.to_branch = []
        if tell:
            self.say_to_hub(tunnel, lambda: self.end_hub(tunnel, "notification received"))
        ends.branch, ends.branch_since = None, self._timeline.now
        self.branch_down(tunnel)
        self._connect_after(tunnel, self._situation.connecting)
        self._look_for_difference(tunnel)

    # connecting

    def connect(self, tunnel: TunnelId) -> None:
        """Something changed that may let the branch connect."""
        if self.ends[tunnel].branch is None:
            self._connect_after(tunnel, self._situation.connecting)

    def _connect_after(self, tunnel: TunnelId, seconds: float) -> None:
        ends = self.ends[tunnel]
        ends.attempts += 1
        attempt = ends.attempts

        def try_it() -> None:
            if attempt == ends.attempts and ends.branch is None and self._lines[tunnel].live:
                if ends.hub is not None:
                    self._connect_after(tunnel, max(1.0, self._situation.connecting))
                elif self.accepts(tunnel):
                    self._establish(tunnel)

        self._timeline.after(seconds, try_it)

    def _establish(self, tunnel: TunnelId) -> None:
        self._numbers += 1
        ends, now = self.ends[tunnel], self._timeline.now
        ends.hub = ends.branch = self._numbers
        ends.hub_since = ends.branch_since = now
        ends.to_branch, ends.to_hub = [], []
        self.hub_up(tunnel)
        self.branch_up(tunnel)

    # what a cut does

    def _line_changed(self, tunnel: TunnelId) -> None:
        line, ends = self._lines[tunnel], self.ends[tunnel]
        ends.cuts += 1
        cut = ends.cuts
        if line.live:
            self._look_for_difference(tunnel)
            self.connect(tunnel)

        def expire() -> None:
            """Three keepalives in a row did not come (RFC 4271 section 4.4 suggests a third of the hold time)."""
            long_ago = self._timeline.now - HOLD_TIME + 1e-6
            if not line.to_hub and line.to_hub_since <= long_ago and ends.hub_since <= long_ago:
                self.end_hub(tunnel, "hold timer expired")
            if not line.to_branch and line.to_branch_since <= long_ago and ends.branch_since <= long_ago:
                self.end_branch(tunnel)

        if not line.live:
            self._timeline.after(HOLD_TIME, expire)
        if line.to_branch and ends.to_branch:
            self._retransmit(ends, ends.to_branch, lambda: line.to_branch, cut)
        if line.to_hub and ends.to_hub:
            self._retransmit(ends, ends.to_hub, lambda: line.to_hub, cut)

    def _retransmit(self, ends: Ends, waiting: list[Callable[[], None]], passes: Callable[[], bool], cut: int) -> None:
        """What waited for the line is sent again, the later the longer it waited."""

        def arrive() -> None:
            if passes() and cut == ends.cuts:
                every = list(waiting)
                waiting.clear()
                for action in every:
                    action()

        self._timeline.after(self.retransmission, arrive)

    def _look_for_difference(self, tunnel: TunnelId) -> None:
        """A keepalive to an end that believes in no such session is answered by a reset."""
        ends = self.ends[tunnel]
        if ends.hub == ends.branch:
            return
        seen = (ends.hub, ends.branch)

        def reset() -> None:
            if (ends.hub, ends.branch) != seen:
                return
            if not self._lines[tunnel].live:
                return
            if ends.hub is not None:
                self.end_hub(tunnel, "closing connection")
            else:
                self.end_branch(tunnel, tell=False)

        self._timeline.after(self._situation.resetting, reset)
