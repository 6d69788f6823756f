"""The configuration in force, kept in the state directory: what a restarted controller reads.

A controller that dies while somebody edits the files must not come back with half of an edit, or not at all. So the
files are copied first, the copy is read and judged, and it becomes the one in force by one rename. What is renamed is
on the disk by then: a power cut must not leave empty files in force. A copy that can no longer be used gives way to the
files, and that is said.

    applied -> applied-2    what is in force; its provenance says how it came, until when it must be confirmed
    applied-1               what it came after, to go back to
    applied.new             the next one, until it is renamed to a place that nothing leads to
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from hub.config.load import ALLOCATIONS, NETWORK
from hub.config.provenance import onto_the_disk, read_provenance

_LINK, _FRESH, _ORIGIN = "applied", "applied.new", "from"
_FOLDERS = ("branches", "policies")
_CHECKS = "checks"
"""All files below it are part of the configuration: a check may need others beside it."""


def stage(directory: Path, state: Path, origin: Path | None = None) -> Path:
    """Copy the configuration to a place beside the one in force, and onto the disk; the copy's directory.

    `origin` is what the directory is itself a copy of.

    Raises:
        OSError: a file cannot be read, or the state directory cannot be written.
    """
    fresh = state / _FRESH
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for file in files_of(directory):
        target = fresh / file.relative_to(directory)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)  # with its mode
    (fresh / _ORIGIN).write_text(f"{(origin or directory).absolute()}\n", encoding="utf-8")
    for path in (*fresh.rglob("*"), fresh):
        onto_the_disk(path)
    return fresh


def put_in_force(staged: Path) -> Path:
    """Make a staged copy the one that counts; where it is from then on. It is on the disk when this returns.

    What was in force, and what the staged copy may go back to, stay where they are.

    Raises:
        OSError: the state directory cannot be written; the one before stays in force.
    """
    link = staged.with_name(_LINK)
    place = _free_place(staged, link)
    shutil.rmtree(place, ignore_errors=True)
    onto_the_disk(staged)
    staged.rename(place)
    fresh_link = staged.with_name(f"{_LINK}.link")
    fresh_link.unlink(missing_ok=True)
    fresh_link.symlink_to(place.name)
    onto_the_disk(staged.parent)
    fresh_link.rename(link)
    onto_the_disk(staged.parent)
    return place


def _free_place(staged: Path, link: Path) -> Path:
    """A place that neither what is in force, nor what it or the staged copy came after, is at."""
    taken = {_before(staged)}
    if link.is_symlink():
        taken |= {link.readlink().name, _before(link)}
    return next(place for n in range(1, 5) if (place := link.with_name(f"{_LINK}-{n}")).name not in taken)


def _before(copy: Path) -> str | None:
    """The name of what this copy came after; of what cannot be read nobody goes back."""
    with contextlib.suppress(OSError, ValueError):
        return read_provenance(copy).before
    return None


def in_force(directory: Path, state: Path) -> Path | None:
    """The copy in force, if it was made of this directory."""
    link = state / _LINK
    return link.resolve() if is_copy_of(link, directory) else None


def is_copy_of(copy: Path, directory: Path) -> bool:
    """Whether this is a copy of that directory."""
    try:
        origin = (copy / _ORIGIN).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return False
    return origin == str(directory.absolute())


def says_the_same(directory: Path, copy: Path) -> bool:
    """Whether the files of the directory are, byte for byte, those of the copy.

    Raises:
        OSError: a file cannot be read.
    """
    ours, theirs = ({file.relative_to(root): file for file in files_of(root)} for root in (directory, copy))
    return ours.keys() == theirs.keys() and all(
        file.read_bytes() == theirs[name].read_bytes() for name, file in ours.items()
    )


def files_of(directory: Path) -> list[Path]:
    """All that `load` would read, and checks; what is not there is not copied, and is missed when the copy is read."""
    single = [directory / name for name in (NETWORK, ALLOCATIONS)]
    many = [file for folder in _FOLDERS for file in sorted((directory / folder).glob("*.y*ml"))]
    many += [*sorted((directory / "policies").glob("*.py")), *sorted(directory.glob("*.asn"))]
    return [*(file for file in (*single, *many) if file.is_file()), *check_files_of(directory)]


def check_files_of(directory: Path) -> list[Path]:
    """All files below `checks/`, but what editors, Python and version control leave there."""
    found = sorted((directory / _CHECKS).rglob("*"))
    return [file for file in found if file.is_file() and not _is_byproduct(file.relative_to(directory))]


def _is_byproduct(file: Path) -> bool:
    """What editors, Python and version control leave beside the files."""
    return any(part.startswith(".") or part == "__pycache__" or part.endswith("~") for part in file.parts)
