"""The store in a thread of its own: whoever wants something of it waits, and nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from hub.overrides.database import StateError
from hub.overrides.store import Store
from policies.model.clock import Now
from policies.overrides.errors import NotDoneError

T = TypeVar("T")


class Shelf:
    """A Shelf opens the store when something is first wanted of it, and again as long as that fails."""

    def __init__(self, path: Path, now: Callable[[], Now], say: Callable[[str], None]) -> None:
        self._path = path
        self._now = now
        self._say = say
        self._store: Store | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="overrides")

    async def work(self, work: Callable[[Store], T]) -> T:
        """Do this with the store.

        Raises:
            NotDoneError: the file does not obey, and is as it was.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._worked, work)
        except StateError as error:
            raise NotDoneError(str(error)) from error

    def close(self) -> None:
        """Let go of the file, when what is under way is done; nobody waits for it."""
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)

    def _worked(self, work: Callable[[Store], T]) -> T:
        if self._store is None:
            self._store = Store(self._path, self._now().wall, self._say)
        return work(self._store)

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
