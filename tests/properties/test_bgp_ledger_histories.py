"""Whatever happens on the way, in the end every branch holds exactly what is wanted.

The ledger talks to a model of ExaBGP: its cache that suppresses what it has announced already, its queue (mended, or
with the fault that `speaker.bgp.mends` mends), its replay on every `up`. Events and answers get lost, sessions bounce,
the relay dies with all that it was told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.model.announcement import Announcement
from policies.model.clock import Instant
from policies.model.ids import Prefix
from speaker.bgp.ledger import Ledger
from speaker.bgp.text import Announce, Command, EndOfRib, Flush, Withdraw

NEIGHBORS = (IPv4Address("10.255.0.1"), IPv4Address("10.255.0.3"))
PREFIXES = tuple(IPv4Network("10.0.0.0/8").subnets(new_prefix=16))[:3]


@dataclass
class Session:
    """ExaBGP's side of one neighbor, and what the branch behind it holds."""

    up: bool = False
    cache: dict[Prefix, int] = field(default_factory=dict)
    queue: list[tuple[Prefix, int | None]] = field(default_factory=list)
    told: set[Prefix] = field(default_factory=set)
    """Prefixes in the queue that the ledger does not wait for: of those no event gets lost, for no relay died since."""
    end_of_rib: bool = False
    end_of_rib_sent: bool = False
    held: dict[Prefix, int] = field(default_factory=dict)


class Exabgp:
    """A model of ExaBGP, of its relay's memory, and of the branches."""

    def __init__(self, ledger: Ledger, *, mended: bool) -> None:
        self.ledger = ledger
        self.mended = mended
        self.now = Instant(100.0)
        self.sessions = {neighbor: Session() for neighbor in NEIGHBORS}
        self.commands: list[tuple[int | None, Command]] = []

    def listen(self) -> None:
        """Take what the ledger has to say now."""
        self.commands += self.ledger.commands(self.now)

    def obey(self, *, answer: bool = True) -> None:
        """Carry out the oldest command."""
        if not self.commands:
            return
        number, command = self.commands.pop(0)
        session = self.sessions[command.neighbor]  # type: ignore[union-attr]
        match command:
            case Announce(_, announcement, prefixes):
                for prefix in prefixes:
                    self._announce(session, prefix, announcement.med)
            case Withdraw(_, prefixes):
                for prefix in prefixes:
                    session.cache.pop(prefix, None)
                    self._enqueue(session, prefix, None)
            case EndOfRib():
                session.end_of_rib = session.up
            case Flush() if session.up:
                queued = {prefix for prefix, _ in session.queue}
                session.queue += [(p, med) for p, med in session.cache.items() if p not in queued]
        if number is None and isinstance(command, Announce | Withdraw):
            session.told |= set(command.prefixes)
        if answer and number is not None:
            self.ledger.answered(number, done=True, now=self.now)

    def _announce(self, session: Session, prefix: Prefix, med: int) -> None:
        if session.cache.get(prefix) != med:
            session.cache[prefix] = med
            self._enqueue(session, prefix, med)

    def _enqueue(self, session: Session, prefix: Prefix, med: int | None) -> None:
        session.told.discard(prefix)
        if self.mended:
            session.queue = [entry for entry in session.queue if entry[0] != prefix]
        elif (prefix, med) in session.queue:
            return  # filed under its attributes, where it is already: in the place of the first
        session.queue.append((prefix, med))

    def send(self, *, seen: bool = True) -> None:
        """Hand the queue to TCP, and tell of it unless that gets lost"""
        for neighbor, session in self.sessions.items():
            if not session.up:
                continue
            for prefix, med in session.queue:
                seen_so = seen or prefix in session.told
                if med is None:
                    session.held.pop(prefix, None)
                    if seen_so:
                        self.ledger.sent(neighbor, {}, (prefix,))
                else:
                    session.held[prefix] = med
                    if seen_so:
                        self.ledger.sent(neighbor, {prefix: Announcement(med)}, ())
            session.queue, session.told = [], set()
            if session.end_of_rib:
                session.end_of_rib, session.end_of_rib_sent = False, True
                if seen:
                    self.ledger.end_of_rib_sent(neighbor)

    def up(self, neighbor: IPv4Address) -> None:
        """The session comes up: ExaBGP replays its cache, and the ledger is told."""
        session = self.sessions[neighbor]
        if session.up:
            return
        session.up, session.held, session.end_of_rib, session.end_of_rib_sent = True, {}, False, False
        session.queue, session.told = list(session.cache.items()), set(session.cache)
        self.ledger.up(neighbor)

    def down(self, neighbor: IPv4Address) -> None:
        """The session goes."""
        session = self.sessions[neighbor]
        if session.up:
            session.up, session.held, session.queue = False, {}, []
            self.ledger.down(neighbor)

    def relay_dies(self) -> None:
        """The controller connects anew; commands that were on their way are still carried out, unanswered."""
        self.commands = [(None, command) for _, command in self.commands]
        self.ledger.lost()
        for session in self.sessions.values():
            session.told = {prefix for prefix, _ in session.queue}
        for neighbor, session in self.sessions.items():
            if session.up:
                sent = {prefix: Announcement(med) for prefix, med in session.held.items()}
                self.ledger.adopt(neighbor, sent, end_of_rib=session.end_of_rib_sent)

    def settle(self) -> None:
        """No more misfortune, and time enough."""
        for _ in range(40):
            self.now = Instant(self.now + 1.0)
            for _ in range(10):
                self.listen()
                while self.commands:
                    self.obey()
                self.send()


neighbors = st.sampled_from(NEIGHBORS)
sets = st.dictionaries(st.sampled_from(PREFIXES), st.sampled_from([10, 20, 30]))
steps = st.one_of(
    st.tuples(st.just("want"), neighbors, st.none() | sets, st.booleans()),
    st.tuples(st.just("up"), neighbors),
    st.tuples(st.just("down"), neighbors),
    st.tuples(st.just("obey"), st.booleans()),
    st.tuples(st.just("obey"), st.booleans()),
    st.tuples(st.just("send"), st.booleans()),
    st.tuples(st.just("send"), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 2.0, 6.0])),
    st.tuples(st.just("relay dies")),
)
histories = st.lists(steps, min_size=10, max_size=60)


def take(exabgp: Exabgp, wanted: dict[IPv4Address, dict[Prefix, int] | None], step: tuple[object, ...]) -> None:
    """One step of a history, after which the ledger may speak."""
    match step:
        case ("want", IPv4Address() as neighbor, meds, bool(urgent)):
            assert meds is None or isinstance(meds, dict)
            wanted[neighbor] = meds
            announcements = None if meds is None else {prefix: Announcement(med) for prefix, med in meds.items()}
            exabgp.ledger.want(neighbor, announcements, urgent=urgent)
        case ("up", IPv4Address() as neighbor):
            exabgp.up(neighbor)
        case ("down", IPv4Address() as neighbor):
            exabgp.down(neighbor)
        case ("obey", bool(answer)):
            exabgp.obey(answer=answer)
        case ("send", bool(seen)):
            exabgp.send(seen=seen)
        case ("wait", float(seconds)):
            exabgp.now = Instant(exabgp.now + seconds)
        case ("relay dies",):
            exabgp.relay_dies()
    exabgp.listen()


@pytest.mark.parametrize("mended", [True, False])
@given(history=histories)
@settings(max_examples=300, deadline=None)
def test_in_the_end_every_branch_holds_what_is_wanted(*, mended: bool, history: list[tuple[object, ...]]) -> None:
    exabgp = Exabgp(Ledger(), mended=mended)
    wanted: dict[IPv4Address, dict[Prefix, int] | None] = {}
    for step in history:
        take(exabgp, wanted, step)
    for neighbor in NEIGHBORS:
        exabgp.up(neighbor)
    exabgp.settle()
    for neighbor, meds in wanted.items():
        if meds is not None:
            assert exabgp.sessions[neighbor].held == meds
            assert exabgp.sessions[neighbor].end_of_rib_sent
            assert exabgp.ledger.settled(neighbor)


@given(history=histories)
@settings(max_examples=200, deadline=None)
def test_one_prefix_never_has_two_changes_on_their_way(history: list[tuple[object, ...]]) -> None:
    exabgp = Exabgp(Ledger(), mended=True)
    for step in history:
        # Without losses: what is lost is said again, and may then be on its way twice.
        if step[0] in {"relay dies", "wait", "down"}:
            continue
        if step[0] in {"obey", "send"}:
            step = (step[0], True)  # noqa: PLW2901
        take(exabgp, {}, step)
        for neighbor, session in exabgp.sessions.items():
            on_the_way = [prefix for prefix, _ in session.queue]
            for _, command in exabgp.commands:
                if isinstance(command, Announce | Withdraw) and command.neighbor == neighbor:
                    on_the_way += command.prefixes
            assert len(on_the_way) == len(set(on_the_way))
