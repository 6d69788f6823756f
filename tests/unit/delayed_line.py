"""A branch's BFD and kernel behind a line whose delay is set by the test, on a clock that is moved by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from forwarder_fakes import FakeClock

from hub.forwarder.liveness.bfd_watch import BfdWatch, session_timers
from hub.forwarder.liveness.company import Company
from hub.forwarder.liveness.icmp import Answer
from hub.forwarder.liveness.model import LivenessReport, Timers, TunnelSpec
from speaker.bfd.packet import ControlPacket
from speaker.bfd.session import Session, Step
from speaker.bfd.timing import SessionTimers

MS = 1_000_000
TIMERS = Timers("bfd", 50 * MS, 3)


class Clock(FakeClock):
    """A machine that never sleeps."""

    def stalled_since(self, _when: int, _bound: int) -> int:
        return 0

    def slept_until(self, _since: int, _at_least: int) -> int:
        return 0


@dataclass
class Line:
    """How long packets take each way, in nanoseconds; `cut`: none arrives at all."""

    out: int = 500_000
    back: int = 500_000
    cut: bool = False


class Tunnel:
    """One tunnel: our watch of it, the line, and the branch's session."""

    def __init__(self, clock: Clock, name: str, company: Company, *, confirm: bool = True) -> None:
        self.clock, self.line = clock, Line()
        self.reports: list[tuple[float, str, bool, str]] = []
        self.counters: Counter[str] = Counter()
        self._askers: list[Callable[[Answer], None]] = []
        number = len(name)
        spec = TunnelSpec(name, "b", "lo", "10.9.0.0", "10.9.0.1", "", "", TIMERS, TIMERS, confirm=confirm)
        parts: Any = self
        self.watch = BfdWatch(
            spec,
            TIMERS,
            Session(number, session_timers(TIMERS), clock.now(), lambda: 0.9),
            loop=parts.clock,
            receiver=parts,
            sender=parts,
            echo=parts,
            company=company,
            counters=self.counters,
            changed=self._changed,
        )
        theirs = SessionTimers(50 * MS, 50 * MS, 3)
        self._branch = Session(1000 + number, theirs, clock.now(), lambda: 0.9)
        self._tick()
        self._serve_branch()

    def start(self) -> None:
        self.watch.start(None)

    def _tick(self) -> None:
        self.watch.tick(self.clock.now())
        self.clock.call_at(self.clock.now() + 1000 * MS, self._tick)

    def _changed(self, report: LivenessReport) -> None:
        self.reports.append((round(self.clock.now() / MS, 1), report.state, report.hard, report.reason))

    # what the watch is given: receiver, sender and echo socket

    def add(self, *_: object) -> None: ...

    def remove(self, *_: object) -> None: ...

    def drain(self) -> None: ...

    def close(self) -> None: ...

    def join(self, callback: Callable[[Answer], None]) -> int:
        self._askers.append(callback)
        return len(self._askers) - 1

    def part(self, _asker: int) -> None: ...

    def send(self, packet: ControlPacket) -> bool:
        self._carry(self.line.out, lambda: self._at_branch(packet))
        return True

    def ask(self, asker: int, *, now: int, interface: int, **_: object) -> bool:
        def answered() -> None:
            at = self.clock.now()
            self._askers[asker](Answer(self.watch.remote, interface, at, now))

        self._carry(self.line.out, lambda: self._carry(self.line.back, answered))
        return True

    # the line and the branch

    def _carry(self, delay: int, deliver: Callable[[], None]) -> None:
        if not self.line.cut:
            self.clock.call_at(self.clock.now() + delay, deliver)

    def _at_branch(self, packet: ControlPacket) -> None:
        now = self.clock.now()
        self._follow(self._branch.receive(packet, now, now))

    def _serve_branch(self) -> None:
        now = self.clock.now()
        if now >= self._branch.detection_due:
            self._follow(self._branch.expire(now))
        if now >= self._branch.transmit_due:
            self._to_hub(self._branch.transmit(now))
        soon = min(max(now + MS, self._branch.transmit_due), now + 25 * MS)
        self.clock.call_at(soon, self._serve_branch)

    def _follow(self, step: Step) -> None:
        for packet in step.packets:
            self._to_hub(packet)

    def _to_hub(self, packet: ControlPacket) -> None:
        def arrive() -> None:
            now = self.clock.now()
            self.watch.receive(packet, now, now)

        self._carry(self.line.back, arrive)


def two_tunnels() -> tuple[Clock, Tunnel, Tunnel]:
    """A branch with two tunnels, both up for long; the second is the first one's witness."""
    clock = Clock()
    tunnels: list[Tunnel] = []
    company = Company(lambda: [t.watch for t in tunnels], lambda _: [t.watch for t in tunnels])
    tunnels += [Tunnel(clock, "b/fiber", company), Tunnel(clock, "b/wireless", company)]
    for tunnel in tunnels:
        tunnel.start()
    run(clock, 8.0)
    for tunnel in tunnels:
        tunnel.reports.clear()
    return clock, tunnels[0], tunnels[1]


def run(clock: Clock, seconds: float) -> None:
    """Let time pass, in pieces, as a clock has bounds on what happens at once."""
    for _ in range(round(seconds * 10)):
        clock.run(0.1)
