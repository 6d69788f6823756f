"""Taking a branch out of a configuration directory: what goes, what still speaks of it, what is left at the branch."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hub.config.allocation import RefusedError
from hub.config.allocations_file import without_lines, write
from hub.config.branch_rows import BranchRow, branch_rows
from hub.config.configuration import read
from hub.config.document import parse
from hub.config.load import ALLOCATIONS, load, read_others
from hub.config.names import write_instead
from hub.config.new_branch import branch_file
from hub.config.policy.written import RawRule
from hub.config.policy.written_tests import RawPolicyTest
from hub.config.problems import Place, Problem, Severity, error
from hub.config.resolve import survey
from hub.config.survey import Survey
from hub.config.trial import of_the_original, trial
from policies.model.ids import TunnelId

TESTS = "policies/tests"


@dataclass(frozen=True, slots=True)
class Removal:
    """A Removal is what goes with a branch.

    `lines` are what its tunnels hold in allocations.yaml, by tunnel; `allocations` is that file's text without them,
    None where they stay. `hub` is the AS and the endpoints of the hub, for what is left at the branch.
    """

    branch: BranchRow
    file: str
    lines: Mapping[TunnelId, str]
    allocations: str | None
    hub_asn: int | None
    endpoints: Mapping[str, str | None]


def plan_removal(directory: Path, name: str, *, release: bool) -> Removal:
    """What would go, without taking anything away; with `release` the lines of allocations.yaml too.

    Raises:
        RefusedError: there is no such branch, or something else speaks of it, which would be wrong without it.
        OSError: a file cannot be read.
    """
    looked = survey(load(directory))
    file = branch_file(name)
    if not os.path.lexists(directory / file):
        known = sorted(looked.sources.branch_names)
        raise RefusedError(error(Place(file), f"there is no branch {name}", write_instead(name, known)))
    path = directory / ALLOCATIONS
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    without, lines = without_lines(text, name)
    if release:
        _prove(text, without, lines)
    said = [*_of_rules(looked, name), *_of_tests(directory, name)]
    said += _broken(directory, looked, {file: None, **({ALLOCATIONS: without} if release and lines else {})}, said)
    if said:
        raise RefusedError(*said)
    row = next((row for row in branch_rows(looked) if row.name == name), BranchRow(name, readable=False))
    uplinks = looked.hub.raw.uplinks if looked.hub is not None else {}
    return Removal(
        branch=row,
        file=file,
        lines=lines,
        allocations=without if release and lines else None,
        hub_asn=looked.hub.raw.asn if looked.hub is not None else None,
        endpoints={uplink: raw.endpoint for uplink, raw in uplinks.items()},
    )


def take_away(directory: Path, removal: Removal) -> None:
    """Do it: the file first, so that a line is never free while its branch is still there.

    Raises:
        OSError: a file cannot be removed or written.
    """
    (directory / removal.file).unlink()
    if removal.allocations is not None:
        write(directory / ALLOCATIONS, removal.allocations)


def left_at_the_branch(removal: Removal) -> Iterator[str]:
    """What somebody must remove from the branch's router, tunnel by tunnel, as far as the files know it."""
    for tunnel in removal.branch.tunnels:
        endpoint = removal.endpoints.get(tunnel.to or "") or f"the hub's {tunnel.to or 'uplink'}"
        hub, branch = _pair(tunnel.link)
        if tunnel.transport == "existing":
            yield f"{tunnel.name}: the tunnel stays, somebody else made it; its BGP session with {hub} goes"
            continue
        made = f"the WireGuard interface to {endpoint}:{tunnel.port}, with its address {branch}"
        if tunnel.transport == "ipsec":
            made = (
                f"the IPsec peer {endpoint} with its policy and secret, the tunnel inside it with its address {branch}"
            )
        yield f"{tunnel.name}: {made}; the BGP session with {hub}, AS {removal.hub_asn}, and its BFD"
    if removal.branch.tunnels:
        yield "the floating static routes over these tunnels, and the firewall's rules for them"


def _pair(link: str | None) -> tuple[str, str]:
    """The hub's and the branch's address of a link."""
    if link is None:
        return "the hub", "inside it"
    address = link.partition("/")[0]
    head, _, last = address.rpartition(".")
    return address, f"{head}.{int(last) + 1}/31"


def _prove(before: str, after: str, lines: Mapping[TunnelId, str]) -> None:
    """That the text is read as the old one less these lines: somebody may have laid the file out anew."""
    old, _ = parse(ALLOCATIONS, before)
    new, problems = parse(ALLOCATIONS, after)
    was = old.value if old and isinstance(old.value, dict) else {}
    now = new.value if new and isinstance(new.value, dict) else {}
    gone = {str(tunnel) for tunnel in lines}
    if problems or now != {key: value for key, value in was.items() if key not in gone}:
        text = "its lines cannot be told from the others"
        raise RefusedError(error(Place(ALLOCATIONS), text, "write one tunnel on one line, or leave out --release"))


def _of_rules(looked: Survey, name: str) -> Iterator[Problem]:
    """Rules that ask for this branch."""
    policies = [(parsed.document, parsed.raw.rules or ()) for parsed in looked.sources.policies.values()]
    for document, rules in policies:
        for index, rule in enumerate(rules):
            if name in _asked(rule):
                place = document.place("rules", index, "when", "branch")
                yield error(place, f'rule "{rule.name}" asks for branch {name}', "take the branch out of it first")


def _asked(rule: RawRule) -> tuple[str, ...]:
    return () if rule.when is None else rule.when.branch or ()


def _of_tests(directory: Path, name: str) -> Iterator[Problem]:
    """Tests of policies that play with this branch."""
    written, _ = read_others(directory, None, TESTS, RawPolicyTest)
    speaks = re.compile(rf"{re.escape(name)}(/.*)?")
    for parsed in written.values():
        raw, document = parsed.raw, parsed.document
        if raw.branch == name:
            place = document.place("branch")
            yield error(place, f"this test plays with branch {name}", "remove it, or give it another branch")
            continue
        for index, step in enumerate(raw.given):
            targets = {"drain": step.drain or (), "undrain": step.undrain or ()}
            for key, target in ((key, each) for key, those in targets.items() for each in those):
                if speaks.fullmatch(target):
                    place = document.place("given", index, key)
                    yield error(place, f"this test speaks of {target}", "take it out first")


def _broken(
    directory: Path, looked: Survey, changes: Mapping[str, str | None], said: list[Problem]
) -> Iterator[Problem]:
    """What is wrong with the directory without the branch, that is not wrong with it."""
    before = {(problem.file, problem.text) for problem in (*looked.problems, *read(directory).problems)}
    places = {(problem.file, problem.line) for problem in said}
    with trial(directory, changes) as copy:
        after = of_the_original(read(copy, origin=directory).problems, copy, directory)
    for problem in after:
        news = (problem.file, problem.text) not in before and (problem.file, problem.line) not in places
        if news and problem.severity is Severity.ERROR:
            yield problem
