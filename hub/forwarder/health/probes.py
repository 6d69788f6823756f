"""Health probes over all tunnels, and what they found, told a few times a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from hub.control.lines import Message
from hub.forwarder.health.burst import BurstOrder, Bursts
from hub.forwarder.health.measurement import Measurement, Watched
from hub.forwarder.health.samples import samples
from hub.forwarder.liveness.alarm import Alarm
from hub.forwarder.liveness.icmp import Answer, EchoSocket
from hub.forwarder.liveness.model import TunnelSpec
from hub.forwarder.loop import Loop

REPORT = 250_000_000
"""Nanoseconds between two reports of a tunnel."""
HASTE = 50_000_000
"""Nanoseconds between two reports of a tunnel that seems to lose probes."""
_TUNNELS_A_LINE = 40
"""Told in less than a millisecond; then whatever arrived meanwhile comes first."""

Tell = Callable[[list[Message]], None]


class HealthProbes:
    """A HealthProbes measures every tunnel that has a probe rate, while it lives.

    `tell` is given the members of each `samples` line, `on_problem` a key, a text (None: it is over) and the mend.
    """

    def __init__(
        self,
        loop: Loop,
        echo: EchoSocket,
        counters: Counter[str],
        tell: Tell,
        on_problem: Callable[[str, str | None, str | None], None],
    ) -> None:
        self._loop = loop
        self._echo = echo
        self._tell = tell
        self._on_problem = on_problem
        self._measurements: dict[str, Measurement] = {}
        self._carrying: frozenset[str] = frozenset()
        self._bursts = Bursts(loop, echo, counters, tell, self._overdue)
        self._report_due = 0
        self._turn: list[str] = []
        self._reporting = Alarm(loop, self._report)

    def set_tunnels(self, watched: Sequence[Watched]) -> None:
        """Measure these tunnels; the first probes of new ones are spread over their interval."""
        wanted = {each.spec.name: each for each in watched if each.spec.probe is not None}
        for name in [name for name, each in self._measurements.items() if wanted.get(name) is not each.watched]:
            self._forget(name)
        new = [name for name in wanted if name not in self._measurements]
        now = self._loop.now()
        for position, name in enumerate(new):
            interval, _ = _rate(wanted[name].spec, active=name in self._carrying)
            first = now + interval * position // len(new)
            self._measurements[name] = self._measurement(name, wanted[name], first)
        self._set_rates()
        if self._measurements:
            self._reporting.due(now)

    def set_carrying(self, names: frozenset[str]) -> None:
        """These tunnels carry traffic."""
        self._carrying = names
        self._set_rates()

    def burst(self, order: BurstOrder) -> None:
        """Send many probes over one tunnel."""
        self._bursts.begin(order, self._measurements.get(order.tunnel))

    def asked(self, tunnel: str, now: int) -> None:
        """Liveness has asked for an echo over this tunnel."""
        measurement = self._measurements.get(tunnel)
        if measurement is not None:
            measurement.asked(now)

    def answered(self, tunnel: str, answer: Answer) -> None:
        """Liveness had an answer over this tunnel."""
        measurement = self._measurements.get(tunnel)
        if measurement is not None:
            measurement.answered(answer)

    def close(self) -> None:
        """Stop."""
        for name in list(self._measurements):
            self._forget(name)
        self._bursts.close()
        self._reporting.cancel()

    def _forget(self, name: str) -> None:
        self._bursts.forget(name)
        self._measurements.pop(name).close()
        self._on_problem(f"health:{name}", None, None)

    def _measurement(self, name: str, watched: Watched, first: int) -> Measurement:
        return Measurement(watched, first, loop=self._loop, echo=self._echo, on_overdue=lambda: self._overdue(name))

    def _set_rates(self) -> None:
        for name, measurement in self._measurements.items():
            interval, overhears = _rate(measurement.watched.spec, active=name in self._carrying)
            measurement.set_rate(0 if overhears else interval, overhears=overhears)

    # what is told

    def _report(self) -> None:
        """Tell of some tunnels; what has arrived meanwhile is handled before the others have their turn."""
        now = self._loop.now()
        if now < self._report_due:
            self._reporting.due(self._report_due)
            return
        self._echo.drain()
        found: list[Message] = []
        if not self._turn:
            self._turn = list(self._measurements)
            found = self._bursts.report(now)
        names, self._turn = self._turn[:_TUNNELS_A_LINE], self._turn[_TUNNELS_A_LINE:]
        for name in names:
            found += self._news_of(name, now)
        if found:
            self._tell(found)
        if not self._turn:
            self._report_due = max(self._report_due + REPORT, now + REPORT // 2)
        if self._measurements:
            self._reporting.due(self._report_due if not self._turn else now)

    def _overdue(self, name: str) -> None:
        """A probe over this tunnel seems to be lost: that is told at once, if it was not just told of one."""
        measurement, now = self._measurements.get(name), self._loop.now()
        if measurement is None or now < measurement.told_at + HASTE:
            return
        measurement.told_at = now
        self._echo.drain()
        found = self._bursts.news_of(name, now) + self._news_of(name, now)
        if found:
            self._tell(found)

    def _news_of(self, name: str, now: int) -> list[Message]:
        measurement = self._measurements.get(name)
        if measurement is None:
            return []
        measurement.fates.judge(now)
        if measurement.is_mute != measurement.told_mute:
            measurement.told_mute = measurement.is_mute
            self._on_problem(f"health:{name}", *(_mute(name, measurement) if measurement.is_mute else (None, None)))
        news = measurement.fates.news()
        return [samples(name, news)] if news is not None else []


def _rate(spec: TunnelSpec, *, active: bool) -> tuple[int, bool]:
    """Nanoseconds between two probes, and whether liveness sends echoes as often as that anyway."""
    if spec.probe is None:
        return 0, False
    interval, timers = (spec.probe.active_ns, spec.active) if active else (spec.probe.idle_ns, spec.idle)
    return interval, spec.is_asked_by_echo and timers.interval_ns <= interval


def _mute(name: str, measurement: Measurement) -> tuple[str, str]:
    spec = measurement.watched.spec
    text = f"{name} is up, and its far end {spec.remote} answers no ICMP echo: its loss and round trip are not known"
    return text, f"let the branch answer echo requests of {spec.local} over {spec.interface}"
