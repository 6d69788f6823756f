"""What is kept on the disk of the configuration in force: its copy, how it came there, and the one to go back to.

Its functions read and write files: they are called in a thread, one at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from hub.config.applied import in_force, is_copy_of, put_in_force, says_the_same, stage
from hub.config.leaving import forget_leaving, remember_leaving
from hub.config.provenance import UNKNOWN, Provenance, read_provenance, write_provenance
from policies.transition import Transition


@dataclass(frozen=True, slots=True)
class Staged:
    """A Staged is a copy of what is to be in force; `unkept` is why it will not be on the disk, where it cannot be."""

    copy: Path
    unkept: str = ""


class Kept:
    """A Kept is the state directory's copies of one configuration directory, as they are and as they are remembered.

    What could not be written is remembered all the same, for as long as this process lives.
    """

    def __init__(self, directory: Path, state: Path) -> None:
        self._directory = directory
        self._state = state
        self._place = in_force(directory, state)
        self.problem: str | None = None
        """What is wrong with what was written down before."""
        self.latest: Staged | None = None
        """What was staged last: it took the place of whatever was staged before."""
        self.provenance = self._recalled()

    def _recalled(self) -> Provenance:
        if self._place is None:
            return UNKNOWN
        try:
            return read_provenance(self._place)
        except (OSError, ValueError) as error:
            self.problem = f"{error}: it is not known whether it was to be confirmed, so it stays in force"
            return UNKNOWN

    @property
    def place(self) -> str | None:
        """The name of the copy of what is in force, None if there is none."""
        return self._place.name if self._place is not None else None

    @property
    def copy(self) -> Path | None:
        """The copy of what is in force; None where it could not be kept, and the files count."""
        return self._place

    @property
    def before(self) -> Path | None:
        """The copy of the configuration before, None if there is none to go back to."""
        name = self.provenance.before
        return self._state / name if name is not None else None

    def came_before(self) -> Provenance:
        """How the configuration before had come into force; unknown if nobody knows."""
        try:
            return read_provenance(self.before) if self.before is not None else UNKNOWN
        except (OSError, ValueError):
            return UNKNOWN

    def differs(self) -> bool:
        """Whether the files are others than those in force, as far as they can be read."""
        try:
            return self._place is None or not says_the_same(self._directory, self._place)
        except OSError:
            return True

    def stage_files(self) -> Staged:
        """Copy the files beside what is in force.

        Raises:
            OSError: a file cannot be read, or there is no room.
        """
        self.latest = Staged(stage(self._directory, self._state))
        return self.latest

    def stage_before(self) -> Staged:
        """Copy the configuration before beside what is in force. Where there is no room it is used where it is.

        Raises:
            OSError: it is not there, or is not of this directory.
        """
        before = self.before
        if before is None or not is_copy_of(before, self._directory):
            raise FileNotFoundError(2, "the configuration before is not there any more", str(before))
        try:
            self.latest = Staged(stage(before, self._state, self._directory))
        except OSError as error:
            self.latest = Staged(before, f"{error.filename or self._state}: {error.strerror}")
        return self.latest

    def keep(self, staged: Staged, provenance: Provenance) -> list[str]:
        """Make a staged copy the one in force; what could not be done."""
        self.provenance, self._place = provenance, None
        try:
            if staged.unkept:
                self._place = staged.copy
                return [f"{staged.unkept}: a restarted controller would have to go back once more"]
            write_provenance(staged.copy, provenance)
            self._place = put_in_force(staged.copy)
        except OSError as error:
            return [
                f"{staged.copy}: {error.strerror}: a restarted controller would go back to the configuration before"
            ]
        return []

    def confirm(self) -> None:
        """Nobody need confirm any more, nor after a restart.

        Raises:
            OSError: that cannot be written down, and does not count.
        """
        confirmed = replace(self.provenance, confirmation=None)
        if self._place is not None:
            write_provenance(self._place, confirmed)
        self.provenance = confirmed

    def remember_leaving(self, staged: Staged, change: Transition) -> None:
        """Write down which tunnels are being left on the way to this configuration.

        Raises:
            OSError: the copy cannot be written.
        """
        if not staged.unkept:
            remember_leaving(staged.copy, change)

    def forget_leaving(self) -> str | None:
        """Nothing is being left any more; why that could not be written down."""
        copy = in_force(self._directory, self._state)
        try:
            if copy is not None:
                forget_leaving(copy)
        except OSError as error:
            return f"{copy}: {error.strerror}: a restarted controller would remove the same tunnels again"
        return None
