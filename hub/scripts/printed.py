"""What scripts print, for the log: so many lines a minute, the rest counted."""

from __future__ import annotations

from collections.abc import Callable

LONGEST_LINE = 200
"""Characters."""


class PrintedLines:
    """A PrintedLines passes on what one script prints, line by line, up to a limit a minute."""

    def __init__(self, label: str, say: Callable[[str], None], most: int, clock: Callable[[], float]) -> None:
        self._label = label
        self._say = say
        self._most = most
        self._clock = clock
        self._minute = clock()
        self._said = 0
        self._dropped = 0

    def take(self, line: bytes) -> None:
        """A line that was printed."""
        now = self._clock()
        if now - self._minute >= 60:
            if self._dropped:
                self._say(f"{self._label}: {self._dropped} more lines were printed")
            self._minute, self._said, self._dropped = now, 0, 0
        if self._said >= self._most:
            self._dropped += 1
            return
        text = line.decode(errors="replace").strip()[:LONGEST_LINE]
        if text:
            self._said += 1
            self._say(f"{self._label} printed: {''.join(char if char.isprintable() else ' ' for char in text)}")
