"""What happened, told to people: one stamped line each in the log, and counted."""

from __future__ import annotations

from collections import Counter, deque
from datetime import datetime

from hub.control.log import Log

KEPT_REFUSALS = 100


class Record:
    """A Record takes lines at once and writes them when the other side can take them; what was lost is counted."""

    def __init__(self) -> None:
        self._log = Log()
        self._counters: Counter[str] = Counter()
        self.refusals: deque[dict[str, str]] = deque(maxlen=KEPT_REFUSALS)

    @property
    def counters(self) -> Counter[str]:
        """What happened how often since the start."""
        if self._log.lost:
            self._counters["log lines lost"] = self._log.lost
        return self._counters

    def say(self, text: str) -> None:
        """One line for the log, stamped with the wall clock."""
        self._log(f"{datetime.now().astimezone().isoformat(timespec='milliseconds')} {text}")

    def refuse(self, tunnel: str, prefix: str, reason: str) -> None:
        """A route of a branch that was not accepted."""
        when = datetime.now().astimezone().isoformat(timespec="seconds")
        self.counters[f"refused: {reason}"] += 1
        self.refusals.append({"at": when, "tunnel": tunnel, "prefix": prefix, "reason": reason})
        self.say(f"{tunnel}: {prefix} refused: {reason}")
