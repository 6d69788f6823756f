"""The relay's queue of commands to ExaBGP, and whose answer is whose. Pure; standard library only.

ExaBGP's answers carry no number. Announcements and withdrawals are answered in their order; `version` and `reload`
at once, behind a line of text that tells them apart; everything else is written alone, when nothing is unanswered.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

LONGEST_COMMAND = 64 << 10
MOST_UNWRITTEN = 1 << 20
"""Bytes of commands that wait for ExaBGP before the controller is no longer read from."""
MOST_WAITING = 1000
"""Commands that wait, for the same reason."""
ANSWER_DEADLINE = 30.0
"""Seconds after which an answer no longer comes."""
_IN_ORDER = re.compile(r"neighbor \S+ (announce|withdraw) (attributes|route) ")
_AT_ONCE = {"version": "exabgp ", "reload": "reload in progress"}
NEIGHBORS = "show neighbor json"
"""The question for all neighbors (`speaker.bgp.neighbors`). Its answer has a line, also where there are none."""

_ALLOWED = re.compile(
    r"(neighbor [!-~]+ (announce|withdraw|flush|teardown) [ -~]+"
    r"|show neighbor json|show adj-rib (in|out) json|version|reload)"
)


def allowed(line: object) -> bool:
    """Whether this is one command that ExaBGP may be told: ASCII, one line, and nothing that changes how it answers."""
    return isinstance(line, str) and len(line) <= LONGEST_COMMAND and _ALLOWED.fullmatch(line) is not None


@dataclass(slots=True)
class Asked:
    """An Asked is a command on its way: who wants its answer, and the lines that came before the answer."""

    line: str
    answer: Callable[[str, list[str]], None]
    written_at: float = 0.0
    lines: list[str] = field(default_factory=list)

    @property
    def in_order(self) -> bool:
        """Whether ExaBGP answers it after those before it, and before those behind it."""
        return _IN_ORDER.match(self.line) is not None

    @property
    def alone(self) -> bool:
        """Whether no other command may be unanswered beside it."""
        return not self.in_order and self.line not in _AT_ONCE


class Commands:
    """The queue of commands to ExaBGP, and of those that it has not answered yet."""

    def __init__(self) -> None:
        self.output = bytearray()
        self._waiting: deque[Asked] = deque()
        self._unanswered: deque[Asked] = deque()
        self._at_once: Asked | None = None

    def ask(self, line: str, answer: Callable[[str, list[str]], None]) -> None:
        """Queue a command; `answer` is called with `done` or `error` and the lines of a longer reply."""
        self._waiting.append(Asked(line, answer))

    @property
    def full(self) -> bool:
        """Whether no more should be asked for now."""
        return len(self.output) > MOST_UNWRITTEN or len(self._waiting) > MOST_WAITING

    def advance(self, now: float) -> None:
        """Move what may be written into `output`, and give up on answers that never came."""
        while self._unanswered and now - self._unanswered[0].written_at > ANSWER_DEADLINE:
            self._unanswered.popleft().answer("error", [])
        while self._waiting and self._may_go(self._waiting[0]):
            asked = self._waiting.popleft()
            asked.written_at = now
            self._unanswered.append(asked)
            self.output += asked.line.encode("ascii") + b"\n"

    def _may_go(self, asked: Asked) -> bool:
        if not self._unanswered:
            return True
        return not asked.alone and not any(other.alone for other in self._unanswered)

    def heard(self, line: str) -> None:
        """Take a line of ExaBGP's that is no event."""
        if line in {"done", "error"}:
            self._answered(line)
            return
        for asked in self._unanswered:
            mark = _AT_ONCE.get(asked.line)
            if mark is not None and line.startswith(mark):
                self._at_once = asked
                asked.lines.append(line)
                return
        if self._unanswered and self._unanswered[0].alone:
            self._unanswered[0].lines.append(line)

    def _answered(self, result: str) -> None:
        asked = self._at_once or next((a for a in self._unanswered if a.line not in _AT_ONCE), None)
        self._at_once = None
        if asked is not None and asked.line == NEIGHBORS and result == "done" and not asked.lines:
            return  # it answers what the relay before us asked
        if asked is not None and asked in self._unanswered:
            self._unanswered.remove(asked)
            asked.answer(result, asked.lines)
