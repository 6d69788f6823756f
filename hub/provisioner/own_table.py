"""A table of our own in nftables: made as a whole, in one transaction, and compared with what it was when it was made.

All of Pointsman's tables are kept by this one; how a table is known is in `hub.provisioner.fingerprint`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from typing import Any

from hub.provisioner.changes import ProvisionError
from hub.provisioner.fingerprint import FAMILY, Look, digest, read, removal, script, seal, shown_digest
from hub.provisioner.program import Program, run_program

_MENDS = {
    "Operation not permitted": "run as root (CAP_NET_ADMIN)",
    "Operation not supported": "this kernel lacks something that the rules need: use a distribution's kernel",
}


class OwnTable:
    """An OwnTable is the table `inet NAME`; `counting` are its sets whose elements packets add."""

    def __init__(
        self,
        name: str,
        counting: Iterable[str] = (),
        run: Program = run_program,
        find: Callable[[str], str | None] = shutil.which,
    ) -> None:
        self.name = name
        self._counting = frozenset(counting)
        self._run, self._find = run, find

    @property
    def possible(self) -> bool:
        """Whether `nft` is installed."""
        return self._find("nft") is not None

    def look(self) -> Look:
        """The table as it is.

        Raises:
            ProvisionError: `nft` cannot tell.
        """
        tables = _objects(self._nft("-j", "list", "tables", FAMILY))
        if not any(each.get("table", {}).get("name") == self.name for each in tables):
            return read(None)
        return read(_objects(self._nft("-j", "list", "table", FAMILY, self.name)), self._counting)

    def own(self) -> Look:
        """The table as it is, where it is there and ours.

        Raises:
            ProvisionError: `nft` cannot tell, or somebody else has made a table of this name.
        """
        seen = self.look()
        if seen.there and not seen.ours:
            full = f"{FAMILY} {self.name}"
            text = f"there is a table {full} that Pointsman did not make"
            raise ProvisionError(text, f"nft delete table {full}, if nobody needs it")
        return seen

    def differs(self, body: str) -> str:
        """In which way the table is not the one with this body: in words, "" where it is.

        Raises:
            ProvisionError: as `own` does.
        """
        seen = self.own()
        if not seen.there:
            return "is not there"
        if seen.body != digest(body):
            return "is another"
        return "" if seen.intact else "was changed by somebody"

    def load(self, body: str) -> None:
        """Make the table anew with this body: what stands between its braces. Between old and new is no moment.

        Raises:
            ProvisionError: it cannot be made, and the one before stays.
        """
        self._nft("-f", "-", given=script(self.name, body))
        made = self.look()
        if not made.there:
            text = f"nftables: table {FAMILY} {self.name} was made and is not there"
            raise ProvisionError(text, "see who deletes it: nft monitor")
        self._nft("-f", "-", given=seal(self.name, shown_digest(made.objects, self._counting)))

    def remove(self) -> None:
        """Delete the table, if it is there.

        Raises:
            ProvisionError: it cannot be deleted, or is somebody else's.
        """
        self.own()
        self._nft("-f", "-", given=removal(self.name))

    def _nft(self, *arguments: str, given: str = "") -> str:
        try:
            return self._run("nft", *arguments, given=given)
        except ProvisionError as error:
            mend = error.mend or next((mend for reason, mend in _MENDS.items() if reason in str(error)), "")
            raise ProvisionError(str(error), mend) from error


def _objects(text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)["nftables"]
    except (ValueError, KeyError, TypeError) as error:
        raise ProvisionError(f"nft says what cannot be read: {text:.60}") from error
    return [each for each in found if isinstance(each, dict)]
