"""ExaBGP: its cache of what it announced, its outgoing queue, its replay on every `up`; and its deaths."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from histories.branch import Branch
from histories.pipe import Pipe
from histories.session import Sessions
from histories.situation import Situation
from histories.timeline import Timeline
from policies.model.announcement import Announcement
from policies.model.ids import Prefix, TunnelId
from speaker.bgp.text import Announce, Command, EndOfRib, Flush, Teardown, Withdraw

Queued = tuple[Prefix, Announcement | None]


@dataclass(slots=True)
class Neighbor:
    """A Neighbor is ExaBGP's side of one session: `cache` is its adj-rib-out, which outlives the session."""

    cache: dict[Prefix, Announcement] = field(default_factory=dict)
    queue: list[Queued] = field(default_factory=list)
    received: set[Prefix] = field(default_factory=set)
    asked: dict[Prefix, tuple[int, Command]] = field(default_factory=dict)
    """Of what is in the queue: the connection that asked for it, and the command."""
    end_of_rib: set[int] = field(default_factory=set)
    sending: bool = False


class Exabgp:
    """An Exabgp is one process. `relay` reads its events; `mended` says whether our launcher mended its queue."""

    def __init__(
        self,
        timeline: Timeline,
        situation: Situation,
        sessions: Sessions,
        branch: Branch,
        address: Callable[[TunnelId], Any],
        *,
        mended: bool = True,
    ) -> None:
        self._timeline, self._situation, self._sessions, self._branch = timeline, situation, sessions, branch
        self._tunnel_of = {address(tunnel): tunnel for tunnel in sessions.ends}
        self._mended = mended
        self.overtaken: Callable[[TunnelId, Prefix, Command, Command], None] = lambda *_: None
        self.running = False
        self.started = 0
        self.neighbors: dict[TunnelId, Neighbor] = {}
        self.relay: Pipe | None = None

    # living and dying

    def start(self, tunnels: Iterable[TunnelId]) -> None:
        """Start with these neighbors, none of which it knows anything of."""
        self.running = True
        self.started += 1
        self.neighbors = {tunnel: Neighbor() for tunnel in tunnels}
        for tunnel in self.neighbors:
            self._sessions.connect(tunnel)

    def die(self) -> None:
        """SIGKILL: all its sessions go, nobody is told but by TCP."""
        self.running = False
        neighbors, self.neighbors, self.relay = self.neighbors, {}, None
        for tunnel in neighbors:
            self._sessions.end_hub(tunnel, "", tell=False)

    def reload(self, tunnels: frozenset[TunnelId]) -> None:
        """Have exactly these neighbors; those that stay notice nothing."""
        if not self.running:
            return
        for tunnel in self.neighbors.keys() - tunnels:
            self._sessions.end_hub(tunnel, "stop, message [removed]")
            del self.neighbors[tunnel]
        for tunnel in tunnels - self.neighbors.keys():
            self.neighbors[tunnel] = Neighbor()
            self._sessions.connect(tunnel)

    # sessions

    def accepts(self, tunnel: TunnelId) -> bool:
        """Whether it listens for this neighbor."""
        return self.running and tunnel in self.neighbors

    def session_up(self, tunnel: TunnelId) -> None:
        """What it announced before is announced again, and the branch's routes begin anew."""
        neighbor = self.neighbors[tunnel]
        neighbor.queue, neighbor.received, neighbor.end_of_rib = list(neighbor.cache.items()), set(), set()
        neighbor.asked = {}
        self._tell({"state": "up", "tunnel": tunnel})
        self._send_soon(tunnel)

    def session_down(self, tunnel: TunnelId, why: str) -> None:
        """The queue is of no use any more."""
        neighbor = self.neighbors.get(tunnel)
        if neighbor is None:
            return
        neighbor.queue, neighbor.end_of_rib = [], set()
        self._tell({"state": "down", "tunnel": tunnel, "reason": why})

    def heard(self, tunnel: TunnelId, announced: tuple[Prefix, ...], withdrawn: tuple[Prefix, ...]) -> None:
        """An UPDATE of the branch."""
        neighbor = self.neighbors.get(tunnel)
        if neighbor is not None:
            neighbor.received = (neighbor.received | set(announced)) - set(withdrawn)
            self._tell({"heard": announced, "withdrawn": withdrawn, "tunnel": tunnel})

    def heard_end_of_rib(self, tunnel: TunnelId) -> None:
        """The branch told all it has."""
        if tunnel in self.neighbors:
            self._tell({"heard end": True, "tunnel": tunnel})

    # commands

    def obey(self, command: Command, connection: int) -> bool:
        """Carry out a command of this connection of a controller; whether it was `done`."""
        tunnel = self._tunnel_of.get(getattr(command, "neighbor", None))
        neighbor = self.neighbors.get(tunnel) if tunnel is not None else None
        if neighbor is None or tunnel is None:
            return False
        up = self._sessions.ends[tunnel].hub is not None
        match command:
            case Announce(_, announcement, prefixes):
                self._ask(tunnel, neighbor, command, connection)
                for prefix in prefixes:
                    if neighbor.cache.get(prefix) != announcement:
                        neighbor.cache[prefix] = announcement
                        self._enqueue(neighbor, prefix, announcement)
            case Withdraw(_, prefixes):
                self._ask(tunnel, neighbor, command, connection)
                for prefix in prefixes:
                    neighbor.cache.pop(prefix, None)
                    self._enqueue(neighbor, prefix, None)
            case EndOfRib(_, version) if up:
                neighbor.end_of_rib.add(version)
            case Flush() if up:
                queued = {prefix for prefix, _ in neighbor.queue}
                neighbor.queue += [(p, said) for p, said in neighbor.cache.items() if p not in queued]
            case Teardown():
                self._sessions.end_hub(tunnel, "notification sent (6,4)")
        self._send_soon(tunnel)
        return True

    def _ask(self, tunnel: TunnelId, neighbor: Neighbor, command: Announce | Withdraw, connection: int) -> None:
        pending = {prefix for prefix, _ in neighbor.queue}
        for prefix in command.prefixes:
            before = neighbor.asked.get(prefix)
            if prefix in pending and before is not None and before[0] == connection:
                self.overtaken(tunnel, prefix, before[1], command)
            neighbor.asked[prefix] = (connection, command)

    def _enqueue(self, neighbor: Neighbor, prefix: Prefix, said: Announcement | None) -> None:
        if self._mended:
            neighbor.queue = [entry for entry in neighbor.queue if entry[0] != prefix]
        elif (prefix, said) in neighbor.queue:
            return  # filed under its attributes, where it is already: in the place of the first
        neighbor.queue.append((prefix, said))

    def _send_soon(self, tunnel: TunnelId) -> None:
        neighbor = self.neighbors.get(tunnel)
        if neighbor is None or neighbor.sending:
            return
        neighbor.sending = True

        def send() -> None:
            neighbor.sending = False
            if self.running and self.neighbors.get(tunnel) is neighbor and self._sessions.ends[tunnel].hub is not None:
                self._send(tunnel, neighbor)

        self._timeline.after(self._situation.sending, send)

    def _send(self, tunnel: TunnelId, neighbor: Neighbor) -> None:
        """Hand the queue to TCP, and say so."""
        for prefix, said in neighbor.queue:
            announced = {prefix: said} if said is not None else {}
            withdrawn = (prefix,) if said is None else ()
            meds = {p: announcement.med for p, announcement in announced.items()}
            self._sessions.say_to_branch(
                tunnel,
                lambda a=meds, w=withdrawn: self._branch.hear(tunnel, a, w),  # type: ignore[misc]
            )
            self._tell({"sent": announced, "withdrawn": withdrawn, "tunnel": tunnel})
        neighbor.queue, neighbor.asked = [], {}
        for version in sorted(neighbor.end_of_rib):
            self._tell({"sent end": version, "tunnel": tunnel})
        neighbor.end_of_rib = set()

    def _tell(self, event: dict[str, Any]) -> None:
        if self.relay is not None:
            self.relay.send(("event", event))
