"""ExaBGP's messages and the relay's memory, translated into the events of the model. Deterministic, no I/O.

What a branch announces is judged here (`speaker.bgp.imports`), so the view never holds a route that does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from policies.model.announcement import Announcement
from policies.model.clock import Instant
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
from policies.model.intent import Branch, Intent, Tunnel
from policies.model.view import SessionState
from speaker.bgp.events import BadEventError, Direction, Updated, parse_update
from speaker.bgp.imports import judge

MOST_REFUSALS_TOLD = 20
"""Refused routes of one UPDATE that are told one by one; the rest is told as a number."""


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A Neighbor is the tunnel behind a peer's address, and its branch."""

    branch: Branch
    tunnel: Tunnel


@dataclass(frozen=True, slots=True)
class Remembered:
    """A Remembered is what the relay knew of one neighbor: the events that tell it, and the state for the ledger."""

    neighbor: IPv4Address
    events: tuple[Event, ...]
    up: bool
    sent: Mapping[Prefix, Announcement]
    end_of_rib: bool


class Translator:
    """A Translator knows whose address is whose, and which prefixes each session was allowed."""

    def __init__(self, intent: Intent) -> None:
        self._accepted: dict[TunnelId, dict[Prefix, None]] = {}
        self._states: dict[TunnelId, SessionState] = {}
        self.reconfigure(intent)

    def reconfigure(self, intent: Intent) -> frozenset[IPv4Address]:
        """Take another intent; the neighbors that are no longer in it."""
        before = frozenset(getattr(self, "_neighbors", {}))
        self._hub = intent.hub
        self._neighbors = {
            tunnel.link.branch: Neighbor(branch, tunnel)
            for branch in intent.branches.values()
            for tunnel in branch.tunnels
        }
        self._addresses = {neighbor.tunnel.id: address for address, neighbor in self._neighbors.items()}
        return before - frozenset(self._neighbors)

    def address_of(self, tunnel: TunnelId) -> IPv4Address | None:
        """The branch's address on this tunnel; None when the tunnel is not in the intent."""
        return self._addresses.get(tunnel)

    def knows(self, neighbor: IPv4Address) -> bool:
        """Whether the address is one of ours."""
        return neighbor in self._neighbors

    def forget_sessions(self) -> None:
        """Nothing is known of any session any more."""
        self._accepted.clear()
        self._states.clear()

    def state(self, neighbor: IPv4Address, state: SessionState, reason: str, at: Instant) -> list[Event]:
        """A session came up or went down. `down` is told once: ExaBGP repeats it with every refused connection."""
        tunnel = self._neighbors[neighbor].tunnel.id
        if state is SessionState.DOWN and self._states.get(tunnel) is SessionState.DOWN:
            return []
        self._states[tunnel] = state
        self._accepted.pop(tunnel, None)
        return [SessionChanged(tunnel, state, at, reason)]

    def updated(self, update: Updated, at: Instant) -> list[Event]:
        """An UPDATE was received, or handed to TCP."""
        neighbor = self._neighbors[update.neighbor]
        if update.direction is Direction.SENT:
            return [AnnouncementsSent(neighbor.tunnel.id, announced(update), update.withdrawn, at)]
        return self._received(neighbor, update, at)

    def end_of_rib_heard(self, neighbor: IPv4Address, at: Instant) -> list[Event]:
        """A branch has told all it has."""
        return [EndOfRibHeard(self._neighbors[neighbor].tunnel.id, at)]

    def set_sent(self, neighbor: IPv4Address, at: Instant) -> list[Event]:
        """The whole set and its End-of-RIB were sent."""
        return [SetSent(self._neighbors[neighbor].tunnel.id, at)]

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
        except (KeyError, TypeError, ValueError) as error:
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
        self._states.pop(tunnel, None)
        events += self.state(address, state, str(memory.get("reason", "")), at)
        for update in (*sent, *updates("received", Direction.RECEIVED)):
            events += self.updated(update, at)
        if memory["received_end_of_rib"]:
            events.append(EndOfRibHeard(tunnel, at))
        if memory["sent_end_of_rib"]:
            events.append(SetSent(tunnel, at))
        all_sent = {prefix: said for update in sent for prefix, said in announced(update).items()}
        return Remembered(address, tuple(events), state is SessionState.UP, all_sent, bool(memory["sent_end_of_rib"]))

    def _received(self, neighbor: Neighbor, update: Updated, at: Instant) -> list[Event]:
        tunnel = neighbor.tunnel.id
        held = self._accepted.setdefault(tunnel, {})
        imported = judge(self._hub, neighbor.branch, neighbor.tunnel, update, held)
        # A withdrawal counts even of what this session never announced: an earlier one may have.
        withdrawn = tuple(dict.fromkeys((*imported.withdrawn, *update.withdrawn)))
        withdrawn = tuple(prefix for prefix in withdrawn if prefix not in imported.accepted)
        for prefix in withdrawn:
            held.pop(prefix, None)
        held.update(dict.fromkeys(imported.accepted))
        events: list[Event] = []
        if withdrawn:
            events.append(RoutesWithdrawn(tunnel, withdrawn, at))
        if imported.accepted:
            events.append(RoutesHeard(tunnel, imported.accepted, at))
        return [*events, *_refusals(tunnel, ((str(r.prefix), r.reason.value) for r in imported.refused), at)]


def announced(update: Updated) -> dict[Prefix, Announcement]:
    """What an UPDATE of ours announces; a missing MED counts as 0, as it does at the branch (RFC 4271 9.1.2.2)."""
    return {route.prefix: Announcement(route.med or 0) for route in update.announced}


def _refusals(tunnel: TunnelId, refused: Iterable[tuple[str, str]], at: Instant) -> list[Event]:
    every = list(refused)
    told: list[Event] = [RouteRefused(tunnel, prefix, why, at) for prefix, why in every[:MOST_REFUSALS_TOLD]]
    rest = len(every) - MOST_REFUSALS_TOLD
    if rest > 0:
        told.append(RouteRefused(tunnel, f"{rest} more", every[-1][1], at))
    return told
