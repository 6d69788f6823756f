"""What the relay remembers of each neighbor: its state, and what was last sent to it and heard from it. Pure.

Nothing is judged here. Attributes are kept as ExaBGP wrote them, one copy for all prefixes that share them, so that
whoever connects reads them with the same parser as the events. Imported by the relay: standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_PREFIXES = 20_000
"""Prefixes remembered of one neighbor in one direction: a branch that goes mad must not fill the hub's memory."""

ARRIVES = 10.0
"""Seconds that a tunnel must live after a change was sent for its branch to have it (policies.model.view)."""

SAYS_WHY = "notification "
"""How ExaBGP's reasons begin where one side told the other why; all others are of connections that just ended."""

Said = tuple[str, str]
"""A next hop, and the attributes as canonical JSON."""

IPV4, IPV6 = "ipv4 unicast", "ipv6 unicast"
LINK_LOCAL = "fe80:"
"""How the second next hop of an IPv6 prefix (RFC 2545) begins: ExaBGP tells it as one more announcement."""
_MULTIPROTOCOL = "1"
"""The capability's code (RFC 5492), under which ExaBGP writes what a neighbor's OPEN says of its families."""


@dataclass(slots=True)
class Neighbor:
    """A Neighbor is what is remembered of one session and of the sessions before it.

    `sent_before` and `received_before` come from earlier sessions and were not yet replaced: the branch may still hold
    the one, and the hub the other. `families` are those that the neighbor's last OPEN offered, None while none is
    known; the end of a session leaves them, as the next one's OPEN may have come before it. `replaced` is what was
    withdrawn or made worse, or took the place of what earlier sessions sent, the last time at `replaced_at`: if its
    tunnel dies shortly after, the branch may still hold it. While it is down, `at` is when it went down and `reason`
    the newest that says why it is.
    """

    state: str = "unknown"
    at: float = 0.0
    reason: str = ""
    sent: dict[str, Said] = field(default_factory=dict)
    received: dict[str, Said] = field(default_factory=dict)
    sent_before: dict[str, Said] = field(default_factory=dict)
    received_before: dict[str, Said] = field(default_factory=dict)
    families: list[str] | None = None
    sent_ends: set[str] = field(default_factory=set)
    received_ends: set[str] = field(default_factory=set)
    replaced: dict[str, Said] = field(default_factory=dict)
    replaced_at: float = 0.0


class Memory:
    """A Memory folds ExaBGP's events; `lines` tells it to a controller. Events of unknown shape change nothing."""

    def __init__(self) -> None:
        self.neighbors: dict[str, Neighbor] = {}
        self._shared: dict[str, str] = {}

    def observe(self, event: Mapping[str, Any], at: float) -> None:
        """Fold one event in; `at` is when it was read."""
        try:
            self._observe(event, at)
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
            return

    def presume(self, address: str, *, up: bool, since: float, settled: bool, families: list[str]) -> None:
        """Take in a state that ExaBGP was asked for, unless an event said something about it already.

        `settled`: the session is so old that its neighbor has long told all that it has, of all its `families`.
        """
        neighbor = self._of(address)
        if neighbor.state == "unknown":
            neighbor.state, neighbor.at = "up" if up else "down", since
            neighbor.families = families if up else None
            neighbor.received_ends = set(families) if up and settled else set()
        elif up:
            self.learn(address, families)

    def learn(self, address: str, families: list[str]) -> bool:
        """Take in what an established neighbor offers, if its OPEN was not seen; whether that was news.

        Its OPEN came before the relay did, and its `up` after.
        """
        neighbor = self.neighbors.get(address)
        if neighbor is None or neighbor.state != "up" or neighbor.families is not None:
            return False
        neighbor.families = families
        return True

    def adopt_received(self, address: str, prefix: str, next_hop: str, attributes: Mapping[str, Any]) -> None:
        """Take in a route that ExaBGP was asked for, unless an event said something about its prefix already.

        Raises:
            TypeError: it is no route.
        """
        if not isinstance(prefix, str) or not isinstance(next_hop, str):
            raise TypeError("a prefix and a next hop are strings")
        neighbor = self._of(address)
        if prefix not in neighbor.received and len(neighbor.received) < MOST_PREFIXES:
            neighbor.received[prefix] = (next_hop, self._share(attributes))

    def lines(self) -> Iterator[dict[str, Any]]:
        """One object a neighbor, as `docs/reference/sockets.md` has it."""
        for address, neighbor in self.neighbors.items():
            yield {
                "memory": {
                    "neighbor": address,
                    "state": neighbor.state,
                    "at": neighbor.at,
                    "reason": neighbor.reason,
                    "sent": list(_updates(neighbor.sent)),
                    "received": list(_updates(neighbor.received)),
                    "sent_before": list(_updates(neighbor.sent_before)),
                    "received_before": list(_updates(neighbor.received_before)),
                    "families": neighbor.families,
                    "sent_ends": sorted(neighbor.sent_ends),
                    "received_ends": sorted(neighbor.received_ends),
                    "replaced": list(_updates(neighbor.replaced)),
                    "replaced_at": neighbor.replaced_at,
                }
            }

    def _of(self, address: str) -> Neighbor:
        return self.neighbors.setdefault(address, Neighbor())

    def _observe(self, event: Mapping[str, Any], at: float) -> None:
        described = event["neighbor"]
        address = described["address"]["peer"]
        if not isinstance(address, str):
            raise TypeError("an address is a string")
        if event["type"] == "state":
            self._state(address, described["state"], str(described.get("reason", "")), at)
        elif event["type"] == "open" and described["direction"] == "receive":
            self._of(address).families = _offered(described["open"]["capabilities"])
        elif event["type"] == "update":
            message, sent = described["message"], _is_sent(described["direction"])
            if "eor" in message:
                family = f"{message['eor']['afi']} {message['eor']['safi']}"
                _end_of_rib(self._of(address), family, at, sent=sent)
            else:
                self._update(address, message["update"], at, sent=sent)

    def _state(self, address: str, state: str, reason: str, at: float) -> None:
        if "[removed]" in reason:
            self.neighbors.pop(address, None)
        elif state in {"up", "down"}:
            neighbor = self._of(address)
            if state == neighbor.state == "down":
                # ExaBGP says it again with every connection that comes to nothing.
                if says_why(reason):
                    neighbor.reason = reason
                return
            _end_session(neighbor, at)
            neighbor.state, neighbor.at, neighbor.reason = state, at, reason

    def _update(self, address: str, update: Mapping[str, Any], at: float, *, sent: bool) -> None:
        # All is read before any of it is taken.
        taken_back, said = list(withdrawn(update)), list(_announced(update))
        attributes = self._share(update.get("attribute", {}))
        neighbor = self._of(address)
        if sent:
            _replace(neighbor, taken_back, [prefix for prefix, _ in said], attributes, at)
        # What an earlier session sent stands until this one's whole set is sent: the branch may hold it till then.
        now, before = (neighbor.sent, {}) if sent else (neighbor.received, neighbor.received_before)
        for prefix in taken_back:
            now.pop(prefix, None)
            before.pop(prefix, None)
        told: set[str] = set()
        for prefix, next_hop in said:
            before.pop(prefix, None)
            if next_hop.startswith(LINK_LOCAL) and prefix in told:
                continue
            told.add(prefix)
            if prefix in now or len(now) < MOST_PREFIXES:
                now[prefix] = (next_hop, attributes)

    def _share(self, attributes: Mapping[str, Any]) -> str:
        if not isinstance(attributes, dict):
            raise TypeError("attributes are an object")
        if len(self._shared) > MOST_PREFIXES:
            self._shared.clear()
        text = json.dumps(attributes, sort_keys=True)
        return self._shared.setdefault(text, text)


def says_why(reason: str) -> bool:
    """Whether a repeated `down` tells more than the ones before it."""
    return reason.startswith(SAYS_WHY)


def withdrawn(update: Mapping[str, Any]) -> Iterator[str]:
    """The prefixes that an update takes back."""
    for entries in update.get("withdraw", {}).values():
        for entry in entries:
            yield _prefix(entry)


def _offered(capabilities: Mapping[str, Any]) -> list[str]:
    """The families of a neighbor's OPEN, by the names that they have in updates."""
    families = capabilities.get(_MULTIPROTOCOL, {}).get("families", [])
    return [str(family).replace("/", " ") for family in families]


def _announced(update: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for by_next_hop in update.get("announce", {}).values():
        for next_hop, entries in by_next_hop.items():
            for entry in entries:
                yield _prefix(entry), next_hop


def _is_sent(direction: object) -> bool:
    if direction not in ("send", "receive"):
        raise ValueError("an update is sent or received")
    return direction == "send"


def _replace(neighbor: Neighbor, withdrawn: list[str], announced: list[str], attributes: str, at: float) -> None:
    """Keep what an update that is sent takes back, beside what was taken back so lately that it may not be gone yet."""
    sent = neighbor.sent
    worse = (p for p in announced if p in sent and _loses(sent[p]) < _loses(("", attributes)))
    _take_back(neighbor, {prefix: sent[prefix] for prefix in (*withdrawn, *worse) if prefix in sent}, at)


def _take_back(neighbor: Neighbor, taken_back: Mapping[str, Said], at: float) -> None:
    if not taken_back:
        return
    recent = neighbor.replaced if at - neighbor.replaced_at < ARRIVES else {}
    _keep_best(recent, taken_back)
    neighbor.replaced, neighbor.replaced_at = recent, at


def _keep_best(kept: dict[str, Said], more: Mapping[str, Said]) -> None:
    """Of two values that the branch may hold, the one that wins there is the one that must be beaten."""
    for prefix, said in more.items():
        known = kept.get(prefix)
        if known is None or _loses(said) < _loses(known):
            kept[prefix] = said


def _end_session(neighbor: Neighbor, at: float) -> None:
    _keep_best(neighbor.sent_before, neighbor.sent)
    if at - neighbor.replaced_at < ARRIVES:
        _keep_best(neighbor.sent_before, neighbor.replaced)
    neighbor.replaced = {}
    neighbor.received_before |= neighbor.received
    neighbor.sent, neighbor.received = {}, {}
    neighbor.sent_ends, neighbor.received_ends = set(), set()


def _loses(said: Said) -> int:
    """The lower, the better at the branch: by the local preference, else by the MED (RFC 4271 section 9.1)."""
    attributes = json.loads(said[1])
    preference, med = attributes.get("local-preference"), attributes.get("med", 0)
    if isinstance(preference, int):
        return -preference
    return med if isinstance(med, int) else 0


def _end_of_rib(neighbor: Neighbor, family: str, at: float, *, sent: bool) -> None:
    """RFC 4724: what was not said again before the End-of-RIB of its family is not there any more, once it arrives."""
    (neighbor.sent_ends if sent else neighbor.received_ends).add(family)
    before = neighbor.sent_before if sent else neighbor.received_before
    over = {prefix: before.pop(prefix) for prefix in list(before) if _family(prefix) == family}
    if sent:
        _take_back(neighbor, over, at)


def _family(prefix: str) -> str:
    return IPV6 if ":" in prefix else IPV4


def _prefix(entry: Any) -> str:
    text = entry if isinstance(entry, str) else entry["nlri"]
    if not isinstance(text, str):
        raise TypeError("a prefix is a string")
    return text


def _updates(routes: Mapping[str, Said]) -> Iterator[dict[str, Any]]:
    """The routes as updates of ExaBGP's own shape, one for each family and set of attributes."""
    grouped: dict[tuple[str, Said], list[str]] = {}
    for prefix, said in routes.items():
        grouped.setdefault((_family(prefix), said), []).append(prefix)
    for (family, (next_hop, attributes)), prefixes in grouped.items():
        for part in _parts(prefixes):
            yield {
                "attribute": json.loads(attributes),
                "announce": {family: {next_hop: [{"nlri": prefix} for prefix in part]}},
            }


def _parts(prefixes: list[str], most: int = 500) -> Iterable[list[str]]:
    return (prefixes[start : start + most] for start in range(0, len(prefixes), most))
