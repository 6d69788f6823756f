"""The control socket: the command line asks, the controller answers. One JSON line each way."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from hub.control.lines import BadLineError, LineReader, Message, encode
from hub.control.peer import peer_uid
from hub.controller.change_asks import ChangeAsks
from hub.controller.loop import Loop
from hub.controller.prefix_report import UnknownPrefixError
from hub.controller.usual_asks import UsualAsks
from hub.overrides.asks import OverrideAsks
from speaker.listener import Listener, listen_at

LOOK_SECONDS = 1.0
"""How often to see that the socket's file is still there."""
SHORTEST_PAUSE = 0.001
"""Seconds. After each answer as long a pause is made as the answer took: asking takes half of the time at most."""
_LONGEST_NAME = 100
"""Of what is asked for; no more of it is looked for or said again."""


class ControlServer:
    """A ControlServer answers questions about the loop's state, and has the configuration changed when asked to."""

    def __init__(
        self,
        socket: Path,
        loop: Loop,
        changing: ChangeAsks | None,
        say: Callable[[str], None],
        overrides: OverrideAsks | None = None,
        usual: UsualAsks | None = None,
    ) -> None:
        """`changing`, `overrides` and `usual` answer what is asked about those; None where there are none."""
        self._overrides = overrides
        self._usual = usual
        self._socket = socket
        self._loop = loop
        self._changing = changing
        self._say = say
        self._turn = asyncio.Lock()
        self._complained = False

    async def run(self) -> None:
        """Listen for ever. A socket file that is not ours is replaced, and one that is removed comes back."""
        while True:
            listener = self._listen()
            if listener is not None:
                await self._stay(listener)
            else:
                await asyncio.sleep(LOOK_SECONDS)

    def _listen(self) -> Listener | None:
        try:
            listener = listen_at(self._socket)
        except OSError as error:
            if not self._complained:
                self._complained = True
                why = f"{error.strerror or error}; is its directory there, and writable?"
                self._say(f"cannot listen at {self._socket}: {why}")
            return None
        self._complained = False
        return listener

    async def _stay(self, listener: Listener) -> None:
        """Serve for as long as people who connect come here."""
        server = await asyncio.start_unix_server(self._serve, sock=listener.socket)
        try:
            while listener.is_in_place:  # noqa: ASYNC110  a file that goes has no event
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines, uid = LineReader(), peer_uid(writer)
        try:
            while data := await reader.read(1 << 16):
                for message in lines.feed(data):
                    writer.write(encode(await self._answer(message, uid)))
                    await writer.drain()
        except BadLineError as error:
            writer.write(encode({"error": str(error)}))
        except OSError:
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, message: Message, uid: int) -> Message:
        questions: dict[str, Callable[[Message], Message]] = {"status": self._status, "why": self._why}
        changes = self._changing.asks if self._changing is not None else {}
        asked = str(message.get("ask"))[:_LONGEST_NAME]
        if self._overrides is not None and self._overrides.is_question(message):
            questions[asked] = self._overrides.progress
        if asked in questions:
            async with self._turn:
                begun = time.monotonic()
                answer = questions[asked](message)
                await asyncio.sleep(max(SHORTEST_PAUSE, time.monotonic() - begun))
                return answer
        if self._changing is not None and asked in changes:
            return await self._changing.answer(message, uid)
        names = self._overrides.names if self._overrides is not None else ()
        if self._overrides is not None and asked in names:
            return await self._overrides.answer(message, uid)
        usual = self._usual.asks if self._usual is not None else {}
        if asked in usual:
            return await usual[asked](message, uid)
        known = ", ".join((*questions, *changes, *names, *usual))
        return {"error": f'"{asked}" is no question: ask one of {known}'}

    def _status(self, _message: Message) -> Message:
        report = self._loop.status()
        return {"answer": report if self._changing is None else {**report, "configuration": self._changing.report()}}

    def _why(self, message: Message) -> Message:
        name = str(message.get("branch"))[:_LONGEST_NAME]
        prefix = message.get("prefix")
        try:
            answer = self._loop.why(name, None if prefix is None else str(prefix)[:_LONGEST_NAME])
        except UnknownPrefixError as error:
            return {"error": str(error)}
        if answer is not None:
            return {"answer": answer}
        near = get_close_matches(name, self._loop.branches, 1)
        hint = f': did you mean "{near[0]}"?' if near else f": there are {', '.join(self._loop.branches)}"
        return {"error": f'there is no branch "{name}"{hint}'}
