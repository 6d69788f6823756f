"""What every network of these tests stands on: commands that have to succeed, waiting, and all of it or nothing."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any, Self

DEADLINE = 60.0
"""Seconds; generous, because other work shares the machine."""


def run(*command: str, check: bool = True, given: str | None = None) -> str:
    """What a command says, which has to succeed unless told otherwise."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, input=given)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """What the condition returns as soon as it is true."""
    end = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {DEADLINE:g} s for {what}"
        time.sleep(0.02)
    return found


class MadeNetwork:
    """A MadeNetwork is there while a with statement lasts; of one that cannot be built nothing stays."""

    def __enter__(self) -> Self:
        try:
            self.build()
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.destroy()

    def build(self) -> None:
        """Make all of it."""
        raise NotImplementedError

    def destroy(self) -> None:
        """Take away what there is of it."""
        raise NotImplementedError
