"""The test that tells a bad tunnel from chance."""

from __future__ import annotations

from math import log
from random import Random

import pytest
from simulated_probes import LIMITS, limit

from policies.health.sequential import ASK, BOUND, LossTest, loss_test
from policies.health.window import NO_SAMPLES, Window
from policies.model.clock import Instant
from policies.model.health import Metric, Samples


def the_test() -> LossTest:
    found = loss_test(LIMITS.degraded_when_any)
    assert found is not None
    return found


def window(fates: str) -> Window:
    """A probe each tenth of a second: `.` answered, `x` lost."""
    made = NO_SAMPLES
    for place, fate in enumerate(fates):
        at = Instant(100.0 + place / 10)
        made = made.added(Samples(at, at, 1, int(fate == "x"), () if fate == "x" else (0.02,)))
    return made


def test_with_a_limit_of_3_percent_it_asks_for_5_against_a_fifth_of_a_percent() -> None:
    assert the_test() == LossTest(pytest.approx(log(25)), pytest.approx(log(0.998 / 0.95)))


def test_without_a_limit_of_loss_there_is_none() -> None:
    assert loss_test([limit(Metric.RTT, 0.1, 5)]) is None


@pytest.mark.parametrize(
    ("fates", "score"),
    [
        ("....................", 0.0),
        ("....................x", log(25)),
        ("x" + "." * 10, log(25) - 10 * the_test().cost),
        ("x" + "." * 70, 0.0),
        ("x" + "." * 70 + "x", log(25)),
        ("x...x", 2 * log(25) - 3 * the_test().cost),
    ],
)
def test_the_sum_is_of_the_stretch_that_speaks_most_against_it(fates: str, score: float) -> None:
    assert the_test().score(window(fates)) == pytest.approx(score)


def test_one_loss_is_enough_to_ask_and_not_to_judge() -> None:
    assert ASK < the_test().score(window(".x...")) < BOUND


def test_it_looks_at_no_more_than_it_must() -> None:
    """The early end of the search changes nothing."""
    test, random = the_test(), Random(1)
    for _ in range(50):
        fates = "".join(random.choices(".x", (0.97, 0.03), k=300))
        best = running = 0.0
        for fate in fates:
            running = max(running + (test.gain if fate == "x" else -test.cost), 0.0)
            best = running
        assert test.score(window(fates)) == pytest.approx(best)


def chance_to_cross(test: LossTest, loss: float, *, start: float | None = None, bound: float = BOUND) -> float:
    """The chance that the sum, at `start` (one loss where none is given), reaches the bound before it falls to zero.

    Exact, when one loss is a whole number of answers: the difference equation f(s) = p f(s + gain) + (1 - p) f(s - 1),
    f = 0 at zero and 1 from the bound on, solved from the top with the one value below the bound as the unknown.
    """
    up, height = round(test.gain / test.cost), round(bound / test.cost)
    first = up if start is None else round(start / test.cost)
    if first >= height:
        return 1.0
    values = [(1.0, 0.0)] * (height + up)
    values[height - 1] = (0.0, 1.0)
    for place in range(height - 1, 0, -1):
        (one, unknown), (above, above_unknown) = values[place], values[place + up]
        values[place - 1] = ((one - loss * above) / (1 - loss), (unknown - loss * above_unknown) / (1 - loss))
    top = -values[0][0] / values[0][1]
    return values[first][0] + values[first][1] * top


def test_the_chance_to_cross_is_what_a_simulation_finds() -> None:
    test, random, crossed, rounds = the_test(), Random(2), 0, 2000
    up, bound = round(test.gain / test.cost), round(6.0 / test.cost)
    for _ in range(rounds):
        score = up
        while 0 < score < bound:
            score += up if random.random() < 0.01 else -1
        crossed += score >= bound
    assert chance_to_cross(test, 0.01, bound=6.0) == pytest.approx(crossed / rounds, abs=0.02)
    assert chance_to_cross(test, 0.01, start=6.0, bound=6.0) == 1.0


def test_a_tunnel_that_loses_a_fifth_of_a_percent_is_wrongly_judged_less_than_once_in_ten_years() -> None:
    """The arithmetic of docs/explanation/health.md: ten probes a second, and some more in bursts."""
    losses_a_year = 365.25 * 86_400 * 10 * 0.002 * 1.2
    assert losses_a_year * chance_to_cross(the_test(), 0.002) < 0.1


def test_a_tunnel_that_loses_5_percent_is_nearly_always_caught_by_the_first_loss() -> None:
    assert chance_to_cross(the_test(), 0.05) > 0.95
