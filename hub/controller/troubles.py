"""What targets, checks and uplinks of the hub say is wrong: told once when it begins and once when it is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from policies.blame import CheckFault, check_faults
from policies.model.clock import Instant
from policies.model.intent import Intent
from policies.model.view import View

LOOK_SECONDS = 2.0
"""How often to look: what is told here takes half a minute to be sure."""


class Troubles:
    """A Troubles looks at what was believed at a moment, beside the loop, and remembers what it has told."""

    def __init__(self, believed: Callable[[], tuple[Intent, View]], say: Callable[[str], None]) -> None:
        self._believed = believed
        self._say = say
        self._faults: dict[str, CheckFault] = {}
        self._own: dict[str, tuple[str, str]] = {}

    async def run(self) -> None:
        """Look again and again, in a thread, of values that nobody changes. Should judging fail, that is said."""
        while True:
            intent, view = self._believed()
            try:
                found = await asyncio.to_thread(check_faults, intent, view, Instant(time.monotonic()))
            except Exception as error:  # noqa: BLE001 - only what is told of targets may fail with this
                text = f"judging targets failed: {type(error).__name__}: {error}"
                self._own = {"targets": (text, "a fault of Pointsman: please report it")}
            else:
                self._own = {}
                self.take(found)
            await asyncio.sleep(LOOK_SECONDS)

    def take(self, found: tuple[CheckFault, ...]) -> None:
        """This is wrong now; what is news is told."""
        before, self._faults = self._faults, {fault.key: fault for fault in found}
        for key, fault in self._faults.items():
            if key not in before:
                self._say(fault.text)
        for key, fault in before.items():
            if key not in self._faults:
                self._say(f"over: {fault.text}")

    @property
    def problems(self) -> dict[str, tuple[str, str]]:
        """Text and mend by a stable key, for `status`."""
        return {key: (fault.text, fault.mend) for key, fault in self._faults.items()} | self._own
