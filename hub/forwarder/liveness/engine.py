"""The liveness engine: every tunnel's watch, the sockets they share, and the return-path probe.

It says what it sees through three callbacks, in the thread of the loop:
`on_liveness(report)` at every change of a tunnel, `on_path(branch, tunnel, instant, version)` at every answer to a
return-path probe, and `on_problem(key, text, mend)` when something is wrong here; with `text` None it is over. What
health probes found goes to `on_samples`, as members of a `samples` line.
"""

from __future__ import annotations

import errno
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from hub.control.lines import Message
from hub.forwarder.health.burst import BurstOrder
from hub.forwarder.health.probes import HealthProbes
from hub.forwarder.liveness.alarm import Alarm
from hub.forwarder.liveness.bfd import PORT, BfdReceiver, BfdSender
from hub.forwarder.liveness.bfd_watch import BfdWatch, session_timers
from hub.forwarder.liveness.company import Company, Member
from hub.forwarder.liveness.countdown import Countdown
from hub.forwarder.liveness.icmp import EchoSocket
from hub.forwarder.liveness.icmp_watch import IcmpWatch
from hub.forwarder.liveness.model import LivenessReport, SessionMemory, Timers, TunnelSpec, Version
from hub.forwarder.liveness.pair_watch import PairWatch
from hub.forwarder.liveness.return_path import ReturnPath, Way
from hub.forwarder.loop import Loop
from speaker.bfd.session import Session

_TICK = 1_000_000_000
_SLOW_DOWN_LONGEST = 1_000_000_000
_NOTHING: Mapping[str, SessionMemory] = {}


class Watch(Member, Protocol):
    """A Watch judges one tunnel."""

    timers: Timers

    @property
    def interface_index(self) -> int:
        """The number of the interface; 0 while it is missing."""
        ...

    def start(self, remembered: SessionMemory | None) -> None:
        """Begin, where the process before us left off."""

    def set_spec(self, spec: TunnelSpec) -> None:
        """Another description of the same tunnel."""

    def set_timers(self, timers: Timers) -> None:
        """Other timers from now on."""

    def interface_down(self) -> None:
        """The interface is gone or down."""

    def interface_up(self) -> None:
        """The interface is there."""

    def tick(self, now: int) -> None:
        """Called once a second."""

    def unlike(self, now: int) -> str | None:
        """How the branch's timers differ from the configured ones."""

    def report(self) -> LivenessReport:
        """What is known."""

    def memory(self) -> SessionMemory:
        """What the next process must know."""

    def leave(self, left: Callable[[], None]) -> None:
        """Tell the branch, stop, and call back."""

    def close(self) -> None:
        """Stop without a word."""


class Engine:
    """An Engine watches the liveness of all tunnels."""

    def __init__(
        self,
        loop: Loop,
        on_liveness: Callable[[LivenessReport], None],
        on_path: Callable[[str, str, int, Version], None],
        on_problem: Callable[[str, str | None, str | None], None],
        on_samples: Callable[[list[Message]], None] = lambda _samples: None,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._loop = loop
        self._on_liveness = on_liveness
        self._on_problem = on_problem
        self._problems: dict[str, str] = {}
        self._watches: dict[str, Watch] = {}
        self._branches: dict[str, list[Watch]] = {}
        self._leaving: dict[tuple[str, str], Watch] = {}
        self._carrying: frozenset[str] = frozenset()
        self._receiver = BfdReceiver(loop, self.counters)
        self._echo = EchoSocket(loop, self.counters)
        self._echo6 = EchoSocket(loop, self.counters, 6)
        self._health = HealthProbes(loop, self._echo, self.counters, on_samples, self._problem)
        self._paths = ReturnPath(loop, self._echo, self._ways, on_path)
        self._paths6 = ReturnPath(loop, self._echo6, self._ways6, on_path)
        self._company = Company(self._watches.values, lambda branch: self._branches.get(branch, ()))
        self._random = random.Random(os.urandom(16))  # noqa: S311  jitter is no secret
        self._ticking = Alarm(loop, self._tick)

    def set_tunnels(self, tunnels: Sequence[TunnelSpec], remembered: Mapping[str, SessionMemory] = _NOTHING) -> None:
        """Watch exactly these tunnels. Those that are watched already go on undisturbed; removed ones are told so.

        `remembered` is the memory of the process before us: a session that was up there is still up here.
        """
        wanted = {spec.name: spec for spec in tunnels}
        for name in [name for name, watch in self._watches.items() if not _same(watch.spec, wanted.get(name))]:
            self._remove(name)
        self._open_sockets(wanted.values())
        new = [spec for spec in tunnels if spec.name not in self._watches]
        for spec in tunnels:
            if spec.name in self._watches:
                self._watches[spec.name].set_spec(spec)
                self._retime(self._watches[spec.name])
        for position, spec in enumerate(new):
            self._add(spec, remembered.get(spec.name), position, len(new))
        self._health.set_tunnels(list(self._watches.values()))
        self._index()

    def set_carrying(self, names: frozenset[str]) -> None:
        """These tunnels carry traffic and use their active timers; all others use their idle ones."""
        self._carrying = names
        for watch in list(self._watches.values()):
            self._retime(watch)
        self._health.set_carrying(names)

    def burst(self, order: BurstOrder) -> None:
        """Send many health probes over one tunnel."""
        self._health.burst(order)

    def set_probe(self, source: str | None, source6: str | None = None) -> None:
        """Probe return paths from these addresses of the hub, inside announced prefixes, IPv4 and IPv6; None: don't."""
        self._paths.set_source(source)
        self._paths6.set_source(source6)
        self._open_sockets(watch.spec for watch in self._watches.values())

    def look(self, branches: frozenset[str]) -> None:
        """Probe the return paths of these branches every few milliseconds, for half a minute or until the next call."""
        self._paths.look(branches)
        self._paths6.look(branches)

    def link_changed(self, interface: str, up: bool) -> None:  # noqa: FBT001  as the kernel's notification has it
        """An interface went down or away, or came up."""
        for watch in list(self._watches.values()):
            if watch.spec.interface == interface:
                if up:
                    watch.interface_up()
                else:
                    watch.interface_down()

    def reports(self) -> list[LivenessReport]:
        """What is known of every tunnel."""
        return [watch.report() for watch in self._watches.values()]

    def memory(self) -> dict[str, SessionMemory]:
        """What the next process must be given as `remembered`."""
        return {name: watch.memory() for name, watch in self._watches.items()}

    def slow_down(self, then: Callable[[], None]) -> None:
        """Before a planned stop: have the branches allow us 5 s of silence.

        Calls back when all have agreed, after a second at the latest. Stop without another `set_` call then, and
        give the next process the `memory` of that moment.
        """
        waiting = Countdown(then)
        for watch in self._watches.values():
            if isinstance(watch, BfdWatch | PairWatch):
                waiting.expect()
                if not watch.slow_down(waiting.one_less):
                    waiting.one_less()
        self._loop.call_at(self._loop.now() + _SLOW_DOWN_LONGEST, waiting.finish)
        waiting.ready()

    def close(self) -> None:
        """Give everything back, without a word to the branches."""
        for watch in (*self._watches.values(), *self._leaving.values()):
            watch.close()
        self._watches.clear()
        self._leaving.clear()
        self._ticking.cancel()
        self._health.close()
        self._paths.close()
        self._paths6.close()
        self._receiver.close()
        self._echo.close()
        self._echo6.close()

    def _add(self, spec: TunnelSpec, remembered: SessionMemory | None, position: int, of: int) -> None:
        old = self._leaving.pop((spec.remote, spec.local), None)
        if old is not None:
            old.close()  # its farewell would only confuse the branch
        timers = self._timers(spec)
        first = self._loop.now() + timers.interval_ns * position // of
        watch = self._watch(spec, timers, remembered, first)
        self._watches[spec.name] = watch
        watch.start(remembered)

    def _watch(self, spec: TunnelSpec, timers: Timers, remembered: SessionMemory | None, first: int) -> Watch:
        if spec.active.method == "icmp":
            return self._icmp(spec, timers, first, self._on_liveness)
        if not spec.echo:
            return self._bfd(spec, timers, remembered)
        return PairWatch(
            spec,
            timers,
            lambda spec, timers: self._bfd(spec, timers, remembered),
            lambda spec, timers, changed: self._icmp(spec, timers, first, changed),
        )

    def _icmp(
        self, spec: TunnelSpec, timers: Timers, first: int, changed: Callable[[LivenessReport], None]
    ) -> IcmpWatch:
        return IcmpWatch(
            spec,
            timers,
            first_ns=first,
            loop=self._loop,
            echo=self._echo,
            company=self._company,
            counters=self.counters,
            changed=changed,
            health=self._health,
        )

    def _bfd(self, spec: TunnelSpec, timers: Timers, remembered: SessionMemory | None) -> BfdWatch:
        now, wanted, jitter = self._loop.now(), session_timers(timers), self._random.random
        memory = remembered.bfd if remembered is not None else None
        if memory is not None and not self._receiver.knows(memory.discriminator):
            session = Session.restore(memory, wanted, now, jitter)
        else:
            session = Session(self._discriminator(), wanted, now, jitter)
        sender = BfdSender(spec.interface, spec.local, spec.remote, session.discriminator, self.counters)
        return BfdWatch(
            spec,
            timers,
            session,
            loop=self._loop,
            receiver=self._receiver,
            sender=sender,
            echo=self._echo,
            company=self._company,
            counters=self.counters,
            changed=self._on_liveness,
        )

    def _discriminator(self) -> int:
        while True:
            number = int.from_bytes(os.urandom(4), "big")
            if number and not self._receiver.knows(number):
                return number

    def _remove(self, name: str) -> None:
        watch = self._watches.pop(name)
        key = (watch.spec.remote, watch.spec.local)

        def left() -> None:
            if self._leaving.get(key) is watch:
                del self._leaving[key]

        self._leaving[key] = watch
        watch.leave(left)
        self._problem(f"timers:{name}", None)

    def _timers(self, spec: TunnelSpec) -> Timers:
        timers = spec.active if spec.name in self._carrying else spec.idle
        return replace(timers, method=spec.active.method)

    def _retime(self, watch: Watch) -> None:
        timers = self._timers(watch.spec)
        if timers != watch.timers:
            watch.set_timers(timers)

    def _index(self) -> None:
        branches: dict[str, list[Watch]] = {}
        for watch in self._watches.values():
            branches.setdefault(watch.spec.branch, []).append(watch)
        self._branches = branches
        self._paths.set_branches(frozenset(branches))
        dual = [watch.spec.branch for watch in self._watches.values() if watch.spec.remote6]
        self._paths6.set_branches(frozenset(dual))
        self._ticking.due(self._loop.now() + _TICK)

    def _ways(self, branch: str) -> list[Way]:
        return [
            Way(watch.spec.name, watch.interface_index, watch.spec.remote, watch.report().state == "up")
            for watch in self._branches.get(branch, ())
        ]

    def _ways6(self, branch: str) -> list[Way]:
        return [
            Way(watch.spec.name, watch.interface_index, watch.spec.remote6, watch.report().state == "up")
            for watch in self._branches.get(branch, ())
            if watch.spec.remote6
        ]

    def _tick(self) -> None:
        now = self._loop.now()
        self._open_sockets(watch.spec for watch in self._watches.values())
        self._receiver.count_drops()
        for name, watch in list(self._watches.items()):
            watch.tick(now)
            unlike = watch.unlike(now)
            text = f"{name}: {unlike}" if unlike else None
            self._problem(f"timers:{name}", text, "write the same timers on both sides")
        self._ticking.due(now + _TICK)

    def _open_sockets(self, specs: Iterable[TunnelSpec]) -> None:
        """Open what the tunnels need and is not open; what can't be opened is a problem, and tried again."""
        specs = list(specs)
        methods = {spec.active.method for spec in specs}
        if "bfd" in methods and not self._receiver.is_open:
            self._open("port:3784", self._receiver.open)
        if methods and not self._echo.is_open:
            self._open("socket:icmp", self._echo.open)
        if any(spec.remote6 for spec in specs) and not self._echo6.is_open:
            self._open("socket:icmpv6", self._echo6.open)

    def _open(self, key: str, opens: Callable[[], None]) -> None:
        try:
            opens()
        except OSError as error:
            self._problem(key, *_cannot_open(key, error))
        else:
            self._problem(key, None)

    def _problem(self, key: str, text: str | None, mend: str | None = None) -> None:
        if self._problems.get(key) == text:
            return
        if text is None:
            del self._problems[key]
        else:
            self._problems[key] = text
        self._on_problem(key, text, mend if text is not None else None)


def _same(old: TunnelSpec, new: TunnelSpec | None) -> bool:
    """Whether the new tunnel can be watched by the old one's watch."""
    if new is None:
        return False
    return _identity(old) == _identity(new)


def _identity(spec: TunnelSpec) -> tuple[str, str, str, str, str, bool]:
    return spec.interface, spec.local, spec.remote, spec.branch, spec.active.method, spec.echo


def _cannot_open(key: str, error: OSError) -> tuple[str, str]:
    """What can't be opened, and the mend."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"UDP port {PORT} is in use, probably by another BFD daemon here (BIRD, FRR bfdd, a second Pointsman)",
            f'stop that daemon\'s BFD; "ss -lunp sport = :{PORT}" names it. The port is tried again every second',
        )
    sockets = {"socket:icmp": "raw ICMP socket", "socket:icmpv6": "raw ICMPv6 socket"}
    what = sockets.get(key, f"UDP port {PORT}")
    reason = (error.strerror or "unknown error").lower()
    return f"the {what} can't be opened: {reason}", "run the forwarder as root or with CAP_NET_RAW and CAP_NET_ADMIN"
