"""A tunnel watched by BFD with an echo beside it, so that a cut of one direction only is found as fast as any other.

BFD's packets from the branch go on arriving while the way to the branch is cut. So an echo is asked for every interval,
and BFD, which then only has to keep the branch informed, is slowed down to pay for it. While the branch answers no
echo, as where a firewall drops it, BFD has its full rate and the tunnel is judged by BFD alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hub.forwarder.liveness.bfd_watch import BfdWatch
from hub.forwarder.liveness.icmp_watch import IcmpWatch
from hub.forwarder.liveness.model import LivenessReport, SessionMemory, Timers, TunnelSpec
from speaker.bfd.timing import beside_echo


class PairWatch:
    """A PairWatch is a BfdWatch, whose verdict is the tunnel's, and an IcmpWatch that may find it dead earlier.

    `make_bfd` and `make_icmp` make the two; the second is given what to call at every change of the echo.
    """

    def __init__(
        self,
        spec: TunnelSpec,
        timers: Timers,
        make_bfd: Callable[[TunnelSpec, Timers], BfdWatch],
        make_icmp: Callable[[TunnelSpec, Timers, Callable[[LivenessReport], None]], IcmpWatch],
    ) -> None:
        self.spec = spec
        self.timers = timers
        self._echo_counts = False
        self._bfd = make_bfd(spec, timers)
        self._icmp = make_icmp(spec, replace(timers, method="icmp"), self._echo_changed)

    # as the engine and other tunnels see it

    @property
    def interface_index(self) -> int:
        """The number of the interface."""
        return self._bfd.interface_index

    @property
    def heard_at(self) -> int | None:
        """When anything came over the tunnel last."""
        return max((at for at in (self._bfd.heard_at, self._icmp.heard_at) if at is not None), default=None)

    @property
    def answered_at(self) -> int | None:
        """When an answer came last."""
        return max((at for at in (self._bfd.answered_at, self._icmp.answered_at) if at is not None), default=None)

    @property
    def answers_within(self) -> int:
        """Nanoseconds in which an answer is here as a rule; 0 while that is not known."""
        return self._icmp.answers_within or self._bfd.answers_within

    @property
    def interval(self) -> int:
        """Nanoseconds between two signs of life."""
        return self._icmp.interval if self._echo_counts else self._bfd.interval

    @property
    def lives(self) -> bool:
        """Whether the tunnel is up."""
        return self._bfd.lives

    def probe(self, now: int) -> None:
        """Ask over it, as a witness."""
        self._bfd.probe(now)

    def start(self, remembered: SessionMemory | None) -> None:
        """Begin, where the process before us left off; whether echoes are answered is found out anew."""
        self._bfd.start(remembered)
        self._icmp.start(None)

    def set_spec(self, spec: TunnelSpec) -> None:
        """The tunnel is described anew; addresses and interface are the same."""
        self.spec = spec
        self._icmp.set_spec(spec)
        self._tell_bfd()

    def set_timers(self, timers: Timers) -> None:
        """Ask at another rate from now on."""
        self.timers = timers
        self._icmp.set_timers(replace(timers, method="icmp"))
        self._tell_bfd()

    def slow_down(self, then: Callable[[], None]) -> bool:
        """Have the branch allow us some silence, and mind no lost echo any more; False if BFD is not Up."""
        self._echo_counts = False
        return self._bfd.slow_down(then)

    def interface_down(self) -> None:
        """The interface is gone or down."""
        self._bfd.interface_down()
        self._icmp.interface_down()

    def interface_up(self) -> None:
        """The interface is there."""
        self._bfd.interface_up()
        self._icmp.interface_up()

    def tick(self, now: int) -> None:
        """Once a second."""
        self._bfd.tick(now)
        self._icmp.tick(now)

    def unlike(self, now: int) -> str | None:
        """How the branch's timers differ from the configured ones."""
        return self._bfd.unlike(now)

    def report(self) -> LivenessReport:
        """What is known of the tunnel."""
        report = self._bfd.report()
        return replace(report, rtt_ns=self._icmp.report().rtt_ns or report.rtt_ns, last_heard_ns=self.heard_at)

    def memory(self) -> SessionMemory:
        """What the next process must know."""
        return self._bfd.memory()

    def leave(self, left: Callable[[], None]) -> None:
        """Tell the branch, stop, and call back."""
        self._icmp.close()
        self._bfd.leave(left)

    def close(self) -> None:
        """Stop without a word."""
        self._icmp.close()
        self._bfd.close()

    # inside

    def _echo_changed(self, echo: LivenessReport) -> None:
        if echo.state == "up":
            self._echo_counts = True
        elif self._echo_counts:
            # It is BFD now that asks until it is answered. Where it is, and no echo comes, it goes on alone.
            self._echo_counts = False
            self._bfd.found_dead(echo.reason)
        self._tell_bfd()

    def _tell_bfd(self) -> None:
        """While the echo counts BFD is slow, and its lateness says nothing that the echo does not say sooner."""
        counts = self._echo_counts
        self._bfd.set_spec(replace(self.spec, confirm=self.spec.confirm and not counts))
        interval = beside_echo(self.timers.interval_ns) if counts else self.timers.interval_ns
        timers = replace(self.timers, interval_ns=interval)
        if timers != self._bfd.timers:
            self._bfd.set_timers(timers)
