"""What holds of BFD whatever happens."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.forwarder.liveness.echo import decode_reply
from hub.forwarder.liveness.model import SessionMemory
from speaker.bfd.memory import Memory
from speaker.bfd.packet import BadPacket, ControlPacket, State, decode, encode
from speaker.bfd.session import Session, Step
from speaker.bfd.timing import NEVER, SessionTimers, transmit_wait

MS = 1_000_000
WORD = st.integers(0, 0xFFFFFFFF)
NUMBER = st.integers(1, 0xFFFFFFFF)
PACKETS = st.builds(
    ControlPacket,
    state=st.sampled_from(State),
    my_discriminator=NUMBER,
    your_discriminator=NUMBER,
    desired_min_tx=WORD,
    required_min_rx=WORD,
    multiplier=st.integers(1, 255),
    diagnostic=st.integers(0, 31),
    poll=st.booleans(),
    final=st.booleans(),
    control_plane_independent=st.booleans(),
    demand=st.booleans(),
    required_min_echo_rx=WORD,
)
TIMERS = st.builds(
    SessionTimers,
    desired_min_tx=st.integers(10, 1000).map(lambda ms: ms * MS),
    required_min_rx=st.integers(10, 1000).map(lambda ms: ms * MS),
    multiplier=st.integers(1, 9),
)


@given(PACKETS)
def test_encoding_and_decoding_are_inverse(packet: ControlPacket) -> None:
    assert decode(encode(packet)) == packet


@given(st.binary(max_size=80))
def test_decoding_never_raises(data: bytes) -> None:
    assert isinstance(decode(data), ControlPacket | BadPacket)


@given(PACKETS, st.integers(0, 23), st.integers(0, 255))
def test_a_spoilt_byte_is_refused_or_read_but_never_raises(packet: ControlPacket, place: int, value: int) -> None:
    data = bytearray(encode(packet))
    data[place] = value
    assert isinstance(decode(bytes(data)), ControlPacket | BadPacket)


@given(st.binary(max_size=80))
def test_an_echo_reply_of_any_bytes_never_raises(data: bytes) -> None:
    decode_reply(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=5),
)


@given(JSON | st.fixed_dictionaries({"state": JSON, "since_ns": JSON, "reason": JSON, "bfd": JSON}))
def test_a_spoilt_memory_is_read_or_refused(value: object) -> None:
    try:
        memory = SessionMemory.from_json(value)
    except ValueError:
        return
    assert SessionMemory.from_json(memory.to_json()) == memory


@given(st.integers(1, 10**10), st.integers(1, 255), st.floats(0, 1, exclude_max=True))
def test_jitter_stays_between_75_and_100_percent(interval: int, multiplier: int, chance: float) -> None:
    wait = transmit_wait(interval, multiplier, chance)
    assert interval * 0.75 - 1 <= wait <= interval * (0.9 if multiplier == 1 else 1.0)


@given(TIMERS, st.lists(st.tuples(PACKETS, st.integers(0, 2000))))
def test_no_packet_of_any_kind_breaks_a_session(
    timers: SessionTimers, arrivals: list[tuple[ControlPacket, int]]
) -> None:
    session = Session(7, timers, 0, lambda: 0.3)
    now = 0
    for packet, wait in arrivals:
        now += wait * MS
        if now >= session.detection_due:
            session.expire(now)
        if now >= session.transmit_due:
            encode(session.transmit(now))
        step = session.receive(packet, now, now)
        assert all(decode(encode(sent)) == sent and not (sent.poll and sent.final) for sent in step.packets)
        assert session.transmit_due > now or session.transmit_due == now
        Memory.from_json(session.remember().to_json())


@dataclass
class Side:
    """One end of a virtual link."""

    session: Session
    inbox: list[tuple[int, ControlPacket]] = field(default_factory=list)
    changes: int = 0


@dataclass
class Link:
    """Two sessions joined by a link with delay and loss; time jumps from one thing that happens to the next."""

    sides: tuple[Side, Side]
    delay: int
    loses: st.DataObject | None = None
    now: int = 0

    def send(self, of: int, packet: ControlPacket) -> None:
        """Carry a packet to the other side, or lose it."""
        if self.loses is not None and self.loses.draw(st.integers(0, 9)) < 3:
            return
        self.sides[1 - of].inbox.append((self.now + self.delay, packet))

    def follow(self, of: int, step: Step) -> None:
        """Do what a session wants done."""
        self.sides[of].changes += step.change is not None
        for packet in step.packets:
            self.send(of, packet)

    def next_time(self) -> int:
        """When something happens next."""
        times = [at for side in self.sides for at, _ in side.inbox]
        for side in self.sides:
            times += [side.session.transmit_due, side.session.detection_due]
        return min(times)

    def run(self, until: int) -> None:
        """Let time pass."""
        while (then := self.next_time()) <= until:
            self.now = max(then, self.now)
            for of, side in enumerate(self.sides):
                self.serve(of, side)
        self.now = until

    def serve(self, of: int, side: Side) -> None:
        """What is due at one side now: reads first."""
        arrived = [entry for entry in side.inbox if entry[0] <= self.now]
        side.inbox = [entry for entry in side.inbox if entry[0] > self.now]
        for at, packet in arrived:
            self.follow(of, side.session.receive(packet, at, self.now))
        if side.session.detection_due <= self.now:
            self.follow(of, side.session.expire(self.now))
        if side.session.transmit_due <= self.now:
            self.send(of, side.session.transmit(self.now))


def joined(one: SessionTimers, other: SessionTimers, delay: int, chance: float) -> Link:
    """Two fresh sessions on a link."""
    return Link((Side(Session(1, one, 0, lambda: chance)), Side(Session(2, other, 0, lambda: chance))), delay)


CHANCE = st.floats(0, 1, exclude_max=True)
DELAY = st.integers(0, 100).map(lambda ms: ms * MS)
WAIT = st.integers(0, 3000) | st.integers(0, 60)


@settings(max_examples=60, deadline=None)
@given(TIMERS, TIMERS, DELAY, CHANCE)
def test_two_sessions_on_a_good_link_come_up_agree_and_stay(
    one: SessionTimers, other: SessionTimers, delay: int, chance: float
) -> None:
    link = joined(one, other, delay, chance)
    link.run(10_000 * MS)
    settled = [side.changes for side in link.sides]
    link.run(20_000 * MS)
    for side, mine, theirs in zip(link.sides, (one, other), (other, one), strict=True):
        assert side.session.state is State.UP
        assert side.session.settled
        assert side.session.transmit_interval == max(mine.desired_min_tx, theirs.required_min_rx)
        assert side.session.detection_time == theirs.multiplier * max(mine.required_min_rx, theirs.desired_min_tx)
    assert [side.changes for side in link.sides] == settled


@settings(max_examples=40, deadline=None)
@given(TIMERS, TIMERS, DELAY, CHANCE, st.data())
def test_two_sessions_on_a_lossy_link_are_never_both_stuck(
    one: SessionTimers, other: SessionTimers, delay: int, chance: float, loses: st.DataObject
) -> None:
    link = joined(one, other, delay, chance)
    link.loses = loses
    link.run(3_000 * MS)
    link.loses = None
    link.run(40_000 * MS)
    assert [side.session.state for side in link.sides] == [State.UP, State.UP]
    assert all(side.session.settled for side in link.sides)


@settings(max_examples=60, deadline=None)
@given(TIMERS, TIMERS, st.lists(st.tuples(TIMERS, WAIT), min_size=1, max_size=4), DELAY, CHANCE)
def test_changes_of_timers_never_end_a_session_and_the_last_one_holds(
    one: SessionTimers, other: SessionTimers, later: list[tuple[SessionTimers, int]], delay: int, chance: float
) -> None:
    link = joined(one, other, delay, chance)
    link.run(10_000 * MS)
    changes = [side.changes for side in link.sides]
    for timers, wait in later:
        link.follow(0, link.sides[0].session.configure(timers, link.now))
        link.run(link.now + wait * MS)
    link.run(link.now + 12_000 * MS)
    assert [side.changes for side in link.sides] == changes
    assert all(side.session.settled for side in link.sides)
    assert link.sides[0].session.timers == later[-1][0]


@settings(max_examples=60, deadline=None)
@given(TIMERS, TIMERS, DELAY, CHANCE)
def test_a_restart_with_memory_goes_unnoticed(
    one: SessionTimers, other: SessionTimers, delay: int, chance: float
) -> None:
    link = joined(one, other, delay, chance)
    link.run(10_000 * MS)
    before = link.sides[1].changes
    memory = Memory.from_json(link.sides[0].session.remember().to_json())
    link.sides[0].session = Session.restore(memory, one, link.now, lambda: chance)
    link.run(20_000 * MS)
    assert link.sides[1].changes == before
    assert link.sides[0].session.state is State.UP
    assert link.sides[0].session.transmit_due < NEVER
