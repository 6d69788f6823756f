"""A relay as a process, with the test in the place of ExaBGP and of controllers."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def opened(address: str) -> str:
    """The event of a neighbor's OPEN that offers both families."""
    capabilities = {"1": {"name": "multiprotocol", "families": ["ipv4/unicast", "ipv6/unicast"]}}
    neighbor = {
        "address": {"local": "10.255.1.0", "peer": address},
        "direction": "receive",
        "open": {"capabilities": capabilities},
    }
    return json.dumps({"exabgp": "5.0.0", "type": "open", "neighbor": neighbor})


class Rig:
    """A relay, and the test in the place of ExaBGP."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "exabgp-1.sock"
        command = [sys.executable, "-m", "speaker.bgp.relay", "--socket", str(self.path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def hear(self) -> str:
        """The next command that ExaBGP is given."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode("ascii").rstrip("\n")

    def say(self, *lines: str) -> None:
        """What ExaBGP writes."""
        assert self.process.stdin is not None
        self.process.stdin.write("".join(line + "\n" for line in lines).encode())
        self.process.stdin.flush()

    def begin(self, *before: str) -> None:
        """The first question of every relay, answered by an ExaBGP without neighbors, and what comes `before` it."""
        assert self.hear() == "show neighbor json"
        self.say(*before, "[]", "done")

    def end(self) -> None:
        """Stop, and leave nothing open."""
        self.process.kill()
        self.process.communicate()


class Client:
    """One connection to the relay."""

    def __init__(self, path: Path, greeting: str = '{"pointsman":1,"role":"controller"}') -> None:
        deadline = time.monotonic() + 20
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(20)
            try:
                self.socket.connect(str(path))
            except OSError:
                self.socket.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                break
        self.lines = self.socket.makefile("rb")
        self.send(greeting)

    def send(self, *lines: str) -> None:
        """Write lines."""
        self.socket.sendall("".join(line + "\n" for line in lines).encode())

    def command(self, line: str, number: int) -> None:
        """Ask for a command."""
        self.send(json.dumps({"command": line, "id": number}))

    def read(self) -> dict[str, Any]:
        """The next message; an empty one at the end."""
        line = self.lines.readline()
        return json.loads(line) if line else {}

    def until(self, key: str) -> list[dict[str, Any]]:
        """The messages up to the first one with this key."""
        read = [self.read()]
        while read[-1] and key not in read[-1]:
            read.append(self.read())
        return read

    def close(self) -> None:
        """Hang up."""
        self.lines.close()
        self.socket.close()
