"""What the launcher's mend is for, and what it says when ExaBGP cannot start."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

import pytest
from bgp_bench import Bench, bench

pytestmark = pytest.mark.integration


def in_one_batch(made: Bench, commands: list[str]) -> None:
    """Say several things to ExaBGP so fast that it takes them together."""
    with socket.socket(socket.AF_UNIX) as relay:
        relay.settimeout(20)
        relay.connect(str(made.socket))
        relay.sendall(b'{"pointsman":1,"role":"controller"}\n')
        lines = relay.makefile("rb")
        while b'"ready"' not in lines.readline():
            pass
        said = [json.dumps({"command": command, "id": number}) + "\n" for number, command in enumerate(commands, 1)]
        relay.sendall("".join(said).encode())
        answered = 0
        while answered < len(commands):
            answered += b'"answer"' in lines.readline()


def flips(made: Bench) -> dict[str, int]:
    """What the branch holds after A (10), A (20), A (10) in one batch, repeated for many prefixes."""
    made.wait(made.socket.exists, "the relay listens")
    made.wait(lambda: made.up_since("b1/fiber"), "the session is up")
    prefixes = [f"10.100.{number}.0/24" for number in range(8)]
    for prefix in prefixes:
        in_one_batch(
            made, [f"neighbor 10.255.1.1 announce route {prefix} next-hop self med {med}" for med in (10, 20, 10)]
        )
    made.wait(lambda: len(made.meds("b1/fiber")) == len(prefixes), "all prefixes at the branch")
    time.sleep(0.5)  # nothing more is to come, and that can only be waited for
    return made.meds("b1/fiber")


def test_with_the_mend_the_branch_ends_with_the_last_value() -> None:
    with bench(1) as made:
        assert set(flips(made).values()) == {10}


def test_without_the_mend_a_branch_is_left_with_a_value_that_was_taken_back() -> None:
    with bench(1, mended=False) as made:
        assert 20 in flips(made).values()


def test_a_port_in_use_is_said_in_one_line() -> None:
    with bench(1) as made:
        made.wait(made.socket.exists, "ExaBGP runs")
        second = subprocess.run(
            ["ip", "netns", "exec", made.hub, sys.executable, "-m", "speaker.bgp.launcher", str(made.configuration)],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert second.returncode == 1
        assert second.stderr.startswith("pointsman: ExaBGP cannot listen on 10.255.1.0 port 179: another program does")
        assert second.stderr.count("\n") == 1
