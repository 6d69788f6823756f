"""What an installation changes and what an uninstallation takes away: pure, of texts and digests."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from hub.installation.shipped import MARK, Shipped


class Standing(Enum):
    """How a file on the machine stands to the one that is to be there."""

    SAME = "is there already"
    NEW = "is not there yet"
    OLD = "is ours, of another version"
    CHANGED = "is ours, and was changed by somebody"
    FOREIGN = "is not ours"


@dataclass(frozen=True, slots=True)
class Step:
    """A Step is what is to happen with one file; `text` is None where it goes away."""

    path: str
    text: str | None
    found: str | None
    standing: Standing

    @property
    def needs_force(self) -> bool:
        """Whether somebody else's words would be lost."""
        return self.standing in (Standing.CHANGED, Standing.FOREIGN)

    @property
    def shown(self) -> str:
        """The difference, as diff(1) shows it."""
        before, after = (self.found or "").splitlines(), (self.text or "").splitlines()
        names = (
            self.path if self.found is not None else "/dev/null",
            self.path if self.text is not None else "/dev/null",
        )
        return "\n".join(difflib.unified_diff(before, after, *names, lineterm=""))


def digest(text: str) -> str:
    """What is remembered of a file."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def standing(wanted: str | None, found: str | None, recorded: str | None) -> Standing:
    """How what is found stands to what is wanted; `recorded` is the digest of what was put there last."""
    if found is None:
        return Standing.NEW
    if found == wanted:
        return Standing.SAME
    if recorded is not None:
        return Standing.OLD if digest(found) == recorded else Standing.CHANGED
    return Standing.OLD if MARK in found.partition("\n")[0] else Standing.FOREIGN


def installing(wanted: tuple[Shipped, ...], found: Mapping[str, str], recorded: Mapping[str, str]) -> tuple[Step, ...]:
    """What is to be done for these files to be there, and for those of an older version to go; nothing if all is so."""
    steps = [
        Step(
            each.path,
            each.text,
            found.get(each.path),
            standing(each.text, found.get(each.path), recorded.get(each.path)),
        )
        for each in wanted
    ]
    gone = recorded.keys() - {each.path for each in wanted}
    return (*(step for step in steps if step.standing is not Standing.SAME), *removing(gone, found, recorded))


def removing(paths: set[str], found: Mapping[str, str], recorded: Mapping[str, str]) -> tuple[Step, ...]:
    """What is to be done for these files to go."""
    return tuple(
        Step(path, None, found[path], standing(None, found[path], recorded.get(path)))
        for path in sorted(paths)
        if path in found
    )
