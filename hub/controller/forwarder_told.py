"""What the forwarder tells beside events: what troubles it, what it counted and measured. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hub.control.lines import Message


class Told:
    """A Told is the last word of the forwarder on each of these. A line is taken whole, or raises and changes nothing.

    `measured` has the round-trip time of each tunnel by its name, in milliseconds, as `rtt_ms` (None: not known), and
    `counted` what was forwarded over those that are watched for it.
    """

    def __init__(self) -> None:
        self.problems: dict[str, tuple[str, str]] = {}
        self.counters: dict[str, int] = {}
        self.measured: dict[str, Message] = {}
        self.counted: dict[str, Message] = {}

    def take(self, message: Message) -> None:
        """Take what this line tells; lines that tell nothing of these are left alone.

        Raises:
            KeyError, TypeError, ValueError, AttributeError, OverflowError: a field is missing or wrong.
        """
        match message:
            case {"snapshot": {"problems": problems, "counters": counters, "tunnels": tunnels}}:
                told = dict(map(_problem, problems)), _counters(counters), dict(map(_measured, tunnels))
                self.problems, self.counters, self.measured = told
            case {"status": {"counters": counters, "tunnels": tunnels}}:
                self.counters, self.measured = _counters(counters), dict(map(_measured, tunnels))
            case {"problem": problem}:
                key, said = _problem(problem)
                self.problems[key] = said
            case {"cleared": key}:
                self.problems.pop(_text(key), None)
            case {"liveness": tunnel}:
                name, figures = _measured(tunnel)
                self.measured[name] = figures
            case {"counted": [*tunnels]}:
                self.counted = dict(map(_counted, tunnels))
            case _:
                pass


def _problem(problem: Mapping[str, Any]) -> tuple[str, tuple[str, str]]:
    return _text(problem["key"]), (_text(problem["text"]), _text(problem["mend"]))


def _counters(counters: Mapping[str, Any]) -> dict[str, int]:
    return {name: _number(count) for name, count in counters.items()}


def _measured(tunnel: Mapping[str, Any]) -> tuple[str, Message]:
    rtt = tunnel.get("rtt_ms")
    return _text(tunnel["tunnel"]), {"rtt_ms": None if rtt is None else _number(rtt)}


def _counted(tunnel: Mapping[str, Any]) -> tuple[str, Message]:
    numbers = {key: _number(tunnel[key]) for key in ("since", "in", "out")}
    instants = {key: None if tunnel[key] is None else _number(tunnel[key]) for key in ("last_in", "last_out")}
    return _text(tunnel["tunnel"]), {**numbers, **instants, "exact": tunnel["exact"] is True}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r:.60} is no number")
    return value
