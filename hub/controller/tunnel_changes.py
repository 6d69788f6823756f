"""What a change of the configuration does to the tunnels themselves: more before it, less when nothing uses them."""

from __future__ import annotations

from collections.abc import Callable

from hub.control.client import BusyError, NotRunningError, RefusedError
from hub.control.lines import Message
from hub.control.provisioner_silence import NONE_RUNS, START, silence
from hub.controller.tunnels import NO_ANSWER, Took, Tunnels
from policies.model.intent import Intent

NO_PROVISIONER = f"{NONE_RUNS}: {START}"


class NotMadeError(Exception):
    """Nothing was done to tunnels; the text says why."""


class TunnelChanges:
    """A TunnelChanges has tunnels made and removed; without `tunnels` they are somebody else's."""

    def __init__(self, tunnels: Tunnels | None, say: Callable[[str], None]) -> None:
        self._tunnels = tunnels
        self._say = say
        self._last: tuple[str, Intent] | None = None

    async def grow(self, intent: Intent, within: float) -> Took:
        """Have everything made that this intent wants within so many seconds, and nothing removed; how that went."""
        return NO_ANSWER if self._tunnels is None else await self._tunnels.take(intent, grow_only=True, within=within)

    async def undo(self, intent: Intent, grown: Took, within: float) -> tuple[str, ...]:
        """After a change that was given up: have removed what was `grown` for it and this intent has no use for.

        What is left of it, and why.
        """
        if self._tunnels is None or grown == NO_ANSWER:
            return ()
        took = await self._tunnels.take(intent, grow_only=False, within=within)
        problems = took.failed
        if not took.answered and not problems:
            problems = ("the provisioner is gone: systemctl start pointsman-provisioner",)
        return tuple(f"what was made of tunnels for it is not undone: {problem}" for problem in problems)

    async def shrink(self, intent: Intent) -> tuple[Message, ...]:
        """Have removed what this intent has no use for; what was done, as the provisioner tells of it."""
        if self._tunnels is None:
            return ()
        took = await self._tunnels.take(intent, grow_only=False)
        for problem in took.problems:
            self._say(problem)
        return took.done

    def note(self, plan: str, intent: Intent) -> None:
        """This plan was made for that intent; of the last one it can be said what it does to tunnels."""
        self._last = plan, intent

    async def of_plan(self, plan: str) -> Message | None:
        """What a plan would do to tunnels; None where they are somebody else's.

        With `unknown` nobody knows: it says why.
        """
        if self._tunnels is None or self._last is None or self._last[0] != plan:
            return None
        try:
            return await self._tunnels.planned(self._last[1])
        except BusyError as error:
            return _unknown("; ".join(silence(error)))
        except RefusedError as error:
            return _unknown(str(error))
        except NotRunningError as error:
            # One that left its socket has died: that is not the same as none that was ever wanted.
            return _unknown("; ".join(silence(error))) if self._tunnels.is_there() else None

    async def planned(self, intent: Intent) -> Message:
        """What would be done to tunnels.

        Raises:
            NotMadeError: nobody can say.
        """
        if self._tunnels is None:
            raise NotMadeError(NO_PROVISIONER)
        try:
            return await self._tunnels.planned(intent)
        except NotRunningError as error:
            raise NotMadeError("; ".join(silence(error))) from error
        except RefusedError as error:
            raise NotMadeError(str(error)) from error

    async def made(self, intent: Intent, number: str | None) -> Message:
        """Have them made, if that is what the plan of this number showed; none is removed.

        Raises:
            NotMadeError: it is not, or nobody answers.
        """
        if self._tunnels is None:
            raise NotMadeError(NO_PROVISIONER)
        try:
            return await self._tunnels.apply(intent, number, grow_only=True)
        except NotRunningError as error:
            raise NotMadeError("; ".join(silence(error))) from error
        except RefusedError as error:
            raise NotMadeError(str(error)) from error


def _unknown(why: str) -> Message:
    return {"id": "", "changes": [], "refused": [], "unknown": why}


NOBODYS = TunnelChanges(None, lambda _: None)
"""For where tunnels are somebody else's."""
