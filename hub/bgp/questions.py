"""Questions to ExaBGP beside the announcements: each has a number, and waits for its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


class NotConnectedError(Exception):
    """The relay is not there, or went away before it answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An Answer is ExaBGP's reply to one command: whether it was obeyed, and the lines that came with it."""

    done: bool
    lines: tuple[str, ...]


class Questions:
    """A Questions keeps who waits for which answer. Its numbers count downwards from -1, the ledger's upwards."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._last = 0

    def next_number(self) -> int:
        """A number that no command had before."""
        self._last -= 1
        return self._last

    async def ask(self, write: Callable[[int], bool], timeout: float) -> Answer:  # noqa: ASYNC109
        """Write a command under the number that `write` is given, and wait for its answer.

        Raises:
            NotConnectedError: it could not be written, or no answer came within `timeout` seconds.
        """
        number = self.next_number()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            if not write(number):
                raise NotConnectedError("the relay of ExaBGP is not connected")
            return await asyncio.wait_for(answer, timeout)
        except TimeoutError as error:
            raise NotConnectedError(f"ExaBGP did not answer within {timeout:g} s") from error
        finally:
            self._waiting.pop(number, None)

    def answered(self, number: int, answer: Answer) -> None:
        """An answer came; nobody may wait for it any more."""
        question = self._waiting.get(number)
        if question is not None and not question.done():
            question.set_result(answer)

    def lost(self) -> None:
        """The relay went away: no answer will come."""
        for question in self._waiting.values():
            if not question.done():
                question.set_exception(NotConnectedError("the relay of ExaBGP went away"))
