"""A TCP connection that is made and closed again."""

from __future__ import annotations

import asyncio
import socket
import time

from hub.observe.answer import Answer
from hub.observe.way import Way
from policies.model.targets import Outcome, TcpConnect


async def connect(question: TcpConnect, way: Way) -> Answer:
    """Connect, until it is accepted or refused; the caller gives up.

    Raises:
        CannotAskError: not by this way.
        OSError: what the kernel says of the target.
    """
    sock = way.socket_to(question.address, socket.SOCK_STREAM)
    try:
        began = time.monotonic()
        await asyncio.get_running_loop().sock_connect(sock, (str(question.address), question.port))
        return Answer(Outcome.ANSWERED, time.monotonic() - began)
    finally:
        sock.close()
