"""The firewall's slice of the provisioner: one table of nftables, and what it has dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hub.provisioner.changes import Change, Finding, Planned
from hub.provisioner.fingerprint import Look
from hub.provisioner.firewall.plan import NAME, TARGET, drift, open_management, plan, rules_of
from hub.provisioner.firewall.rules import COUNTING, FULL_NAME, TABLE, body
from hub.provisioner.own_table import OwnTable
from hub.provisioner.program import Program, run_program
from hub.provisioner.wanted import Wanted


class FirewallSlice:
    """A FirewallSlice keeps our table as it is wanted; other tables it never looks at."""

    def __init__(self, run: Program | None = None) -> None:
        self._table = OwnTable(TABLE, COUNTING, run_program if run is None else run)

    @property
    def name(self) -> str:
        """Its name in plans."""
        return NAME

    def plan(self, wanted: Wanted) -> Planned:
        """What differs. Also where nothing is to be filtered it must be seen that nothing is.

        Raises:
            ProvisionError: nftables cannot be asked, or the rules cannot be made.
        """
        return plan(wanted, self.look())

    def do(self, change: Change) -> None:
        """Put rules in force in one transaction, or remove them.

        Raises:
            ProvisionError: nothing was changed.
        """
        if change.removes:
            self._table.remove()
        else:
            self._table.load(str(change.how))

    def verify(self, wanted: Wanted) -> Sequence[Finding]:
        """Whether the rules are still those that were applied; if not, they are put back at once.

        Raises:
            ProvisionError: nftables cannot be asked, or does not take the rules.
        """
        if not wanted.firewall:
            return ()
        seen = self.look()
        amiss = drift(wanted, seen)
        if amiss is None:
            return open_management(wanted)
        if seen.there and not seen.ours:
            mend = f"nft delete table {FULL_NAME}, if nobody needs it"
            return (Finding(NAME, TARGET, amiss, mend), *open_management(wanted))
        self._table.load(body(rules_of(wanted)))
        return (Finding(NAME, TARGET, amiss, "find out who changes them", repaired=True), *open_management(wanted))

    def report(self, wanted: Wanted) -> dict[str, dict[str, Any]]:
        """Whether the rules are in force, and how many packets they dropped, by reason.

        Raises:
            ProvisionError: nftables cannot be asked.
        """
        if not wanted.firewall:
            return {}
        seen = self.look()
        return {TARGET: {"in_force": drift(wanted, seen) is None, "dropped": dropped(seen)}}

    def look(self) -> Look:
        """The table as it is.

        Raises:
            ProvisionError: nftables cannot be asked.
        """
        return self._table.look()


def dropped(seen: Look) -> Mapping[str, int]:
    """Packets that the rules in force have dropped, by reason."""
    counters = (each["counter"] for each in seen.objects if isinstance(each.get("counter"), dict))
    return {str(each.get("name")): int(each.get("packets", 0)) for each in counters}
