"""What is asked on the control socket about the configuration: plan, apply, confirm and rollback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from hub.config.scalars import UnreadableError
from hub.control.confirm_within import read_confirm_within
from hub.control.lines import Message
from hub.control.peer import user_name
from hub.controller.changing import Changing
from hub.controller.confirming import Confirming
from hub.controller.not_applied import NotAppliedError
from hub.controller.plan_report import applied_report, plan_report
from hub.controller.tunnel_changes import NotMadeError
from hub.provisioner.changes import ProvisionError
from hub.provisioner.firewall.plan import locks_out
from hub.provisioner.from_intent import wanted_of

LONGEST_PATH, LONGEST_NAME = 4096, 255
"""Bytes that Linux takes (limits.h: PATH_MAX with its closing NUL, NAME_MAX)."""


class ChangeAsks:
    """A ChangeAsks answers them, one after the other where they change something."""

    def __init__(self, changing: Changing, confirming: Confirming) -> None:
        self._changing = changing
        self._confirming = confirming

    @property
    def asks(self) -> dict[str, Callable[[Message, int], Awaitable[Message]]]:
        """Who answers what; each is given the user who asks."""
        return {
            "plan": self._plan,
            "apply": self._apply,
            "confirm": self._confirm,
            "rollback": self._rollback,
            "plan-tunnels": self._plan_tunnels,
            "apply-tunnels": self._apply_tunnels,
        }

    async def answer(self, message: Message, uid: int) -> Message:
        """The answer to one of `asks`, or the error that says that nothing was changed."""
        try:
            return {"answer": await self._found(message, uid)}
        except (NotAppliedError, UnreadableError) as error:
            return {"error": _whole(error)}

    async def _found(self, message: Message, uid: int) -> Message:
        return await self.asks[str(message["ask"])](message, uid)

    def report(self) -> Message:
        """How the configuration in force came to be, and what becomes of it."""
        return self._confirming.report()

    async def _plan(self, message: Message, _uid: int) -> Message:
        directory, back = _directory(message), message.get("back") is True
        planned = await (self._changing.plan_back() if back else self._changing.plan(directory))
        files = await self._changing.files(directory, back=back)
        tunnels = await self._changing.tunnels.of_plan(planned.id)
        return {**plan_report(planned, files), "tunnels": tunnels, "configuration": self.report()}

    async def _refuse_lock_out(self, message: Message) -> None:
        """Whoever asks from a place from which the hub's firewall would not let him in again must force it."""
        source = _text(message, "source")
        if source is None or message.get("force") is True:
            return
        intent = await self._changing.files_intent()
        try:
            text = await asyncio.to_thread(lambda: locks_out(wanted_of(intent), source))
        except ProvisionError as error:
            raise NotAppliedError(f"{error}: {error.mend}") from error
        if text is not None:
            raise NotAppliedError(f"{text}. Use --force to do it all the same")

    async def _apply(self, message: Message, uid: int) -> Message:
        await self._refuse_lock_out(message)
        applied = await self._changing.apply(
            _text(message, "plan"),
            force=message.get("force") is True,
            by=await _who(uid),
            confirm_within=_within(message),
        )
        return {**applied_report(applied), "configuration": self.report()}

    async def _plan_tunnels(self, message: Message, _uid: int) -> Message:
        intent = await self._changing.tunnels_alone(_directory(message))
        try:
            return await self._changing.tunnels.planned(intent)
        except NotMadeError as error:
            raise NotAppliedError(str(error)) from error

    async def _apply_tunnels(self, message: Message, uid: int) -> Message:
        await self._refuse_lock_out(message)
        return await self._changing.apply_tunnels(_text(message, "plan"), await _who(uid))

    async def _confirm(self, message: Message, uid: int) -> Message:
        await self._changing.confirm(_text(message, "plan"), await _who(uid))
        return {"configuration": self.report()}

    async def _rollback(self, _message: Message, uid: int) -> Message:
        who = await _who(uid)
        applied = await self._changing.go_back(who, f"{who} asked for it")
        return {**applied_report(applied), "configuration": self.report()}


def _whole(error: NotAppliedError | UnreadableError) -> str:
    mend = error.mend if isinstance(error, UnreadableError) else None
    return str(error) if mend is None else f"{error}: {mend}"


def _directory(message: Message) -> Path | None:
    """The directory that is named, None for the controller's own.

    Raises:
        UnreadableError: it is none that there could be.
    """
    named: Any = message.get("directory")
    if not named:
        return None
    mend = "write an absolute path, like /tmp/proposal"
    if not isinstance(named, str) or not named.isprintable():
        raise UnreadableError("directory: that is no path", mend)
    directory = Path(named)
    if len(named.encode()) >= LONGEST_PATH or any(len(name.encode()) > LONGEST_NAME for name in directory.parts):
        raise UnreadableError(f'directory: "{named[:60]}…" is longer than a path can be', mend)
    if not directory.is_absolute():
        raise UnreadableError(f'directory: "{named[:60]}" is relative, and the controller is somewhere else', mend)
    return directory


def _text(message: Message, key: str) -> str | None:
    value: Any = message.get(key)
    return None if value is None else str(value)


def _within(message: Message) -> timedelta | None:
    value = message.get("confirm_within")
    return None if value is None else read_confirm_within(value)


async def _who(uid: int) -> str:
    return await asyncio.to_thread(user_name, uid)
