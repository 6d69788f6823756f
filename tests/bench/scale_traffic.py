"""Packets to many addresses and back, counted: `send HUB INTERVAL ADDRESS...` here, `echo ADDRESS...` there.

Each address is sent one numbered packet every INTERVAL seconds, and its echo awaited: a packet that is lost on either
way is lost. At the end of stdin the sender waits a second for what is on its way, and says how many were lost, and of
how many.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import sys
import time

PORT = 7009
_PACKET = struct.Struct("!IQ")


def echo(addresses: list[str]) -> None:
    """Send back all that comes, from the address that it came to, until stdin ends."""
    sockets = [_bound(address) for address in addresses]
    print("ready", flush=True)
    while True:
        for readable in select.select([sys.stdin, *sockets], [], [])[0]:
            if readable is sys.stdin:
                return
            with contextlib.suppress(OSError):
                data, sender = readable.recvfrom(64)
                readable.sendto(data, sender)


def send(own: str, interval: float, addresses: list[str]) -> str:
    """Send until stdin ends; how many were lost."""
    endpoint = _bound(own)
    sent = [0] * len(addresses)
    heard: set[tuple[int, int]] = set()
    pause = interval / len(addresses)
    due, turn, ending = time.monotonic(), 0, float("inf")
    print("ready", flush=True)
    while time.monotonic() < ending:
        now = time.monotonic()
        while now >= due and ending == float("inf"):
            with contextlib.suppress(OSError):
                endpoint.sendto(_PACKET.pack(turn, sent[turn]), (addresses[turn], PORT))
            sent[turn] += 1
            turn = (turn + 1) % len(addresses)
            due += pause
        watched = [endpoint, sys.stdin] if ending == float("inf") else [endpoint]
        for readable in select.select(watched, [], [], max(0.0, min(due - now, 0.1)))[0]:
            if readable is sys.stdin:
                ending = time.monotonic() + 1.0
                continue
            with contextlib.suppress(OSError):
                while len(data := endpoint.recv(64)) == _PACKET.size:
                    heard.add(_PACKET.unpack(data))
    return f"{sum(sent) - len(heard)} {sum(sent)}"


def _bound(address: str) -> socket.socket:
    endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    endpoint.setblocking(False)
    endpoint.bind((address, PORT))
    return endpoint


if __name__ == "__main__":
    if sys.argv[1] == "echo":
        echo(sys.argv[2:])
    else:
        print(send(sys.argv[2], float(sys.argv[3]), sys.argv[4:]), flush=True)
