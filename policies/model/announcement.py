"""What is said of a prefix to a branch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policies.model.ids import Prefix


@dataclass(frozen=True, slots=True)
class Announcement:
    """An Announcement is the attributes under which a prefix is announced; the lowest `med` wins at the branch."""

    med: int


Announcements = Mapping[Prefix, Announcement]
"""All that one session announces: a prefix that is not a key is not announced."""
