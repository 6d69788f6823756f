"""Bursts: many probes at once, to confirm a suspicion. So many at a time in all; others wait their turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from hub.control.lines import Message
from hub.forwarder.health.fates import LATEST, Fates, News
from hub.forwarder.health.measurement import Measurement, ask, is_from
from hub.forwarder.health.samples import samples
from hub.forwarder.liveness.alarm import Alarm
from hub.forwarder.liveness.icmp import Answer, EchoSocket
from hub.forwarder.loop import Loop

MOST_A_SECOND = 1_000
"""Probes of all bursts together."""
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class BurstOrder:
    """A BurstOrder asks for so many probes over a tunnel, `interval_ns` apart."""

    tunnel: str
    count: int
    interval_ns: int

    @property
    def rate(self) -> float:
        """Probes a second."""
        return _SECOND / self.interval_ns


class Burst:
    """A Burst sends its probes.

    It calls `sent` back after the last one, `overdue` when one seems to be lost while others are still sent, and `over`
    once all their fates are known.
    """

    def __init__(
        self,
        order: BurstOrder,
        measurement: Measurement,
        *,
        loop: Loop,
        echo: EchoSocket,
        sent: Callable[[], None],
        overdue: Callable[[], None],
        over: Callable[[], None],
    ) -> None:
        self.order = order
        self.fates = Fates(measurement.far_end, loop.stalls_between, learns=False)
        self._measurement = measurement
        self._loop = loop
        self._echo = echo
        self._sent = sent
        self._overdue = overdue
        self._over: Callable[[], None] | None = over
        self._left = order.count
        self._due = self._began = loop.now()
        self._asker = echo.join(self._answered)
        self._alarm = Alarm(loop, self._ask)
        self._alarm.due(self._due)

    @property
    def is_sending(self) -> bool:
        """Whether there is something left to be sent."""
        return self._left > 0

    def end(self, now: int) -> News:
        """What is left to be told once it is over: nothing of probes not sent, or under way while we slept."""
        self.fates.judge(now)
        return self.fates.news() or News(self._began, self._began, 0, 0, (), ())

    def close(self) -> None:
        """Stop."""
        self._left = 0
        self._alarm.cancel()
        self._echo.part(self._asker)

    def _ask(self) -> None:
        now = self._loop.now()
        if self._left and now >= self._due:
            self._due = max(self._due + self.order.interval_ns, now + self.order.interval_ns // 2)
            self._send(now)
            if not self._left:
                self._sent()
        if self._left:
            if self.fates.overdue(now):
                self._overdue()
            self._alarm.due(self._due)
        else:
            self._look(now)

    def _send(self, now: int) -> None:
        watched = self._measurement.watched
        if not watched.lives:
            self._left = 0
            return
        self._left -= 1
        if ask(self._echo, self._asker, watched, now):
            self.fates.sent(now)

    def _look(self, now: int) -> None:
        """All is sent: it is over when nothing waits any more."""
        due = self.fates.due
        if due is not None and due <= now:
            self._echo.drain()
            self.fates.judge(now)
        if self.fates.waiting:
            self._alarm.due(max(self.fates.due or 0, now + self.order.interval_ns))
        else:
            self._end()

    def _answered(self, answer: Answer) -> None:
        if is_from(answer, self._measurement.watched):
            self.fates.answered(answer.sent, answer.arrived)
            if not self._left and not self.fates.waiting:
                self._end()

    def _end(self) -> None:
        over, self._over = self._over, None
        if over is not None:
            self._alarm.cancel()
            over()


class Bursts:
    """A Bursts runs at most one burst a tunnel, and as many together as `MOST_A_SECOND` allows.

    `tell` is given what became known of a burst, as soon as its last fate is; `report` and `news_of` give what is known
    before. `on_overdue` is called when a probe over a tunnel seems to be lost.
    """

    def __init__(
        self,
        loop: Loop,
        echo: EchoSocket,
        counters: Counter[str],
        tell: Callable[[list[Message]], None],
        on_overdue: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._echo = echo
        self._counters = counters
        self._tell = tell
        self._on_overdue = on_overdue
        self._waiting: dict[str, tuple[BurstOrder, Measurement]] = {}
        self._running: dict[str, Burst] = {}
        self._over: list[tuple[int, Burst]] = []

    def begin(self, order: BurstOrder, measurement: Measurement | None) -> None:
        """Begin as soon as there is room, and the tunnel's last one is over: who has heard its last fate asks at once.

        Refused, and counted, when the tunnel is not up or one waits already.
        """
        if measurement is None or not measurement.watched.lives or order.tunnel in self._waiting:
            self._counters["bursts-refused"] += 1
            return
        self._waiting[order.tunnel] = (order, measurement)
        self._start()

    def report(self, now: int) -> list[Message]:
        """What became known since the last report, late answers too. What has arrived must have been told by now."""
        bursts = [*self._running.values(), *(burst for _, burst in self._over)]
        for until, burst in self._over:
            if until <= now:
                burst.close()
        self._over = [(until, burst) for until, burst in self._over if until > now]
        return [found for burst in bursts for found in _told(burst, now)]

    def news_of(self, tunnel: str, now: int) -> list[Message]:
        """What became known of the burst over this tunnel since the last report."""
        burst = self._running.get(tunnel)
        return _told(burst, now) if burst is not None else []

    def forget(self, tunnel: str) -> None:
        """The tunnel is no longer measured."""
        self._waiting.pop(tunnel, None)
        burst = self._running.pop(tunnel, None)
        if burst is not None:
            burst.close()
            self._start()

    def close(self) -> None:
        """Stop."""
        for burst in (*self._running.values(), *(burst for _, burst in self._over)):
            burst.close()

    def _start(self) -> None:
        rate = sum(burst.order.rate for burst in self._running.values() if burst.is_sending)
        ready = [(tunnel, *each) for tunnel, each in self._waiting.items() if tunnel not in self._running]
        for tunnel, order, measurement in ready:
            if rate and rate + order.rate > MOST_A_SECOND:
                return
            del self._waiting[tunnel]
            if not measurement.watched.lives:
                self._counters["bursts-refused"] += 1
                continue
            rate += order.rate
            self._counters["bursts"] += 1
            self._running[tunnel] = self._burst(order, measurement)

    def _burst(self, order: BurstOrder, measurement: Measurement) -> Burst:
        return Burst(
            order,
            measurement,
            loop=self._loop,
            echo=self._echo,
            sent=self._start,
            overdue=lambda: self._on_overdue(order.tunnel),
            over=lambda: self._end(order.tunnel),
        )

    def _end(self, tunnel: str) -> None:
        burst = self._running.pop(tunnel, None)
        if burst is None:
            return
        now = self._loop.now()
        self._over.append((now + LATEST, burst))
        self._tell([samples(tunnel, burst.end(now), burst=True, last=True)])
        self._start()


def _told(burst: Burst, now: int) -> list[Message]:
    burst.fates.judge(now)
    news = burst.fates.news()
    return [samples(burst.order.tunnel, news, burst=True)] if news is not None else []
