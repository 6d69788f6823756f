"""The program nft, for tests: one table that something else loads and lists."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from hub.provisioner.program import Program


class Table(Protocol):
    """A Table is the only one that there is; None lists that there is none."""

    def load(self, text: str) -> None: ...

    def listing(self) -> Sequence[Mapping[str, Any]] | None: ...


def nft_of(table: Table, name: str) -> Program:
    """What runs `nft` on this table, which has this name."""

    def run(*command: str, given: str = "") -> str:
        if command[1] == "-f":
            table.load(given)
            return ""
        shown = table.listing()
        if command[3] == "tables":
            shown = [] if shown is None else [{"table": {"family": "inet", "name": name}}]
        return json.dumps({"nftables": shown})

    return run
