"""Whose failure it was: charon's log and its events, followed from line to line. Pure: time is given.

charon knows the connection only when the peer has said who it is. What it says before, it says by a number of the
attempt, and who that was is told by the identities and addresses of the lines before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hub.provisioner.ipsec.reasons import Kind, Reason, reason_of

_LOOKING = re.compile(r"looking for peer configs matching (\S+)\[(.*)\]\.\.\.(\S+)\[(.*)\]$")
_PACKET = re.compile(r"received packet: from ([0-9a-fA-F.:]+)\[\d+\] to ([0-9a-fA-F.:]+)\[\d+\]")
_NO_CONFIG = re.compile(r"no IKE config found for (\S+)\.\.\.(\S+), sending")
_ATTEMPTS = 512
"""Attempts that are followed at once; the oldest is forgotten for a new one, so that a flood costs nothing."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A Peer is what a tunnel's connection expects, so that an attempt can be told to be its."""

    name: str
    hub_identity: str
    branch_identity: str
    local: str | None
    remote: str | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A Failure is why a tunnel's last attempt failed, and when (Unix seconds).

    `sure`: charon or the peer named the tunnel; else it is one of those that may have been meant.
    """

    reason: Reason
    at: float
    sure: bool
    attempt: str


@dataclass(slots=True)
class _Attempt:
    local: str = ""
    remote: str = ""
    hub_identity: str = ""
    branch_identity: str = ""


@dataclass(slots=True)
class Failures:
    """A Failures is the last failure of each connection, and since when each is up or down (Unix seconds)."""

    peers: Mapping[str, Peer] = field(default_factory=dict)
    last: dict[str, Failure] = field(default_factory=dict)
    up: dict[str, float] = field(default_factory=dict)
    down: dict[str, float] = field(default_factory=dict)
    _attempts: dict[str, _Attempt] = field(default_factory=dict)

    def expect(self, peers: Iterable[Peer]) -> None:
        """These are the tunnels there are; what is known of others is forgotten."""
        self.peers = {peer.name: peer for peer in peers}
        for known in (self.last, self.up, self.down):
            for name in known.keys() - self.peers.keys():
                del known[name]

    def log(self, event: Mapping[str, Any], at: float) -> None:
        """A line of charon's log (event `log`)."""
        message, attempt = _text(event.get("msg")), _text(event.get("ikesa-uniqueid"))
        context = self._followed(attempt, message)
        reason = reason_of(message)
        if reason is None:
            return
        named = _text(event.get("ikesa-name"))
        for name, sure in self._meant(named, context, message):
            self._note(name, Failure(reason, at, sure, attempt))

    def ike_updown(self, event: Mapping[str, Any], at: float) -> None:
        """An IKE SA came up or went down (event `ike-updown`)."""
        came, went = (self.up, self.down) if _text(event.get("up")) == "yes" else (self.down, self.up)
        for name in event:
            if name in self.peers:
                came[name] = at
                went.pop(name, None)

    def _followed(self, attempt: str, message: str) -> _Attempt:
        context = self._attempts.get(attempt) if attempt else None
        if context is None:
            context = _Attempt()
            if attempt:
                while len(self._attempts) >= _ATTEMPTS:
                    del self._attempts[next(iter(self._attempts))]
                self._attempts[attempt] = context
        if found := _PACKET.search(message):
            context.remote, context.local = found.groups()
        elif found := _NO_CONFIG.search(message):
            context.local, context.remote = found.groups()
        elif found := _LOOKING.search(message):
            context.local, context.hub_identity, context.remote, context.branch_identity = found.groups()
        return context

    def _meant(self, named: str, context: _Attempt, message: str) -> list[tuple[str, bool]]:
        if named in self.peers:
            return [(named, True)]
        peers = self.peers.values()
        if context.branch_identity:
            theirs = [peer for peer in peers if peer.branch_identity == context.branch_identity]
            theirs = theirs or [peer for peer in peers if peer.hub_identity == context.hub_identity]
            if theirs:
                return [(peer.name, True) for peer in theirs]
        if not context.remote:
            return []
        anywhere = _NO_CONFIG.search(message) is not None
        return [
            (peer.name, False)
            for peer in peers
            if peer.name not in self.up
            and peer.local in (None, context.local)
            and (anywhere or peer.remote in (None, context.remote))
        ]

    def _note(self, name: str, failure: Failure) -> None:
        before = self.last.get(name)
        same = before is not None and bool(failure.attempt) and before.attempt == failure.attempt
        if before is not None and same and before.reason.telling > failure.reason.telling:
            self.last[name] = replace(before, at=failure.at)
            return
        if before is not None and before.sure and not failure.sure and failure.at - before.at < _SURE_FOR:
            return
        if failure.reason.kind is Kind.ENDED and before is not None and same:
            return
        self.last[name] = failure


_SURE_FOR = 60.0
"""Seconds for which what is known is not covered by what may be: branches try every few seconds."""


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
