"""A deadline that is moved often and comes rarely."""

from __future__ import annotations

from collections.abc import Callable

from hub.forwarder.loop import Loop, Timer


class Alarm:
    """An Alarm calls back at an instant that can be moved.

    Moving it later costs nothing: the timer is left where it is, and the callback must look whether it is time yet.
    """

    __slots__ = ("_callback", "_loop", "_timer")

    def __init__(self, loop: Loop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._timer: Timer | None = None

    def due(self, when: int) -> None:
        """Call back at `when` or earlier."""
        timer = self._timer
        if timer is not None:
            if timer.when <= when:
                return
            timer.cancel()
        self._timer = self._loop.call_at(when, self._ring)

    def cancel(self) -> None:
        """Don't call back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        self._callback()
