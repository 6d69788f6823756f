"""A hub at which keys are exchanged: it writes down what it was asked, and fails where a test wants it to."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from config_directories import EXAMPLE

from hub.cli import key_exchange
from hub.cli.key_bringing import Wishes
from hub.cli.key_exchange import Hub
from hub.config import read
from hub.control.client import NotRunningError
from hub.provisioner.keys import completing
from hub.provisioner.keys.secret import Secret
from hub.provisioner.keys.store import KeyStore
from policies.model.intent import Intent

TUNNEL = "bandung/fiber"
GONE = NotRunningError("nobody answers at provisioner.sock")
Report = dict[str, Any]


class Rig:
    """A hub that writes down what it was asked. The branch shakes hands after `after` questions; None: never.

    `fails` are what a question raises; of one in `afterwards` it is raised when the work is done, as by a lost answer.
    """

    def __init__(self, directory: Path, after: int | None) -> None:
        self.store = KeyStore(directory / "keys", clock=lambda: 1e9)
        self.store.make([TUNNEL])
        self.asked: list[str] = []
        self.said: list[Report] = []
        self.after = after
        self.fails: dict[str, BaseException] = {}
        self.afterwards: dict[str, BaseException] = {}
        self.busy = ""
        self.lives = {"fiber": "up", "wireless": "up"}
        self.comes_back_at = ""

    def hub(self, push_with: str | None, *, seconds: float = 0.0, force: bool = False) -> Hub:
        wishes = Wishes(push_with, plain=False, seconds=seconds, force=force, reason="stolen" if force else "")
        return Hub(self.controller, self.provisioner, self.idle, wishes)

    def idle(self, _drain: Report, _begun: float) -> str:
        self._note({"ask": "idle"})
        return self.busy

    def controller(self, question: Report) -> Report:
        self._note(question)
        self._done(question)
        tunnels = [
            {"tunnel": name, "liveness": liveness, "session": "up", "drained": []}
            for name, liveness in self.lives.items()
        ]
        return {"overrides": [{"number": 7}], "branches": [{"branch": "bandung", "tunnels": tunnels}]}

    def provisioner(self, question: Report) -> Report:
        self._note(question)
        if question["ask"] == self.comes_back_at:
            self.lives = dict.fromkeys(self.lives, "up")
        if question["ask"] == "rotate-begin":
            self.store.begin_rotation(TUNNEL)
        if question["ask"] == "rotate-rollback":
            self.store.abandon_rotation(TUNNEL)
        if question["ask"] == "rotate-commit":
            self.store.commit_rotation(TUNNEL)
        self._done(question)
        keys = self.store.staged(TUNNEL) or self.store.of(TUNNEL)
        assert keys is not None
        verified = self.after is not None and self.asked.count("rotate-status") > self.after
        return {
            "keys": str(self.store.directory),
            "interface": "wg1",
            "hub_public": keys.hub_public,
            "verified": verified,
        }

    def _note(self, question: Report) -> None:
        self.asked.append(question["ask"])
        self.said.append(question)
        if (error := self.fails.get(question["ask"])) is not None:
            raise error

    def _done(self, question: Report) -> None:
        if (error := self.afterwards.pop(question["ask"], None)) is not None:
            raise error


RigOf = Callable[[int | None], Rig]
"""A rig by how many questions it takes until the branch has shaken hands."""


def rigs(directory: Path, monkeypatch: pytest.MonkeyPatch) -> RigOf:
    """Rigs in a directory, whose keys are numbers in order; between two questions nobody waits."""
    numbers = iter(range(1, 100))

    def pairs(number: int) -> list[tuple[Secret, str]]:
        found = [next(numbers) for _ in range(number)]
        return [(Secret(key(each)), key(each + 100)) for each in found]

    monkeypatch.setattr(completing, "make_pairs", pairs)
    monkeypatch.setattr(key_exchange, "_ASK_EVERY", 0.001)
    return lambda after: Rig(directory, after)


def eight_branches() -> Intent:
    """The intent of the example, which has TUNNEL."""
    found = read(EXAMPLE).intent
    assert found is not None
    return found


def key(byte: int) -> str:
    return base64.b64encode(bytes([byte] * 32)).decode()


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """What was said at the end: one line of what is so, one of what to do."""
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["pointsman:", "mend:"], lines
    return "\n".join(lines)
