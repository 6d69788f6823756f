"""Whatever is asked for, in whatever order, the branch ends with it. The long form is scripts/bgp-histories."""

from __future__ import annotations

import json
import random
import socket
import time

import pytest
from bgp_bench import Bench, bench
from bgp_histories import history, play

pytestmark = pytest.mark.integration

SEED = random.randrange(1 << 32)


def test_the_branches_end_with_what_was_asked_for_last() -> None:
    steps = history(f"{SEED}/0", 30, many=2000)
    differences, counters = play(steps)
    assert differences == {}, f"{counters}: scripts/bgp-histories --seed {SEED}: {json.dumps(steps)[:20_000]}"


def hasty(seed: int) -> list[tuple[str, list[int | None]]]:
    """Changes of some prefixes, several of each at once: the MEDs in turn, None for a withdrawal."""
    chance = random.Random(seed)
    return [
        (f"10.100.{number}.0/24", [chance.choice((None, 10, 20)) for _ in range(chance.randrange(2, 6))])
        for number in range(40)
    ]


def in_one_batch(made: Bench, changes: list[tuple[str, list[int | None]]]) -> None:
    """Say all changes of a prefix at once, as a client would that waits for nothing."""
    with socket.socket(socket.AF_UNIX) as relay:
        relay.settimeout(20)
        relay.connect(str(made.socket))
        relay.sendall(b'{"pointsman":1,"role":"controller"}\n')
        lines = relay.makefile("rb")
        while b'"ready"' not in lines.readline():
            pass
        for prefix, meds in changes:
            relay.sendall("".join(command(prefix, med) for med in meds).encode())
            answered = 0
            while answered < len(meds):
                answered += b'"answer"' in lines.readline()


def command(prefix: str, med: int | None) -> str:
    said = (
        f"withdraw route {prefix} next-hop self" if med is None else f"announce route {prefix} next-hop self med {med}"
    )
    return json.dumps({"command": f"neighbor 10.255.1.1 {said}", "id": 1}) + "\n"


def wrong_in_the_end(made: Bench) -> set[str]:
    """The prefixes that the branch holds otherwise than they were asked for last."""
    changes = hasty(SEED)
    wanted = {prefix: meds[-1] for prefix, meds in changes if meds[-1] is not None}
    made.wait(made.socket.exists, "the relay listens")
    made.wait(lambda: made.up_since("b1/fiber"), "the session is up")
    in_one_batch(made, changes)
    deadline = time.monotonic() + 3
    while (held := made.meds("b1/fiber")) != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    return {prefix for prefix in held.keys() | wanted.keys() if held.get(prefix) != wanted.get(prefix)}


def test_with_the_mend_even_a_client_that_waits_for_nothing_is_obeyed() -> None:
    with bench(1) as made:
        assert wrong_in_the_end(made) == set(), f"seed {SEED}"


def test_without_the_mend_the_same_changes_leave_the_branch_with_something_else() -> None:
    with bench(1, mended=False) as made:
        assert wrong_in_the_end(made) != set(), f"seed {SEED}"
