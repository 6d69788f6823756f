"""What becomes of health probes: answered, lost, late, or of no account because this process slept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.forwarder.health.far_end import LONGEST_WAIT, ROW, SHORTEST_WAIT, SILENCE, FarEnd
from hub.forwarder.health.fates import LATEST, Fates, News

MS = 1_000_000
TRIP = 5 * MS


class Stalls:
    """Stalls of this process, from and until."""

    def __init__(self, *stalls: tuple[int, int]) -> None:
        self.all = list(stalls)

    def __call__(self, start: int, end: int) -> list[int]:
        return [min(until, end) - max(since, start) for since, until in self.all if until > start and since < end]


def following(*stalls: tuple[int, int], learns: bool = True) -> Fates:
    """A tunnel whose answers take 5 ms as a rule."""
    far_end = FarEnd(0)
    for _ in range(30):
        far_end.round_trip.sample(TRIP)
    far_end.answered(0)
    return Fates(far_end, Stalls(*stalls), learns=learns)


def test_an_answer_in_time_is_a_round_trip() -> None:
    fates = following()
    fates.sent(1000 * MS)
    fates.answered(1000 * MS, 1021 * MS)
    assert fates.news() == News(1000 * MS, 1000 * MS, 1, 0, (21 * MS,), ())
    assert fates.news() is None


def test_a_probe_is_lost_when_its_answer_had_its_time() -> None:
    fates = following()
    fates.sent(1000 * MS)
    fates.judge(1059 * MS)
    assert fates.news() is None
    fates.judge(1060 * MS)
    assert fates.news() == News(1000 * MS, 1000 * MS, 1, 1, (), ())


def test_the_oldest_probe_is_overdue_when_its_answer_had_its_time() -> None:
    fates = following()
    assert not fates.overdue(1000 * MS)
    fates.sent(1000 * MS)
    fates.sent(1050 * MS)
    assert not fates.overdue(1059 * MS)
    assert fates.overdue(1060 * MS)
    fates.answered(1000 * MS, 1060 * MS)
    assert not fates.overdue(1060 * MS)


def test_an_answer_after_that_takes_the_loss_back_once() -> None:
    fates = following()
    fates.sent(1000 * MS)
    fates.judge(1200 * MS)
    fates.news()
    fates.answered(1000 * MS, 1400 * MS)
    fates.answered(1000 * MS, 1401 * MS)
    assert fates.news() == News(1000 * MS, 1000 * MS, 0, 0, (), (400 * MS,))


def test_an_answer_after_three_seconds_says_nothing() -> None:
    fates = following()
    fates.sent(1000 * MS)
    fates.judge(1200 * MS)
    fates.news()
    fates.judge(1000 * MS + LATEST)
    fates.answered(1000 * MS, 1001 * MS + LATEST)
    assert fates.news() is None


def test_what_nobody_asked_and_what_is_answered_twice_counts_not() -> None:
    fates = following()
    fates.answered(7, 8)
    fates.sent(1000 * MS)
    fates.answered(1000 * MS, 1020 * MS)
    fates.answered(1000 * MS, 1021 * MS)
    found = fates.news()
    assert found is not None
    assert (found.sent, found.round_trips) == (1, (20 * MS,))


@pytest.mark.parametrize(
    ("trip", "wait"),
    [(TRIP, SHORTEST_WAIT), (200 * MS, 250 * MS), (990 * MS, LONGEST_WAIT)],
)
def test_the_wait_follows_the_round_trip_within_its_bounds(trip: int, wait: int) -> None:
    far_end = FarEnd(0)
    assert far_end.wait == LONGEST_WAIT
    for _ in range(40):
        far_end.round_trip.sample(trip)
    assert far_end.wait == pytest.approx(wait, abs=MS // 10)


def test_late_answers_lengthen_the_wait_until_they_are_in_time() -> None:
    fates, now = following(), 1000 * MS
    for _ in range(60):
        fates.sent(now)
        fates.judge(now + 250 * MS)
        fates.answered(now, now + 400 * MS)
        now += 1000 * MS
    fates.news()
    fates.sent(now)
    fates.judge(now + 400 * MS - 1)
    fates.answered(now, now + 400 * MS)
    found = fates.news()
    assert found is not None
    assert (found.sent, found.lost, found.late) == (1, 0, ())


def test_the_probes_of_a_burst_teach_nothing() -> None:
    fates = following(learns=False)
    before = fates._far_end.round_trip.samples
    fates.sent(1000 * MS)
    fates.answered(1000 * MS, 1020 * MS)
    assert fates._far_end.round_trip.samples == before


def test_a_probe_under_way_while_we_slept_long_is_neither_answered_nor_lost() -> None:
    slept = (1010 * MS, 1070 * MS)
    fates = following(slept)
    fates.sent(1000 * MS)
    fates.sent(1005 * MS)
    fates.answered(1005 * MS, 1080 * MS)
    fates.judge(5000 * MS)
    assert fates.news() is None
    assert fates.waiting == 0


def test_a_short_stall_lengthens_the_wait_and_hides_the_round_trip() -> None:
    fates = following((1010 * MS, 1040 * MS))
    fates.sent(1000 * MS)
    fates.sent(1005 * MS)
    fates.judge(1089 * MS)
    assert fates.news() is None
    fates.answered(1005 * MS, 1060 * MS)
    assert fates.news() == News(1005 * MS, 1005 * MS, 1, 0, (), ())
    fates.judge(1090 * MS)
    assert fates.news() == News(1000 * MS, 1000 * MS, 1, 1, (), ())


def test_a_stall_before_the_probe_or_after_its_answer_changes_nothing() -> None:
    fates = following((900 * MS, 1000 * MS), (1021 * MS, 1100 * MS))
    fates.sent(1000 * MS)
    fates.answered(1000 * MS, 1005 * MS)
    assert fates.news() == News(1000 * MS, 1000 * MS, 1, 0, (TRIP,), ())


def lose(fates: Fates, count: int, first: int, every: int = 1000 * MS) -> int:
    """So many probes that are lost; when the last one was."""
    for number in range(count):
        fates.sent(first + number * every)
        fates.judge(first + number * every + LONGEST_WAIT)
    return first + (count - 1) * every + LONGEST_WAIT


def test_a_far_end_that_never_answered_loses_nothing_and_is_mute() -> None:
    far_end = FarEnd(0)
    fates = Fates(far_end, Stalls(), learns=True)
    end = lose(fates, ROW, 0)
    assert fates.news() is None
    assert far_end.is_mute
    fates.sent(end)
    fates.answered(end, end + TRIP)
    assert not far_end.is_mute
    assert fates.news() is not None


def test_a_far_end_that_ceases_to_answer_while_its_tunnel_lives_is_mute_after_a_while() -> None:
    fates = following()
    end = lose(fates, ROW + 5, 0, 100 * MS)
    assert end < SILENCE
    found = fates.news()
    assert found is not None
    assert found.lost == ROW + 5
    lose(fates, 5, SILENCE)
    assert fates.news() is None
    assert fates._far_end.is_mute


def test_losses_with_an_answer_between_them_make_no_far_end_mute() -> None:
    fates = following()
    end = lose(fates, ROW - 1, 0)
    fates.sent(end)
    fates.answered(end, end + TRIP)
    fates.news()
    lose(fates, ROW - 1, end + SILENCE)
    found = fates.news()
    assert found is not None
    assert found.lost == ROW - 1


def test_a_first_answer_that_comes_very_late_is_heard() -> None:
    far_end = FarEnd(0)
    fates = Fates(far_end, Stalls(), learns=True)
    fates.sent(0)
    fates.judge(LONGEST_WAIT)
    fates.answered(0, 2 * LONGEST_WAIT)
    assert far_end.answers
    assert fates.news() is None


STEPS = st.lists(
    st.tuples(st.sampled_from(["send", "answer", "judge", "news"]), st.integers(0, 200 * MS), st.integers(0, 9)),
    max_size=60,
)


@given(STEPS)
def test_every_probe_is_told_once_and_a_late_one_was_lost_before(steps: list[tuple[str, int, int]]) -> None:
    fates, now, asked = following(), 1000 * MS, list[int]()
    sent = lost = late = round_trips = 0
    for what, after, which in [*steps, ("judge", 4000 * MS, 0), ("news", 0, 0)]:
        now += after + 1
        if what == "send":
            fates.sent(now)
            asked.append(now)
        elif what == "answer" and asked:
            fates.answered(asked[-1 - which % len(asked)], now)
        elif what == "judge":
            fates.judge(now)
        elif what == "news" and (found := fates.news()) is not None:
            assert found.begins <= found.ends
            assert found.sent == found.lost + len(found.round_trips)
            sent, lost = sent + found.sent, lost + found.lost
            round_trips, late = round_trips + len(found.round_trips), late + len(found.late)
            assert late <= lost
    assert sent == len(asked) == lost + round_trips
