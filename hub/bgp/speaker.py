"""The controller's end of BGP: what is wanted goes to the relay, what is seen comes back as events.

The thin edge round `speaker.bgp.ledger` (what to say) and `hub.bgp.translate` (what it means). One asyncio task
(`run`) owns the connection; `want` and `close` may be called at any time from the same loop, also from `on_event`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hub.bgp.questions import Answer, Questions
from hub.bgp.translate import Translator
from hub.control.lines import BadLineError, LineReader, Message, check_greeting, encode, greeting
from policies.model.announcement import Announcements
from policies.model.clock import Instant
from policies.model.events import Event, SpeakerConnected, SpeakerLost, SpeakerReady
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.view import SessionState
from speaker.bgp.announced import announced
from speaker.bgp.events import (
    BadEventError,
    Direction,
    EndOfRibSeen,
    Ignored,
    Notified,
    Opened,
    ShuttingDown,
    StateChanged,
    Updated,
    parse,
    printable,
)
from speaker.bgp.ledger import Ledger
from speaker.bgp.text import Command, Teardown, Version

FIRST_RETRY = 0.1
LAST_RETRY = 0.5
"""Seconds between attempts to reach the relay: the first, and the longest."""

TICK = 0.25
"""Seconds between looks at what is overdue."""

ALIVE_EVERY = 1.0
ALIVE_WITHIN = 3.0
"""Seconds between signs of life that ExaBGP is asked for, and until a missing one is a problem."""


class Speaker:
    """The Speaker keeps what each session announces equal to what is wanted, and tells all that it sees.

    `problems` are texts for the operator by a stable key; they go away by themselves.
    """

    def __init__(
        self,
        intent: Intent,
        socket: Path,
        on_event: Callable[[Event], None],
        clock: Callable[[], float],
        process: int = 1,
    ) -> None:
        self.problems: dict[str, str] = {}
        self._socket = socket
        self._on_event = on_event
        self._clock = clock
        self._process = process
        self._tunnels = frozenset(intent.tunnels())
        self._translator = Translator(intent)
        self._ledger = Ledger()
        self._counters: Counter[str] = Counter()
        self._wanted: dict[TunnelId, Announcements] = {}
        self._retiring: frozenset[TunnelId] = frozenset()
        self._writer: asyncio.StreamWriter | None = None
        self._met = False
        self._ready = False
        self._something_heard = asyncio.Event()
        self._exabgp: tuple[object, object] | None = None
        self._exabgp_gone = False
        self._questions = Questions()
        self._alive_at = 0.0
        self._notifications: dict[object, str] = {}
        self._resync = False

    @property
    def counters(self) -> Counter[str]:
        """What happened how often since the start: repairs, refusals, reconnections, events that made no sense."""
        return self._counters + self._ledger.counters

    @property
    def refusals(self) -> Mapping[TunnelId, Mapping[str, int]]:
        """How many routes of each session are refused at present, by the reason that the operator reads."""
        return self._translator.refusals()

    @property
    def ready(self) -> bool:
        """Whether the relay is connected and has told all it remembers."""
        return self._ready

    # what is wanted

    def want(self, announcements: Mapping[TunnelId, Announcements], urgent: frozenset[TunnelId]) -> None:
        """Set what every session should carry, whole; a tunnel without a key is left alone.

        What the `urgent` tunnels should carry is written before this returns, as far as the relay's socket takes it.
        """
        for tunnel in self._wanted.keys() - announcements.keys():
            self._tell_ledger(tunnel, None, urgent=False)
        for tunnel, wanted in announcements.items():
            if tunnel in self._retiring:
                continue
            if tunnel in urgent or self._wanted.get(tunnel) != wanted:
                self._tell_ledger(tunnel, wanted, urgent=tunnel in urgent)
        self._wanted = dict(announcements)
        self._say_what_is_due()

    def close(self, tunnel: TunnelId, *, now: bool = False) -> bool:
        """Close a tunnel's session, so that the branch's new one is not refused; if asked. Not before urgent things."""
        address = self._translator.address_of(tunnel)
        if address is None or (self._ledger.hurries and not now) or not self._ledger.is_up(address):
            return False
        asked = self._write(Teardown(address), self._questions.next_number())
        self._counters["closed"] += asked
        return asked

    def reconfigure(self, intent: Intent) -> None:
        """Take another intent: whose address is whose, and what each branch may announce."""
        self._retiring = frozenset()
        self._tunnels = frozenset(intent.tunnels())
        changed = self._translator.reconfigure(intent, self._now())
        for address in changed.gone:
            self._ledger.forget(address)
        self._tell(changed.events)
        self._look_at_versions()
        if changed.resync and self._writer is not None:
            # The relay remembers all: connecting anew tells it, and no session notices.
            self._resync, self._ready = True, False
            self._writer.close()
        for tunnel, wanted in self._wanted.items():
            self._tell_ledger(tunnel, wanted, urgent=False)
        self._say_what_is_due()

    async def retire(self, tunnels: frozenset[TunnelId], timeout: float = 2.0) -> None:  # noqa: ASYNC109
        """Withdraw everything from tunnels that are about to be removed, and see it done, for at most `timeout` s."""
        self._retiring = tunnels
        for tunnel in tunnels:
            self._tell_ledger(tunnel, {}, urgent=False)
        self._say_what_is_due()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not all(map(self._silent, tunnels)):
                    self._something_heard.clear()
                    await self._something_heard.wait()

    def _silent(self, tunnel: TunnelId) -> bool:
        address = self._translator.address_of(tunnel)
        return address is None or not self._ledger.is_up(address) or self._ledger.settled(address)

    async def ask(self, command: Command, timeout: float = 5.0) -> Answer:  # noqa: ASYNC109
        """Ask ExaBGP something beside the announcements.

        Raises:
            NotConnectedError: the relay is not there, or no answer came within `timeout` seconds.
        """
        return await self._questions.ask(lambda number: self._write(command, number), timeout)

    # the connection

    async def run(self) -> None:
        """Stay connected for ever."""
        pause = FIRST_RETRY
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._socket))
            except OSError as error:
                why = f"no relay answers at {self._socket} ({error.strerror}): is ExaBGP running?"
                self.problems["relay"] = why
            else:
                if await self._serve(reader, writer):
                    pause = FIRST_RETRY
            if self._resync:
                self._resync = False
                self._counters["resynchronised"] += 1
                continue
            await asyncio.sleep(pause)
            pause = min(LAST_RETRY, pause * 2)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Talk to a relay until it is gone; whether it had become ready."""
        self._writer, self._exabgp_gone = writer, False
        self._alive_at = self._clock()
        writer.write(encode(greeting("controller")))
        watch = asyncio.create_task(self._watch())
        try:
            await self._listen(reader)
        except (OSError, BadLineError, BadEventError) as error:
            self.problems["relay"] = f"the relay of ExaBGP was given up: {printable(error)}"
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
            was_ready = self._hang_up(writer)
        return was_ready

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        lines, greeted = LineReader(), False
        while data := await reader.read(1 << 18):
            for message in lines.feed(data):
                if not greeted:
                    self._greeted(message)
                    greeted = True
                elif not self._take(message):
                    return
            # After the loop has decided on what was just heard: what is wanted may follow from what was seen sent, and
            # the two would chase each other.
            asyncio.get_running_loop().call_soon(self._say_what_is_due)
            self._something_heard.set()

    def _greeted(self, message: Message) -> None:
        if "error" in message:
            raise BadLineError(str(message["error"]))
        check_greeting(message)
        exabgp = (message.get("exabgp_pid"), message.get("exabgp_started"))
        if self._exabgp not in (None, exabgp):
            self._on_event(SpeakerLost(self._now(), exabgp_gone=True, process=self._process, tunnels=self._tunnels))
        self._exabgp = exabgp
        self._met = True
        self._counters["connected"] += 1
        self._translator.forget_sessions()
        self._ledger.lost()
        self._on_event(SpeakerConnected(self._process, self._tunnels))

    def _hang_up(self, writer: asyncio.StreamWriter) -> bool:
        was_ready, self._ready, self._writer = self._ready, False, None
        writer.close()
        self._ledger.lost()
        self._questions.lost()
        if self._met:
            gone = self._exabgp_gone
            self._on_event(SpeakerLost(self._now(), exabgp_gone=gone, process=self._process, tunnels=self._tunnels))
        self._met = False
        self._exabgp = None if self._exabgp_gone else self._exabgp
        return was_ready

    async def _watch(self) -> None:
        """Look at what is overdue, and ask for signs of life."""
        asked_at = 0.0
        while True:
            await asyncio.sleep(TICK)
            now = self._clock()
            if self._ready and now - asked_at >= ALIVE_EVERY:
                asked_at = now
                self._write(Version(), 0)
            if self._ready and now - self._alive_at > ALIVE_WITHIN:
                if "exabgp" not in self.problems:
                    self._counters["silent"] += 1
                self.problems["exabgp"] = f"ExaBGP has not answered for {now - self._alive_at:.0f} s"
            self._say_what_is_due()

    # what the relay says

    def _take(self, message: Message) -> bool:
        """Act on one message; False when the connection is of no more use."""
        match message:
            case {"event": dict(event), "at": float() as at}:
                self._event(event, Instant(at))
            case {"answer": int(number), "result": str(result)}:
                lines = message["lines"] if isinstance(message.get("lines"), list) else ()
                self._answered(number, Answer(result == "done", tuple(map(str, lines))))
            case {"memory": dict(memory)}:
                self._remember(memory)
            case {"ready": True}:
                self._become_ready()
            case {"gone": "exabgp"}:
                self._exabgp_gone = True
            case {"dropped": True}:
                self._counters["dropped"] += 1
                return False
            case {"error": str(error)}:
                self.problems["relay"] = f"the relay of ExaBGP refuses: {printable(error)}"
                return False
            case _:
                self._counters["unknown_lines"] += 1
        return True

    def _become_ready(self) -> None:
        self._ready = True
        self.problems.pop("relay", None)
        self._look_at_versions()
        self._alive_at = self._clock()
        self._on_event(SpeakerReady(self._now(), self._process, self._tunnels))

    def _remember(self, memory: Mapping[str, Any]) -> None:
        try:
            remembered = self._translator.remembered(memory)
        except BadEventError:
            self._counters["bad_events"] += 1
            return
        if remembered is None:
            self._counters["unknown_neighbors"] += 1
            return
        if remembered.up:
            versions = self._translator.versions_of(remembered.neighbor)
            self._ledger.adopt(remembered.neighbor, remembered.sent, versions, end_of_rib=remembered.end_of_rib)
        self._tell(remembered.events)

    def _answered(self, number: int, answer: Answer) -> None:
        if number == 0:
            self._alive_at = self._clock()
            self.problems.pop("exabgp", None)
        elif number < 0:
            self._questions.answered(number, answer)
        else:
            self._ledger.answered(number, done=answer.done, now=self._now())

    def _event(self, event: Mapping[str, Any], at: Instant) -> None:
        try:
            message = parse(event)
        except BadEventError:
            self._counters["bad_events"] += 1
            return
        if isinstance(message, ShuttingDown | Ignored):
            return
        if not self._translator.knows(message.neighbor):
            self._counters["unknown_neighbors"] += 1
            return
        self._message(message, at)

    def _message(self, message: StateChanged | Updated | EndOfRibSeen | Opened | Notified, at: Instant) -> None:
        match message:
            case StateChanged():
                self._state_changed(message, at)
            case Updated():
                if message.direction is Direction.SENT:
                    self._ledger.sent(message.neighbor, announced(message), message.withdrawn)
                self._tell(self._translator.updated(message, at))
            case EndOfRibSeen(neighbor, Direction.RECEIVED, version):
                self._tell(self._translator.end_of_rib_heard(neighbor, at, version))
            case EndOfRibSeen(neighbor, _, version):
                if self._ledger.end_of_rib_sent(neighbor, version):
                    self._tell(self._translator.set_sent(neighbor, at))
            case Opened(neighbor, versions, asn):
                self._translator.opened(neighbor, versions, asn)
            case Notified(neighbor, _, _, text):
                self._notifications[neighbor] = text

    def _state_changed(self, message: StateChanged, at: Instant) -> None:
        text = self._notifications.pop(message.neighbor, "")
        if message.up:
            self._ledger.up(message.neighbor, self._translator.versions_of(message.neighbor))
            self._tell(self._translator.state(message.neighbor, SessionState.UP, "", at))
        else:
            self._ledger.down(message.neighbor)
            reason = f"{message.reason}: {text}" if text else message.reason
            self._tell(self._translator.state(message.neighbor, SessionState.DOWN, reason, at))
        self._look_at_versions()

    def _look_at_versions(self) -> None:
        """Say which sessions do not carry what they should, and no longer say it of the others."""
        for key in [key for key in self.problems if key.startswith("version ")]:
            del self.problems[key]
        self.problems.update(self._translator.not_carried())

    # inside

    def _tell(self, events: tuple[Event, ...] | list[Event]) -> None:
        for event in events:
            self._on_event(event)

    def _tell_ledger(self, tunnel: TunnelId, wanted: Announcements | None, *, urgent: bool) -> None:
        address = self._translator.address_of(tunnel)
        if address is not None:
            self._ledger.want(address, wanted, urgent=urgent)

    def _say_what_is_due(self) -> None:
        if self._ready and self._writer is not None:
            commands = self._ledger.commands(self._now())
            self._writer.write(b"".join(self._said(number, command) for number, command in commands))

    def _said(self, number: int, command: Command) -> bytes:
        """A command as it is written; what cannot be said is as if ExaBGP had refused it, until the session ends."""
        try:
            return encode({"command": self._translator.worded(command), "id": number})
        except ValueError:
            self._ledger.answered(number, done=False, now=self._now())
            return b""

    def _write(self, command: Command, number: int) -> bool:
        if not self._ready or self._writer is None:
            return False
        self._writer.write(encode({"command": self._translator.worded(command), "id": number}))
        return True

    def _now(self) -> Instant:
        return Instant(self._clock())
