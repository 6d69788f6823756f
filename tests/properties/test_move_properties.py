"""However tunnels come and go, a branch is moved by choice only so often.

`scripts/properties` makes as many cases as asked for.
"""

from __future__ import annotations

from collections import Counter

from flapping import Course, Flapping, flapping
from kept import always


@always(flapping, cases=120)
def test_onto_each_tunnel_there_is_at_most_one_move_a_hold(flaps: Flapping) -> None:
    moves = Counter(target for _, target in Course(flaps).run().own)
    assert max(moves.values(), default=0) <= flaps.most, moves
