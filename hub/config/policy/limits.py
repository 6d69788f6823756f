"""Limits of health as a user writes them, `3% over 5s`; and what the limit of returning is where none is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta

from hub.config.scalars import DURATION, UnreadableError, read_duration, read_text, shown
from policies.lengths import written
from policies.model.health import HealthLimits, Limit, Metric

OVER = rf" over {DURATION}"
LOSS = rf"[0-9]+(\.[0-9]+)? ?%{OVER}"
RTT = rf"(usual ?\+ ?)?{DURATION}{OVER}"
JITTER = rf"{DURATION}{OVER}"

SHORTEST_WINDOW, LONGEST_WINDOW = timedelta(seconds=1), timedelta(hours=1)
"""Less than a second holds too few probes to judge by; of more than an hour nobody keeps them."""
LONGEST_TIME = timedelta(seconds=10)
"""A round trip above it is no tunnel that anybody would judge by its round trip."""
RETURNING_WINDOW = timedelta(seconds=60)
"""The least window of a return limit that is not written: a tunnel is left quickly and returned to slowly."""
RETURNING_PART = 0.5

_EXAMPLES = {Metric.LOSS: "3% over 5s", Metric.RTT: "usual + 80ms over 5s", Metric.JITTER: "30ms over 10s"}


def read_loss(value: object) -> Limit:
    """A share of the probes and a window: `3% over 5s`."""
    amount, over = _parts(value, Metric.LOSS)
    if amount.startswith("usual"):
        raise UnreadableError(f'"{amount[:60]}": what is usual is known of rtt alone', _mend(Metric.LOSS))
    number = amount.removesuffix("%").strip()
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", number):
        raise UnreadableError(f'"{amount[:60]}" is no share of the probes', _mend(Metric.LOSS))
    if not amount.endswith("%"):
        raise UnreadableError(f"{number} has no unit: loss is a share", f'write "{number}% over {written(over)}"')
    if float(number) > 100:
        raise UnreadableError(f"{number}% is more than all of them: a loss is at most 100%", _mend(Metric.LOSS))
    return Limit(Metric.LOSS, float(number) / 100, over)


def read_rtt(value: object) -> Limit:
    """A round trip and a window, absolute or above what is usual: `900ms over 30s`, `usual + 80ms over 5s`."""
    amount, over = _parts(value, Metric.RTT)
    above = re.fullmatch(r"usual ?\+ ?(.*)", amount)
    if amount.startswith("usual") and above is None:
        raise UnreadableError(f'"{amount[:60]}" is not understood: usual and what is added to it', _mend(Metric.RTT))
    return Limit(Metric.RTT, _seconds(above[1] if above else amount), over, above_usual=above is not None)


def read_jitter(value: object) -> Limit:
    """By how much the round trip varies, and a window: `30ms over 10s`."""
    amount, over = _parts(value, Metric.JITTER)
    if amount.startswith("usual"):
        raise UnreadableError(f'"{amount[:60]}": what is usual is known of rtt alone', _mend(Metric.JITTER))
    return Limit(Metric.JITTER, _seconds(amount), over)


def limit_text(limit: Limit) -> str:
    """A limit as it is written."""
    if limit.metric is Metric.LOSS:
        return f"{limit.value * 100:g}% over {written(limit.over)}"
    usual = "usual + " if limit.above_usual else ""
    return f"{usual}{written(timedelta(seconds=limit.value))} over {written(limit.over)}"


def _parts(value: object, metric: Metric) -> tuple[str, timedelta]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise UnreadableError(f"{shown(value)} has no unit and no window", _mend(metric))
    text = " ".join(read_text(value).split())
    amount, over, window = text.partition(" over ")
    if not over:
        like = _EXAMPLES[metric].partition(" over ")[2]
        raise UnreadableError(f'"{text[:60]}" has no window', f'write "{text[:60]} over {like}", or another window')
    duration = read_duration(window)
    if not SHORTEST_WINDOW <= duration <= LONGEST_WINDOW:
        raise UnreadableError(f"over {window}: a window is from 1s to 1h", _mend(metric))
    return amount, duration


def _seconds(text: str) -> float:
    duration = read_duration(text, meant="ms")
    if not timedelta() < duration <= LONGEST_TIME:
        raise UnreadableError(f"{text}: more than nothing, and at most 10s")
    return duration.total_seconds()


def _mend(metric: Metric) -> str:
    return f'write it like "{_EXAMPLES[metric]}"'


def health_limits(leaving: Iterable[Limit], returning: Iterable[Limit]) -> HealthLimits:
    """The limits, with those of returning that are not written."""
    leaving, returning = tuple(leaving), tuple(returning)
    said = {limit.metric for limit in returning}
    halves = (limit for metric in Metric if metric not in said for limit in _halves(metric, leaving))
    by_metric = {metric: place for place, metric in enumerate(Metric)}
    ordered = sorted((*returning, *halves), key=lambda limit: by_metric[limit.metric])
    return HealthLimits(leaving, tuple(ordered))


def _halves(metric: Metric, leaving: tuple[Limit, ...]) -> Iterator[Limit]:
    """Half the least limit of leaving, apart for absolute ones and for those above what is usual."""
    mine = [limit for limit in leaving if limit.metric is metric]
    over = max([RETURNING_WINDOW, *(limit.over for limit in mine)])
    for above_usual in (False, True):
        values = [limit.value for limit in mine if limit.above_usual is above_usual]
        if values:
            yield Limit(metric, min(values) * RETURNING_PART, over, above_usual)
