"""A slice of the provisioner for tests of what holds for all slices."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from hub.provisioner.changes import Change, Finding, Planned, ProvisionError, Refusal
from hub.provisioner.wanted import NOTHING, Wanted

WANTED = replace(NOTHING, network="kencana")


@dataclass
class Pile:
    """A Pile is a slice whose machine is a set of names: `wanted` ones are put there, others taken away."""

    name: str
    wanted: tuple[str, ...] = ()
    there: set[str] = field(default_factory=set)
    breaks: frozenset[str] = frozenset()
    foreign: tuple[str, ...] = ()
    log: list[str] = field(default_factory=list)
    blind: bool = False
    findings: tuple[Finding, ...] = ()

    def plan(self, wanted: Wanted) -> Planned:
        if self.blind:
            raise ProvisionError(f"{self.name} cannot be looked at", "mend it")
        put = [each for each in self.wanted if each not in self.there and each not in self.foreign]
        changes = [Change(self.name, each, f"put {each}", how=("put", each)) for each in put]
        gone = sorted(self.there - set(self.wanted))
        changes += [Change(self.name, each, f"take {each}", removes=True, how=("take", each)) for each in gone]
        refused = [Refusal(self.name, each, "somebody else's", "rename it") for each in self.foreign]
        return Planned(tuple(changes), tuple(refused))

    def do(self, change: Change) -> None:
        verb, what = change.how
        if what in self.breaks:
            raise ProvisionError(f"{what} breaks", "glue it")
        self.log.append(f"{self.name} {verb} {what}")
        (self.there.add if verb == "put" else self.there.discard)(what)

    def verify(self, wanted: Wanted) -> tuple[Finding, ...]:
        return self.findings

    def report(self, wanted: Wanted) -> dict[str, dict[str, Any]]:
        return {each: {self.name: "there"} for each in sorted(self.there)}
