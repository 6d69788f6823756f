"""An HTTP GET by the standard library, in a thread: what it says is read up to its headers, and no further."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import time
from concurrent.futures import Executor

from hub.observe.answer import Answer, failed
from hub.observe.way import Way
from policies.model.targets import HttpGet, Outcome


async def get(question: HttpGet, way: Way, timeout: float, threads: Executor) -> Answer:  # noqa: ASYNC109
    """Ask, until there is a status; the caller gives up, `timeout` ends the thread.

    Raises:
        CannotAskError: not by this way.
        OSError: what the kernel says of the target.
    """
    loop = asyncio.get_running_loop()
    sock = way.socket_to(question.address, socket.SOCK_STREAM)
    try:
        began = time.monotonic()
        await loop.sock_connect(sock, (str(question.address), question.port))
        sock.settimeout(timeout)
        future = threads.submit(_status, sock, question)
    except BaseException:
        sock.close()
        raise
    try:
        status = await asyncio.wrap_future(future)
    except http.client.HTTPException as error:
        return failed(f"answers, but not in HTTP ({type(error).__name__})")
    finally:
        if future.cancelled():
            sock.close()  # its thread has never begun
        elif not future.done():
            # The thread closes it; waiting for one byte after the other it would sit there for ever.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
    if status != question.expect:
        return failed(f"status {status}, not {question.expect}")
    return Answer(Outcome.ANSWERED, time.monotonic() - began)


def _status(sock: socket.socket, question: HttpGet) -> int:
    connection = http.client.HTTPConnection(str(question.address), question.port)
    connection.sock = sock
    try:
        connection.request("GET", question.path, headers={"User-Agent": "pointsman", "Connection": "close"})
        return connection.getresponse().status
    finally:
        connection.close()
        sock.close()
