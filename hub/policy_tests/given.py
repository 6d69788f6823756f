"""From what is given, as it is written, to the steps of a simulation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from hub.config.document import Document
from hub.config.names import listed, write_instead
from hub.config.policy.written_tests import RawFigures, RawGiven
from hub.config.problems import Problem, error
from hub.config.raw import known_keys
from hub.config.wording import problems_of
from policies.model.intent import Branch, Intent
from policies.model.overrides import Target
from policies.overrides.errors import NotDoneError
from policies.overrides.targets import read_target, read_tunnel_of
from policies.simulation.line import Line
from policies.simulation.play import Step

_OPPOSITES = (("switch", "unswitch"), ("freeze", "unfreeze"))


class _WrongError(Exception):
    """Something in a step is wrong; the problem says what and where."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


def steps_of(
    raws: Iterable[RawGiven], document: Document, branch: Branch, intent: Intent
) -> tuple[tuple[Step, ...], tuple[Problem, ...]]:
    """The steps, and all that is wrong with them."""
    reader = _Reader(document, branch, intent)
    steps = tuple(reader.step(index, raw) for index, raw in enumerate(raws))
    return steps, tuple(reader.problems)


class _Reader:
    """A _Reader goes through the steps in order, and knows what holds from those before."""

    def __init__(self, document: Document, branch: Branch, intent: Intent) -> None:
        self._document, self._branch, self._intent = document, branch, intent
        self.problems: list[Problem] = []
        self._at = 0.0
        self._lines = {tunnel.id.name: Line() for tunnel in branch.tunnels}
        self._drains: tuple[Target, ...] = ()

    def step(self, index: int, raw: RawGiven) -> Step:
        """One step; what is wrong with it is noted, and left out of it."""
        if raw.at < self._at:
            text = "at: before the step above it"
            self._note(error(self._document.place("given", index, "at"), text, "put the steps in order of time"))
        self._at = max(self._at, raw.at)
        for one, other in _OPPOSITES:
            if getattr(raw, one) is not None and getattr(raw, other) is not None:
                place = self._document.key_place("given", index, other)
                self._note(error(place, f"{one} and {other} at one time", "remove one of them"))
        drained = self._drained()
        self._drain(index, raw)
        after = self._drained()
        return Step(
            at=raw.at,
            lines=self._changed_lines(index, raw.model_extra or {}),
            drain=after - drained,
            undrain=drained - after,
            switch=self._switch(index, raw.switch),
            unswitch=raw.unswitch is True,
            freeze=True if raw.freeze else False if raw.unfreeze else None,
            failback=raw.failback is True,
        )

    def _changed_lines(self, index: int, written: dict[str, Any]) -> dict[str, Line]:
        changed = {}
        for name, value in written.items():
            try:
                changed[name] = self._lines[name] = self._line(index, name, value)
            except _WrongError as wrong:
                self._note(wrong.problem)
        return changed

    def _line(self, index: int, name: str, value: object) -> Line:
        if name not in self._lines:
            words = [key for key in known_keys(RawGiven) if key != "at"]
            text = (
                f'"{name[:60]}" is no tunnel of {self._branch.name} ({listed(self._lines)}), nor one of {listed(words)}'
            )
            mend = write_instead(name, [*self._lines, *words])
            raise _WrongError(error(self._document.key_place("given", index, name), text, mend))
        figures = self._figures(index, name, value)
        if figures.up and figures.down:
            place = self._document.key_place("given", index, name, "up")
            raise _WrongError(error(place, f"{name}: up and down at one time", "remove one of them"))
        told = {"loss": figures.loss, "rtt": figures.rtt, "jitter": figures.jitter}
        known = {metric: number for metric, number in told.items() if number is not None}
        up = True if figures.up else False if figures.down else self._lines[name].up
        return replace(self._lines[name], up=up, **known)

    def _figures(self, index: int, name: str, value: object) -> RawFigures:
        try:
            return RawFigures.model_validate(value)
        except ValidationError as found:
            first, *rest = problems_of(self._document, RawFigures, found, below=("given", index, name))
            self.problems += rest
            raise _WrongError(first) from None

    def _drained(self) -> frozenset[str]:
        every = (tunnel for target in self._drains for tunnel in target.tunnels(self._intent))
        return frozenset(tunnel.name for tunnel in every if tunnel.branch == self._branch.name)

    def _drain(self, index: int, raw: RawGiven) -> None:
        for path, text in self._targets(index, "drain", raw.drain):
            try:
                target = read_target(text, self._intent)
            except NotDoneError as wrong:
                self._note(error(self._document.place(*path), str(wrong)))
                continue
            if not any(tunnel.branch == self._branch.name for tunnel in target.tunnels(self._intent)):
                foreign = f"{target.text} has no tunnel of {self._branch.name}, which this test is about"
                self._note(error(self._document.place(*path), foreign))
            self._drains = (*self._drains, target)
        for path, text in self._targets(index, "undrain", raw.undrain):
            if Target(text) not in self._drains:
                known = f"drained are {listed(t.text for t in self._drains)}" if self._drains else "nothing is drained"
                self._note(error(self._document.place(*path), f'"{text[:60]}" is not drained then: {known}'))
            self._drains = tuple(target for target in self._drains if target.text != text)

    def _targets(
        self, index: int, key: str, written: tuple[str, ...] | None
    ) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for place, text in enumerate(written or ()):
            yield ("given", index, key, place), text.strip()

    def _switch(self, index: int, written: str | None) -> str | None:
        if written is None:
            return None
        try:
            return read_tunnel_of(self._branch, written).name
        except NotDoneError as wrong:
            self._note(error(self._document.place("given", index, "switch"), str(wrong)))
            return None

    def _note(self, problem: Problem) -> None:
        self.problems.append(problem)
