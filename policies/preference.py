"""preference: rank -> MED. The lowest value wins at the branch."""

from __future__ import annotations

from policies.model.policy import Announce

SURVIVOR_STEP = 10
"""How far below every value that a branch may hold a survivor is announced."""


def standing_med(announce: Announce, standing: int, *, degraded: bool = False, drained: bool = False) -> int:
    """The MED of the tunnel with this rank (from 0); of the additions for its state the larger counts, not the sum."""
    additions = (announce.add_degraded * degraded, announce.add_drained * drained)
    return announce.first + announce.step * standing + max(additions)


def below(lowest: int) -> int:
    """A MED that beats `lowest`, with room for more such steps while there is room."""
    return lowest - SURVIVOR_STEP if lowest > SURVIVOR_STEP else max(0, lowest - 1)
