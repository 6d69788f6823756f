"""What `pointsman allocate` would do in a directory, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hub.config.allocate import Allocation, Allocations, ExhaustedError, allocate
from hub.config.allocations_file import NotOneLineError, with_lines
from hub.config.document import parse
from hub.config.load import ALLOCATIONS, load
from hub.config.problems import Place, Problem, Severity, error
from hub.config.resolve import survey
from hub.config.survey import Survey


class RefusedError(Exception):
    """Nothing can be allocated while these problems stand."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = problems


@dataclass(frozen=True, slots=True)
class AllocationPlan:
    """An AllocationPlan is the lines that are new or longer, and the whole text of allocations.yaml with them."""

    new: Allocations
    text: str


def plan_allocations(directory: Path) -> AllocationPlan:
    """What to write, without writing.

    Raises:
        RefusedError: the configuration has errors beside missing allocations, or a pool is used up.
        OSError: allocations.yaml is there and cannot be read.
    """
    looked = survey(load(directory))
    errors = [problem for problem in looked.problems if problem.severity is Severity.ERROR]
    pools, path = looked.pools(), directory / ALLOCATIONS
    if errors or looked.hub is None or pools is None:
        raise RefusedError(*errors)
    isps = {name: uplink.isp for name, uplink in looked.hub.raw.uplinks.items()}
    try:
        new = allocate(looked.tunnels(), looked.allocations(), isps, pools)
    except ExhaustedError as problem:
        raise RefusedError(_exhausted(looked, problem)) from problem
    before = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    return AllocationPlan(new, _text(before, new))


def _exhausted(looked: Survey, problem: ExhaustedError) -> Problem:
    network = looked.sources.network
    place = network.document.place("pools", problem.pool) if network else Place("network.yaml")
    mend = "widen it, or remove the lines of branches that are gone from allocations.yaml"
    return error(place, str(problem), mend)


def _value(line: Allocation) -> dict[str, str | int]:
    """What YAML makes of a line."""
    link, link_ipv6 = str(line.link) if line.link else None, str(line.link_ipv6) if line.link_ipv6 else None
    keys = {
        "to": line.to,
        "link": link,
        "link-ipv6": link_ipv6,
        "port": line.port,
        "loopbacks": str(line.loopbacks) if line.loopbacks else None,
        "process": line.process,
    }
    return {key: value for key, value in keys.items() if value}


def _text(before: str, new: Allocations) -> str:
    """The new text, proved to be read as the old one and the new lines: somebody may have laid the file out anew."""
    try:
        text = with_lines(before, new)
    except NotOneLineError as problem:
        text = f"{problem} is spread over several lines"
        raise RefusedError(error(Place(ALLOCATIONS), text, f"write it on one line: {problem}: {{…}}")) from problem
    old, _ = parse(ALLOCATIONS, before)
    now, problems = parse(ALLOCATIONS, text)
    kept = old.value if old and old.value else {}
    if problems or now is None or now.value != {**kept, **{str(tunnel): _value(line) for tunnel, line in new.items()}}:
        raise RefusedError(error(Place(ALLOCATIONS), "nothing can be added here", "write one tunnel on one line"))
    return text
