"""What a BIRD's log says of its BFD sessions (`debug protocols { events }`, instants as seconds of the epoch)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from soak_count import Change, Eye, Kind

_LINE = re.compile(
    r"(?P<at>\d+\.\d+) <TRACE> \w+: Session to (?P<address>[^ %]+)\S* "
    r"(?:changed state from (?P<old>\w+) to (?P<new>\w+)|(?P<what>expired|removed))"
)


class BirdLog:
    """A BirdLog turns the text of one BIRD's log, as it grows, into changes of the tunnels to these addresses.

    `detection` is how long this BIRD waits for a packet, in seconds: what it does not say is when the last one came.
    """

    def __init__(self, eye: Eye, tunnels: Mapping[str, str], detection: float) -> None:
        self._eye, self._tunnels, self._detection = eye, tunnels, detection
        self._expired: set[str] = set()
        self._up: set[str] = set()
        self._rest = ""

    def feed(self, text: str, epoch: float) -> list[Change]:
        """The changes that this text tells; `epoch` is CLOCK_MONOTONIC at the beginning of the wall clock's epoch."""
        *lines, self._rest = (self._rest + text).split("\n")
        matches = [match for line in lines if (match := _LINE.match(line))]
        changes = [self._change(match, float(match["at"]) + epoch) for match in matches]
        return [change for change in changes if change is not None]

    def _change(self, line: re.Match[str], at: float) -> Change | None:
        address = line["address"]
        tunnel = self._tunnels.get(address)
        if tunnel is None:
            return None
        if line["what"] == "expired":
            self._expired.add(address)
            return None
        if line["new"] == "Up":
            self._up.add(address)
            self._expired.discard(address)
            return Change(self._eye, tunnel, at, None, "BFD up")
        if address not in self._up:
            return None
        self._up.discard(address)
        return self._death(tunnel, at, line)

    def _death(self, tunnel: str, at: float, line: re.Match[str]) -> Change:
        if line["what"] == "removed":
            return Change(self._eye, tunnel, at, Kind.OTHER, "the session was removed")
        if line["address"] in self._expired:
            heard = at - self._detection
            return Change(self._eye, tunnel, at, Kind.EXPIRED, f"silent for {self._detection * 1000:.0f} ms", heard)
        if line["new"] == "Down":
            return Change(self._eye, tunnel, at, Kind.TOLD, "the other side says down")
        return Change(self._eye, tunnel, at, Kind.OTHER, f"the session went from {line['old']} to {line['new']}")
