"""ExaBGP's messages and the relay's memory, translated into the events of the model. Deterministic, no I/O.

What a branch announces is judged here (`speaker.bgp.imports`), so the view never holds a route that does not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from hub.bgp.closing import not_carried, worded
from policies.model.announcement import Announcement
from policies.model.clock import NEVER, Instant
from policies.model.events import (
    AnnouncementsSent,
    EndOfRibHeard,
    Event,
    RouteRefused,
    RoutesHeard,
    RoutesWithdrawn,
    SessionChanged,
    SetSent,
)
from policies.model.ids import Prefix, TunnelId
from policies.model.intent import Branch, Hub, Intent, Tunnel
from policies.model.view import SessionState
from speaker.bgp.announced import announced
from speaker.bgp.events import FAMILIES, BadEventError, Direction, Route, Updated, parse_update
from speaker.bgp.imports import Refused, judge
from speaker.bgp.memory import says_why
from speaker.bgp.text import PLAIN, Announce, Command, Withdraw, Wording, line

MOST_REFUSALS_TOLD = 20
"""Refused routes of one UPDATE that are told one by one; the rest is told as a number."""


MOST_REFUSED_KEPT = 1000
"""Refused routes of one session that are kept, to be judged again when the configuration changes."""

_IPV4_ONLY = frozenset({4})


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A Neighbor is the tunnel behind a peer's address, and its branch."""

    branch: Branch
    tunnel: Tunnel

    @property
    def versions(self) -> frozenset[int]:
        """The IP versions that the session carries if the branch takes all of them."""
        linked = {4} if self.tunnel.link.hub6 is None else {4, 6}
        return frozenset(self.branch.versions or (4,)) & linked

    @property
    def wording(self) -> Wording:
        """How the neighbor is spoken to."""
        return Wording(self.branch.session.kind, self.tunnel.link.hub6)


@dataclass(frozen=True, slots=True)
class Remembered:
    """A Remembered is what the relay knew of one neighbor: the events that tell it, and the state for the ledger."""

    neighbor: IPv4Address
    events: tuple[Event, ...]
    up: bool
    sent: Mapping[Prefix, Announcement]
    end_of_rib: bool


@dataclass(frozen=True, slots=True)
class Reconfigured:
    """A Reconfigured is what another intent changes here.

    `gone` are the neighbors that it no longer has, `events` what of the routes heard counts now or no longer does, and
    `resync` whether all must be told anew: a session that stands belongs to another tunnel now, or had more refused
    routes than are kept.
    """

    gone: frozenset[IPv4Address]
    events: tuple[Event, ...] = ()
    resync: bool = False


@dataclass(slots=True)
class _Session:
    """What is known of one session, by the address of its neighbor."""

    state: SessionState | None = None
    versions: frozenset[int] | None = None
    """The IP versions that the branch's last OPEN offers."""
    asn: int | None = None
    """The AS that it says."""
    told: str = ""
    """The reason that was told last of its present state."""
    ended: set[int] = field(default_factory=set)
    accepted: dict[Prefix, Route] = field(default_factory=dict)
    refused: dict[Prefix, tuple[Route, str]] = field(default_factory=dict)
    refusals: Counter[str] = field(default_factory=Counter)
    """Refused routes by reason, as far as they are kept."""
    not_kept: set[str] = field(default_factory=set)
    """The reasons of those that are not."""

    def refuse(self, route: Route, why: str) -> None:
        self.allow(route.prefix)
        if len(self.refused) < MOST_REFUSED_KEPT:
            self.refusals[why] += 1
            self.refused[route.prefix] = route, why
        else:
            self.not_kept.add(why)

    def allow(self, prefix: Prefix) -> None:
        """It is not refused any more, whether it was withdrawn or accepted."""
        known = self.refused.pop(prefix, None)
        if known is not None:
            self.refusals[known[1]] -= 1

    def counted(self) -> dict[str, int]:
        """Refused routes by reason; where some are not counted, the reason says so."""
        more = "; there are more, which are not counted"
        return {f"{why}{more}" if why in self.not_kept else why: count for why, count in (+self.refusals).items()}


class Translator:
    """A Translator knows whose address is whose, and which prefixes each session was allowed."""

    def __init__(self, intent: Intent) -> None:
        self._hub: Hub = intent.hub
        self._neighbors: dict[IPv4Address, Neighbor] = {}
        self._addresses: dict[TunnelId, IPv4Address] = {}
        self._sessions: dict[IPv4Address, _Session] = {}
        self.reconfigure(intent, NEVER)

    def reconfigure(self, intent: Intent, at: Instant) -> Reconfigured:
        """Take another intent, and judge anew what was heard: nothing has to be said again by any branch."""
        before = self._neighbors
        self._hub = intent.hub
        self._neighbors = {
            tunnel.link.branch: Neighbor(branch, tunnel)
            for branch in intent.branches.values()
            for tunnel in branch.tunnels
        }
        self._addresses = {neighbor.tunnel.id: address for address, neighbor in self._neighbors.items()}
        gone = frozenset(before) - frozenset(self._neighbors)
        resync, events = False, list[Event]()
        for address in gone:
            # Its own `down` comes from an address that is nobody's any more. The tunnel may have another address now.
            session = self._sessions.pop(address, None)
            if session is not None and session.state is SessionState.UP:
                events.append(SessionChanged(before[address].tunnel.id, SessionState.DOWN, at, "configured anew"))
        for address, session in self._sessions.items():
            renamed = before[address].tunnel.id != self._neighbors[address].tunnel.id
            resync = resync or renamed or bool(session.not_kept)
            if not renamed:
                events += self._judged_anew(address, at)
        return Reconfigured(gone, tuple(events), resync)

    def _judged_anew(self, address: IPv4Address, at: Instant) -> list[Event]:
        neighbor, session = self._neighbors[address], self._sessions[address]
        routes = (*session.accepted.values(), *(route for route, _ in session.refused.values()))
        imported = judge(
            self._hub, neighbor.branch, neighbor.tunnel, Updated(address, Direction.RECEIVED, routes, ()), ()
        )
        was_refused = {prefix: why for prefix, (_, why) in session.refused.items()}
        withdrawn = tuple(prefix for prefix in session.accepted if prefix not in imported.accepted)
        heard = tuple(prefix for prefix in imported.accepted if prefix not in session.accepted)
        by_prefix = {route.prefix: route for route in routes}
        for refused in imported.refused:
            session.refuse(by_prefix[refused.prefix], refused.reason.value)
        for prefix in imported.accepted:
            session.allow(prefix)
        session.accepted = {prefix: by_prefix[prefix] for prefix in imported.accepted}
        fresh = [r for r in imported.refused if was_refused.get(r.prefix) != r.reason.value]
        return _changes(neighbor.tunnel.id, withdrawn, heard, fresh, at)

    def address_of(self, tunnel: TunnelId) -> IPv4Address | None:
        """The branch's address on this tunnel; None when the tunnel is not in the intent."""
        return self._addresses.get(tunnel)

    def knows(self, neighbor: IPv4Address) -> bool:
        """Whether the address is one of ours."""
        return neighbor in self._neighbors

    def worded(self, command: Command) -> str:
        """The API line of a command, as its neighbor is spoken to.

        Raises:
            ValueError: it cannot be said, as of an IPv6 prefix whose tunnel has lost its IPv6 link.
        """
        if not isinstance(command, Announce | Withdraw):
            return line(command)
        known = self._neighbors.get(command.neighbor)
        return line(command, PLAIN if known is None else known.wording)

    def versions_of(self, neighbor: IPv4Address) -> frozenset[int]:
        """The IP versions that its session carries: those of the branch's prefixes that the branch also offers.

        While its OPEN is not known it is taken for one that takes IPv4.
        """
        session = self._sessions.get(neighbor)
        offered = None if session is None else session.versions
        return self._neighbors[neighbor].versions & (_IPV4_ONLY if offered is None else offered)

    def missing(self) -> Mapping[TunnelId, tuple[int, ...]]:
        """Of each session that is up, the IP versions that it should carry and does not."""
        found = {}
        for address, session in self._sessions.items():
            if session.state is SessionState.UP:
                lacking = self._neighbors[address].versions - self.versions_of(address)
                if lacking:
                    found[self._neighbors[address].tunnel.id] = tuple(sorted(lacking))
        return found

    def not_carried(self) -> dict[str, str]:
        """The same as the operator reads it, by a key that begins with `version `."""
        return not_carried(self.missing())

    def refusals(self) -> Mapping[TunnelId, Mapping[str, int]]:
        """How many routes each branch announces, over which tunnel, that are refused for which reason.

        Beyond `MOST_REFUSED_KEPT` of a session they are not counted, and the reason says so.
        """
        return {
            self._neighbors[address].tunnel.id: session.counted()
            for address, session in self._sessions.items()
            if +session.refusals
        }

    def forget_sessions(self) -> None:
        """Nothing is known of any session any more."""
        self._sessions.clear()

    def opened(self, neighbor: IPv4Address, versions: frozenset[int], asn: int | None = None) -> None:
        """A branch offers these IP versions and says this AS, on the session that comes up next or is refused."""
        session = self._session(neighbor)
        session.versions, session.asn = versions, asn

    def state(self, neighbor: IPv4Address, state: SessionState, reason: str, at: Instant) -> list[Event]:
        """A session came up or went down. ExaBGP says `down` again and again: it is told if its reason is new."""
        session, known = self._session(neighbor), self._neighbors[neighbor]
        told = worded(reason, said=session.asn, written=known.branch.asn, hub=self._hub.asn)
        if state is SessionState.DOWN and session.state is SessionState.DOWN:
            if told == session.told or not says_why(reason):
                return []
            session.told = told
        else:
            # Where a branch connects again before its old session has ended, its OPEN comes before that `down`.
            self._sessions[neighbor] = _Session(state, session.versions, session.asn, told)
        return [SessionChanged(known.tunnel.id, state, at, told)]

    def updated(self, update: Updated, at: Instant) -> list[Event]:
        """An UPDATE was received, or handed to TCP."""
        neighbor = self._neighbors[update.neighbor]
        if update.direction is Direction.SENT:
            return [AnnouncementsSent(neighbor.tunnel.id, announced(update), update.withdrawn, at)]
        return self._received(neighbor, update, at)

    def end_of_rib_heard(self, neighbor: IPv4Address, at: Instant, version: int = 4) -> list[Event]:
        """A branch has told all it has of one IP version; an event once that is so of all that the session carries."""
        session, carried = self._session(neighbor), self.versions_of(neighbor)
        fresh = version in carried and version not in session.ended
        session.ended.add(version)
        if not (fresh and session.ended >= carried):
            return []
        return [EndOfRibHeard(self._neighbors[neighbor].tunnel.id, at)]

    def set_sent(self, neighbor: IPv4Address, at: Instant) -> list[Event]:
        """The whole set and its End-of-RIB were sent."""
        return [SetSent(self._neighbors[neighbor].tunnel.id, at)]

    def _session(self, neighbor: IPv4Address) -> _Session:
        return self._sessions.setdefault(neighbor, _Session())

    def remembered(self, memory: Mapping[str, Any]) -> Remembered | None:
        """What one `memory` line of the relay says; None when its neighbor is not ours.

        Raises:
            BadEventError: it is no memory.
        """
        try:
            address, at = IPv4Address(memory["neighbor"]), Instant(float(memory["at"]))
            state = SessionState(memory["state"])
            if address not in self._neighbors:
                return None
            return self._retold(address, memory, state, at)
        except BadEventError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise BadEventError(f"not the memory of a neighbor: {str(memory)[:120]}") from error

    def _retold(self, address: IPv4Address, memory: Mapping[str, Any], state: SessionState, at: Instant) -> Remembered:
        """The same events in the same order as if we had been there."""
        neighbor = self._neighbors[address]
        tunnel = neighbor.tunnel.id

        def updates(key: str, direction: Direction) -> list[Updated]:
            return [parse_update(address, direction, update) for update in memory[key]]

        sent_before, sent = updates("sent_before", Direction.SENT), updates("sent", Direction.SENT)
        events: list[Event] = []
        for update in (*updates("received_before", Direction.RECEIVED), *sent_before):
            events += self.updated(update, at)
        self._sessions.pop(address, None)
        families = memory.get("families")
        if families is not None:
            self.opened(address, _versions(families))
        events += self.state(address, state, str(memory.get("reason", "")), at)
        events += self._replaced(address, memory)
        for update in (*sent, *updates("received", Direction.RECEIVED)):
            events += self.updated(update, at)
        for version in sorted(_ends(memory, "received")):
            events += self.end_of_rib_heard(address, at, version)
        carried = self.versions_of(address)
        complete = bool(carried) and _ends(memory, "sent") >= carried
        if complete:
            events.append(SetSent(tunnel, at))
        all_sent = {prefix: said for update in sent for prefix, said in announced(update).items()}
        return Remembered(address, tuple(events), state is SessionState.UP, all_sent, complete)

    def _replaced(self, address: IPv4Address, memory: Mapping[str, Any]) -> list[Event]:
        """What was taken back on the present session, and when; a relay of the release before does not tell it."""
        replaced: dict[Prefix, Announcement] = {}
        for update in memory.get("replaced", ()):
            replaced |= announced(parse_update(address, Direction.SENT, update))
        if not replaced:
            return []
        tunnel, at = self._neighbors[address].tunnel.id, Instant(float(memory["replaced_at"]))
        return [AnnouncementsSent(tunnel, replaced, (), at), AnnouncementsSent(tunnel, {}, tuple(replaced), at)]

    def _received(self, neighbor: Neighbor, update: Updated, at: Instant) -> list[Event]:
        session = self._session(update.neighbor)
        imported = judge(self._hub, neighbor.branch, neighbor.tunnel, update, session.accepted)
        # A withdrawal counts even of what this session never announced: an earlier one may have.
        withdrawn = tuple(dict.fromkeys((*imported.withdrawn, *update.withdrawn)))
        withdrawn = tuple(prefix for prefix in withdrawn if prefix not in imported.accepted)
        routes = {route.prefix: route for route in update.announced}
        for prefix in withdrawn:
            session.accepted.pop(prefix, None)
            session.allow(prefix)
        for prefix in imported.accepted:
            session.accepted[prefix] = routes[prefix]
            session.allow(prefix)
        for refused in imported.refused:
            if refused.prefix not in imported.accepted:
                session.refuse(routes[refused.prefix], refused.reason.value)
        return _changes(neighbor.tunnel.id, withdrawn, imported.accepted, imported.refused, at)


def _versions(families: Iterable[object]) -> frozenset[int]:
    return frozenset(FAMILIES[family] for family in map(str, families) if family in FAMILIES)


def _ends(memory: Mapping[str, Any], way: str) -> frozenset[int]:
    """The IP versions whose End-of-RIB was sent or received; a relay of the release before knew of IPv4 only."""
    if f"{way}_ends" in memory:
        return _versions(memory[f"{way}_ends"])
    return _IPV4_ONLY if memory[f"{way}_end_of_rib"] else frozenset()


def _changes(
    tunnel: TunnelId,
    withdrawn: tuple[Prefix, ...],
    heard: tuple[Prefix, ...],
    refused: Iterable[Refused],
    at: Instant,
) -> list[Event]:
    events: list[Event] = []
    if withdrawn:
        events.append(RoutesWithdrawn(tunnel, withdrawn, at))
    if heard:
        events.append(RoutesHeard(tunnel, heard, at))
    return [*events, *_refusals(tunnel, ((str(r.prefix), r.reason.value) for r in refused), at)]


def _refusals(tunnel: TunnelId, refused: Iterable[tuple[str, str]], at: Instant) -> list[Event]:
    every = list(refused)
    told: list[Event] = [RouteRefused(tunnel, prefix, why, at) for prefix, why in every[:MOST_REFUSALS_TOLD]]
    rest = len(every) - MOST_REFUSALS_TOLD
    if rest > 0:
        told.append(RouteRefused(tunnel, f"{rest} more", every[-1][1], at))
    return told
