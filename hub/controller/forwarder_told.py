"""What the forwarder tells beside events: what troubles it, what it counted and measured. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

from hub.control.lines import Message


class Told:
    """A Told is the last word of the forwarder on each of these. A line is taken whole, or raises and changes nothing.

    `measured` has of each tunnel by its name the round-trip time in milliseconds as `rtt_ms` (None: not known), and
    where they are known `wg` (`handshake_at` in seconds of the wall clock or None, `endpoint` or None, `roamed`: None
    or `from` and `at`, an instant) and `mtu` (`size`, `ok`, `works` and `looks`). `counted` has what was forwarded over
    those that are watched for it. `traced` is the last trace: `tunnel`, `to`, `hops`, `reached`, and `error` or None.
    """

    def __init__(self) -> None:
        self.problems: dict[str, tuple[str, str]] = {}
        self.counters: dict[str, int] = {}
        self.measured: dict[str, Message] = {}
        self.counted: dict[str, Message] = {}
        self.traced: Message = {}

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
                self.measured[name] = self.measured.get(name, {}) | figures
            case {"traced": traced}:
                self.traced = _traced(traced)
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
    figures: Message = {"rtt_ms": None if rtt is None else _number(rtt)}
    if (peer := tunnel.get("wg")) is not None:
        figures["wg"] = {
            "handshake_at": _maybe(_number, peer["handshake_at"]),
            "endpoint": _maybe(_text, peer["endpoint"]),
            "roamed": _maybe(_roamed, peer.get("roamed")),
        }
    if (mtu := tunnel.get("mtu")) is not None:
        works = _maybe(_number, mtu["works"])
        looks = _number(mtu.get("looks", 0))
        figures["mtu"] = {"size": _number(mtu["size"]), "ok": _maybe(_truth, mtu["ok"]), "works": works, "looks": looks}
    return _text(tunnel["tunnel"]), figures


def _traced(traced: Mapping[str, Any]) -> Message:
    return {
        "tunnel": _text(traced["tunnel"]),
        "to": _text(traced["to"]),
        "hops": [_maybe(_address, hop) for hop in traced["hops"]],
        "reached": _truth(traced["reached"]),
        "error": _maybe(_text, traced.get("error")),
    }


def _address(value: Any) -> str:
    return str(ip_address(_text(value)))


def _roamed(roamed: Mapping[str, Any]) -> Message:
    return {"from": _text(roamed["from"]), "at": _number(roamed["at"])}


def _maybe(read: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else read(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.60} is neither true nor false")
    return value


def _counted(tunnel: Mapping[str, Any]) -> tuple[str, Message]:
    numbers = {key: _number(tunnel[key]) for key in ("since", "in", "out")}
    instants = {key: _maybe(_number, tunnel[key]) for key in ("last_in", "last_out")}
    instants["read"] = _maybe(_number, tunnel.get("read"))
    return _text(tunnel["tunnel"]), {**numbers, **instants, "exact": _truth(tunnel["exact"])}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r:.60} is no number")
    return value
