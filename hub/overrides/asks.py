"""What the control socket is asked about overrides: lines in, commands of the keeper, reports out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hub.control.lines import Message
from hub.control.peer import user_name
from hub.overrides.keeper import Core, Done, OverridesKeeper
from hub.overrides.report import list_report, override_report, progress_report, when
from policies.model.overrides import Author, Drain
from policies.overrides.commands import ALL_AT_ONCE, DrainWanted, Wanted
from policies.overrides.errors import NotDoneError
from policies.overrides.times import read_duration, read_rate

_LONGEST = 1_000
"""Characters of a field; no more of it is read or said again."""


class OverrideAsks:
    """An OverrideAsks answers what is asked about overrides, in the name of the user who asks."""

    def __init__(self, keeper: OverridesKeeper, core: Core) -> None:
        self._keeper = keeper
        self._core = core
        self._commands: dict[str, Callable[[Message, Author], Awaitable[Done]]] = {
            "drain": self._drain,
            "undrain": lambda m, author: keeper.undrain(_named(m), author),
            "switch": lambda m, author: keeper.switch(_text(m, "branch"), _text(m, "to"), _wanted(m), author),
            "unswitch": lambda m, author: keeper.unswitch(_text(m, "branch"), author),
            "freeze": lambda m, author: keeper.freeze(_wanted(m), author),
            "unfreeze": lambda m, author: keeper.unfreeze(_number(m), author),
            "failback": lambda m, author: keeper.failback(_text(m, "branch"), author),
        }

    @property
    def names(self) -> tuple[str, ...]:
        """What may be asked."""
        return (*self._commands, "overrides")

    def is_question(self, message: Message) -> bool:
        """Whether it only asks how far a drain is: that waits for nothing, and is asked again and again."""
        return message.get("ask") == "drain" and "number" in message and "extend" not in message

    def progress(self, message: Message) -> Message:
        """The answer to such a question."""
        try:
            number = _number(message)
            drain, parts = self._keeper.progress(number if number is not None else 0)
            beside = [each for each in self._keeper.standing if isinstance(each, Drain) and each.number != drain.number]
        except NotDoneError as error:
            return {"error": str(error)}
        now = self._core.now()
        same = [each.number for each in beside if each.target.text == drain.target.text]
        counting, intent = self._keeper.counting, self._core.intent
        return {"answer": progress_report(drain, parts, intent, now, counting=counting, same_target=same)}

    async def answer(self, message: Message, uid: int) -> Message:
        """The answer to one line of a user; an error changes nothing."""
        asked = message["ask"]
        try:
            if asked == "overrides":
                return {"answer": await self._list(message)}
            author = Author(uid, await asyncio.to_thread(user_name, uid))
            return {"answer": self._done(await self._commands[asked](message, author))}
        except NotDoneError as error:
            return {"error": str(error)}

    async def _drain(self, message: Message, author: Author) -> Done:
        force = message.get("force") is True
        if (by := _optional(message, "extend")) is not None:
            reason = _optional(message, "reason") or ""
            return await self._keeper.extend(_named(message), read_duration(by), author, force=force, reason=reason)
        wanted = DrainWanted(_text(message, "target"), _wanted(message), _rate(message), force)
        return await self._keeper.drain(wanted, author)

    async def _list(self, message: Message) -> Message:
        history = await self._keeper.history() if message.get("all") is True else ()
        core = self._core
        return await asyncio.to_thread(list_report, self._keeper.standing, history, core.intent, core.now())

    def _done(self, done: Done) -> Message:
        now = self._core.now()
        reports = [override_report(override, self._core.intent, now) for override in done.overrides]
        carried = [str(tunnel) for tunnel in done.carried]
        return {"overrides": reports, "notes": list(done.notes), "carried": carried, **when(now)}


def _named(message: Message) -> str:
    """A drain by its target or its number."""
    number = _number(message)
    return str(number) if number is not None else _text(message, "target")


def _wanted(message: Message) -> Wanted:
    lasts, until = _optional(message, "for"), _optional(message, "until")
    if lasts is not None and until is not None:
        raise NotDoneError('say how long it lasts ("for") or when it ends ("until"), not both')
    return Wanted(
        read_duration(lasts) if lasts is not None else None,
        until,
        _optional(message, "at"),
        _optional(message, "reason") or "",
    )


def _rate(message: Message) -> float | None:
    """Branches a minute; 0: all at once; None: nothing is said of it."""
    text = _optional(message, "rate")
    if text is None:
        return None
    return 0.0 if text.strip() == ALL_AT_ONCE else read_rate(text)


def _text(message: Message, field: str) -> str:
    text = _optional(message, field)
    if text is None:
        raise NotDoneError(f'"{field}" is missing')
    return text


def _optional(message: Message, field: str) -> str | None:
    text = message.get(field)
    if text is None:
        return None
    if not isinstance(text, str):
        raise NotDoneError(f'"{field}" is text, written as on the command line')
    return text[:_LONGEST]


def _number(message: Message) -> int | None:
    number = message.get("number")
    if number is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 1 << 53:
        raise NotDoneError('"number" is that of an override, as in "pointsman overrides"')
    return number
