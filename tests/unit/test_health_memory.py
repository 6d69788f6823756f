"""What is remembered of a tunnel that dies, lives again, or is told nonsense of."""

from __future__ import annotations

from listening_judge import BAD, FINE, ListeningJudge, that_knows_its_usual
from simulated_probes import DAMPING

from policies.health.course import Course
from policies.health.memory import DIED, died, remember, revived
from policies.model.clock import Instant
from policies.model.health import HealthState, Samples

SILENT = Course(loss=1.0)


def dead(listening: ListeningJudge) -> ListeningJudge:
    listening.memory = died(listening.memory, DAMPING, Instant(listening.now))
    return listening


def live(listening: ListeningJudge) -> ListeningJudge:
    listening.memory = revived(listening.memory, Instant(listening.now))
    return listening


def test_a_death_counts_once_and_makes_it_unknown() -> None:
    listening = dead(dead(that_knows_its_usual()))
    assert listening.view.penalty == 1
    assert (listening.state, listening.view.reason) == (HealthState.UNKNOWN, DIED)
    listening.judges()
    assert (listening.state, listening.view.reason) == (HealthState.UNKNOWN, DIED)


def test_what_is_sampled_of_a_dead_one_does_not_count() -> None:
    listening = dead(that_knows_its_usual())
    listening.goes(Course(loss=1.0), 30)
    live(listening).goes(FINE, 2)
    assert (listening.state, listening.view.figures.loss) == (HealthState.UP, 0.0)


def test_what_began_before_it_lived_again_does_not_count() -> None:
    listening = dead(that_knows_its_usual())
    listening.now += 10
    live(listening).goes(FINE, 2)
    listening.hears(Samples(Instant(listening.now - 5), Instant(listening.now - 1), 30, 30))
    listening.goes(FINE, 2)
    assert listening.view.figures.loss == 0.0


def test_a_degraded_one_is_still_degraded_when_it_lives_again() -> None:
    listening = that_knows_its_usual()
    listening.goes(BAD, 8, burst=BAD)
    dead(listening).goes(None, 600)
    assert listening.state is HealthState.DEGRADED
    live(listening).goes(FINE, 55)
    assert listening.state is HealthState.DEGRADED
    listening.goes(FINE, 10)
    assert listening.state is HealthState.UP


def test_one_that_became_degraded_by_dying_is_as_any_that_died() -> None:
    listening = that_knows_its_usual()
    listening.goes(SILENT, 5, burst=SILENT)
    assert listening.state is HealthState.DEGRADED
    dead(listening).judges()
    assert (listening.state, listening.view.reason, listening.view.penalty) == (HealthState.UNKNOWN, DIED, 1)
    live(listening).goes(FINE, 2)
    assert listening.state is HealthState.UP


def test_one_that_was_degraded_and_answered_since_is_not_excused_by_its_death() -> None:
    listening = that_knows_its_usual()
    listening.goes(BAD, 8, burst=BAD)
    listening.goes(SILENT, 5, burst=SILENT)
    dead(listening)
    live(listening).goes(FINE, 2)
    assert listening.state is HealthState.DEGRADED


def test_three_deaths_in_a_row_hold_it_back() -> None:
    listening = that_knows_its_usual()
    for _ in range(3):
        dead(listening).now += 2
        live(listening).now += 2
    assert listening.view.suppressed_until > listening.now


def test_a_suspicion_ends_with_the_tunnel() -> None:
    listening = that_knows_its_usual()
    listening.loses(0.1)
    assert listening.judges() is not None
    assert dead(listening).judges() is None


def test_to_live_twice_changes_nothing() -> None:
    listening = that_knows_its_usual()
    assert revived(listening.memory, Instant(listening.now)) is listening.memory


def test_nonsense_is_ignored() -> None:
    memory = that_knows_its_usual().memory
    assert remember(memory, Samples(Instant(1010.0), Instant(1000.0), 3, 0)) is memory
