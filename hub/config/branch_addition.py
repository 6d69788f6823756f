"""Adding a branch to a configuration directory: all of it or nothing, and nothing that is there changes.

The file is written only if the whole directory, with it and with what it is given, has no errors.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hub.config.allocate import Allocations
from hub.config.allocation import AllocationPlan, RefusedError, plan_allocations
from hub.config.allocations_file import write
from hub.config.claims import claims
from hub.config.configuration import read
from hub.config.load import ALLOCATIONS, NETWORK, load
from hub.config.new_branch import NewBranch, NewUplink, branch_file, text_of, usual_uplinks
from hub.config.problems import Place, Problem, Severity, error
from hub.config.proposed import next_as, next_prefix
from hub.config.resolve import survey
from hub.config.survey import Survey
from hub.config.trial import of_the_original, trial
from policies.model.ids import Prefix

_SCHEMA = "# yaml-language-server:"


@dataclass(frozen=True, slots=True)
class Wish:
    """A Wish is what was said of a new branch; what is None, or empty, is proposed from the network."""

    name: str
    asn: int | None = None
    prefixes: tuple[Prefix, ...] = ()
    uplinks: tuple[NewUplink, ...] = ()
    router: str | None = None
    router_id: str | None = None
    transport: str = "wireguard"
    ibgp: bool = False

    @property
    def file(self) -> str:
        """What it will be written to, relative to the directory."""
        return branch_file(self.name)


@dataclass(frozen=True, slots=True)
class Addition:
    """An Addition is what would be written: the branch's file, and allocations.yaml with the lines that are new.

    `allocations` is None while something in the branch's file waits to be written. `problems` are warnings about the
    new file, and what waits.
    """

    branch: NewBranch
    text: str
    allocations: AllocationPlan | None
    before: str
    problems: tuple[Problem, ...]

    @property
    def allocated(self) -> Allocations:
        """The lines that are new or longer."""
        return {} if self.allocations is None else self.allocations.new


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """While this lasts nobody else adds to the directory, or takes from it; no file of a lock is left in it.

    Raises:
        RefusedError: there is no such directory.
        OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as problem:
        raise RefusedError(*load(directory).problems) from problem
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def plan_addition(directory: Path, wish: Wish) -> Addition:
    """What to write, without writing.

    Raises:
        RefusedError: with it the directory would have errors, or it is there already, or something must be said.
        OSError: a file cannot be read.
    """
    looked = survey(load(directory))
    if looked.hub is None or looked.network is None:
        raise RefusedError(*_errors(looked.problems))
    if os.path.lexists(directory / wish.file):
        mend = "choose another name, or edit it; pointsman branch remove takes it away"
        raise RefusedError(error(Place(wish.file), "is there already, and nothing is ever overwritten", mend))
    branch = _filled(directory, looked, wish)
    path = directory / ALLOCATIONS
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    plan, problems = _judged(directory, branch)
    if branch.waits:
        problems = _waiting(directory, branch)
    of_it = tuple(problem for problem in problems if problem.file == branch.file)
    return Addition(branch, text_of(branch), None if branch.waits else plan, before, of_it)


def put(directory: Path, addition: Addition) -> None:
    """Write it; if allocations.yaml cannot be written, the branch's file is taken away again.

    Raises:
        RefusedError: somebody wrote one of the two files meanwhile.
        OSError: one cannot be written.
    """
    allocations, file = directory / ALLOCATIONS, directory / addition.branch.file
    now = allocations.read_text(encoding="utf-8") if allocations.exists() else ""
    if now != addition.before:
        raise RefusedError(error(Place(ALLOCATIONS), "somebody wrote it meanwhile", "say it again"))
    file.parent.mkdir(exist_ok=True)
    _create(file, addition.text)
    if addition.allocations is not None and addition.allocations.new:
        try:
            write(allocations, addition.allocations.text)
        except OSError:
            file.unlink(missing_ok=True)
            raise


def _create(file: Path, text: str) -> None:
    """A file that was not there, whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fchmod(opened.fileno(), 0o644)
            os.fsync(opened.fileno())
        os.link(temporary, file)
    except FileExistsError as problem:
        place = Place(f"{file.parent.name}/{file.name}")
        raise RefusedError(error(place, "somebody wrote it meanwhile", "choose another name, or edit it")) from problem
    finally:
        Path(temporary).unlink(missing_ok=True)


def _judged(directory: Path, branch: NewBranch) -> tuple[AllocationPlan, tuple[Problem, ...]]:
    """What is allocated, and what is wrong, on a copy that has the branch."""
    with trial(directory, {branch.file: text_of(branch, judged=True)}) as copy:
        try:
            plan = plan_allocations(copy)
        except RefusedError as refused:
            raise RefusedError(*of_the_original(refused.problems, copy, directory)) from refused
        write(copy / ALLOCATIONS, plan.text)
        found = read(copy, origin=directory).problems
        problems = of_the_original(found, copy, directory)
    if errors := _errors(problems):
        raise RefusedError(*errors)
    return plan, problems


def _waiting(directory: Path, branch: NewBranch) -> tuple[Problem, ...]:
    with trial(directory, {branch.file: text_of(branch)}) as copy:
        return of_the_original(read(copy, origin=directory).problems, copy, directory)


def _errors(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(problem for problem in problems if problem.severity is Severity.ERROR)


def _filled(directory: Path, looked: Survey, wish: Wish) -> NewBranch:
    prefixes = wish.prefixes or _prefixes(looked)
    return NewBranch(
        name=wish.name,
        asn=None if wish.ibgp else wish.asn or _as(looked),
        prefixes=prefixes,
        uplinks=wish.uplinks or usual_uplinks(),
        router=wish.router,
        router_id=wish.router_id,
        transport=wish.transport,
        schema=_schema_line(directory, looked),
    )


def _as(looked: Survey) -> int:
    hub = looked.hub.raw.asn if looked.hub is not None else 0
    asn = next_as(hub, [branch.raw.asn for branch in looked.branches if branch.raw.asn is not None])
    if asn is None:
        raise RefusedError(error(Place("branches"), "no private AS is left to propose", "say it: --as NUMBER"))
    return asn


def _prefixes(looked: Survey) -> tuple[Prefix, ...]:
    """The next of the row that the first prefixes of the branches are, of each IP version in which all have one."""
    taken = [claim.prefix for claim in claims(looked)]
    firsts = {version: [_first(branch.raw.prefixes, version) for branch in looked.branches] for version in (4, 6)}
    rows = {version: [prefix for prefix in found if prefix is not None] for version, found in firsts.items()}
    wanted = [version for version in (4, 6) if rows[version] and len(rows[version]) * 2 > len(looked.branches)]
    made = [next_prefix(rows[version], taken) for version in wanted]
    if not made or None in made:
        shown = ", ".join(str(branch.raw.prefixes[0]) for branch in looked.branches[:4])
        why = (
            f"those of the branches ({shown}, …) are no row that one could go on with" if shown else "there is none yet"
        )
        mend = "say it: --prefix 10.9.0.0/24"
        raise RefusedError(error(Place("branches"), f"no prefix can be proposed: {why}", mend))
    return tuple(prefix for prefix in made if prefix is not None)


def _first(prefixes: Sequence[Prefix], version: int) -> Prefix | None:
    return next((prefix for prefix in prefixes if prefix.version == version), None)


def _schema_line(directory: Path, looked: Survey) -> str:
    """The line by which an editor knows the keys, if the other branches' files begin with one."""
    for branch in looked.branches[:1]:
        try:
            with (directory / branch.document.file).open(encoding="utf-8-sig") as opened:
                line = opened.readline().rstrip("\n")
        except (OSError, UnicodeDecodeError):
            return ""
        return line if line.startswith(_SCHEMA) and line.isprintable() else ""
    return ""


def wish_problem(wish: Wish) -> Problem | None:
    """What cannot be meant by what was said, of itself."""
    if wish.ibgp and wish.asn is not None:
        return error(
            Place(NETWORK), "--as and --ibgp at once: a branch of iBGP is in the hub's AS", "leave one of them"
        )
    names = [uplink.name for uplink in wish.uplinks]
    twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if twice is not None:
        return error(Place(wish.file), f"uplink {twice} is there twice", "give one another name")
    return None
