"""What comes of asking once."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from policies.model.targets import Outcome

_OUR_OWN = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EPERM, errno.EACCES, errno.EADDRINUSE}
)
"""What goes wrong here, and says nothing of who was asked; EPERM is also a packet that our own firewall drops."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An Answer is the outcome of one asking; `round_trip` in seconds, where there was one."""

    outcome: Outcome
    round_trip: float | None = None
    text: str = ""
    mend: str = ""


class CannotAskError(Exception):
    """It cannot be asked from here, which says nothing of the target."""

    def __init__(self, text: str, mend: str = "") -> None:
        super().__init__(text)
        self.mend = mend

    def answer(self) -> Answer:
        """The same as a value."""
        return Answer(Outcome.UNKNOWN, text=str(self), mend=self.mend)


def failed(text: str) -> Answer:
    """It was asked, and this went wrong."""
    return Answer(Outcome.FAILED, text=text)


def of_error(error: OSError) -> Answer:
    """What the kernel says of a connection, as an answer: the target's trouble, or our own."""
    known = error.errno is not None and error.errno > 0
    text = os.strerror(error.errno or 0).lower() if known else str(error)
    if not known or error.errno in _OUR_OWN:
        return Answer(
            Outcome.UNKNOWN, text=f"it cannot be asked: {text}", mend="look at this machine, not at the target"
        )
    return failed(text)
