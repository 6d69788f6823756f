"""window: the samples of the last minutes, and what they come to over any stretch of time.

A window ends with the newest sample, not with the present moment: silence moves nothing. The samples are a set; in
which order they came makes no difference.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isfinite

from policies.model.clock import NEVER, Instant
from policies.model.health import NO_FIGURES, Figures, Samples

LEAST = 5
"""Probes whose fate is known, below which nothing is said."""
PATIENCE = 90.0
"""Seconds that a window may be lengthened to hold the least number of probes; on a slow standby that takes a while."""
GRAIN = 1.0
"""Seconds up to which a Samples counts wholly or not at all; of a longer one the part that lies in the window."""
FINE = 10.0
"""Seconds before the newest sample within which samples are kept as they came, however many there are."""
MANY = 256
"""Samples from which on the older ones are put together: by the second, and by `COARSE` beyond `LONG_AGO`."""
LONG_AGO, COARSE = 300.0, 15.0
MOST = 1024
"""Samples that are kept at all; enough for windows of two hours."""
MOST_ROUND_TRIPS = 64
"""Round trips that are kept of one Samples: evenly chosen ones where there are more."""
LATEST = 3.0
"""Seconds after which an answer is no longer waited for at all."""
AHEAD = 1.0
"""Seconds by which a sample may be newer than the present moment."""

Entries = tuple[Samples, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """A Count is how many probes were sent whose fate is known, and how many of them were lost."""

    sent: float = 0.0
    lost: float = 0.0

    @property
    def loss(self) -> float:
        """The share that was lost; 0 of none."""
        return self.lost / self.sent if self.sent > 0 else 0.0


def makes_sense(samples: Samples) -> bool:
    """Whether it can be: finite times in order, counts that fit, round trips that are positive.

    `sent` 0 and a negative `lost` takes back losses that were told before: their answers came after all.
    """
    times = isfinite(samples.begins) and isfinite(samples.ends) and samples.begins <= samples.ends
    fits = samples.sent >= 0 and samples.lost <= samples.sent
    return times and fits and all(isfinite(took) and took >= 0 for took in samples.round_trips)


@dataclass(frozen=True, slots=True)
class Window:
    """A Window is samples in order of time; `odd` are those of them that lost something, or are long.

    Nearly always there are none of these, and then nothing need be weighed.
    """

    entries: Entries = ()
    odd: Entries = ()

    @property
    def end(self) -> Instant:
        """When the newest sample ended; NEVER when there is none."""
        return self.entries[-1].ends if self.entries else NEVER

    def added(self, samples: Samples) -> Window:
        """With one more."""
        if len(samples.round_trips) > MOST_ROUND_TRIPS:
            samples = replace(samples, round_trips=_thinned(samples.round_trips))
        more = Window(_inserted(self.entries, samples), _inserted(self.odd, samples) if _is_odd(samples) else self.odd)
        return _put_together(more) if len(more.entries) > MANY and len(more.entries) % 64 == 0 else more

    def recent(self, now: Instant, horizon: float) -> Window:
        """Without those that are older than the horizon, and those that claim to be of the future."""
        entries = self.entries
        if not entries or (entries[-1].ends <= now + AHEAD and entries[0].ends > now - horizon):
            return self
        return _window(entry for entry in entries if now - horizon < entry.ends <= now + AHEAD)

    def settled(self) -> Window:
        """With what was taken back subtracted from the losses that it was counted among."""
        if not self.odd or all(entry.lost >= 0 for entry in self.odd):
            return self
        left = [entry for entry in self.entries if entry.lost >= 0]
        for taken in self.odd:
            if taken.lost < 0:
                _take_back(left, taken)
        return _window(left)

    def since(self, start: float) -> Window:
        """Those that ended after this instant."""
        odd = self.odd[bisect_right(self.odd, start, key=_ends) :] if self.odd else ()
        return Window(self.entries[bisect_right(self.entries, start, key=_ends) :], odd)

    def bursts(self, start: float) -> Window:
        """The bursts that began at this instant or later."""
        return _window(entry for entry in self.since(start - 1e-6).entries if entry.burst and entry.begins >= start)

    def credible_bursts(self, start: float) -> Window:
        """The bursts that began at this instant or later, of which it can be told what was lost, settled.

        When round trips have become longer than the wait, every probe counts as lost until its answer comes. So of a
        burst that had no answer in time nothing is believed before a later probe was answered, or answers are too late.
        """
        settled = self.settled()
        answered = max((entry.begins for entry in settled.entries if entry.sent > entry.lost), default=NEVER)
        told = [entry for entry in self.bursts(start).entries if entry.lost >= 0]
        pairs = zip(told, settled.bursts(start).entries, strict=True)
        return _window(
            now for then, now in pairs if then.sent > then.lost or now.ends <= answered or now.ends <= self.end - LATEST
        )

    def count(self, start: float = NEVER) -> Count:
        """The probes after this instant, those of bursts too."""
        if not self._is_long():
            sent = sum([entry.sent for entry in self.entries if entry.ends > start])
            return Count(sent, sum([entry.lost for entry in self.odd if entry.ends > start]))
        return self._weighed_count(start)

    def _weighed_count(self, start: float) -> Count:
        sent = lost = 0.0
        for entry in self.entries:
            part = part_after(entry, start)
            sent += entry.sent * part
            lost += entry.lost * part
        return Count(sent, lost)

    def round_trips(self) -> list[float]:
        """Those of the regular probes, in order of time."""
        return [took for entry in self.entries if not entry.burst for took in entry.round_trips]

    def round_trip(self, start: float) -> float | None:
        """The median round trip of the regular probes after this instant, in seconds."""
        if not self._is_long():
            return _median(self.round_trips())
        return _weighted_median(
            [(took, weight) for entry, weight in self._weights(start) for took in entry.round_trips]
        )

    def jitter(self, start: float) -> float | None:
        """The median difference of successive round trips of the regular probes after this instant, in seconds.

        The differences are those of RFC 3550 section 6.4.1, with the round trip for the transit time; that averages
        them.
        """
        if not self._is_long():
            return _median(_differences(self.round_trips()))
        differences: list[tuple[float, float]] = []
        last: float | None = None
        for entry, weight in self._weights(start):
            for took in entry.round_trips:
                if last is not None:
                    differences.append((abs(took - last), weight))
                last = took
        return _weighted_median(differences)

    def start_of(self, over: float, *, answered: bool) -> float | None:
        """When a window of this length begins that ends with the newest sample: earlier, if it has too few probes.

        `answered`: only regular probes that were answered count. None: there are too few even so.
        """
        end = self.end
        start, found = end - over, 0.0
        for entry in reversed(self.entries):
            if found >= LEAST:
                break
            if entry.ends <= start:
                if entry.ends <= end - PATIENCE:
                    break
                start = min(entry.begins, entry.ends - 1e-6)
            if not answered:
                found += entry.sent * part_after(entry, start)
            elif not entry.burst:
                found += (entry.sent - entry.lost) * part_after(entry, start)
        return start if found >= LEAST else None

    def longest_gap(self, start: float) -> float:
        """The longest time without a sample since this instant, in seconds."""
        gap, last = 0.0, start
        for entry in self.since(start).entries:
            gap, last = max(gap, entry.begins - last), max(last, entry.ends)
        return gap

    def _is_long(self) -> bool:
        return any(_is_long(entry) for entry in self.odd)

    def _weights(self, start: float) -> list[tuple[Samples, float]]:
        return [
            (entry, max(entry.sent - entry.lost, 1) * part_after(entry, start) / len(entry.round_trips))
            for entry in self.entries
            if not entry.burst and entry.round_trips
        ]


NO_SAMPLES = Window()


def part_after(entry: Samples, start: float) -> float:
    """The share of it that lies after this instant."""
    if entry.begins >= start:
        return 1.0
    length = entry.ends - entry.begins
    if length <= GRAIN or entry.ends <= start:
        return 1.0 if entry.ends > start else 0.0
    return (entry.ends - start) / length


def figures(window: Window, over: float) -> Figures:
    """What was measured in the newest so many seconds."""
    if not window.entries:
        return NO_FIGURES
    start = window.end - over
    part = window.since(start)
    counted = part.count(start)
    loss = counted.loss if counted.sent > 0 else None
    if part.odd:
        return Figures(loss, part.round_trip(start), part.jitter(start))
    told = part.round_trips()
    differing = _median(_differences(told))
    return Figures(loss, _median(told), differing)


def _window(entries: Iterable[Samples]) -> Window:
    kept = tuple(entries)
    return Window(kept, tuple([entry for entry in kept if _is_odd(entry)]))


def _inserted(entries: Entries, samples: Samples) -> Entries:
    if not entries or entries[-1].ends < samples.ends or _order(entries[-1]) <= _order(samples):
        return (*entries, samples)
    ordered = list(entries)
    insort(ordered, samples, key=_order)
    return tuple(ordered)


def _ends(entry: Samples) -> float:
    return entry.ends


def _order(entry: Samples) -> tuple[float, float, bool, int, int, tuple[float, ...]]:
    return entry.ends, entry.begins, entry.burst, entry.sent, entry.lost, entry.round_trips


def _is_long(entry: Samples) -> bool:
    return entry.ends - entry.begins > GRAIN


def _is_odd(entry: Samples) -> bool:
    return entry.lost != 0 or entry.ends - entry.begins > GRAIN


def _differences(told: list[float]) -> list[float]:
    return [one - other if one > other else other - one for one, other in pairwise(told)]


def _median(values: list[float]) -> float | None:
    if not values:
        return None
    values.sort()
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def _weighted_median(values: list[tuple[float, float]]) -> float | None:
    if not values:
        return None
    half, reached = sum(weight for _, weight in values) / 2, 0.0
    ordered = sorted(values)
    for place, (value, weight) in enumerate(ordered):
        reached += weight
        if reached > half * (1 + 1e-9):
            return value
        if reached >= half * (1 - 1e-9) and place + 1 < len(ordered):
            return (value + ordered[place + 1][0]) / 2
    return ordered[-1][0]


def _thinned(round_trips: Sequence[float]) -> tuple[float, ...]:
    """Evenly chosen by rank, so that the median stays."""
    ordered = sorted(round_trips)
    return tuple(ordered[(2 * rank + 1) * len(ordered) // (2 * MOST_ROUND_TRIPS)] for rank in range(MOST_ROUND_TRIPS))


def _take_back(entries: list[Samples], taken: Samples) -> None:
    """Subtract from the oldest losses that it can have been counted among."""
    wanted, round_trips = -taken.lost, taken.round_trips
    for place, entry in enumerate(entries):
        if wanted <= 0 or entry.begins > taken.ends:
            return
        if entry.lost > 0 and entry.burst == taken.burst and entry.ends >= taken.begins:
            some = min(entry.lost, wanted)
            answered = (*entry.round_trips, *round_trips[:some])
            entries[place] = replace(entry, lost=entry.lost - some, round_trips=answered)
            wanted, round_trips = wanted - some, round_trips[some:]


def _put_together(window: Window) -> Window:
    """The older ones second by second, so that their number is bounded however often samples come."""
    fine, long_ago = window.end - FINE, window.end - LONG_AGO
    cells: dict[tuple[bool, int, bool], Samples] = {}
    long: list[Samples] = []
    for entry in window.settled().entries:
        if entry.ends > fine or (_is_long(entry)):
            long.append(entry)
            continue
        old = entry.ends <= long_ago
        cell = (old, int(entry.ends // (COARSE if old else GRAIN)), entry.burst)
        cells[cell] = _joined(cells[cell], entry) if cell in cells else entry
    return _window(sorted([*cells.values(), *long], key=_order)[-MOST:])


def _joined(one: Samples, other: Samples) -> Samples:
    round_trips = (*one.round_trips, *other.round_trips)
    return replace(
        one,
        begins=min(one.begins, other.begins),
        ends=max(one.ends, other.ends),
        ends_burst=one.ends_burst or other.ends_burst,
        sent=one.sent + other.sent,
        lost=one.lost + other.lost,
        round_trips=round_trips if len(round_trips) <= MOST_ROUND_TRIPS else _thinned(round_trips),
    )
