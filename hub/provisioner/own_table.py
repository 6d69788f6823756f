"""A table of our own in nftables: made as a whole, in one transaction, and compared with what it was when it was made.

`nft` shows a ruleset in other words than it was written in, and in others again in its next version. So what it showed
right after the table was made is remembered, as a digest: what it shows later is either that, or somebody changed it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hub.provisioner.changes import ProvisionError
from hub.provisioner.ownership import is_ours, write_ours
from hub.provisioner.program import Program, run_program

FAMILY = "inet"


class OwnTable:
    """An OwnTable is the table `inet NAME`; `counting` are its sets whose elements packets add.

    `state` is the directory in which it is remembered how the table looked.
    """

    def __init__(
        self,
        name: str,
        state: Path,
        counting: Iterable[str] = (),
        run: Program = run_program,
        find: Callable[[str], str | None] = shutil.which,
    ) -> None:
        self.name = name
        self._memory = state / f"nftables-{name}.json"
        self._counting = frozenset(counting)
        self._run, self._find = run, find

    @property
    def possible(self) -> bool:
        """Whether `nft` is installed."""
        return self._find("nft") is not None

    def differs(self, body: str) -> str:
        """In which way the table is not the one with this body: in words, "" where it is.

        Raises:
            ProvisionError: `nft` cannot tell.
        """
        shown = self.shown()
        if shown is None:
            return "is not there"
        remembered = self._remembered()
        if remembered.get("body") != digest(body):
            return "is another"
        return "" if remembered.get("shown") == self._digest_of(shown) else "was changed by somebody"

    def load(self, body: str) -> None:
        """Make the table anew with this body: what stands between its braces. Between old and new is no moment.

        Raises:
            ProvisionError: it cannot be made, or what it looks like cannot be remembered.
        """
        whole = f"table {FAMILY} {self.name}"
        self._run("nft", "-f", "-", given=f"{whole}\ndelete {whole}\n{whole} {{\n{body}}}\n")
        shown = self.shown()
        if shown is None:
            raise ProvisionError(f"nftables: {whole} was made and is not there", "see who deletes it: nft monitor")
        self._remember({"body": digest(body), "shown": self._digest_of(shown)})

    def remove(self) -> None:
        """Delete the table, if it is there.

        Raises:
            ProvisionError: it cannot be deleted.
        """
        whole = f"table {FAMILY} {self.name}"
        self._run("nft", "-f", "-", given=f"{whole}\ndelete {whole}\n")
        self._memory.unlink(missing_ok=True)

    def shown(self) -> list[dict[str, Any]] | None:
        """What `nft` shows of it, by its JSON form (libnftables-json(5)); None: there is no such table.

        Raises:
            ProvisionError: `nft` cannot tell.
        """
        tables = _objects(self._run("nft", "-j", "list", "tables", FAMILY))
        if not any(each.get("table", {}).get("name") == self.name for each in tables):
            return None
        return _objects(self._run("nft", "-j", "list", "table", FAMILY, self.name))

    def _digest_of(self, shown: Iterable[dict[str, Any]]) -> str:
        plain = [_plain(each, self._counting) for each in shown if "metainfo" not in each]
        return digest(json.dumps(plain, sort_keys=True))

    def _remembered(self) -> dict[str, Any]:
        try:
            found = json.loads(self._memory.read_text(encoding="utf-8")) if is_ours(self._memory) else {}
        except (OSError, ValueError):
            return {}  # then the table is made anew, which harms nothing
        return found if isinstance(found, dict) else {}

    def _remember(self, what: dict[str, str]) -> None:
        try:
            write_ours(self._memory, json.dumps(what) + "\n")
        except OSError as error:
            raise ProvisionError(f"{self._memory}: {error.strerror}", "make room there, and apply again") from error


def digest(text: str) -> str:
    """A short name of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _objects(text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)["nftables"]
    except (ValueError, KeyError, TypeError) as error:
        raise ProvisionError(f"nft says what cannot be read: {text:.60}") from error
    return [each for each in found if isinstance(each, dict)]


def _plain(shown: Any, counting: frozenset[str]) -> Any:
    """Without what changes by itself: handles, counters, elements that packets added, the order of elements."""
    if isinstance(shown, list):
        return [_plain(each, counting) for each in shown]
    if not isinstance(shown, dict):
        return shown
    by_itself = {"handle", "packets", "bytes"}
    if shown.get("name") in counting:
        by_itself.add("elem")
    plain = {key: _plain(value, counting) for key, value in shown.items() if key not in by_itself}
    if isinstance(plain.get("elem"), list):
        plain["elem"] = sorted(plain["elem"], key=json.dumps)
    return plain
