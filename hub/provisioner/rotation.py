"""What the provisioner answers of exchanging keys, whatever kind of keys a tunnel has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from hub.provisioner.changes import ProvisionError

Report = dict[str, Any]
Ask = Callable[[Report], Report]
Alone = Callable[[], AbstractContextManager[None]]
"""Keeps every other change of tunnels away meanwhile; raises AlreadyRunningError while there is one."""


class Rotates(Protocol):
    """A Rotates exchanges what a tunnel's ends know each other by, one step a call. All raise ProvisionError."""

    def begin(self, tunnel: str) -> Report:
        """Make it, and give it to the hub's end; once more goes on with what was begun."""

    def status(self, tunnel: str) -> Report:
        """How far it is, and why it could not be begun; changes nothing."""

    def commit(self, tunnel: str, *, unverified: bool = False) -> Report:
        """The new is what is in force, if the branch has shown that it has it, or without that."""

    def rollback(self, tunnel: str) -> Report:
        """The hub's end has the old again, and the new is gone."""


def asks(chosen: Callable[[str], Rotates], alone: Alone) -> Mapping[str, Ask]:
    """What the provisioner answers of keys, by the name of the question; each names a `tunnel`.

    `chosen` says who exchanges those of a tunnel. What changes something is done `alone`.
    """

    def changing(step: Ask) -> Ask:
        def answer(message: Report) -> Report:
            with alone():
                return step(message)

        return answer

    def commit(message: Report) -> Report:
        tunnel = _tunnel(message)
        return chosen(tunnel).commit(tunnel, unverified=message.get("unverified") is True)

    def rollback(message: Report) -> Report:
        tunnel = _tunnel(message)
        return chosen(tunnel).rollback(tunnel)

    def begin(message: Report) -> Report:
        tunnel = _tunnel(message)
        return chosen(tunnel).begin(tunnel)

    def status(message: Report) -> Report:
        tunnel = _tunnel(message)
        return chosen(tunnel).status(tunnel)

    return {
        "rotate-begin": changing(begin),
        "rotate-status": status,
        "rotate-commit": changing(commit),
        "rotate-rollback": changing(rollback),
    }


def _tunnel(message: Report) -> str:
    tunnel = message.get("tunnel")
    if not isinstance(tunnel, str):
        raise ProvisionError("the question names no tunnel", 'write "tunnel": "bandung/fiber"')
    return tunnel
