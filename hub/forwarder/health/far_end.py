"""What the answers of one far end are like: how long they take, and whether there are any. Pure; nanoseconds."""

from __future__ import annotations

from speaker.bfd.estimates import RoundTrip

_MS = 1_000_000
SHORTEST_WAIT, LONGEST_WAIT = 60 * _MS, 1000 * _MS
_MARGIN = 50 * _MS
ROW = 20
SILENCE = 5_000 * _MS
"""After so many probes in a row without an answer, and for so long, while the tunnel lives, its far end is taken for
one that answers none, as behind a firewall that drops them: then a lost probe says nothing of the tunnel."""


class FarEnd:
    """A FarEnd is what is known of the answers over one tunnel."""

    __slots__ = ("_row", "_since", "answers", "round_trip")

    def __init__(self, now: int) -> None:
        self.round_trip = RoundTrip()
        self.answers = False
        """Whether it answers at all."""
        self._since = now
        self._row = 0

    @property
    def wait(self) -> int:
        """How long an answer may take that is not lost (RFC 6298 section 2, with a margin of 50 ms)."""
        if not self.round_trip.samples:
            return LONGEST_WAIT
        usual = self.round_trip.smoothed + 4 * self.round_trip.variation + _MARGIN
        return min(max(SHORTEST_WAIT, usual), LONGEST_WAIT)

    @property
    def is_mute(self) -> bool:
        """Whether it lives and was asked for long enough, and does not answer."""
        return not self.answers and self._row >= ROW

    def answered(self, now: int) -> None:
        """An answer came."""
        self.answers, self._since, self._row = True, now, 0

    def lost(self, now: int) -> bool:
        """A probe was not answered in time; whether that counts."""
        self._row += 1
        if self._row >= ROW and now - self._since >= SILENCE:
            self.answers = False
        return self.answers

    def began_anew(self, now: int) -> None:
        """The tunnel has come up: what it did not answer before says nothing."""
        self._since, self._row = now, 0
