"""How a fresh relay finds out what ExaBGP has been doing before it started. Pure: a dialogue of commands and events.

ExaBGP replays nothing to a new child. So it is asked which neighbors are up, what it heard from them, and made to send
what it announces once more: the same values, so no branch changes its mind, and the events of sending come by. An
End-of-RIB of our own marks the end of it for each neighbor; it is not passed on, and does not count as the set's.

Later it asks again for one thing: what a session carries whose OPEN came before this relay, and its `up` after.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from speaker.bgp.commands import NEIGHBORS
from speaker.bgp.memory import Memory, withdrawn
from speaker.bgp.neighbors import shown

DEADLINE = 5.0
"""Seconds after which the relay tells what it knows, rather than let the controller wait."""

SETTLED = 10.0
"""Seconds after which a session's first announcements are over. ExaBGP does not tell whether an End-of-RIB came."""

_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}")
_FAMILY = re.compile(r"[a-z0-9-]{1,20} [a-z0-9-]{1,20}")

Ask = Callable[[str, Callable[[str, list[str]], None]], None]


class Recovery:
    """A Recovery asks ExaBGP at start, and is finished when all is answered or the deadline has passed.

    `learned` is called when the memory has changed by an answer, and not by an event.
    """

    def __init__(self, memory: Memory, ask: Ask, now: float, learned: Callable[[], None] = lambda: None) -> None:
        self._memory = memory
        self._ask = ask
        self._learned = learned
        self._started = now
        self._unanswered = 0
        self._awaiting_end: set[str] = set()
        self._awaiting_routes: set[str] = set()
        self._touched: set[tuple[str, str]] = set()
        self._asking_families = False
        self._more_families = False
        self.finished = False

    def start(self) -> None:
        """Ask for the neighbors; the rest follows from the answer."""
        self._question(NEIGHBORS, self._told_neighbors)

    def look(self, now: float) -> None:
        """Notice that it has taken too long, or that all is known."""
        if now - self._started > DEADLINE or (self._unanswered == 0 and not self._awaiting_end):
            self.finished = True

    def saw(self, event: Mapping[str, Any]) -> bool:
        """Note an event that the memory has already taken in; whether it is our own End-of-RIB coming by."""
        neighbor = event.get("neighbor")
        if not isinstance(neighbor, dict):
            return False
        try:
            if event["type"] == "state" and neighbor["state"] == "up":
                self._came_up(neighbor["address"]["peer"])
            return not self.finished and self._saw(event, neighbor)
        except (KeyError, TypeError, AttributeError, RecursionError):
            return False

    def _saw(self, event: Mapping[str, Any], neighbor: Mapping[str, Any]) -> bool:
        address = neighbor["address"]["peer"]
        if event["type"] == "state" and neighbor["state"] in {"up", "down"}:
            self._awaiting_end.discard(address)
            self._awaiting_routes.discard(address)
        elif event["type"] == "update" and neighbor["direction"] == "receive":
            self._touched.update((address, prefix) for prefix in withdrawn(neighbor["message"].get("update", {})))
        elif event["type"] == "update" and address in self._awaiting_end and "eor" in neighbor["message"]:
            self._awaiting_end.discard(address)
            self._memory.neighbors[address].sent_ends.clear()
            return True
        return False

    def _came_up(self, address: str) -> None:
        if self._memory.neighbors[address].families is not None:
            return
        if self._asking_families:
            self._more_families = True
        else:
            self._ask_families()

    def _ask_families(self) -> None:
        """One question at a time, as its answer has all neighbors: many sessions may come up together."""
        self._asking_families, self._more_families = True, False
        self._question(NEIGHBORS, self._told_families)

    def _told_families(self, _result: str, lines: list[str]) -> None:
        self._asking_families = False
        established = [(address, families) for address, up, _, families in shown(lines, _neighbor) or [] if up]
        news = [address for address, families in established if self._memory.learn(address, families)]
        if news:
            self._learned()
        if self._more_families:
            self._ask_families()

    def _question(self, line: str, told: Callable[[str, list[str]], None]) -> None:
        self._unanswered += 1

        def answered(result: str, lines: list[str]) -> None:
            told(result, lines)
            self._unanswered -= 1

        self._ask(line, answered)

    def _told_neighbors(self, _result: str, lines: list[str]) -> None:
        neighbors = shown(lines, _neighbor) or []
        for address, up, seconds, families in neighbors:
            since, settled = self._started - seconds, seconds >= SETTLED
            self._memory.presume(address, up=up, since=since, settled=settled, families=families)
        established = {address: families for address, up, _, families in neighbors if up}
        for address, families in established.items():
            if not families:
                continue
            self._awaiting_end.add(address)
            self._question(f"neighbor {address} flush adj-rib out", _nothing)
            self._question(f"neighbor {address} announce eor {families[0]}", self._told_end(address))
        self._awaiting_routes |= set(established)
        if established:
            self._question("show adj-rib in json", self._told_received)

    def _told_end(self, address: str) -> Callable[[str, list[str]], None]:
        def told(result: str, _lines: list[str]) -> None:
            if result != "done":
                self._awaiting_end.discard(address)

        return told

    def _told_received(self, _result: str, lines: list[str]) -> None:
        for line in lines:
            try:
                said = json.loads(line)
                address, nlri = said["peer"]["address"], said["route"]["nlri"]
                prefix, next_hop, attributes = nlri["prefix"], nlri["nexthop"], said["route"]["attributes"]
                if address in self._awaiting_routes and (address, prefix) not in self._touched:
                    self._memory.adopt_received(address, prefix, next_hop, attributes)
            except (ValueError, TypeError, KeyError, RecursionError):
                continue
        self._awaiting_routes.clear()
        self._touched.clear()


def _nothing(_result: str, _lines: list[str]) -> None:
    """The answer does not matter: what was sent is seen, or it was not sent."""


def _neighbor(said: Mapping[str, Any]) -> tuple[str, bool, float, list[str]]:
    """Its address, whether it is established, since how many seconds, and the families that it carries."""
    up = said["fsm"].lower() == "established"
    return _address(said["peer"]["address"]), up, _seconds(said["duration"]), _families(said["families"])


def _families(said: list[Any]) -> list[str]:
    """Families, of which the first becomes part of a command."""
    return [family for family in said if isinstance(family, str) and _FAMILY.fullmatch(family)]


def _address(text: str) -> str:
    """An address, which becomes part of a command."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError("not an address")
    return text


def _seconds(duration: Any) -> float:
    try:
        seconds = float(duration or 0)
    except OverflowError:
        return 0.0
    return seconds if math.isfinite(seconds) else 0.0
