"""preference: rank -> MED. The lowest value wins at the branch."""

from __future__ import annotations

from policies.model.policy import Announce

SURVIVOR_STEP = 10
"""How far below every value that a branch may hold a survivor is announced."""


def standing_med(announce: Announce, standing: int) -> int:
    """The MED of the tunnel with this rank (from 0) while all is well."""
    return announce.first + announce.step * standing


def below(lowest: int) -> int:
    """A MED that beats `lowest`, with room for more such steps while there is room."""
    return lowest - SURVIVOR_STEP if lowest > SURVIVOR_STEP else max(0, lowest - 1)
