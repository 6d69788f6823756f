"""The configuration in force, kept in the state directory: what a restarted controller reads.

A controller that dies while somebody edits the files must not come back with half of an edit, or not at all. So the
files are copied first, the copy is read and judged, and it becomes the one in force by one rename. What is renamed is
on the disk by then: a power cut must not leave empty files in force. A copy that can no longer be used gives way to the
files, and that is said.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hub.config.load import ALLOCATIONS, NETWORK

_LINK, _FRESH, _ORIGIN = "applied", "applied.new", "from"
_FOLDERS = ("branches", "policies")


def stage(directory: Path, state: Path) -> Path:
    """Copy the configuration to a place beside the one in force, and onto the disk; the copy's directory.

    Raises:
        OSError: a file cannot be read, or the state directory cannot be written.
    """
    fresh = state / _FRESH
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for file in _files(directory):
        target = fresh / file.relative_to(directory)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(file, target)  # with its mode
    (fresh / _ORIGIN).write_text(f"{directory.absolute()}\n", encoding="utf-8")
    for path in (*fresh.rglob("*"), fresh):
        _onto_the_disk(path)
    return fresh


def put_in_force(staged: Path) -> None:
    """Make a staged copy the one that counts; it is on the disk when this returns.

    Raises:
        OSError: the state directory cannot be written; the one before stays in force.
    """
    link = staged.with_name(_LINK)
    number = 1 if link.is_symlink() and link.readlink().name.endswith("-2") else 2
    place = staged.with_name(f"{_LINK}-{number}")
    shutil.rmtree(place, ignore_errors=True)
    _onto_the_disk(staged)
    staged.rename(place)
    fresh_link = staged.with_name(f"{_LINK}.link")
    fresh_link.unlink(missing_ok=True)
    fresh_link.symlink_to(place.name)
    _onto_the_disk(staged.parent)
    fresh_link.rename(link)
    _onto_the_disk(staged.parent)


def in_force(directory: Path, state: Path) -> Path | None:
    """The copy in force, if it was made of this directory."""
    link = state / _LINK
    try:
        origin = (link / _ORIGIN).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return link.resolve() if origin == str(directory.absolute()) else None


def _files(directory: Path) -> list[Path]:
    """All that `load` would read; what is not there is not copied, and is missed when the copy is read."""
    single = [directory / name for name in (NETWORK, ALLOCATIONS)]
    many = [file for folder in _FOLDERS for file in sorted((directory / folder).glob("*.y*ml"))]
    many += sorted((directory / "policies").glob("*.py"))
    return [file for file in (*single, *many) if file.is_file()]


def _onto_the_disk(path: Path) -> None:
    """Wait until a file's content, or a directory's entries, are on the disk (fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
