"""The control socket: the command line asks, the controller answers. One JSON line each way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from hub.control.lines import BadLineError, LineReader, Message, encode
from hub.controller.loop import Loop


class ControlServer:
    """A ControlServer answers questions about the loop's state; it changes nothing."""

    def __init__(self, socket: Path, loop: Loop) -> None:
        self._socket = socket
        self._loop = loop

    async def run(self) -> None:
        """Listen for ever. A file that a dead controller left is replaced."""
        with contextlib.suppress(FileNotFoundError):
            self._socket.unlink()
        server = await asyncio.start_unix_server(self._serve, str(self._socket))
        self._socket.chmod(0o660)
        async with server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = LineReader()
        try:
            while data := await reader.read(1 << 16):
                for message in lines.feed(data):
                    writer.write(encode(self._answer(message)))
                    await writer.drain()
        except BadLineError as error:
            writer.write(encode({"error": str(error)}))
        except OSError:
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _answer(self, message: Message) -> Message:
        questions: dict[str, Callable[[Message], Message]] = {"status": self._status, "why": self._why}
        ask = questions.get(str(message.get("ask")))
        if ask is None:
            return {"error": f'"{message.get("ask")}" is no question: ask one of {", ".join(questions)}'}
        return ask(message)

    def _status(self, _message: Message) -> Message:
        return {"answer": self._loop.status()}

    def _why(self, message: Message) -> Message:
        name = str(message.get("branch"))
        answer = self._loop.why(name)
        if answer is not None:
            return {"answer": answer}
        near = get_close_matches(name, self._loop.branches, 1)
        hint = f': did you mean "{near[0]}"?' if near else f": there are {', '.join(self._loop.branches)}"
        return {"error": f'there is no branch "{name}"{hint}'}
