"""How a configuration came to be in force, and what it may have to give way to: a file in its copy.

The copy that is in force by one rename brings this with it. So after a crash or a power cut at any moment the state
directory knows what is in force, what to go back to, and until when somebody must confirm.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

_FILE, _VERSION = "provenance.json", 1
PLACE = r"applied-[1-9]"
"""The name of a copy's directory."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A Confirmation is what somebody must give until a time of the wall clock; else the configuration goes back.

    `within` is what was asked for: from a start on nobody waits longer than that, whatever the clock says.
    """

    until: datetime
    within: timedelta


@dataclass(frozen=True, slots=True)
class GoneBack:
    """A GoneBack is from which plan's configuration this one was gone back to, and why; it was in force before."""

    plan: str
    why: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """A Provenance is by which plan a configuration came into force (none: at a start), when and by whom.

    `before` is the directory, beside its own, of the configuration to go back to; None: there is none.
    """

    plan: str = ""
    at: datetime | None = None
    by: str = ""
    before: str | None = None
    confirmation: Confirmation | None = None
    gone_back: GoneBack | None = None

    @property
    def stays(self) -> bool:
        """Whether a start must not put the files in force: they were never confirmed, or were gone back from."""
        return self.confirmation is not None or self.gone_back is not None


UNKNOWN = Provenance()
"""Of a copy of a release before."""


def write_provenance(copy: Path, provenance: Provenance) -> None:
    """Write it into a copy; a power cut finds the one before or this one, whole.

    Raises:
        OSError: the copy cannot be written; the one before counts.
    """
    fresh = copy / f"{_FILE}.new"
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(_written(provenance), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(copy / _FILE)
    onto_the_disk(copy)


def read_provenance(copy: Path) -> Provenance:
    """That of a copy; unknown if it has none.

    Raises:
        ValueError: it cannot be understood; the text names the file.
        OSError: it cannot be read.
    """
    file = copy / _FILE
    try:
        return _read(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return UNKNOWN
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{file}: {error!r:.200}") from error


def onto_the_disk(path: Path) -> None:
    """Wait until a file's content, or a directory's entries, are on the disk (fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _written(provenance: Provenance) -> dict[str, object]:
    confirmation, gone_back = provenance.confirmation, provenance.gone_back
    return {
        "version": _VERSION,
        "plan": provenance.plan,
        "at": provenance.at.isoformat() if provenance.at is not None else None,
        "by": provenance.by,
        "before": provenance.before,
        "confirm": confirmation
        and {"until": confirmation.until.isoformat(), "within": confirmation.within.total_seconds()},
        "gone-back": gone_back and {"plan": gone_back.plan, "why": gone_back.why},
    }


def _read(said: Any) -> Provenance:
    if said["version"] != _VERSION:
        raise ValueError(f"version {said['version']} is not known here")
    before, confirm, gone_back = said["before"], said["confirm"], said["gone-back"]
    if before is not None and not re.fullmatch(PLACE, before):
        raise ValueError(f"before: {before!r:.60}")
    return Provenance(
        plan=str(said["plan"]),
        at=_time(said["at"]) if said["at"] is not None else None,
        by=str(said["by"]),
        before=before,
        confirmation=None if confirm is None else _confirmation(confirm),
        gone_back=None if gone_back is None else GoneBack(str(gone_back["plan"]), str(gone_back["why"])),
    )


def _confirmation(said: Any) -> Confirmation:
    return Confirmation(_time(said["until"]), timedelta(seconds=said["within"]))


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return time
