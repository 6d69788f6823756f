"""What a test of a policy expects, as values, each of which says whether a track is so."""

from __future__ import annotations

from dataclasses import dataclass

from policies.lengths import spoken_to_tenths
from policies.simulation.track import Track


@dataclass(frozen=True, slots=True)
class On:
    """The branch is on this tunnel at this time."""

    at: float
    tunnel: str

    def __str__(self) -> str:
        return f"at {spoken_to_tenths(self.at)} on {self.tunnel}"

    def unmet(self, track: Track) -> str | None:
        """What was so instead; None where it is met."""
        on = track.active_at(self.at)
        return None if on == self.tunnel else f"it was on {on or 'none'}"


@dataclass(frozen=True, slots=True)
class MovesBy:
    """The branch moves to this tunnel between two times, both included, and because of this where it is not None."""

    since: float
    by: float
    tunnel: str
    cause: str | None

    def __str__(self) -> str:
        because = f" because of {self.cause}" if self.cause is not None else ""
        return f"moved to {self.tunnel}{because} from {spoken_to_tenths(self.since)} to {spoken_to_tenths(self.by)}"

    def unmet(self, track: Track) -> str | None:
        """What was so instead; None where it is met."""
        there = [moved for moved in track.moves if moved.after == self.tunnel]
        within = [moved for moved in there if self.since <= moved.at <= self.by]
        if any(self.cause in (None, moved.cause) for moved in within):
            return None
        if within:
            return f"it moved there at {spoken_to_tenths(within[0].at)} because of {within[0].cause}"
        later = next((moved for moved in there if moved.at > self.by), None)
        if later is not None:
            return f"it moved there at {spoken_to_tenths(later.at)} because of {later.cause}"
        if track.active_at(self.since) == self.tunnel == track.active_at(self.by):
            return "it was there all the time"
        return f"it did not move there, and was on {track.active_at(self.by) or 'none'} at {spoken_to_tenths(self.by)}"


@dataclass(frozen=True, slots=True)
class Moves:
    """The branch moves at least and at most so many times."""

    least: int
    most: int

    def __str__(self) -> str:
        return f"{'' if self.least == self.most else 'at most '}{moves(self.most)}"

    def unmet(self, track: Track) -> str | None:
        """What was so instead; None where it is met."""
        count = len(track.changes)
        return None if self.least <= count <= self.most else f"there {'was' if count == 1 else 'were'} {count}"


@dataclass(frozen=True, slots=True)
class Never:
    """The branch is never on one of these tunnels."""

    tunnels: tuple[str, ...]

    def __str__(self) -> str:
        return f"never on {' or '.join(self.tunnels)}"

    def unmet(self, track: Track) -> str | None:
        """What was so instead; None where it is met."""
        found = next((moved for moved in track.moves if moved.after in self.tunnels), None)
        return f"it was on {found.after} from {spoken_to_tenths(found.at)} on" if found is not None else None


@dataclass(frozen=True, slots=True)
class OffPreferred:
    """The branch is not longer than this on other tunnels than the one that is preferred while all is well."""

    most: float

    def __str__(self) -> str:
        return f"at most {spoken_to_tenths(self.most)} off the preferred tunnel"

    def unmet(self, track: Track) -> str | None:
        """What was so instead; None where it is met."""
        spent = track.off_preferred
        return None if spent <= self.most else f"it was not on {track.preferred} for {spoken_to_tenths(spent)}"


Expectation = On | MovesBy | Moves | Never | OffPreferred


def moves(count: int) -> str:
    """`1 move`, `2 moves`."""
    return f"{count} move{'' if count == 1 else 's'}"
