"""The provisioner's frame: plans of all slices together, applied in order, one at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from piled_slice import WANTED, Pile

from hub.control.lock import AlreadyRunningError, hold
from hub.provisioner.changes import Planned, Refusal
from hub.provisioner.provisioner import Provisioner, plan_number
from hub.provisioner.wanted import Wanted


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_slices_are_applied_in_their_order_and_removals_come_last_in_the_opposite_one(lock: Path) -> None:
    log: list[str] = []
    first, second = Pile("first", ("a",), {"x"}, log=log), Pile("second", ("b",), {"y"}, log=log)
    Provisioner([first, second], lock).apply(WANTED)
    assert log == ["first put a", "second put b", "second take y", "first take x"]


def test_the_second_run_finds_nothing_to_do(lock: Path) -> None:
    provisioner = Provisioner([Pile("first", ("a", "b"), {"x"})], lock)
    provisioner.apply(WANTED)
    assert provisioner.plan(WANTED) == Planned()


def test_growing_removes_nothing(lock: Path) -> None:
    pile = Pile("first", ("a",), {"x"})
    Provisioner([pile], lock).apply(WANTED, grow_only=True)
    assert pile.there == {"a", "x"}


@dataclass
class Gate(Pile):
    """A Gate is a slice that may lock somebody out: all that it does is done at once."""

    def plan(self, wanted: Wanted) -> Planned:
        planned = Pile.plan(self, wanted)
        return replace(planned, changes=tuple(replace(change, at_once=True) for change in planned.changes))


def test_who_is_locked_out_waits_for_no_other_change_and_for_no_traffic(lock: Path) -> None:
    log: list[str] = []
    pile, gate = Pile("pile", ("a",), {"x"}, log=log), Gate("gate", ("open",), {"shut"}, log=log)
    Provisioner([pile, gate], lock).apply(WANTED, grow_only=True)
    assert log == ["gate put open", "gate take shut", "pile put a"]


def test_a_failure_of_one_target_stops_only_what_builds_on_it(lock: Path) -> None:
    below = Pile("below", ("a", "b"), breaks=frozenset({"a"}))
    above = Pile("above", ("a", "b"))
    outcome = Provisioner([below, above], lock).apply(WANTED)
    assert (below.there, above.there) == ({"b"}, {"b"})
    assert [(each.change.target, each.text, each.mend) for each in outcome.failed] == [("a", "a breaks", "glue it")]


def test_a_slice_that_cannot_look_hides_nothing_of_the_others(lock: Path) -> None:
    planned = Provisioner([Pile("first", blind=True), Pile("second", ("b",))], lock).plan(WANTED)
    assert [change.target for change in planned.changes] == ["b"]
    assert planned.refusals == (Refusal("first", "all", "first cannot be looked at", "mend it"),)


def test_what_is_somebody_elses_is_refused_and_left_alone(lock: Path) -> None:
    pile = Pile("first", ("a", "b"), foreign=("a",))
    outcome = Provisioner([pile], lock).apply(WANTED)
    assert pile.there == {"b"}
    assert [each.target for each in outcome.refused] == ["a"]


def test_two_changes_of_one_machine_exclude_each_other(lock: Path) -> None:
    hold(lock, "a test")
    with pytest.raises(AlreadyRunningError):
        Provisioner([Pile("first", ("a",))], lock).apply(WANTED)


def test_a_plan_has_the_number_of_its_changes(lock: Path) -> None:
    one, same, other = (Provisioner([Pile("first", names)], lock).plan(WANTED) for names in ("ab", "ab", "a"))
    assert plan_number(one) == plan_number(same) != plan_number(other)
