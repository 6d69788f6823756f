"""The process in which one policy script runs. It is told a script, then situations; it answers with adjustments.

Started by `hub.scripts.process`. Descriptor 3 is the socket to the controller; what the script prints goes to standard
output, so never between the answers.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

from hub.scripts import confine
from hub.scripts.code import FailedError, Script, UnusableError
from hub.scripts.lines import adjustment_json, branch_json, read_branch, read_network
from policies.scripts.api import Adjustment, BranchSituation, NetworkSituation

SOCKET = 3
PRINTED_A_TURN = 4096
"""Characters that a script may print for each question; the rest is only counted."""

_IMPORTED_LATE = ("_strptime", "decimal", "fractions", "locale", "numbers", "random", "traceback")
"""Modules that others import only when they need them: too late, as no file can be opened then."""


class Printed:
    """A Printed is the standard output of a script: passed on up to a limit."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._left = PRINTED_A_TURN
        self._lost = 0

    def write(self, text: str) -> int:
        """Pass on what there is still room for."""
        passed = text[: self._left]
        self._left -= len(passed)
        self._lost += len(text) - len(passed)
        if passed:
            os.write(1, passed.encode(errors="replace"))
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""

    def isatty(self) -> bool:
        """It is no terminal."""
        return False

    def begin_turn(self) -> None:
        """Say how much was lost, and have room again."""
        if self._lost:
            os.write(1, f"\n({self._lost} more characters printed at one question)\n".encode())
        self._left, self._lost = PRINTED_A_TURN, 0


def main() -> None:
    """Load the script and answer until the controller closes the socket. Arguments: the socket, bytes of memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    socket = int(sys.argv[-2])
    if socket != SOCKET:
        os.dup2(socket, SOCKET)
    os.closerange(SOCKET + 1, max(64, socket + 1))
    confine.confine(int(sys.argv[-1]))
    # Asked by SIGUSR1 when its time is over, a worker says which line it is in, whatever it is doing.
    faulthandler.register(signal.SIGUSR1, file=2, all_threads=False)
    printed = Printed()
    sys.stdout = sys.stderr = printed
    turns = _lines()
    script = _load(next(turns, None), printed)
    if script is not None:
        for turn, line in enumerate(turns):
            confine.begin_turn()
            _say(answer(script, json.loads(line), turn))
            printed.begin_turn()


def _load(line: bytes | None, printed: Printed) -> Script | None:
    if line is None:
        return None
    for module in _IMPORTED_LATE:
        importlib.import_module(module)
    confine.begin_turn()
    told = json.loads(line)["load"]
    try:
        script = Script(told["label"], told["text"], lambda: confine.seal(SOCKET + 1))
    except UnusableError as error:
        _say({"slips": [{"line": s.line, "column": s.column, "text": s.text, "mend": s.mend} for s in error.slips]})
        return None
    printed.begin_turn()
    _say({"loaded": True})
    return script


def answer(script: Script, asked: dict[str, Any], turn: int) -> dict[str, Any]:
    """The answer to one question. One of its branches, another one each turn, is asked about twice."""
    network = read_network(asked["network"])
    adjustments: dict[str, Any] = {}
    failed: dict[str, Any] = {}
    branches = [read_branch(branch) for branch in asked["branches"]]
    for number, branch in enumerate(branches):
        try:
            adjustment = script.adjust(branch, network)
            if number == turn % len(branches) and not _again(script, branch, network, adjustment):
                text = f"adjust returned two different values for the same situation of {branch.name}"
                return {"answer": asked["ask"], "refused": {"line": 0, "text": text}}
            adjustments[branch.name] = adjustment_json(adjustment)
        except FailedError as error:
            failed[branch.name] = {"line": error.line, "text": error.text}
    return {"answer": asked["ask"], "adjustments": adjustments, "failed": failed}


def _again(script: Script, branch: BranchSituation, network: NetworkSituation, first: Adjustment | None) -> bool:
    same = read_branch(json.loads(json.dumps(branch_json(branch))))
    return script.adjust(same, network) == first


def _lines() -> Iterator[bytes]:
    waiting = bytearray()
    while True:
        end = waiting.find(b"\n")
        if end >= 0:
            yield bytes(waiting[:end])
            del waiting[: end + 1]
            continue
        more = os.read(SOCKET, 1 << 20)
        if not more:
            return
        waiting += more


def _say(what: dict[str, Any]) -> None:
    line = memoryview(json.dumps(what).encode() + b"\n")
    while line:
        line = line[os.write(SOCKET, line) :]
