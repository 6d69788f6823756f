"""However tunnels come and go, a branch is moved by choice only so often.

`scripts/properties` makes as many cases as asked for.
"""

from __future__ import annotations

from collections import Counter

from flapping import HOLD, LASTS, Course, Flapping, flapping
from kept import always

MOST = LASTS / HOLD + 1
"""Moves onto one tunnel out of others that could still carry: one for each hold. Sixty-one an hour, with the usual."""


@always(flapping, cases=120)
def test_onto_each_tunnel_there_is_at_most_one_move_a_hold(flaps: Flapping) -> None:
    moves = Counter(target for _, target in Course(flaps).run().own)
    assert max(moves.values(), default=0) <= MOST, moves
