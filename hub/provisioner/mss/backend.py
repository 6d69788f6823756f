"""The slice of the MSS: one table of nftables, compared with what it was when it was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hub.provisioner.changes import Change, Finding, Planned, Refusal, put_right
from hub.provisioner.mss.plan import SLICE, TABLE, table_body
from hub.provisioner.own_table import OwnTable
from hub.provisioner.program import Program, mend_of, run_program
from hub.provisioner.wanted import Wanted

TARGET = "all tunnels"


class Mss:
    """An Mss keeps the table."""

    name = SLICE

    def __init__(self, run: Program = run_program) -> None:
        self._table = OwnTable(TABLE, run=run)

    def plan(self, wanted: Wanted) -> Planned:
        """Look at the table, and say what differs.

        Raises:
            ProvisionError: `nft` does not say, or the table is somebody else's.
        """
        body = table_body(wanted)
        if not self._table.possible:
            text = "nft is not installed: TCP through a tunnel may hang with its first full packet"
            return Planned(refusals=(Refusal(SLICE, TARGET, text, mend_of("nft")),) if body else ())
        if not body:
            there = self._table.own().there
            text = "clamp the MSS no longer"
            return Planned((Change(SLICE, TARGET, text, removes=True, how=""),) if there else ())
        differs = self._table.differs(body)
        count = len(wanted.tunnels())
        text = f"clamp the MSS to the MTU of {count} tunnel{'s' * (count != 1)}: table inet {TABLE} {differs}"
        return Planned((Change(SLICE, TARGET, text, how=body),) if differs else ())

    def do(self, change: Change) -> None:
        """Make the table anew, or remove it.

        Raises:
            ProvisionError: `nft` refuses it.
        """
        if change.how:
            self._table.load(str(change.how))
        else:
            self._table.remove()

    def verify(self, wanted: Wanted) -> Sequence[Finding]:
        """Make the table anew where somebody changed it.

        Raises:
            ProvisionError: `nft` does not say, or the table is somebody else's.
        """
        planned = self.plan(wanted)
        found = [Finding(SLICE, refusal.target, refusal.text, refusal.mend) for refusal in planned.refusals]
        return found + [put_right(self, change) for change in planned.changes if not change.removes]

    def report(self, wanted: Wanted) -> dict[str, dict[str, Any]]:
        """Nothing: what is not as it should be is a change or a finding."""
        del wanted
        return {}
