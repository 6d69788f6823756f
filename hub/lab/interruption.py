"""Ending early: whoever asks for the end, the lab is cleaned up as after Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)
"""What a service manager or `kill` sends, and what a terminal sends when it is closed."""


@contextmanager
def like_an_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt, once: a second one does not break off what cleans up.

    A signal that is ignored already, as SIGHUP under `nohup`, stays so.
    """
    before = {number: signal.getsignal(number) for number in _ENDING}
    caught = [number for number, handler in before.items() if handler is not signal.SIG_IGN]

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in caught:
            signal.signal(number, _nothing)  # a handler, for children inherit what is ignored
        raise KeyboardInterrupt

    for number in caught:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, before[number])


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """It is ending already."""
