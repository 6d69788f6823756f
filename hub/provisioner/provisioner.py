"""All slices together: what would be done, doing it, looking again. One at a time on a machine, by a lock."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hub.control.lock import hold
from hub.provisioner.changes import Change, Finding, Planned, ProvisionError, Refusal, Slice
from hub.provisioner.wanted import Wanted

OtherNetwork = Callable[[str], Refusal | None]


@dataclass(frozen=True, slots=True)
class Failure:
    """A Failure is a change that could not be made."""

    change: Change
    text: str
    mend: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """An Outcome is how an apply ended: what was done, what failed, what was refused from the beginning."""

    done: tuple[Change, ...]
    failed: tuple[Failure, ...]
    refused: tuple[Refusal, ...]


class Provisioner:
    """A Provisioner plans and applies with all slices, in their order; removals in the opposite one, at the end.

    Filters are changed, put back and removed before anything else: traffic need not leave them, and somebody may be
    locked out by them.
    """

    def __init__(self, slices: Sequence[Slice], lock: Path, other: OtherNetwork = lambda _: None) -> None:
        """`other` says whether another network than this one has tunnels here: then nothing at all is done."""
        self._slices = tuple(slices)
        self._lock = lock
        self._other = other

    def plan(self, wanted: Wanted) -> Planned:
        """What all slices would do. One that cannot look says so, and hides nothing of the others."""
        if (refusal := self._refused(wanted)) is not None:
            return Planned(refusals=(refusal,))
        changes: list[Change] = []
        refusals: list[Refusal] = []
        for each in self._slices:
            try:
                planned = each.plan(wanted)
            except ProvisionError as error:
                refusals.append(Refusal(each.name, "all", str(error), error.mend))
                continue
            changes += planned.changes
            refusals += planned.refusals
        order = {each.name: number for number, each in enumerate(self._slices)}
        first = [change for change in changes if change.at_once]
        made = [change for change in changes if not (change.at_once or change.removes)]
        removes = (change for change in changes if change.removes and not change.at_once)
        removed = sorted(removes, key=lambda change: -order[change.slice])
        return Planned((*first, *made, *removed), tuple(refusals))

    def apply(
        self,
        wanted: Wanted,
        *,
        number: str | None = None,
        grow_only: bool = False,
        begins: Callable[[], None] = lambda: None,
        said: Callable[[str], None] = lambda _: None,
    ) -> Outcome:
        """Do what `plan` says now; with `grow_only` nothing is removed but what goes at once.

        A failure of one target stops no other one. With a `number` only if that is the plan's, which is looked at when
        nobody else can change anything any more. `begins` is called before the first change.

        Raises:
            AlreadyRunningError: another one is at it.
            ProvisionError: the plan has another number; nothing was changed.
        """
        with self.alone():
            planned = self.plan(wanted)
            if number is not None and (now := plan_number(planned)) != number:
                text = f"this is no longer what {number[:20]} showed; it is {now} now"
                raise ProvisionError(text, "look at it again: pointsman plan --only tunnels")
            begins()
            done: list[Change] = []
            failed: list[Failure] = []
            slices = {each.name: each for each in self._slices}
            for change in planned.changes:
                if grow_only and change.removes and not change.at_once:
                    continue
                if any(failure.change.target == change.target for failure in failed):
                    continue  # what builds on it would fail too, and what guards it must stay
                try:
                    slices[change.slice].do(change)
                except ProvisionError as error:
                    failed.append(Failure(replace(change, how=None), str(error), error.mend))
                    said(f"{change.target}: {error}")
                else:
                    done.append(replace(change, how=None))
                    said(f"{change.target}: {change.text}")
            return Outcome(tuple(done), tuple(failed), planned.refusals)

    def verify(self, wanted: Wanted) -> tuple[Finding, ...]:
        """What is amiss now; put right what could be.

        Raises:
            AlreadyRunningError: somebody is changing things, so that what is seen means nothing.
        """
        with self.alone():
            if (refusal := self._refused(wanted)) is not None:
                return (Finding(refusal.slice, refusal.target, refusal.text, refusal.mend),)
            return tuple(finding for each in self._slices for finding in _verified(each, wanted))

    def report(self, wanted: Wanted) -> dict[str, dict[str, Any]]:
        """What all slices know of each target, and by which uplink each tunnel goes."""
        found: dict[str, dict[str, Any]] = {
            each.tunnel: {"interface": each.interface, "uplink": each.uplink} for each in wanted.tunnels()
        }
        for each in self._slices:
            try:
                told = each.report(wanted)
            except ProvisionError as error:
                told = {"all": {each.name: str(error)}}
            for target, facts in told.items():
                found.setdefault(target, {}).update(facts)
        return found

    def _refused(self, wanted: Wanted) -> Refusal | None:
        try:
            return self._other(wanted.network)
        except ProvisionError as error:
            return Refusal("machine", "all", str(error), error.mend)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes tunnels meanwhile, in this process or another.

        Raises:
            AlreadyRunningError: somebody is at it.
            OSError: the lock's file cannot be made.
        """
        descriptor = hold(self._lock, "another change of tunnels")
        try:
            yield
        finally:
            os.close(descriptor)


def _verified(each: Slice, wanted: Wanted) -> Sequence[Finding]:
    try:
        return each.verify(wanted)
    except ProvisionError as error:
        return [Finding(each.name, "all", str(error), error.mend)]


def plan_number(planned: Planned) -> str:
    """A short name of a plan: the same changes have the same, others another."""
    text = "\n".join(f"{change.slice} {change.target} {change.text}" for change in planned.changes)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
