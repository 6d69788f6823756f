"""What the kernel tells of its routes and nexthops while something happens."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

from fib_namespaces import Network
from made_network import wait_for


class monitored:  # noqa: N801  reads as a word in a with statement
    """What `ip monitor` says while the block runs."""

    def __init__(self, network: Network, directory: Path, *objects: str) -> None:
        self._network, self._path, self._objects = network, directory / "monitor", objects

    def __enter__(self) -> Any:
        file = self._path.open("w+")
        command = ["ip", "-n", self._network.hub, "monitor", *self._objects]
        self._process = subprocess.Popen(command, stdout=file)
        file.close()
        marker = ("ip", "route", "add", "203.0.113.0/24", "dev", "lo", "table", "77")
        nexthop = ("ip", "nexthop", "add", "id", "77", "dev", "lo")
        wait_for(lambda: self._heard_marker(marker, nexthop), "ip monitor to listen")
        self._skip = len(self._path.read_text())
        return self._seen

    def _seen(self) -> str:
        """Without what the kernel does by itself: IPv6 addresses of links come when they please."""
        lines = self._path.read_text()[self._skip :].splitlines(keepends=True)
        return "".join(line for line in lines if "proto kernel" not in line)

    def _heard_marker(self, marker: tuple[str, ...], nexthop: tuple[str, ...]) -> bool:
        wanted = [marker] if "route" in self._objects else []
        wanted += [nexthop] if "nexthop" in self._objects else []
        for command in wanted:
            self._network.in_hub(*command, check=False)
            undo = tuple("del" if word == "add" else word for word in command)
            self._network.in_hub(*(undo[:5] if "nexthop" in undo else undo), check=False)
        size = len(self._path.read_text())
        time.sleep(0.05)
        return size > 0 and len(self._path.read_text()) == size

    def __exit__(self, *_error: object) -> None:
        time.sleep(0.1)
        self._process.terminate()
        self._process.wait()
