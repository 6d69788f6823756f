"""What is recorded of a soak while it lasts: every change in the hub's eyes and in the branches', and every freeze."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from soak_bird_log import BirdLog
from soak_count import Change, Eye, Span, from_forwarder
from soak_network import ENDS_WITH_US, SoakNetwork

from hub.control.lines import LineReader, encode, greeting
from hub.forwarder.liveness.bfd_watch import TRANSMIT_MULTIPLIER

READ_LOGS_EVERY = 0.5
"""Seconds. An instant of the wall clock is translated when it is read, so that a correction of that clock is small."""


class Recorder:
    """A Recorder keeps every change that the hub and the branches say, from its making on."""

    def __init__(self, network: SoakNetwork) -> None:
        self.changes: list[Change] = []
        self.lost: list[float] = []
        """When the forwarder closed the connection, or did not answer."""
        self._up: dict[tuple[Eye, str], bool] = {}
        self._logs = list(_logs(network))
        self._forwarder = None if network.wanted.plain_bird else Reader(network.run / "forwarder.sock")
        self._next_logs = 0.0

    def poll(self, until: float) -> None:
        """Record until this instant."""
        while (now := time.monotonic()) < until:
            if now >= self._next_logs:
                self._read_logs()
                self._next_logs = time.monotonic() + READ_LOGS_EVERY
            pause = max(0.0, min(until, self._next_logs) - time.monotonic())
            if self._forwarder is None:
                time.sleep(pause)
            else:
                self._hear(self._forwarder, pause)

    def up(self) -> int:
        """In how many eyes a tunnel is up: two for each tunnel that is, or one where the branches have no BFD."""
        return sum(self._up.values())

    def close(self) -> None:
        """Stop recording."""
        for _, file in self._logs:
            file.close()
        if self._forwarder is not None:
            self._forwarder.close()

    def _hear(self, forwarder: Reader, pause: float) -> None:
        try:
            for liveness in forwarder.heard(pause):
                self._record(from_forwarder(liveness))
        except OSError:
            if not self.lost or time.monotonic() - self.lost[-1] > 1.0:
                self.lost.append(time.monotonic())
            time.sleep(min(pause, 0.1))

    def _read_logs(self) -> None:
        epoch = time.monotonic() - time.time()
        for log, file in self._logs:
            for change in log.feed(file.read(), epoch):
                self._record(change)

    def _record(self, change: Change | None) -> None:
        if change is not None:
            self._up[change.eye, change.tunnel] = change.kind is None
            self.changes.append(change)


def _logs(network: SoakNetwork) -> Iterator[tuple[BirdLog, TextIO]]:
    """The log of each BIRD. It waits for as many packets as the other side says that it may miss."""
    wanted = network.wanted
    interval = wanted.interval_ms / 1000
    of_branch = interval * (wanted.multiplier if wanted.plain_bird else TRANSMIT_MULTIPLIER)
    by_branch: dict[str, dict[str, str]] = {}
    for branch, tunnel in network.tunnels:
        by_branch.setdefault(branch.name, {})[tunnel.hub_link] = tunnel.name
    for name, addresses in by_branch.items() if wanted.bfd else ():
        yield BirdLog(Eye.BRANCH, addresses, of_branch), network.bird_log(name).open()
    if wanted.plain_bird:
        addresses = {tunnel.branch_link: tunnel.name for _, tunnel in network.tunnels}
        yield BirdLog(Eye.HUB, addresses, interval * wanted.multiplier), network.bird_log("hub").open()


class Reader:
    """A Reader is connected to forwarder.sock as one, and connects again when the forwarder has closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._lines = LineReader()

    def heard(self, pause: float) -> list[Mapping[str, Any]]:
        """Each LIVENESS that comes within so many seconds; after a connection, of every tunnel.

        Raises:
            OSError: nobody answers, or the forwarder has closed.
        """
        connection = self._socket or self._connect()
        if not select.select([connection], [], [], pause)[0]:
            return []
        data = connection.recv(1 << 16)
        if not data:
            self.close()
            raise ConnectionResetError("the forwarder has closed the connection")
        return [each for message in self._lines.feed(data) for each in _liveness(message)]

    def close(self) -> None:
        """Leave the forwarder."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(self._path))
            connection.sendall(encode(greeting("reader")))
        except OSError:
            connection.close()
            raise
        self._lines, self._socket = LineReader(), connection
        return connection


def _liveness(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if "liveness" in message:
        return [message["liveness"]]
    return list(message["snapshot"]["tunnels"]) if "snapshot" in message else []


class Watchers:
    """A Watchers is the watcher of the machine's freezes (soak_watcher.py), and one of each processor."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._watchers: dict[int | None, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start them all, and come back when they watch."""
        for processor in (None, *sorted(os.sched_getaffinity(0))):
            program = str(Path(__file__).with_name("soak_watcher.py"))
            options = [] if processor is None else ["--processor", str(processor)]
            with self._file(processor).open("wb") as file:
                command = [*ENDS_WITH_US, sys.executable, program, *options]
                self._watchers[processor] = subprocess.Popen(command, stdout=file)
        deadline = time.monotonic() + 20
        while any(b"\n" not in self._file(processor).read_bytes() for processor in self._watchers):
            if time.monotonic() > deadline:
                raise SystemExit("the watchers of the machine's freezes do not start")
            time.sleep(0.02)

    def pid(self) -> int:
        """The process whose gaps are the machine's freezes."""
        return self._watchers[None].pid

    def goes_first(self) -> bool:
        """Whether the one that counts really runs before every other program, with its memory locked."""
        said = self._lines(None)[0]
        return said["scheduling"] == "deadline" and bool(said["locked"])

    def freezes(self) -> list[Span]:
        """What they have seen by now."""
        return [
            Span(line["begins"], line["ends"], processor)
            for processor in self._watchers
            for line in self._lines(processor)[1:]
        ]

    def stop(self) -> None:
        """End them."""
        for watcher in self._watchers.values():
            watcher.kill()
            watcher.wait()

    def _file(self, processor: int | None) -> Path:
        return self._directory / f"watcher-{'any' if processor is None else processor}.jsonl"

    def _lines(self, processor: int | None) -> list[dict[str, Any]]:
        *whole, _ = self._file(processor).read_text().split("\n")
        return [json.loads(line) for line in whole]
