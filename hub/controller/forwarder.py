"""The controller's end of the forwarder's socket: what it says becomes events, what is wanted becomes orders.

What the forwarder has is read from what it says, never remembered from what it was told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hub.control.lines import BadLineError, LineReader, Message, check_greeting, encode, greeting
from hub.controller.forwarder_lines import (
    burst_line,
    classes_line,
    count_line,
    events_of,
    is_obeyed,
    look_line,
    order_line,
    trace_line,
    tunnels_line,
    understood,
)
from hub.controller.forwarder_told import Told
from hub.controller.refusals import Refusals, mend_of, refuses_traces
from hub.controller.silence import Silence
from policies.model.desired import ClassOrder, Desired
from policies.model.events import Event, ForwarderLost
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.view import ClassView, View

RETRY_SECONDS = 0.1
REPEAT_SECONDS = 1.0
"""How long an order may stay unobeyed before it is sent again."""
SETTLE_SECONDS = 0.3
"""How long after a move an order waits that would only change what comes after it."""
_REFUSED = "forwarder refuses"
_HANGS = "forwarder"
_NOT_UNDERSTOOD = "forwarder not understood"


class ForwarderLink:
    """A ForwarderLink keeps one connection to the forwarder, for ever.

    A forwarder that hangs is as good as lost: nothing is decided by what it said before, and nothing is written to it
    until it answers. The connection stays, and with it all that it was told.
    """

    def __init__(self, socket: Path, intent: Intent, on_event: Callable[[Event], None], clock: Callable[[], float]):
        self._socket = socket
        self._intent = intent
        self._on_event = on_event
        self._clock = clock
        self._writer: asyncio.StreamWriter | None = None
        self._ordered: dict[str, tuple[ClassOrder, float]] = {}
        self._set_sent: tuple[object, ...] | None = None
        self._set_at = 0.0
        self._looking: frozenset[str] = frozenset()
        self._counting: frozenset[TunnelId] = frozenset()
        self._counts: frozenset[TunnelId] = frozenset()
        self._told_of = intent
        self._desired: Desired | None = None
        self._refusals = Refusals()
        self._silence = Silence(clock())
        self._hangs = False
        self._told = Told()
        self._tracing: asyncio.Future[Message | None] | None = None
        self._traces = True
        self._problems: dict[str, tuple[str, str]] = {}
        self.counters: Counter[str] = Counter()
        self.error = "not connected yet"

    @property
    def problems(self) -> dict[str, tuple[str, str]]:
        """Text and mend by a stable key: what the forwarder tells, and what is wrong with it or its connection."""
        return self._told.problems | self._problems

    @property
    def forwarder_counters(self) -> dict[str, int]:
        """What the forwarder counted, as it last said."""
        return self._told.counters

    @property
    def measured(self) -> dict[str, Message]:
        """What the forwarder measured on each tunnel, by the tunnel's name, as it last said."""
        return self._told.measured

    @property
    def counted(self) -> dict[str, Message]:
        """The packets forwarded over the tunnels of `count`, by the tunnel's name, as last told.

        `in` and `out` since the instant `since`, `last_in` and `last_out` the instants of the last ones (None: none
        since), `read` the instant of the last reading (None: none yet), `exact`: ours are not among them. A tunnel that
        is missing was not told of yet.
        """
        return self._told.counted

    async def run(self) -> None:
        """Connect, listen, and connect again."""
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._socket), limit=1 << 24)
            except OSError as error:
                self.error = f"no forwarder answers at {self._socket}: {error.strerror or error}"
                self._silence.heard(self._clock())
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                await self._talk(reader, writer)
            except (OSError, BadLineError) as error:
                self.error = str(error)
                self.counters["forwarder connection lost"] += 1
            finally:
                was_there, self._writer = self._writer is not None and not self._hangs, None
                self._answers_again()
                writer.transport.abort()  # closing would wait until it has read all
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            if was_there:
                self._on_event(ForwarderLost())
            await asyncio.sleep(RETRY_SECONDS)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(greeting("controller")))
        writer.write(encode(tunnels_line(self._intent)))
        self._told_of = self._intent
        self._silence.heard(self._clock())
        lines = LineReader()
        greeted = False
        while data := await reader.read(1 << 16):
            self._silence.heard(self._clock())
            for message in lines.feed(data):
                if "error" in message:
                    self._refused(str(message["error"]))
                    continue
                if not greeted:
                    if check_greeting(message) != "forwarder":
                        raise BadLineError(f"{self._socket} is not a forwarder's socket")
                    greeted = True
                    continue
                try:
                    self._receive(message, writer)
                except BadLineError as error:
                    self.bad_line(error)
                    raise
        raise BadLineError("the forwarder closed the connection")

    def _refused(self, why: str) -> None:
        """What it refuses it has not taken: all is said again after a while, and the problem goes when it takes it."""
        self.counters["errors told by the forwarder"] += 1
        self.error = why
        if self._writer is None:
            raise BadLineError(why)
        self._refusals.refused(self._clock())
        if refuses_traces(why):
            self._traces = False
            self._traced(None)
        self._problems[_REFUSED] = (f"the forwarder refuses an order: {why}", mend_of(why))

    def bad_line(self, error: BadLineError) -> None:
        """A line was not understood: the connection ends, and the problem stands until a later one is better."""
        self.counters["lines of the forwarder that were not understood"] += 1
        mend = "it is connected anew by itself; if it is of another version, restart it (pointsman run)"
        self._problems[_NOT_UNDERSTOOD] = (str(error), mend)

    def _receive(self, message: Message, writer: asyncio.StreamWriter) -> None:
        """Act on a line, whole.

        Raises:
            BadLineError: it cannot be understood; nothing of it was taken.
        """
        # A status has all that is in a snapshot.
        answers = self._hangs and "status" in message
        events = list(events_of({"snapshot": message["status"]} if answers else message))
        with understood(message):
            self._told.take(message)
        if "snapshot" in message:
            self._connected(writer)
        if answers:
            self._answers_again()
            self.error = ""
            self._tell_tunnels()
            self._tell_counting()
        self._note(message)
        for event in events:
            self._on_event(event)

    def _connected(self, writer: asyncio.StreamWriter) -> None:
        self._writer, self.error = writer, ""
        self._ordered, self._set_sent, self._looking = {}, None, frozenset()
        self._refusals, self._traces = Refusals(), True
        self._problems.pop(_REFUSED, None)
        self._answers_again()
        self._tell_tunnels()
        self._told.counted, self._counts = {}, frozenset()
        self._tell_counting()

    def _note(self, message: Message) -> None:
        match message:
            case {"status": _}:
                self._problems.pop(_NOT_UNDERSTOOD, None)
                if self._refusals.answered():
                    self._problems.pop(_REFUSED, None)
            case {"traced": _}:
                self._traced(self._told.traced)
            case {"refused": {"class": str(name)}}:
                self.counters["orders refused by the forwarder"] += 1
                self._ordered.pop(name, None)
            case _:
                pass

    def _traced(self, found: Message | None) -> None:
        if self._tracing is not None and not self._tracing.done():
            self._tracing.set_result(found)

    def burst(self, tunnel: TunnelId, probes: int) -> None:
        """Have so many health probes sent over a tunnel, to confirm a suspicion; no more are sent if it is not up."""
        if not self._hangs:
            self._send(burst_line(tunnel, probes))

    def trace(self, tunnel: TunnelId, to: str, mark: int, source: str | None) -> asyncio.Future[Message | None] | None:
        """Have the way to an address traced; the next answer, as `Told.traced` has it.

        None: nobody is there to ask, or it is of a version that makes no traces, and was asked once.
        """
        if self._writer is None or self._hangs or not self._traces:
            return None
        self._tracing = asyncio.get_running_loop().create_future()
        self._send(trace_line(tunnel, to, mark, source))
        return self._tracing

    def count(self, tunnels: frozenset[TunnelId]) -> None:
        """Have the packets counted that are forwarded over these tunnels and no others; `counted` has the answer."""
        if tunnels != self._counting:
            self._counting = tunnels
            self._told.counted = {}
            self._tell_counting()

    def _tell_counting(self) -> None:
        if self._counting != self._counts and self._writer is not None and not self._hangs:
            self._counts = self._counting
            self._send(count_line(self._counting))

    def refresh(self) -> None:
        """Ask for the figures that change without an event: counters and round-trip times.

        Where something stands refused, all is said again before that when it is time.
        """
        self._silence.asked()
        if self._silence.is_long(self._clock()):
            self._hang()
        if self._writer is None or self._hangs:
            return
        if self._refusals.is_due(self._clock()):
            self._refusals.said_all(self._clock())
            self._send(tunnels_line(self._intent))
            if self._desired is not None:
                self._send_set(self._desired)
        self._send({"get": "status"})
        self._refusals.asked()

    def _hang(self) -> None:
        text = f"the forwarder at {self._socket} does not answer, though it is connected"
        self.error = text
        if self._hangs:
            return
        mend = "it hangs or was stopped: restart it (pointsman doctor tells its process); the kernel goes on forwarding"
        self._problems[_HANGS] = (text, mend)
        if self._writer is not None:
            self._hangs = True
            self.counters["forwarder silent"] += 1
            self._on_event(ForwarderLost())

    def _answers_again(self) -> None:
        self._hangs = False
        self._problems.pop(_HANGS, None)

    def reconfigure(self, intent: Intent) -> None:
        """Watch the tunnels of this configuration from now on."""
        self._intent = intent
        self._set_sent = None
        self._tell_tunnels()

    def _tell_tunnels(self) -> None:
        """Unless it knows them; one that hangs is told when it answers again."""
        if self._told_of is not self._intent and self._writer is not None and not self._hangs:
            self._told_of = self._intent
            self._send(tunnels_line(self._intent))

    def want(self, desired: Desired, view: View) -> None:
        """Make the forwarder have what is desired; nothing is sent where it already has it."""
        self._desired = desired
        if self._writer is None or self._hangs:
            return
        if desired.look != self._looking:
            self._looking = desired.look
            self._send(look_line(desired.look))
        # Prefixes move between classes only in a whole set: a single order may not take them from another class.
        shape = {name: (order.prefixes, order.sources) for name, order in desired.classes.items()}
        whole = (desired.unreachable, self._intent.hub, shape)
        surplus = view.classes.keys() - desired.classes.keys()
        if self._set_sent != whole or (surplus and self._clock() - self._set_at >= REPEAT_SECONDS):
            self._set_sent = whole
            self._send_set(desired)
            return
        for name, order in desired.classes.items():
            if self._is_due(name, order, view.classes.get(name)):
                self._send(order_line(order))

    def _send_set(self, desired: Desired) -> None:
        self._set_at = self._clock()
        self._send(classes_line(self._intent, desired))
        self._ordered = {name: (order, self._clock()) for name, order in desired.classes.items()}

    def _is_due(self, name: str, order: ClassOrder, state: ClassView | None) -> bool:
        """Whether this has to be said now: it is not so, was not just said, and does not disturb a failover."""
        now = self._clock()
        if is_obeyed(order, state):
            return False
        if state is not None and state.active == order.active and now - state.since < SETTLE_SECONDS:
            return False
        last = self._ordered.get(name)
        if last is not None and last[0] == order and now - last[1] < REPEAT_SECONDS:
            return False
        self._ordered[name] = (order, now)
        return True

    def _send(self, message: Message) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(message))
