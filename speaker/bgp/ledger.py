"""The ledger: what each neighbor should be told, what is on its way, and what it has been seen to be sent.

Nothing is queued here. What there is to say is worked out anew from *wanted* and *sent* each time there is room to say
it, so a change that became obsolete is never said, and urgent neighbors go first whatever was asked before. The rules:

- nothing to a neighbor that is not up; on every `up` the whole set, and then End-of-RIB;
- one outstanding change a prefix: the next one waits until ExaBGP was *seen* to send the last one;
- few unanswered commands, and of ordinary ones few prefixes, so that an urgent one never waits long;
- what is not seen to be sent in time, or is seen otherwise, is said again, and ExaBGP made to send what it has;
- of an IP version that the session does not carry nothing is said, and nothing is waited for.

When a session comes up ExaBGP sends by itself what the last one announced (its adj-rib-out, which also serves branches
while no controller is there), so for milliseconds a branch may hold values from before. No packet is lost by them: a
session that is up has just carried TCP over its tunnel both ways, so where an old value draws the traffic, it lives.
And seldom do they draw any: a tunnel is told a value that beats all that the branch may hold from the others, those of
sessions that are down included (`SessionView.lowest_held`), and that is forgotten only when a whole set was sent.

Deterministic: no clock and no I/O of its own.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address

from policies.model.announcement import Announcement, Announcements
from policies.model.clock import NEVER, Instant
from policies.model.ids import Prefix
from speaker.bgp.batches import announced_together, prefixes_of, withdrawn_together
from speaker.bgp.text import LONGEST_LINE_PREFIXES, Announce, Command, EndOfRib, Flush, Withdraw

WINDOW = 8
"""Unanswered ordinary commands; ExaBGP gains nothing from more."""

URGENT_WINDOW = 16
"""Unanswered commands beyond which even urgent ones wait."""

MOST_PREFIXES_UNANSWERED = 2 * LONGEST_LINE_PREFIXES
"""Prefixes in unanswered ordinary commands, and again in urgent ones: some 20 ms of ExaBGP's time."""

SEEN_WITHIN = 2.0
"""Seconds from a command's answer until its effect must have been seen."""

ANSWERED_WITHIN = 5.0
"""Seconds after which a command without an answer counts as lost."""

SHORT_FIRST_LINE = 50
"""With more prefixes the first goes alone, and the rest when ExaBGP has read it: it reads all that waits."""

IPV4_ONLY = (4,)


class EndOfRibState(Enum):
    """How far the End-of-RIB of the present session is."""

    DUE = "due"
    ASKED = "asked"
    SENT = "sent"


@dataclass(slots=True)
class _Change:
    """A change of one prefix that was said and not yet seen; `announcement` is None for a withdrawal."""

    announcement: Announcement | None
    said_at: Instant
    answered_at: Instant | None = None


@dataclass(slots=True)
class _End:
    """The End-of-RIB of one IP version."""

    state: EndOfRibState = EndOfRibState.DUE
    asked_at: Instant = NEVER


@dataclass(slots=True)
class _Neighbor:
    asked_for: Announcements | None = None
    """All that was wanted; `wanted` is what of it the session carries."""
    wanted: Announcements | None = None
    urgent: bool = False
    up: bool = False
    sent: dict[Prefix, Announcement] = field(default_factory=dict)
    said: dict[Prefix, Announcement | None] = field(default_factory=dict)
    changes: dict[Prefix, _Change] = field(default_factory=dict)
    ends: dict[int, _End] = field(default_factory=lambda: _due_ends(IPV4_ONLY))
    """The End-of-RIB of each IP version that the session carries."""
    flush: bool = False
    equal: bool | None = None
    """Whether `sent` is what is `wanted`; None when one of them changed since it was found out."""

    def new_session(self, versions: Collection[int]) -> None:
        self.sent, self.said, self.changes = {}, {}, {}
        self.ends, self.flush = _due_ends(versions), False
        self.want(self.asked_for)

    def want(self, announcements: Announcements | None) -> None:
        self.asked_for = self.wanted = announcements
        self.equal = None
        if announcements is not None and any(prefix.version not in self.ends for prefix in announcements):
            self.wanted = {prefix: said for prefix, said in announcements.items() if prefix.version in self.ends}

    def is_unread(self, prefix: Prefix) -> bool:
        """Whether a change of this prefix was said and ExaBGP has not answered yet."""
        change = self.changes.get(prefix)
        return change is not None and change.answered_at is None

    @property
    def settled(self) -> bool:
        """Whether the neighbor was seen to be sent exactly what is wanted."""
        if self.wanted is None or self.changes or len(self.sent) != len(self.wanted):
            return False
        if self.equal is None:
            self.equal = all(self.sent.get(prefix) == said for prefix, said in self.wanted.items())
        return self.equal

    @property
    def idle(self) -> bool:
        """Whether there is nothing to say."""
        return self.wanted is None or (self.settled and self.ended and not self.flush)

    @property
    def ended(self) -> bool:
        """Whether End-of-RIB was sent for all that the session carries."""
        return all(end.state is EndOfRibState.SENT for end in self.ends.values())


@dataclass(slots=True)
class _Unanswered:
    neighbor: IPv4Address
    prefixes: tuple[Prefix, ...]
    since: Instant
    urgent: bool


class Ledger:
    """A Ledger is asked for the commands to write now, and told everything that is seen.

    `counters`: `said_again` (changes not seen in time), `wrong_value` (values seen that were never the last said),
    `refused` (commands that ExaBGP answered with an error), `unanswered`.
    """

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self._neighbors: dict[IPv4Address, _Neighbor] = {}
        self._unanswered: dict[int, _Unanswered] = {}
        self._last_number = 0
        self._next: IPv4Address | None = None

    # what is wanted

    def want(self, neighbor: IPv4Address, announcements: Announcements | None, *, urgent: bool = False) -> None:
        """Set what a neighbor should be told, in the order in which to tell it; None leaves it as it is.

        Until it is settled an urgent neighbor is served before all others.
        """
        known = self._of(neighbor)
        known.want(announcements)
        known.urgent = urgent

    def forget(self, neighbor: IPv4Address) -> None:
        """A neighbor is no longer one of ours."""
        self._neighbors.pop(neighbor, None)

    # what is seen

    def up(self, neighbor: IPv4Address, versions: Collection[int] = IPV4_ONLY) -> None:
        """Its session came up, and carries prefixes of these IP versions: it holds nothing of this session yet."""
        known = self._of(neighbor)
        known.new_session(versions)
        known.up = True

    def down(self, neighbor: IPv4Address) -> None:
        """Its session is gone."""
        known = self._of(neighbor)
        known.new_session(tuple(known.ends))
        known.up = False

    def adopt(
        self,
        neighbor: IPv4Address,
        sent: Announcements,
        versions: Collection[int] = IPV4_ONLY,
        *,
        end_of_rib: bool,
    ) -> None:
        """Its session has been up for a while, carries these IP versions, and this was sent on it."""
        self.up(neighbor, versions)
        known = self._of(neighbor)
        known.sent, known.equal = dict(sent), None
        for end in known.ends.values():
            end.state = EndOfRibState.SENT if end_of_rib else EndOfRibState.DUE

    def sent(self, neighbor: IPv4Address, announced: Announcements, withdrawn: Iterable[Prefix]) -> None:
        """ExaBGP handed an update to TCP."""
        known = self._of(neighbor)
        known.equal = None
        for prefix in withdrawn:
            known.sent.pop(prefix, None)
            self._seen(known, prefix, None)
        for prefix, announcement in announced.items():
            known.sent[prefix] = announcement
            self._seen(known, prefix, announcement)

    def end_of_rib_sent(self, neighbor: IPv4Address, version: int = 4) -> bool:
        """ExaBGP handed an End-of-RIB to TCP; whether it is the one that completes the set of this session."""
        known = self._of(neighbor)
        end = known.ends.get(version)
        if end is None or end.state is not EndOfRibState.ASKED:
            return False
        end.state = EndOfRibState.SENT
        return known.ended

    def answered(self, number: int, *, done: bool, now: Instant) -> None:
        """ExaBGP answered a command: it is in its queue, or was refused."""
        asked = self._unanswered.pop(number, None)
        if asked is None:
            return
        known = self._neighbors.get(asked.neighbor)
        if not done:
            self.counters["refused"] += 1
        if known is None:
            return
        for prefix in asked.prefixes:
            change = known.changes.get(prefix)
            if change is not None:
                change.answered_at = now

    def lost(self) -> None:
        """The relay is gone: nothing is on its way, and no neighbor's state is known."""
        self._unanswered.clear()
        for known in self._neighbors.values():
            known.new_session(tuple(known.ends))
            known.up = False

    # what to say

    def commands(self, now: Instant) -> list[tuple[int, Command]]:
        """The commands to write now, with the numbers under which their answers are expected."""
        self._overdue(now)
        urgent, ordinary = self._waiting()
        return [*self._in_turn(urgent, now), *self._in_turn(ordinary, now)]

    def settled(self, neighbor: IPv4Address) -> bool:
        """Whether the neighbor was seen to be sent exactly what is wanted."""
        return self._of(neighbor).settled

    @property
    def outstanding(self) -> int:
        """How many commands wait for their answer."""
        return len(self._unanswered)

    @property
    def hurries(self) -> bool:
        """Whether there is something urgent to say, or on its way."""
        return any(known.urgent and known.up and not known.idle for known in self._neighbors.values())

    def is_up(self, neighbor: IPv4Address) -> bool:
        """Whether the neighbor's session is known to be up."""
        known = self._neighbors.get(neighbor)
        return known is not None and known.up

    # inside

    def _of(self, neighbor: IPv4Address) -> _Neighbor:
        return self._neighbors.setdefault(neighbor, _Neighbor())

    def _waiting(self) -> tuple[list[IPv4Address], list[IPv4Address]]:
        """The neighbors to which there is something to say: the urgent ones, and the others."""
        urgent: list[IPv4Address] = []
        ordinary: list[IPv4Address] = []
        for address, known in self._neighbors.items():
            if not known.up or known.wanted is None:
                continue
            if known.idle:
                known.urgent = False
            else:
                (urgent if known.urgent else ordinary).append(address)
        return urgent, ordinary

    def _in_turn(self, neighbors: list[IPv4Address], now: Instant) -> Iterator[tuple[int, Command]]:
        """One command a neighbor and again, while there is room: a large set must not make the others wait for its end.

        The one for which there was no room is the first the next time.
        """
        start = neighbors.index(self._next) if self._next in neighbors else 0
        turn = deque((each, iter(self._due(each, self._of(each)))) for each in (*neighbors[start:], *neighbors[:start]))
        while turn:
            address, due = turn.popleft()
            command, known = next(due, None), self._of(address)
            if command is None:
                continue
            if not self._has_room(known, command):
                self._next = address
                return
            yield self._say(address, known, command, now), command
            turn.append((address, due))

    def _due(self, address: IPv4Address, known: _Neighbor) -> list[Command]:
        """All that there is to say to a neighbor now, most useful first."""
        wanted = known.wanted or {}
        commands: list[Command] = []
        head = next(iter(wanted)) if len(wanted) > SHORT_FIRST_LINE else None
        if head is not None and known.is_unread(head):
            return []
        differing = [p for p, a in wanted.items() if known.sent.get(p) != a and p not in known.changes]
        if head is not None and differing[:1] == [head]:
            return [Announce(address, wanted[head], (head,))]
        for announcement, prefixes in announced_together(differing, wanted):
            commands.append(Announce(address, announcement, prefixes))
        surplus = [p for p in known.sent if p not in wanted and p not in known.changes]
        commands += [Withdraw(address, part) for part in withdrawn_together(surplus)]
        if known.flush and not differing and not surplus:
            commands.append(Flush(address))
        elif known.settled:
            due = (version for version, end in known.ends.items() if end.state is EndOfRibState.DUE)
            commands += [EndOfRib(address, version) for version in due]
        return commands

    def _has_room(self, known: _Neighbor, command: Command) -> bool:
        """Whether a command may be said now. What is urgent waits for nothing but what is urgent itself."""
        rivals = [u for u in self._unanswered.values() if u.urgent or not known.urgent]
        if len(self._unanswered) >= (URGENT_WINDOW if known.urgent else WINDOW):
            return False
        waiting = sum(len(unanswered.prefixes) for unanswered in rivals)
        return waiting == 0 or waiting + len(prefixes_of(command)) <= MOST_PREFIXES_UNANSWERED

    def _say(self, address: IPv4Address, known: _Neighbor, command: Command, now: Instant) -> int:
        self._last_number += 1
        prefixes = prefixes_of(command)
        self._unanswered[self._last_number] = _Unanswered(address, prefixes, now, known.urgent)
        announcement = command.announcement if isinstance(command, Announce) else None
        for prefix in prefixes:
            known.changes[prefix] = _Change(announcement, now)
            known.said[prefix] = announcement
        if isinstance(command, EndOfRib):
            known.ends[command.version] = _End(EndOfRibState.ASKED, now)
        elif isinstance(command, Flush):
            known.flush = False
        return self._last_number

    def _seen(self, known: _Neighbor, prefix: Prefix, announcement: Announcement | None) -> None:
        change = known.changes.get(prefix)
        if change is not None:
            if change.announcement == announcement:
                del known.changes[prefix]
        elif prefix in known.said and known.said[prefix] != announcement:
            # ExaBGP may hold the right value all the same and suppress it when it is said again: hence the flush.
            self.counters["wrong_value"] += 1
            known.flush = True

    def _overdue(self, now: Instant) -> None:
        for number in [n for n, u in self._unanswered.items() if now >= u.since + ANSWERED_WITHIN]:
            del self._unanswered[number]
            self.counters["unanswered"] += 1
        for known in self._neighbors.values():
            late = [(prefix, change) for prefix, change in known.changes.items() if now >= _deadline(change)]
            for prefix, change in late:
                del known.changes[prefix]
                # Whether the change was made is not known. An announcement is made again if what was sent is forgotten,
                # a withdrawal if it is remembered.
                if change.announcement is not None:
                    known.sent.pop(prefix, None)
                    known.equal = None
                known.flush = True
                self.counters["said_again"] += 1
            for end in known.ends.values():
                if end.state is EndOfRibState.ASKED and now >= end.asked_at + ANSWERED_WITHIN:
                    end.state = EndOfRibState.DUE


def _due_ends(versions: Collection[int]) -> dict[int, _End]:
    return {version: _End() for version in sorted(versions)}


def _deadline(change: _Change) -> float:
    if change.answered_at is None:
        return change.said_at + ANSWERED_WITHIN
    return change.answered_at + SEEN_WITHIN
