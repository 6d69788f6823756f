"""Whether the other side of a socket that is asked every second has fallen silent. Pure; time is passed in.

A stop of our own is no silence of the other side: its words wait unread meanwhile. So both count, the time and how
often we have asked.
"""

from __future__ import annotations

SILENT_AFTER = 3.0
"""Seconds without a word after which the other side hangs. A shorter stop changes nothing."""

ASKED_AT_LEAST = 3
"""Questions in that time."""


class Silence:
    """A Silence knows since when nothing was heard, and how often was asked since."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._asked = 0

    def heard(self, now: float) -> None:
        """Something was heard, whatever it was."""
        self._since, self._asked = now, 0

    def asked(self) -> None:
        """A question was asked, or would have been if there were any use in it."""
        self._asked += 1

    def is_long(self, now: float) -> bool:
        """Whether the other side hangs."""
        return self._asked >= ASKED_AT_LEAST and now - self._since >= SILENT_AFTER
