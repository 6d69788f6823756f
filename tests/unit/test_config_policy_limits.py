"""Limits as they are written: an amount and a window; and what is returned by where nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.config.policy.limits import health_limits, limit_text, read_jitter, read_loss, read_rtt
from hub.config.scalars import UnreadableError
from policies.model.health import Limit, Metric

READERS: dict[Metric, Callable[[object], Limit]] = {
    Metric.LOSS: read_loss,
    Metric.RTT: read_rtt,
    Metric.JITTER: read_jitter,
}
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("metric", "text", "expected"),
    [
        (Metric.LOSS, "3% over 5s", Limit(Metric.LOSS, 0.03, 5 * SECOND)),
        (Metric.LOSS, "0.5 % over 10m", Limit(Metric.LOSS, 0.005, 10 * MINUTE)),
        (Metric.LOSS, "  15%   over 1s ", Limit(Metric.LOSS, 0.15, SECOND)),
        (Metric.RTT, "900ms over 30s", Limit(Metric.RTT, 0.9, 30 * SECOND)),
        (Metric.RTT, "usual + 80ms over 5s", Limit(Metric.RTT, 0.08, 5 * SECOND, above_usual=True)),
        (Metric.RTT, "usual+1.5s over 1h", Limit(Metric.RTT, 1.5, 60 * MINUTE, above_usual=True)),
        (Metric.JITTER, "30ms over 10s", Limit(Metric.JITTER, 0.03, 10 * SECOND)),
    ],
)
def test_a_limit_is_an_amount_and_a_window(metric: Metric, text: str, expected: Limit) -> None:
    assert READERS[metric](text) == expected


@pytest.mark.parametrize(
    ("metric", "value", "problem", "mend"),
    [
        (Metric.LOSS, "3%", '"3%" has no window', 'write "3% over 5s", or another window'),
        (Metric.LOSS, 3, "the number 3 has no unit and no window", 'write it like "3% over 5s"'),
        (Metric.LOSS, "3 over 5s", "3 has no unit: loss is a share", 'write "3% over 5s"'),
        (Metric.LOSS, "101% over 5s", "101% is more than all of them: a loss is at most 100%", None),
        (Metric.LOSS, "a few over 5s", '"a few" is no share of the probes', None),
        (Metric.LOSS, "usual + 1% over 5s", '"usual + 1%": what is usual is known of rtt alone', None),
        (Metric.LOSS, "3% over 5", '"5" is no duration', "write 5s if seconds are meant"),
        (Metric.LOSS, "3% over 100ms", "over 100ms: a window is from 1s to 1h", None),
        (Metric.LOSS, "3% over 61m", "over 61m: a window is from 1s to 1h", None),
        (Metric.LOSS, True, "true where text is wanted", None),
        (Metric.LOSS, None, "nothing where text is wanted", None),
        (Metric.RTT, "80 over 5s", '"80" is no duration', "write 80ms if milliseconds are meant"),
        (Metric.RTT, "0ms over 5s", "0ms: more than nothing, and at most 10s", None),
        (Metric.RTT, "usual + 11s over 5s", "11s: more than nothing, and at most 10s", None),
        (Metric.RTT, "usual x 2 over 5s", '"usual x 2" is not understood', None),
        (Metric.JITTER, "usual + 5ms over 5s", '"usual + 5ms": what is usual is known of rtt alone', None),
        (Metric.JITTER, "3% over 5s", '"3%" is no duration', None),
    ],
)
def test_what_is_no_limit_is_said_with_its_mend(metric: Metric, value: object, problem: str, mend: str | None) -> None:
    with pytest.raises(UnreadableError) as found:
        READERS[metric](value)
    assert problem in str(found.value)
    assert mend is None or found.value.mend == mend


@given(
    st.sampled_from(Metric),
    st.integers(1, 9_999),
    st.integers(1, 3_600),
    st.booleans(),
)
def test_a_limit_that_is_said_is_read_as_the_same(metric: Metric, amount: int, seconds: int, above: bool) -> None:
    value = amount / 10_000 if metric is Metric.LOSS else amount / 1_000
    limit = Limit(metric, value, timedelta(seconds=seconds), above_usual=above and metric is Metric.RTT)
    read = READERS[metric](limit_text(limit))
    assert (read.metric, read.over, read.above_usual) == (limit.metric, limit.over, limit.above_usual)
    assert read.value == pytest.approx(limit.value, rel=1e-5)


@given(st.sampled_from(Metric), st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.lists(st.text())))
def test_reading_a_limit_never_fails_in_another_way(metric: Metric, value: object) -> None:
    try:
        limit = READERS[metric](value)
    except UnreadableError:
        return
    assert limit.value >= 0


@pytest.mark.parametrize(
    ("leaving", "returning"),
    [
        (["3% over 5s"], ["1.5% over 60s"]),
        (["3% over 5s", "15% over 1s"], ["1.5% over 60s"]),
        (["2% over 5m", "15% over 1s"], ["1% over 5m"]),
        (["usual + 80ms over 5s"], ["usual + 40ms over 60s"]),
        (["usual + 80ms over 5s", "900ms over 2m"], ["450ms over 2m", "usual + 40ms over 2m"]),
    ],
)
def test_a_return_limit_that_is_not_written_is_half_the_least_one_of_leaving(
    leaving: list[str], returning: list[str]
) -> None:
    read = read_loss if "%" in leaving[0] else read_rtt
    limits = health_limits(map(read, leaving), ())
    assert limits.degraded_when_any == tuple(map(read, leaving))
    assert [limit_text(limit) for limit in limits.healthy_when_all] == returning


def test_a_return_limit_that_is_written_counts_and_the_other_metrics_have_theirs() -> None:
    limits = health_limits([read_loss("3% over 5s"), read_jitter("30ms over 10s")], [read_loss("2% over 30s")])
    assert [limit_text(limit) for limit in limits.healthy_when_all] == ["2% over 30s", "15ms over 60s"]
