"""What the forwarder refuses: nothing of such a line was taken, so all is said again, at longer and longer intervals.

The forwarder answers in order: when a question that was asked behind all of it is answered and nothing was refused in
between, it has been taken. Pure; time is passed in.
"""

from __future__ import annotations

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
"""Seconds until all is said again: the first time, and at most."""


class Refusals:
    """A Refusals knows whether something stands refused, when to say all again, and when that was taken."""

    def __init__(self) -> None:
        self._asked = self._answered = 0
        self._pause = FIRST_PAUSE
        self._again_at: float | None = None
        self._proof: int | None = None

    def refused(self, now: float) -> None:
        """Something was refused."""
        self._proof = None
        if self._again_at is None:
            self._again_at = now + self._pause

    def is_due(self, now: float) -> bool:
        """Whether to say all again now."""
        return self._again_at is not None and now >= self._again_at

    def said_all(self, now: float) -> None:
        """All was said again; the next question is asked behind it."""
        self._pause = min(LONGEST_PAUSE, self._pause * 2)
        self._again_at = now + self._pause
        self._proof = self._asked + 1

    def asked(self) -> None:
        """A question was asked."""
        self._asked += 1

    def answered(self) -> bool:
        """A question was answered; whether that proves that nothing is refused any more."""
        self._answered += 1
        if self._proof is None or self._answered < self._proof:
            return False
        self._pause, self._again_at, self._proof = FIRST_PAUSE, None, None
        return True


def mend_of(why: str) -> str:
    """What helps: most refusals pass or come of another version; one interface for two tunnels is written so."""
    if why.startswith("tunnels: ") and why.endswith("is there twice"):
        return "the files name one interface for two tunnels: pointsman check says where; then pointsman apply"
    return "it is told again by itself; if it is of another version than the controller, restart it (pointsman run)"


def refuses_traces(why: str) -> bool:
    """Whether it says that it makes no traces as they are asked for: it is of another version than the controller.

    One that makes them names them among its commands, and in front of a field of theirs that it does not know.
    """
    return (why.startswith("trace.") and "no such field" in why) or (
        why.startswith("no such command") and '"trace"' not in why
    )
