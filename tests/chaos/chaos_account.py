"""The account of a run: every gap with its cause, and every violation, as it is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from chaos_verdict import RANDOM_LOSS, Interval, Site, explain

from hub.lab.outages import Direction, Outage

FEW, MOST_NOT_MADE = 3, 0.1
"""How many faults, or what part of all, may fail to be made, as when another fault was in the way."""


@dataclass
class Account:
    """An Account is all that happened: gaps with their causes, and violations."""

    seed: int
    episodes: int = 0
    faults: int = 0
    not_made: int = 0
    sent: int = 0
    lost: int = 0
    gaps: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def violation(self, text: str) -> None:
        """Something that must not be."""
        self.violations.append(f"episode {self.episodes}: {text}")
        print(f"      VIOLATION  {text}", flush=True)

    def note(self, text: str) -> None:
        """Something that helps to find a cause."""
        self.notes.append(text)
        print(f"      note  {text}", flush=True)

    def count(self, made: int, not_made: Sequence[str]) -> None:
        """The faults of an episode: only those that were made prove anything."""
        self.faults += made
        self.not_made += len(not_made)
        for text in not_made:
            self.note(f"not made: {text}")

    def finish(self) -> None:
        """The end of the run, which proves nothing if its faults were not made."""
        if self.not_made > max(FEW, MOST_NOT_MADE * (self.faults + self.not_made)):
            self.violation(f"{self.not_made} of {self.faults + self.not_made} faults could not be made")

    def judge(self, site: Site, direction: str, seen: Direction, begin: float, intervals: Sequence[Interval]) -> None:
        """One direction of a branch in one IP version, in an episode that began then."""
        self.sent += seen.sent
        self.lost += seen.lost
        way = f"{site.name} {direction.replace('_', ' ')}"
        for outage in seen.outages:
            self._gap(way, outage, begin, site, direction, intervals)
        self._scattered(way, site, direction, seen.outages, intervals)

    def _gap(
        self, way: str, outage: Outage, begin: float, site: Site, direction: str, intervals: Sequence[Interval]
    ) -> None:
        verdict = explain(site, direction, outage.start, intervals)
        explained = outage.length_ms <= verdict.allowed * 1000 and outage.ended
        if verdict.because == RANDOM_LOSS and explained:
            return
        reckoned = f"{verdict.waited * 1000:.0f} ms until it could + {verdict.need * 1000:.0f} ms to do it"
        text = (
            f"{way}: {outage.length_ms:.0f} ms at {outage.start - begin:.2f} s, {outage.lost} lost; "
            f"explained up to {verdict.allowed * 1000:.0f} ms ({reckoned}) by {verdict.because}"
        )
        self.gaps.append(f"episode {self.episodes}: {text}")
        if explained:
            print(f"      gap  {text}", flush=True)
        else:
            times = (
                f"{one.target} {one.kind.value} {one.begin - begin:.2f}-{one.end - begin:.2f} s" for one in intervals
            )
            self.violation(f"{text}; {'; '.join(times)}")

    def _scattered(
        self, way: str, site: Site, direction: str, outages: Sequence[Outage], intervals: Sequence[Interval]
    ) -> None:
        """Single packets lost at random are told as one line."""
        mine = [
            outage for outage in outages if explain(site, direction, outage.start, intervals).because == RANDOM_LOSS
        ]
        if mine:
            lost, longest = sum(outage.lost for outage in mine), max(outage.length_ms for outage in mine)
            text = f"{way}: {lost} lost at random, at most {longest:.0f} ms in a row"
            self.gaps.append(f"episode {self.episodes}: {text}")
            print(f"      gap  {text}", flush=True)

    def tell(self) -> None:
        """The end of the report."""
        for note in self.notes:
            print(f"note        {note}")
        print(
            f"{self.episodes} episodes, {self.faults} faults; {len(self.gaps)} gaps, {self.lost} of "
            f"{self.sent} packets lost; {len(self.violations)} violations (seed {self.seed})"
        )
        for violation in self.violations:
            print(f"VIOLATION   {violation}")
