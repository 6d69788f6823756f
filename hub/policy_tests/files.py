"""The files of policies/tests/, read and checked against the configuration that they stand in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from pathlib import Path
from zoneinfo import ZoneInfo

from hub.config.document import Document
from hub.config.load import Parsed, load, read_others
from hub.config.names import listed, write_instead
from hub.config.policy.branches import no_such_policy, policies_of, too_high, value_problems
from hub.config.policy.inherit import Policies
from hub.config.policy.written_tests import KINDS, RawExpected, RawPolicyTest
from hub.config.problems import Place, Problem, error, has_errors, in_order
from hub.config.resolve import resolve, survey
from hub.config.survey import Survey
from hub.policy_tests.expectations import Expectation, Moves, MovesBy, Never, OffPreferred, On
from hub.policy_tests.given import steps_of
from hub.policy_tests.values import PolicyTest
from policies.lengths import spoken_to_tenths
from policies.model.intent import Branch, Intent, Mode
from policies.simulation.play import Step

FOLDER = "policies/tests"
WEEK = datetime(2024, 1, 1)  # noqa: DTZ001 - a Monday; the zone is the branch's
AFTERWARDS = 60.0
"""Seconds for which a test goes on after the last that is written, where it does not say for how long."""


@dataclass(frozen=True, slots=True)
class PolicyTests:
    """A PolicyTests is the tests of a configuration; its `intent` is None where it has errors (in `problems`)."""

    directory: Path
    intent: Intent | None
    tests: tuple[PolicyTest, ...]
    problems: tuple[Problem, ...]

    @property
    def usable(self) -> bool:
        """Whether nothing is wrong that would have to be mended first."""
        return self.intent is not None and not has_errors(self.problems)


def read_tests(directory: Path, files: Iterable[str] | None = None) -> PolicyTests:
    """These tests, or all; files are relative to the configuration's directory, or absolute. Never raises."""
    sources = load(directory)
    looked = survey(sources)
    intent, problems = resolve(looked)
    if intent is None:
        return PolicyTests(directory, None, (), problems)
    written, wrong = read_others(directory, files, FOLDER, RawPolicyTest)
    reader = _Reader(looked, intent)
    tests = tuple(test for file, parsed in written.items() if (test := reader.test(file, parsed)) is not None)
    return PolicyTests(directory, intent, tests, in_order([*wrong, *reader.problems]))


class _Reader:
    """A _Reader checks tests one after the other, and collects what is wrong with them."""

    def __init__(self, looked: Survey, intent: Intent) -> None:
        self.problems: list[Problem] = []
        self._looked, self._intent = looked, intent
        self._policies = Policies(looked.sources.policies, looked.sources.policy_names)

    def test(self, file: str, parsed: Parsed[RawPolicyTest]) -> PolicyTest | None:
        """The test, or None where something is wrong with it."""
        before = len(self.problems)
        raw, document = parsed.raw, parsed.document
        branch = self._branch(raw, document)
        if branch is None:
            return None
        steps, wrong = steps_of(raw.given, document, branch, self._intent)
        self.problems += wrong
        expected = tuple(self._expected(raw, document, branch, steps))
        test = PolicyTest(
            file=file,
            branch=branch,
            start=(WEEK + raw.start).replace(tzinfo=ZoneInfo(branch.timezone)),
            seconds=self._seconds(raw, document, steps),
            steps=steps,
            expected=expected,
        )
        return test if len(self.problems) == before else None

    def _branch(self, raw: RawPolicyTest, document: Document) -> Branch | None:
        """The branch of the test; if it has another policy, as if its own file named that one."""
        branch = self._intent.branches.get(raw.branch)
        if branch is None:
            self._note(error(document.place("branch"), *self._no_branch(raw.branch)))
            return None
        if raw.policy is not None:
            if raw.policy not in self._policies.known:
                self._note(no_such_policy(raw.policy, document.place("policy"), self._policies))
                return None
            branch = self._under(raw.branch, raw.policy)
        return replace(branch, mode=Mode.ACT) if branch is not None else None

    def _no_branch(self, name: str) -> tuple[str, str | None]:
        if name in self._looked.sources.branch_names:
            return f"{name} has mode: off, so nothing is decided for it", "give it mode: observe, or test another one"
        known = sorted(self._intent.branches)
        return f'there is no branch "{name}": there are {listed(known)}', write_instead(name, known)

    def _under(self, name: str, policy: str) -> Branch | None:
        drafts = [draft for draft in self._looked.branches if draft.name == name]
        drafts = [replace(draft, raw=draft.raw.model_copy(update={"policy": policy})) for draft in drafts]
        chosen = policies_of(drafts, None, self._policies)
        directory = self._looked.sources.directory
        wrong = [*value_problems(directory, (), chosen, drafts), *too_high(drafts, chosen)]
        self.problems += [problem for problem in wrong if has_errors([problem])]
        intent, _ = resolve(replace(self._looked, branches=tuple(drafts), policies=chosen, problems=()))
        return intent.branches[name] if intent is not None else None

    def _seconds(self, raw: RawPolicyTest, document: Document, steps: Iterable[Step]) -> float:
        said = [(step.at, ("given", place)) for place, step in enumerate(steps)]
        said += [(max(each.at or 0.0, each.by or 0.0), ("expect", place)) for place, each in enumerate(raw.expect)]
        last = max((at for at, _ in said), default=0.0)
        if raw.for_ is None:
            return last + AFTERWARDS
        for at, (part, place) in said:
            if at > raw.for_:
                key = "by" if part == "expect" and raw.expect[place].by is not None else "at"
                mend = f"write for: {ceil(last)}s, or more"
                self._note(
                    error(
                        document.place(part, place, key),
                        f"after the end of the test, {spoken_to_tenths(raw.for_)}",
                        mend,
                    )
                )
        return raw.for_

    def _expected(
        self, raw: RawPolicyTest, document: Document, branch: Branch, steps: tuple[Step, ...]
    ) -> Iterator[tuple[Place, Expectation]]:
        for index, each in enumerate(raw.expect):
            problem = _wrong(each, index, document, branch)
            if problem is not None:
                self._note(problem)
            else:
                yield document.place("expect", index), _expectation(each, steps)

    def _note(self, problem: Problem) -> None:
        self.problems.append(problem)


def _wrong(raw: RawExpected, index: int, document: Document, branch: Branch) -> Problem | None:
    said = _written(raw)
    kinds = [key for key in KINDS if key in said]
    whole = document.place("expect", index)
    if not kinds:
        return error(whole, f"says nothing to expect: one of {listed(KINDS)}", "write, for example, {moves: 2}")
    if len(kinds) > 1:
        place = document.key_place("expect", index, kinds[1])
        return error(place, f"{kinds[0]} and {kinds[1]} in one expectation", "make two of them")
    wanted = ("active",) if kinds[0] in ("at", "by") else ()
    allowed = (kinds[0], *wanted, *(("because",) if kinds[0] == "by" else ()))
    for key in said:
        if key not in allowed:
            mend = 'write "by" in place of "at"' if key == "because" and kinds[0] == "at" else "remove it"
            return error(document.key_place("expect", index, key), f"{key} does not go with {kinds[0]}", mend)
    if wanted and raw.active is None:
        return error(whole, f'"{kinds[0]}" without "active"', "say on which tunnel: active: fiber")
    return _unknown_tunnel(raw, index, document, branch)


def _written(raw: RawExpected) -> Mapping[str, object]:
    every = raw.model_dump(by_alias=True)
    return {key: value for key, value in every.items() if value is not None}


def _unknown_tunnel(raw: RawExpected, index: int, document: Document, branch: Branch) -> Problem | None:
    known = [tunnel.id.name for tunnel in branch.tunnels]
    named = [(raw.active, ("active",))] if raw.active is not None else []
    for place, name in enumerate(raw.never or ()):
        named.append((name, ("never", place)))  # type: ignore[arg-type]
    for name, path in named:
        if name not in known:
            text = f'"{name}" is no tunnel of {branch.name}: its tunnels are {listed(known)}'
            return error(document.place("expect", index, *path), text, write_instead(name, known))
    return None


def _expectation(raw: RawExpected, steps: Iterable[Step]) -> Expectation:
    """What is meant; `_wrong` has found nothing wrong with it."""
    if raw.by is not None and raw.active is not None:
        since = max((step.at for step in steps if step.at < raw.by), default=0.0)
        return MovesBy(since, raw.by, raw.active, raw.because)
    if raw.at is not None and raw.active is not None:
        return On(raw.at, raw.active)
    if raw.never is not None:
        return Never(raw.never)
    if raw.off_preferred_at_most is not None:
        return OffPreferred(raw.off_preferred_at_most)
    most = raw.moves if raw.moves is not None else raw.moves_at_most or 0
    return Moves(raw.moves or 0, most)
