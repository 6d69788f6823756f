"""What a tunnel's packets say of the tunnel: its round trip, its loss, and how late packets are. Pure; nanoseconds."""

from __future__ import annotations

_LOSS_WEIGHT = 500
"""A packet counts for one part in so many: 25 seconds of packets at 50 ms decide."""
_LATENESS_WEIGHT = 16
_SECOND = 1_000_000_000
INTERVALS_A_SAMPLE = 20
"""The round trip is measured once in so many intervals, and at most once a second: a packet in twenty."""
FIRST_SAMPLES = 6
"""Measured a second apart, so that a tunnel's usual variation is soon known."""
ECHOES_LOST = 4
"""After so many in a row the branch's kernel is taken for one that answers no echo."""


HELD_UP = 50_000_000
"""Nanoseconds beyond the usual round trip from which on one answer may have waited for more than the line: a tunnel's
handshake, a neighbor's address. A machine that is busy adds less."""


class RoundTrip:
    """A RoundTrip is the smoothed round trip and its variation (RFC 6298 section 2).

    An answer that was held up counts only in part: seconds of waiting for one handshake would be taken for variation,
    and the tunnel's death be waited for so much longer. A path that has become longer is learnt within a few samples.
    """

    __slots__ = ("samples", "smoothed", "variation")

    def __init__(self) -> None:
        self.smoothed = 0
        self.variation = 0
        self.samples = 0

    def sample(self, round_trip: int) -> None:
        """One more round trip was measured."""
        is_first = self.samples == 0 or (self.samples < FIRST_SAMPLES and self.smoothed > 2 * round_trip + HELD_UP)
        if is_first:
            self.smoothed, self.variation = round_trip, round_trip // 2
        else:
            most = max(2 * (self.smoothed + 4 * self.variation), self.smoothed + HELD_UP)
            round_trip = min(round_trip, most)
            self.variation += (abs(self.smoothed - round_trip) - self.variation) // 4
            self.smoothed += (round_trip - self.smoothed) // 8
        self.samples += 1


class Sampling:
    """A Sampling says when a round trip is measured, and which answers count.

    The branch's kernel is a better clock than its BFD, which other programs keep from running: BFD's finals count only
    where no echo is answered. Of a burst only the first answer counts: the others are of the same moment, and would
    outweigh all usual ones; and none of a tunnel that is asked since it was found dead.
    """

    __slots__ = ("_burst", "_echoes_lost", "_seconds", "round_trip")

    def __init__(self, round_trip: RoundTrip, phase: int) -> None:
        """`phase`: a number by which tunnels take turns."""
        self.round_trip = round_trip
        self._seconds = phase
        self._echoes_lost = ECHOES_LOST  # until the first echo: where none ever comes, nobody has to wait for that
        self._burst = False

    @property
    def by_finals(self) -> bool:
        """Whether BFD has to be asked, as no echo is answered."""
        return self._echoes_lost >= ECHOES_LOST

    def second(self, interval: int) -> bool:
        """Once a second while the session stands: whether to ask now."""
        self._seconds += 1
        every = max(1, INTERVALS_A_SAMPLE * interval // _SECOND)
        asks = self.round_trip.samples < FIRST_SAMPLES or self._seconds % every == 0
        self._echoes_lost += asks
        return asks

    def burst(self) -> None:
        """Probes of a burst are being sent."""
        self._burst = True

    def echo(self, round_trip: int) -> None:
        """The kernel answered in its turn."""
        self._echoes_lost = 0
        self.round_trip.sample(round_trip)

    def probe(self, round_trip: int) -> None:
        """The kernel answered a probe."""
        self._echoes_lost = 0
        if self._burst:
            self._burst = False
            self.round_trip.sample(round_trip)

    def final(self, round_trip: int) -> None:
        """BFD answered a poll."""
        if self.by_finals:
            self.round_trip.sample(round_trip)


class Gaps:
    """A Gaps learns from the gaps between packets that come every `interval`: how many are lost, how late they are."""

    __slots__ = ("_last", "interval", "lateness", "loss", "steady")

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.loss = 0.0
        """The part of the packets that is lost on the way to us, from 0 to 1."""
        self.lateness = 0
        """By how much packets come later than the interval, smoothed; lost ones do not count."""
        self.steady = 0
        """Packets in their time since the interval was agreed on."""
        self._last: int | None = None

    def expect(self, interval: int) -> None:
        """From now on packets come at another interval."""
        if interval != self.interval:
            self.interval, self.lateness = interval, 0
            self.forget()

    def forget(self) -> None:
        """What comes next begins anew: between it and what was before there is no gap."""
        self.steady, self._last = 0, None

    def arrived(self, instant: int) -> None:
        """A packet arrived."""
        last, self._last = self._last, instant
        if last is None or instant <= last:
            return
        excess = instant - last - self.interval
        if excess > self.interval // 4:
            if self.steady:
                self.loss += (1.0 - self.loss) / _LOSS_WEIGHT
            return
        self.loss -= self.loss / _LOSS_WEIGHT
        self.lateness += (max(excess, 0) - self.lateness) // _LATENESS_WEIGHT
        self.steady += 1
