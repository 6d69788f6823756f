"""One long TCP transfer between two hosts: it must neither break nor lose a byte.

As a process: `chaos_transfer.py serve ADDRESS` or `chaos_transfer.py send ADDRESS`. The sender writes a counter, some
100 kB/s, until its stdin ends; the server checks it and says how far it came, or what was wrong.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import time

PORT = 7008
_NUMBER = struct.Struct("!Q")
_BATCH = 128
_PAUSE = 0.01


def serve(address: str) -> str:
    """Accept one connection and check all that comes; how it ended."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, PORT), family=family) as listener:
        print("ready", flush=True)
        connection, _ = listener.accept()
    wanted, rest = 0, b""
    with connection:
        while data := connection.recv(1 << 16):
            rest += data
            whole = len(rest) - len(rest) % 8
            for (number,) in _NUMBER.iter_unpack(rest[:whole]):
                if number != wanted:
                    return f"wrong: {number} in place of {wanted}"
                wanted += 1
            rest = rest[whole:]
    return f"complete {wanted}"


def send(address: str) -> str:
    """Send until stdin ends; how it ended."""
    number = 0
    with socket.create_connection((address, PORT), timeout=30) as connection:
        connection.settimeout(120)
        print("ready", flush=True)
        while not select.select([sys.stdin], [], [], _PAUSE)[0]:
            connection.sendall(b"".join(_NUMBER.pack(number + offset) for offset in range(_BATCH)))
            number += _BATCH
        connection.shutdown(socket.SHUT_WR)
        # Closing before all has arrived would let the kernel give up unnoticed.
        deadline = time.monotonic() + 60
        while connection.recv(1) and time.monotonic() < deadline:
            pass
    return f"sent {number}"


def main() -> int:
    """The process: one line at the end says how it went."""
    role, address = sys.argv[1:3]
    try:
        print(serve(address) if role == "serve" else send(address), flush=True)
    except OSError as error:
        print(f"broken: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
