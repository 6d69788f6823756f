"""A question to a DNS server over UDP; dnspython writes it and reads the answer."""

from __future__ import annotations

import asyncio
import socket
import struct
import time

import dns.exception
import dns.message
import dns.rcode

from hub.observe.answer import Answer, failed
from hub.observe.way import Way
from policies.model.targets import DnsQuery, Outcome

_PORT = 53
_LARGEST = 4096


async def query(question: DnsQuery, way: Way, port: int = _PORT) -> Answer:
    """Ask for the addresses of the name, until there is an answer to just that; the caller gives up.

    Raises:
        CannotAskError: not by this way.
        OSError: what the kernel says of the server.
    """
    loop = asyncio.get_running_loop()
    sock = way.socket_to(question.server, socket.SOCK_DGRAM)
    try:
        asked = dns.message.make_query(question.name, "A")
        sock.connect((str(question.server), port))
        began = time.monotonic()
        await loop.sock_sendall(sock, asked.to_wire())
        while (code := response_code(asked, await loop.sock_recv(sock, _LARGEST))) is None:
            pass
    finally:
        sock.close()
    if code != dns.rcode.NOERROR:
        return failed(f"answers {dns.rcode.to_text(code)}")
    return Answer(Outcome.ANSWERED, time.monotonic() - began)


def response_code(asked: dns.message.Message, data: bytes) -> dns.rcode.Rcode | None:
    """What a packet answers to the question, None when it is no answer to it."""
    try:
        answer = dns.message.from_wire(data, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError, IndexError, struct.error):
        return None
    return answer.rcode() if asked.is_response(answer) else None
