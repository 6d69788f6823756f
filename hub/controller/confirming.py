"""A configuration that somebody must confirm: watched until that is done, or gone back from in time.

The time is on the disk, with the configuration (hub.config.provenance): a restarted controller goes on waiting.
"""

from __future__ import annotations

import asyncio
from typing import Any

from hub.config.provenance import Confirmation
from hub.controller.changing import Changing
from hub.controller.loop import Loop
from hub.controller.not_applied import NotAppliedError
from hub.controller.record import Record
from policies.lengths import written
from policies.model.clock import NEVER, Instant, Now

_UNREADABLE, _STUCK = "configuration: provenance", "configuration: going back"
LOOK_SECONDS = 0.5
"""How often to see whether somebody has confirmed, or the time is over."""
AGAIN_SECONDS = 10.0
"""How long after it could not be gone back it is tried again."""
FILES_SECONDS = 5.0
"""How often to compare the files with what was gone back to."""


class Confirming:
    """A Confirming goes back to the configuration before when nobody confirms the present one, and says so."""

    def __init__(self, changing: Changing, loop: Loop, record: Record) -> None:
        self._changing = changing
        self._kept = changing.kept
        self._loop = loop
        self._record = record
        self._awaited: Confirmation | None = None
        self._deadline = NEVER
        self._not_before = NEVER
        self._files_at = NEVER
        self._differs = True

    async def run(self) -> None:
        """Watch for ever."""
        if self._kept.problem is not None:
            mend = 'look at it, then "pointsman apply"'
            self._loop.problems[_UNREADABLE] = (self._kept.problem, mend)
            self._record.say(self._kept.problem)
        while True:
            now = self._loop.now()
            if (confirmation := self._due(now)) is not None:
                await self._go_back(confirmation)
            await self._look_at_files(now)
            await asyncio.sleep(LOOK_SECONDS)

    def _due(self, now: Now) -> Confirmation | None:
        """What nobody gave in time."""
        confirmation = self._kept.provenance.confirmation
        if confirmation is not self._awaited:
            self._begin_to_wait(confirmation, now)
        if confirmation is None or now.monotonic < self._not_before or not is_over(confirmation, self._deadline, now):
            return None
        return confirmation

    def _begin_to_wait(self, confirmation: Confirmation | None, now: Now) -> None:
        self._awaited, self._not_before = confirmation, now.monotonic
        self._loop.problems.pop(_STUCK, None)
        if confirmation is not None:
            self._deadline = deadline(confirmation, now)
            until = confirmation.until.astimezone(now.wall.tzinfo)
            plan = self._kept.provenance.plan
            self._record.say(f"configuration {plan} goes back at {until:%H:%M:%S} unless confirmed: pointsman confirm")

    async def _go_back(self, awaited: Confirmation) -> None:
        """Once. Whatever keeps it from going back, it stays as it is, says so and tries again."""
        why = f"nobody confirmed it within {written(awaited.within)}"
        try:
            await self._changing.go_back_unless_confirmed(awaited, why)
        except NotAppliedError as error:
            self._stay(str(error).splitlines()[0], "mend that, or keep what is in force: pointsman confirm")
        except Exception as error:  # noqa: BLE001 - whoever waits to be let in again must not wait for a report
            self._stay(f"{type(error).__name__}: {error}", "a fault of Pointsman: please report it")

    def _stay(self, why: str, mend: str) -> None:
        plan = self._kept.provenance.plan
        text = f"configuration {plan} was not confirmed and cannot be gone back from: {why}"
        if self._loop.problems.get(_STUCK, ("", ""))[0] != text:
            self._record.say(text)
        self._loop.problems[_STUCK] = (text, f"{mend} (tried again every {AGAIN_SECONDS:.0f} s)")
        self._not_before = Instant(self._loop.now().monotonic + AGAIN_SECONDS)

    async def _look_at_files(self, now: Now) -> None:
        if self._kept.provenance.gone_back is None:
            self._differs, self._files_at = True, NEVER
        elif now.monotonic >= self._files_at:
            self._differs = await asyncio.to_thread(self._kept.differs)
            self._files_at = Instant(now.monotonic + FILES_SECONDS)

    def report(self) -> dict[str, Any]:
        """How the configuration in force came to be, and what becomes of it, for `status` and all that changes it."""
        present, now = self._kept.provenance, self._loop.now()
        zone = now.wall.tzinfo
        confirm = present.confirmation
        return {
            "plan": present.plan,
            "at": present.at and present.at.astimezone(zone).isoformat(timespec="seconds"),
            "by": present.by,
            "confirm": confirm
            and {
                "until": confirm.until.astimezone(zone).isoformat(timespec="seconds"),
                "within": confirm.within.total_seconds(),
                "left": round(max(0.0, (confirm.until - now.wall).total_seconds()), 1),
            },
            "gone_back": present.gone_back and {"from": present.gone_back.plan, "why": present.gone_back.why},
            "files_differ": self._differs if present.gone_back is not None else None,
            "can_go_back": present.before is not None,
        }


def deadline(confirmation: Confirmation, now: Now) -> Instant:
    """When it is over at the latest, should the wall clock be set back: nobody waits longer than was asked for."""
    rest = min(confirmation.until - now.wall, confirmation.within)
    return Instant(now.monotonic + rest.total_seconds())


def is_over(confirmation: Confirmation, latest: Instant, now: Now) -> bool:
    """Whether nobody confirmed in time."""
    return now.wall >= confirmation.until or now.monotonic >= latest
