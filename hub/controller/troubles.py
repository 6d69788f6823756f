"""What targets, checks and uplinks of the hub say is wrong: told once when it begins and once when it is over."""

from __future__ import annotations

from collections.abc import Iterator

from policies.blame import CheckFault, check_faults
from policies.model.clock import Instant
from policies.model.intent import Intent
from policies.model.view import View


class Troubles:
    """A Troubles remembers which of these faults have been told."""

    def __init__(self) -> None:
        self._faults: dict[str, CheckFault] = {}

    def look(self, intent: Intent, view: View, now: Instant) -> Iterator[str]:
        """Look again; what is news, in lines for the log."""
        before, self._faults = self._faults, {fault.key: fault for fault in check_faults(intent, view, now)}
        yield from (fault.text for key, fault in self._faults.items() if key not in before)
        yield from (f"over: {fault.text}" for key, fault in before.items() if key not in self._faults)

    @property
    def problems(self) -> dict[str, tuple[str, str]]:
        """Text and mend by a stable key, for `status`."""
        return {key: (fault.text, fault.mend) for key, fault in self._faults.items()}
