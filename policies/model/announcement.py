"""What is said of a prefix to a branch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from policies.model.ids import Prefix

HIGHEST_MED = 1_000_000
"""No larger value is ever announced, so that every one has its local preference."""


Community = tuple[int, int]
"""RFC 1997: an AS and a number, each of 16 bits."""
LargeCommunity = tuple[int, int, int]
"""RFC 8092: an AS and two numbers, each of 32 bits."""
GRACEFUL_SHUTDOWN: Community = (65535, 0)
"""RFC 8326: this path will go soon; prefer any other."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """An Announcement is the attributes under which a prefix is announced; the lowest `med` wins at the branch.

    An iBGP session says it as a local preference, of which the highest wins: `HIGHEST_MED` less the `med`.
    Communities are in order of number.
    """

    med: int
    communities: tuple[Community, ...] = ()
    large_communities: tuple[LargeCommunity, ...] = ()

    @classmethod
    def marked(
        cls, med: int, communities: Iterable[Community] = (), large_communities: Iterable[LargeCommunity] = ()
    ) -> Announcement:
        """With these communities in their order by number, each once: so that what is sent equals what was wanted."""
        return cls(med, tuple(sorted(set(communities))), tuple(sorted(set(large_communities))))


Announcements = Mapping[Prefix, Announcement]
"""All that one session announces: a prefix that is not a key is not announced."""
