"""The files of a configuration directory, read and checked one by one; what they say of each other is for `resolve`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from hub.config.document import Document, parse
from hub.config.meaning import as_meant
from hub.config.policy.written import RawPolicy
from hub.config.problems import Place, Problem, error, warning
from hub.config.raw import RawAllocation, RawBranch, RawNetwork
from hub.config.scalars import UnreadableError, read_name
from hub.config.wording import problems_of
from policies.model.ids import TunnelId

ALLOCATIONS = "allocations.yaml"
NETWORK = "network.yaml"
LARGEST_FILE = 4 << 20
"""Bytes. A file of the configuration is a page; ten thousand allocations are under one megabyte."""

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[M]):
    """A Parsed is a file that is right in itself, with the places of all its values."""

    document: Document
    raw: M


@dataclass(frozen=True, slots=True)
class Sources:
    """A Sources is all files of a directory; one that is wrong in itself is absent and has its problems listed.

    One that is wrong by unknown keys alone is there as it was probably meant, and has its problems too.
    `branch_names` and `policy_names` are also those of the files that are wrong.
    """

    network: Parsed[RawNetwork] | None
    branches: Mapping[str, Parsed[RawBranch]]
    policies: Mapping[str, Parsed[RawPolicy]]
    branch_names: frozenset[str]
    policy_names: frozenset[str]
    allocations: Mapping[TunnelId, tuple[RawAllocation, Place]]
    problems: tuple[Problem, ...]
    files: int
    directory: Path

    @property
    def allocate_command(self) -> str:
        """What gives this directory's tunnels what they lack, to be typed as it stands wherever the reader is."""
        return f"pointsman allocate {shlex.quote(str(self.directory))}"


def load(directory: Path) -> Sources:
    """Read all files of the directory. Never raises: what cannot be read is a problem."""
    if (unusable := _unusable(directory)) is not None:
        return Sources(None, {}, {}, frozenset(), frozenset(), {}, (unusable,), 0, directory)
    reader = _Reader(directory)
    network = reader.read(NETWORK, RawNetwork, guess=True) if reader.there(NETWORK) else None
    policies = reader.read_all("policies", RawPolicy)
    branches = reader.read_all("branches", RawBranch)
    allocations = reader.allocations()
    return Sources(
        network=network,
        branches=branches,
        policies=policies,
        branch_names=reader.names["branches"],
        policy_names=reader.names["policies"],
        allocations=allocations,
        problems=tuple(reader.problems),
        files=reader.files,
        directory=directory,
    )


def read_others(
    directory: Path, files: Iterable[str] | None, folder: str, model: type[M]
) -> tuple[dict[str, Parsed[M]], tuple[Problem, ...]]:
    """These files, each relative to the directory or absolute, or all of a folder of it; and all that is wrong."""
    reader = _Reader(directory) if files is None else _Reader(directory, "name a file that is there")
    names = files if files is not None else [f"{folder}/{name}.yaml" for name in reader.list(folder)]
    found = {name: parsed for name in names if (parsed := reader.read(name, model)) is not None}
    return found, tuple(reader.problems)


def read_text(directory: Path, file: str, instead: str) -> tuple[str | None, tuple[Problem, ...]]:
    """The text of a file of the directory, None where it cannot be had; and what is wrong then.

    `instead` says what to do where it is not there.
    """
    reader = _Reader(directory, instead)
    return reader.text(file), tuple(reader.problems)


def _unusable(directory: Path) -> Problem | None:
    """The one thing to say when nothing in the directory can be reached."""
    try:
        os.stat(f"{directory}/.")  # noqa: PTH116  a Path would drop the dot, which asks for a directory
    except (FileNotFoundError, ValueError):  # a name with a zero byte is no file's
        what = f"there is no directory {directory}"
    except NotADirectoryError as problem:
        if directory.is_file():
            return error(Place(NETWORK), f"{directory} is a file: name its directory")
        what = f"{str(directory)[:200]} cannot be used as a directory: {problem.strerror}"
    except OSError as problem:
        what = f"{str(directory)[:200]} cannot be used as a directory: {problem.strerror}"
    else:
        return None
    return error(Place(NETWORK), what, _NAME_IT)


class _Reader:
    """A _Reader reads files and collects what is wrong with them; `instead` mends that one is not there."""

    def __init__(self, directory: Path, instead: str = "put a file there, or take it away") -> None:
        self.directory = directory
        self.instead = instead
        self.problems: list[Problem] = []
        self.names: dict[str, frozenset[str]] = {}
        self.files = 0

    def there(self, file: str) -> bool:
        try:
            if (self.directory / file).exists():
                return True
            missing = error(Place(file), f"there is no file {self.directory}/{file}", _WRITE_IT)
        except OSError as problem:
            missing = error(Place(file), f"cannot be read: {problem.strerror}", _NAME_IT)
        self.problems.append(missing)
        return False

    def present(self, file: str) -> bool:
        try:
            return (self.directory / file).exists()
        except OSError:
            return True  # let reading it say what is wrong

    def read_all(self, folder: str, model: type[M]) -> dict[str, Parsed[M]]:
        """The files of a folder by name; a folder that is not there is an empty one."""
        found = {}
        names = self.list(folder)
        for name in names:
            parsed = self.read(f"{folder}/{name}.yaml", model, guess=True)
            if parsed is not None:
                found[name] = parsed
        self.names[folder] = frozenset(names)
        return found

    def list(self, folder: str) -> list[str]:
        names = []
        try:
            present = sorted(path.name for path in (self.directory / folder).iterdir())
        except FileNotFoundError:
            return []
        except OSError as problem:
            mend = "make it a directory of files that this user may read"
            self.problems.append(error(Place(folder), f"cannot be listed: {problem.strerror}", mend))
            return []
        for file in present:
            name, dot, ending = file.rpartition(".")
            if file.startswith(".") or not dot:
                continue
            place = Place(f"{folder}/{file}")
            if ending == "yml":
                self.problems.append(warning(place, "is not read: only .yaml files are", f"rename it to {name}.yaml"))
            elif ending == "yaml" and self.named(place, name):
                names.append(name)
        return names

    def named(self, place: Place, name: str) -> bool:
        try:
            read_name(name)
        except UnreadableError as problem:
            mend = f"rename it to {problem.mend[7:-1]}.yaml" if problem.mend else None
            self.problems.append(error(place, f"the file's {problem}", mend))
            return False
        return True

    def document(self, file: str) -> Document | None:
        """The file's content, a map; every problem of it is noted."""
        self.files += 1
        text = self.text(file)
        if text is None:
            return None
        document, problems = parse(file, text)
        self.problems += problems
        return document

    def text(self, file: str) -> str | None:
        path = self.directory / file
        data = b""
        try:
            if not path.is_file():
                self.problems.append(error(Place(file), "is not a file", self.instead))
                return None
            with path.open("rb") as opened:
                data = opened.read(LARGEST_FILE + 1)
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as problem:
            line = data[: problem.start].count(b"\n") + 1
            self.problems.append(error(Place(file, line, 1), "is not UTF-8 text", "save it as UTF-8"))
            return None
        except OSError as problem:
            mend = f"let this user read it: ls -l {path}"
            self.problems.append(error(Place(file), f"cannot be read: {problem.strerror}", mend))
            return None
        if len(data) > LARGEST_FILE:
            self.problems.append(error(Place(file), f"is larger than {LARGEST_FILE >> 20} MB"))
            return None
        return text

    def read(self, file: str, model: type[M], *, guess: bool = False) -> Parsed[M] | None:
        """The file; where nothing but unknown keys is wrong with it, `guess` has those as they were probably meant."""
        before = len(self.problems)
        document = self.document(file)
        if document is None:
            return None
        if not isinstance(document.value, dict):
            what = "is empty" if document.value is None else "is not a map of keys and values"
            self.note(before, error(Place(file, 1, 1), f"the file {what}", "begin with lines like   key: value"))
            return None
        try:
            raw = model.model_validate(document.value)
        except ValidationError as found:
            self.note(before, *problems_of(document, model, found))
            return self.guessed(document, model, found) if guess else None
        return Parsed(document, raw)

    def guessed(self, document: Document, model: type[M], found: ValidationError) -> Parsed[M] | None:
        before, mended = len(self.problems), as_meant(document, model, found)
        if mended is None:
            return None
        try:
            return Parsed(mended, model.model_validate(mended.value))
        except ValidationError as further:
            self.note(before, *problems_of(mended, model, further))
            return None

    def allocations(self) -> dict[TunnelId, tuple[RawAllocation, Place]]:
        """The lines of allocations.yaml; a file that is not there has none."""
        before = len(self.problems)
        document = self.document(ALLOCATIONS) if self.present(ALLOCATIONS) else None
        if document is None or document.value is None:
            return {}
        if not isinstance(document.value, dict):
            self.note(before, error(Place(ALLOCATIONS, 1, 1), "the file is not a map of tunnels", _REGENERATE))
            return {}
        found = {}
        for key, value in document.value.items():
            place = document.key_place(key)
            try:
                branch, name = key.split("/") if key.count("/") == 1 else ("", "")
                tunnel = TunnelId(read_name(branch), read_name(name))
            except UnreadableError:
                self.note(before, error(place, f'"{key[:80]}" is no tunnel', "write branch/tunnel, like bandung/fiber"))
                continue
            try:
                found[tunnel] = (RawAllocation.model_validate(value), place)
            except ValidationError as problem:
                self.note(before, *problems_of(document, RawAllocation, problem, below=(key,)))
        return found

    def note(self, since: int, *problems: Problem) -> None:
        """Add problems, but for those at places where the file itself was already found wrong."""
        taken = {(problem.line, problem.column) for problem in self.problems[since:]}
        self.problems += [problem for problem in problems if (problem.line, problem.column) not in taken]


_NAME_IT = "name the directory of the configuration, which holds network.yaml"
_WRITE_IT = f"write {NETWORK} (docs/reference/configuration.md has an example), or name another directory"
_REGENERATE = "restore it from version control; pointsman allocate adds what is missing"
