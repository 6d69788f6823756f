"""What is said of a prefix to a branch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policies.model.ids import Prefix

HIGHEST_MED = 1_000_000
"""No larger value is ever announced, so that every one has its local preference."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """An Announcement is the attributes under which a prefix is announced; the lowest `med` wins at the branch.

    An iBGP session says it as a local preference, of which the highest wins: `HIGHEST_MED` less the `med`.
    """

    med: int


Announcements = Mapping[Prefix, Announcement]
"""All that one session announces: a prefix that is not a key is not announced."""
