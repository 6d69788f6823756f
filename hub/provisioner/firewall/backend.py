"""The firewall's slice of the provisioner, and `nft`, which speaks to the kernel for it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from hub.provisioner.changes import Change, Finding, Planned, ProvisionError
from hub.provisioner.firewall.plan import NAME, TARGET, drift, open_management, plan, rules_of
from hub.provisioner.firewall.rules import FAMILY, FULL_NAME, TABLE, removal, render, script, seal
from hub.provisioner.firewall.seen import Seen, listing_digest, read
from hub.provisioner.wanted import Wanted

PATIENCE_SECONDS = 30.0
_REASONS = {
    "Operation not permitted": "run as root (CAP_NET_ADMIN)",
    "Operation not supported": "this kernel lacks something that the rules need: use a distribution's kernel",
}


class Tables(Protocol):
    """A Tables is the kernel's tables of rules."""

    def load(self, text: str) -> None:
        """Do what a script says, all of it or nothing.

        Raises:
            ProvisionError: nothing of it was done.
        """

    def listing(self) -> Sequence[Mapping[str, Any]] | None:
        """The objects of our table; None where there is none.

        Raises:
            ProvisionError: they cannot be seen.
        """


class Nft:
    """A Nft is the program nft(8), in this process's network namespace."""

    def load(self, text: str) -> None:
        """Do what a script says, all of it or nothing.

        Raises:
            ProvisionError: nothing of it was done.
        """
        done = self._run("-f", "-", given=text)
        if done.returncode != 0:
            raise _failure("nft refuses the rules", done.stderr)

    def listing(self) -> Sequence[Mapping[str, Any]] | None:
        """The objects of our table; None where there is none.

        Raises:
            ProvisionError: they cannot be seen.
        """
        done = self._run("--json", "--numeric", "list", "table", FAMILY, TABLE)
        if done.returncode != 0:
            if "No such file or directory" in done.stderr:
                return None
            raise _failure(f"nft does not show the table {FULL_NAME}", done.stderr)
        try:
            objects = json.loads(done.stdout)["nftables"]
            return [each for each in objects if isinstance(each, dict)]
        except (ValueError, KeyError, TypeError) as error:
            raise ProvisionError(f"nft says nothing of the table {FULL_NAME} that can be read") from error

    def _run(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                ["nft", *arguments], input=given, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
            )
        except FileNotFoundError as error:
            raise ProvisionError("the program nft is missing", "apt-get install nftables") from error
        except subprocess.TimeoutExpired as error:
            raise ProvisionError(f"nft took longer than {PATIENCE_SECONDS:g} s") from error
        except OSError as error:
            raise ProvisionError(f"nft cannot be run: {error.strerror}") from error


def _failure(what: str, said: str) -> ProvisionError:
    lines = [line.strip() for line in said.splitlines() if "Error:" in line] or said.split("\n")
    mend = next((mend for reason, mend in _REASONS.items() if reason in said), "")
    return ProvisionError(f"{what}: {lines[0][:300] or 'it does not say why'}", mend)


class FirewallSlice:
    """A FirewallSlice keeps our table as it is wanted; other tables it never looks at."""

    def __init__(self, tables: Tables | None = None) -> None:
        self._tables: Tables = Nft() if tables is None else tables

    @property
    def name(self) -> str:
        """Its name in plans."""
        return NAME

    def plan(self, wanted: Wanted) -> Planned:
        """What differs. Also where nothing is to be filtered it must be seen that nothing is.

        Raises:
            ProvisionError: nftables cannot be asked, or the rules cannot be made.
        """
        return plan(wanted, self.seen())

    def do(self, change: Change) -> None:
        """Put rules in force in one transaction, or remove them.

        Raises:
            ProvisionError: nothing was changed.
        """
        if change.removes:
            self._tables.load(removal())
        else:
            self._put_in_force(str(change.how))

    def verify(self, wanted: Wanted) -> Sequence[Finding]:
        """Whether the rules are still those that were applied; if not, they are put back at once.

        Raises:
            ProvisionError: nftables cannot be asked, or does not take the rules.
        """
        if not wanted.firewall:
            return ()
        seen = self.seen()
        amiss = drift(wanted, seen)
        if amiss is None:
            return open_management(wanted)
        if seen.there and not seen.ours:
            mend = f"nft delete table {FULL_NAME}, if nobody needs it"
            return (Finding(NAME, TARGET, amiss, mend), *open_management(wanted))
        self._put_in_force(render(rules_of(wanted)))
        return (Finding(NAME, TARGET, amiss, "find out who changes them", repaired=True), *open_management(wanted))

    def report(self, wanted: Wanted) -> dict[str, dict[str, Any]]:
        """Whether the rules are in force, and how many packets they dropped, by reason.

        Raises:
            ProvisionError: nftables cannot be asked.
        """
        if not wanted.firewall:
            return {}
        seen = self.seen()
        return {TARGET: {"in_force": drift(wanted, seen) is None, "dropped": dict(seen.dropped)}}

    def seen(self) -> Seen:
        """The table as it is.

        Raises:
            ProvisionError: nftables cannot be asked.
        """
        return read(self._tables.listing())

    def _put_in_force(self, text: str) -> None:
        self._tables.load(script(text))
        listing = self._tables.listing()
        if listing is not None:
            self._tables.load(seal(listing_digest(listing)))
