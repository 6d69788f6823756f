"""Tunnels that share their fate: looked at now and then, and remembered over restarts when they went down together."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any

from policies.arrivals import Pair, Ways
from policies.model.clock import Now
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.view import View
from policies.shared_fate import Fates, SharedFate, look, recalled, shared_fates


class FateWatch:
    """A FateWatch remembers between looks. `path` is its file in the state directory; None: nothing is kept."""

    def __init__(self, path: Path | None, say: Callable[[str], None]) -> None:
        self._path, self._say = path, say
        self._fates = recalled(self._read())

    def judge(self, intent: Intent, view: View, ways: Ways, now: Now) -> tuple[SharedFate, ...]:
        """Look again, and say which tunnels are not as independent as they look. Writes a file now and then."""
        before, self._fates = self._fates, look(self._fates, intent, view, ways, now)
        if self._fates.together != before.together:
            self._write(self._fates)
        return shared_fates(self._fates, intent, now)

    def _read(self) -> dict[Pair, tuple[float, ...]]:
        if self._path is None:
            return {}
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            return {_pair(one): tuple(map(_number, one["at"])) for one in stored}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            self._say(f"{self._path}: {error}: which tunnels went down together is counted anew")
            return {}

    def _write(self, fates: Fates) -> None:
        """By one rename, so that there is always a whole file."""
        if self._path is None:
            return
        stored = [
            {"tunnels": [str(one), str(other)], "at": times} for (one, other), times in sorted(fates.together.items())
        ]
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(stored) + "\n", encoding="utf-8")
            fresh.replace(self._path)
        except OSError as error:
            self._say(f"{self._path}: {error.strerror}: which tunnels went down together is not kept over a restart")


def endpoints_in(
    measured: Mapping[str, Mapping[str, Any]], made: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> dict[TunnelId, str]:
    """The outer endpoints of the tunnels' far ends, by the tunnel's name.

    WireGuard's are in `measured`, what the forwarder measured; those of IPsec in `made`, what the provisioner knows, as
    long as there is an SA.
    """
    told = {name: (one.get("ipsec") or {}).get("remote") for name, one in made.items() if "/" in name}
    told |= {name: wg.get("endpoint") for name, one in measured.items() if (wg := one.get("wg")) is not None}
    return {TunnelId.parse(name): endpoint for name, endpoint in told.items() if endpoint}


def _pair(one: Mapping[str, Any]) -> Pair:
    left, right = (TunnelId.parse(name) for name in one["tunnels"])
    return left, right


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"{value!r:.60} is no number")
    return float(value)
