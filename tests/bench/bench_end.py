"""How a bench ends: also when it is told to end early, what it made is removed, and no traceback is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from hub.lab.interruption import like_an_interrupt

INTERRUPTED = 130
"""The exit status of what a terminal's Ctrl-C ended (bash(1), EXIT STATUS)."""


def to_its_end(main: Callable[[], int]) -> NoReturn:
    """Run a bench, and exit with its status."""
    with like_an_interrupt():
        try:
            status = main()
        except KeyboardInterrupt:
            status = INTERRUPTED
    raise SystemExit(status)
