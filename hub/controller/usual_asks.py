"""What is asked on the control socket about what is usual on a tunnel: that a new path is accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from difflib import get_close_matches

from hub.control.lines import Message
from hub.control.peer import user_name
from hub.controller.health_file import HealthFile
from hub.controller.loop import Loop
from policies.health.usual import ENOUGH, Usual
from policies.model.ids import TunnelId

_LONGEST = 200
_LISTED = 3


class UsualAsks:
    """A UsualAsks has what is usual on a tunnel forgotten, in the name of the user who asks."""

    def __init__(self, loop: Loop, file: HealthFile, say: Callable[[str], None]) -> None:
        self._loop = loop
        self._file = file
        self._say = say

    @property
    def asks(self) -> dict[str, Callable[[Message, int], Awaitable[Message]]]:
        """Who answers what; each is given the user who asks."""
        return {"usual-reset": self._reset}

    async def _reset(self, message: Message, uid: int) -> Message:
        """Forget it, keep that on the disk, and say who wanted it. An error has changed nothing."""
        name = message.get("tunnel")
        if not isinstance(name, str):
            return {"error": '"tunnel" is missing: name one, as bandung/fiber'}
        name = name[:_LONGEST]
        user = await asyncio.to_thread(user_name, uid)
        tunnel = next((one for one in self._loop.intent.tunnels() if str(one) == name), None)
        if tunnel is None:
            return {"error": self._unknown(name)}
        was = self._loop.health.forget_usual(tunnel, self._loop.now().monotonic)
        self._say(f"{tunnel}: the usual round trip{_was(was)} is forgotten by {user}: a new one is learnt")
        kept = await self._file.save()
        return {"answer": _done(tunnel, was, user, kept=kept)}

    def _unknown(self, name: str) -> str:
        every = [str(tunnel) for tunnel in self._loop.intent.tunnels()]
        below = [tunnel for tunnel in every if tunnel.startswith(f"{name}/")]
        if below:
            return f'"{name}" is a branch: name one of its tunnels, {", ".join(below)}'
        near = get_close_matches(name, every, 1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(every[:_LISTED])} …"
        return f'there is no tunnel "{name}": {hint}'


def _done(tunnel: TunnelId, was: Usual, user: str, *, kept: bool) -> Message:
    notes = [f"until there are {ENOUGH / 60:g} minutes of it only absolute limits count on {tunnel}"]
    if not kept:
        notes.append("that could not be written down: a restarted controller may know the old one again")
    was_ms = None if was.rtt is None else round(was.rtt * 1000, 2)
    return {"tunnel": str(tunnel), "was_ms": was_ms, "measured_for": round(was.seconds, 1), "by": user, "notes": notes}


def _was(usual: Usual) -> str:
    return f" of {usual.rtt * 1000:.3g} ms" if usual.rtt is not None else ", not known yet,"
