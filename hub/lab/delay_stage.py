"""The userspace delay stage: a process between two sides of a TUN interface that lets packets wait.

For kernels without netem. It reads IP packets, keeps each for the delay plus or minus a random jitter, and writes it
back. As with netem, packets may overtake each other when the jitter is larger than their spacing.
Run as `python -m hub.lab.delay_stage INTERFACE DELAY_MS JITTER_MS`; it ends when its interface is deleted.
"""

from __future__ import annotations

import fcntl
import gc
import heapq
import os
import random
import select
import struct
import sys
import time

_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000
_LARGEST_PACKET = 65_535
MOST_WAITING = 50_000
"""Packets. More than that are dropped, as a full queue would."""


class DelayQueue:
    """A DelayQueue holds packets until they are due; `random_share` gives numbers from -1 to 1 for the jitter."""

    def __init__(self, delay: float, jitter: float) -> None:
        self._delay = delay
        self._jitter = jitter
        self._waiting: list[tuple[float, int, bytes]] = []
        self._count = 0

    def put(self, packet: bytes, *, now: float, random_share: float) -> None:
        """Take a packet that arrived at `now` (seconds)."""
        if len(self._waiting) >= MOST_WAITING:
            return
        due = now + max(0.0, self._delay + self._jitter * random_share)
        self._count += 1
        heapq.heappush(self._waiting, (due, self._count, packet))

    def due(self, now: float) -> list[bytes]:
        """The packets whose time has come, in the order in which they were due."""
        ready = []
        while self._waiting and self._waiting[0][0] <= now:
            ready.append(heapq.heappop(self._waiting)[2])
        return ready

    def next_due(self) -> float | None:
        """When the next packet leaves; None if nothing waits."""
        return self._waiting[0][0] if self._waiting else None


def open_tun(name: str) -> int:
    """A descriptor on the TUN interface of this name, non-blocking, without packet information."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return descriptor


def run(tun: int, queue: DelayQueue) -> None:
    """Pass packets on until the interface goes away (OSError)."""
    while True:
        due = queue.next_due()
        timeout = None if due is None else max(0.0, due - time.monotonic())
        readable, _, _ = select.select([tun], [], [], timeout)
        if readable:
            _read_all(tun, queue)
        for packet in queue.due(time.monotonic()):
            _write(tun, packet)


def _read_all(tun: int, queue: DelayQueue) -> None:
    for _ in range(64):
        try:
            packet = os.read(tun, _LARGEST_PACKET)
        except BlockingIOError:
            return
        queue.put(packet, now=time.monotonic(), random_share=random.uniform(-1, 1))  # noqa: S311 - no secret


def _write(tun: int, packet: bytes) -> None:
    try:
        os.write(tun, packet)
    except BlockingIOError:
        return


def main(arguments: list[str]) -> int:
    """The process: interface, delay and jitter in milliseconds."""
    name, delay, jitter = arguments
    gc.disable()
    tun = open_tun(name)
    try:
        run(tun, DelayQueue(float(delay) / 1000, float(jitter) / 1000))
    except OSError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
