"""Traces of the way to the far end of a tunnel, made when the controller asks for one: one at a time, in a thread.

They need the tunnel's mark, which only this process may set, and nothing else of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from hub.control.lines import Message
from hub.forwarder.aside import Aside, failure_text
from hub.forwarder.fields import FieldError, Fields
from hub.forwarder.health.route_trace import Found, trace
from hub.forwarder.loop import Loop

LARGEST_MARK = 0xFFFF_FFFF
_BUSY = "another trace is under way"


@dataclass(frozen=True, slots=True)
class TraceOrder:
    """A TraceOrder asks for the way to an address, as packets with `mark` and from `source` go (None: any)."""

    tunnel: str
    to: str
    mark: int
    source: str | None


def parse_trace(fields: Fields) -> TraceOrder:
    """`TRACE` of the reference.

    Raises:
        FieldError: a field of it is wrong.
    """
    fields.only("tunnel", "to", "mark", "source")
    source = _address(fields, "source") if fields.has("source") else None
    to = _address(fields, "to")
    if source is not None and (":" in source) != (":" in to):
        raise FieldError(f"{fields.place('source')}: an address of the same version as {to} is needed")
    return TraceOrder(fields.text("tunnel"), to, fields.number("mark", 0, LARGEST_MARK), source)


class Tracing:
    """A Tracing makes traces, and tells of each what was found."""

    def __init__(self, loop: Loop, tell: Callable[[Message], None]) -> None:
        self._aside = Aside(loop, "trace")
        self._tell = tell
        self._busy = False

    def trace(self, order: TraceOrder) -> None:
        """Make this trace. While another is under way that is the answer: nothing waits here."""
        if self._busy:
            self._tell(_told(order, Found(error=_BUSY)))
            return
        self._busy = True

        def work() -> Callable[[], None]:
            found = trace(order.to, order.mark, order.source)
            return lambda: self._done(order, found)

        self._aside.do(work, lambda error: self._done(order, Found(error=failure_text("tracing", error))))

    def _done(self, order: TraceOrder, found: Found) -> None:
        self._busy = False
        self._tell(_told(order, found))


def _told(order: TraceOrder, found: Found) -> Message:
    about = {"tunnel": order.tunnel, "to": order.to, "hops": list(found.hops), "reached": found.reached}
    return {"traced": about | ({} if found.error is None else {"error": found.error})}


def _address(fields: Fields, key: str) -> str:
    text = fields.text(key)
    try:
        address = ip_address(text)
    except ValueError as error:
        raise FieldError(f"{fields.place(key)}: an address is needed") from error
    if address.is_multicast or address.is_unspecified or "%" in text:
        raise FieldError(f"{fields.place(key)}: the address of one machine is needed")
    return str(address)
