"""The long run finds what does not hold, names the case, and plays it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import long_run
import pytest
from dice import Dice
from kept import KEPT, Property, assume
from playing import AT_A_TIME, Task, play, row_of
from shrinking import shrunk


def two_bytes(dice: Dice) -> tuple[int, int]:
    return dice.one(*range(256)), dice.one(*range(256))


def is_small(drawn: tuple[int, int]) -> None:
    assert drawn[1] < 100


def is_drawn(drawn: tuple[int, int]) -> None:
    assume(drawn[0] < 128)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[tuple[int, int]], None]], str]]:
    """Properties of two bytes beside those of the core, for one test."""

    def keep(holds: Callable[[tuple[int, int]], None]) -> str:
        monkeypatch.setitem(KEPT, holds.__name__, Property(holds.__name__, two_bytes, holds))
        return holds.__name__

    return keep


def test_a_row_that_fails_is_shrunk_to_the_shortest_and_smallest() -> None:
    row = bytes(range(50, 90))
    assert shrunk(row, lambda row: len(row) > 2 and row[2] >= 8 and row[0] > 2) == bytes([3, 0, 8])


def test_what_does_not_hold_is_shown_as_its_plainest_case_and_how_to_play_it_again(
    kept: Callable[[Callable[[tuple[int, int]], None]], str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = kept(is_small)
    assert long_run.main(["--examples", "300", "--seed", "1", name]) == 1
    said = capsys.readouterr().out
    assert "FAILS" in said
    line = next(line for line in said.splitlines() if line.startswith("again: "))
    _, _, option, row, again = line.split()
    assert (option, again) == ("--again", name)
    first, second = two_bytes(Dice(bytes.fromhex(row)))
    assert first == 0
    assert second >= 100
    assert long_run.main(["--again", row, name]) == 1


def test_what_a_property_says_nothing_of_is_no_case_of_it(
    kept: Callable[[Callable[[tuple[int, int]], None]], str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = kept(is_drawn)
    played = play(Task(1, "two_bytes", 0, (name,)))
    halves = sum(row_of(1, "two_bytes", number)[0] < 128 for number in range(AT_A_TIME))
    assert played.cases[name] == halves
    assert long_run.main(["--examples", "400", "--seed", "1", name]) == 0
    assert int(capsys.readouterr().out.split("holds")[1].split()[0]) >= 400


def test_the_same_seed_plays_the_same_cases(
    kept: Callable[[Callable[[tuple[int, int]], None]], str],
) -> None:
    task = Task(7, "two_bytes", 250, (kept(is_small),))
    assert play(task).fails == play(task).fails


def test_one_world_is_a_case_of_each_property_of_its_like(
    kept: Callable[[Callable[[tuple[int, int]], None]], str],
) -> None:
    names = (kept(is_drawn), kept(is_small))
    together = play(Task(1, "two_bytes", 0, names))
    for name in names:
        alone = play(Task(1, "two_bytes", 0, (name,)))
        assert (alone.cases[name], alone.fails.get(name)) == (together.cases[name], together.fails.get(name))


def test_a_name_that_no_property_has_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert long_run.main(["there is none such"]) == 2
    assert 'no property has "there is none such" in its name' in capsys.readouterr().err


def test_when_time_is_over_it_says_how_far_it_came(
    kept: Callable[[Callable[[tuple[int, int]], None]], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert long_run.main(["--minutes", "0", kept(is_drawn)]) == 0
    assert "so far" in capsys.readouterr().out
