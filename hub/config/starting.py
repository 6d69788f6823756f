"""What is in force at a start: the files, but for a configuration that was never confirmed or was gone back to."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from hub.config.applied import in_force, is_copy_of, put_in_force, says_the_same, stage
from hub.config.leaving import forget_leaving
from hub.config.provenance import UNKNOWN, GoneBack, Provenance, read_provenance, write_provenance


def staying(directory: Path, state: Path) -> tuple[Path, Provenance] | None:
    """The copy that stays in force whatever the files say, with why; None if the files count at a start."""
    copy = in_force(directory, state)
    if copy is None:
        return None
    provenance = _provenance(copy)
    return (copy, provenance) if provenance.stays else None


def put_files_in_force(directory: Path, state: Path, now: datetime, by: str) -> None:
    """What the files say counts from here on; what was in force can be gone back to, if it was another.

    Raises:
        OSError: the state directory cannot be written, or a file not be read.
    """
    present = in_force(directory, state)
    if present is not None and says_the_same(directory, present):
        forget_leaving(present)
        return
    staged = stage(directory, state)
    write_provenance(staged, Provenance(at=now, by=by, before=present.name if present is not None else None))
    put_in_force(staged)


def staged_back(directory: Path, state: Path) -> tuple[Path, Provenance] | None:
    """What the copy in force came after, staged, if that still had to be confirmed; None if there is none.

    Raises:
        OSError: the state directory cannot be written.
    """
    found = staying(directory, state)
    if found is None or found[1].confirmation is None or found[1].before is None:
        return None
    before = found[0].with_name(found[1].before)
    if not is_copy_of(before, directory):
        return None
    return stage(before, state, directory), _provenance(before)


def put_back(staged: Path, was: Provenance, gone_back: GoneBack, now: datetime) -> None:
    """Put in force what was staged to go back to.

    Raises:
        OSError: the state directory cannot be written.
    """
    write_provenance(staged, Provenance(was.plan, now, gone_back=gone_back))
    put_in_force(staged)


def _provenance(copy: Path) -> Provenance:
    try:
        return read_provenance(copy)
    except (OSError, ValueError):
        return UNKNOWN
