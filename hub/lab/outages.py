"""From packets sent and received to outages. Pure.

An outage is as long as from the moment of sending the first packet that was lost to that of the first one after it
that arrived: what an application would have noticed, independent of how long anything else took.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Outage:
    """An Outage is a run of lost packets: `start` in seconds of the monotonic clock, when the first lost one was sent.

    `ended` is False if nothing arrived after it: then the length is only what has been seen of it.
    """

    start: float
    length_ms: float
    lost: int
    ended: bool


@dataclass(frozen=True, slots=True)
class Direction:
    """A Direction is what one way of a probe saw; no outage is known better than `resolution_ms`.

    The resolution is the interval, or the widest spacing of the packets about an outage where the sender was late.
    """

    sent: int
    lost: int
    outages: tuple[Outage, ...]
    resolution_ms: float

    @property
    def longest_ms(self) -> float:
        """The longest outage; 0 if there was none."""
        return max((outage.length_ms for outage in self.outages), default=0.0)


def measure(
    sent: Sequence[float], received: Collection[int], interval: float, *, since: float, until: float
) -> Direction:
    """What happened to the packets sent from `since` to before `until` (seconds of the monotonic clock).

    Args:
        sent: when each packet was sent, by sequence number, ascending.
        received: the sequence numbers that arrived, in any order.
        interval: the wanted spacing of the packets, in seconds.
        since: an outage counts where it begins.
        until: later packets are not looked at: they may be on their way.
    """
    arrived = bytearray(len(sent))
    for number in received:
        if number < len(arrived):
            arrived[number] = 1
    last = next((number for number, at in enumerate(sent) if at >= until), len(sent))
    first = next((number for number, at in enumerate(sent[:last]) if at >= since), last)
    runs = [run for run in _lost_runs(arrived, last) if run[0] >= first]
    outages = tuple(_outage(sent, *run, last) for run in runs)
    edges = [gap for run in runs for gap in _edge_gaps(sent, *run, last)]
    resolution = max([interval, *(edges or _gaps(sent[first:last]))])
    return Direction(last - first, (last - first) - sum(arrived[first:last]), outages, resolution * 1000)


def _lost_runs(arrived: bytearray, last: int) -> Iterator[tuple[int, int]]:
    """(first lost, first after it that arrived), for every run."""
    position = 0
    while (start := arrived.find(0, position, last)) >= 0:
        end = arrived.find(1, start, last)
        position = last if end < 0 else end
        yield start, position


def _outage(sent: Sequence[float], start: int, end: int, last: int) -> Outage:
    ended = end < last
    length = sent[end if ended else end - 1] - sent[start]
    return Outage(sent[start], length * 1000, end - start, ended)


def _edge_gaps(sent: Sequence[float], start: int, end: int, last: int) -> Iterator[float]:
    if start > 0:
        yield sent[start] - sent[start - 1]
    if end < last:
        yield sent[end] - sent[end - 1]


def _gaps(sent: Sequence[float]) -> list[float]:
    return [after - before for before, after in pairwise(sent)]
