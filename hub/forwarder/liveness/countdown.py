"""Waiting for several others at once."""

from __future__ import annotations

from collections.abc import Callable


class Countdown:
    """A Countdown calls back once: when nothing is expected any more, or when it is finished from outside."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then: Callable[[], None] | None = then
        self._expected = 1

    def expect(self) -> None:
        """Wait for one more."""
        self._expected += 1

    def one_less(self) -> None:
        """One of those that were waited for is there."""
        self._expected -= 1
        if self._expected == 0:
            self.finish()

    def ready(self) -> None:
        """Nothing more will be expected."""
        self.one_less()

    def finish(self) -> None:
        """Wait no longer."""
        then, self._then = self._then, None
        if then is not None:
            then()
