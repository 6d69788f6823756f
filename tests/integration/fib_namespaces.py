"""A hub and a branch in two namespaces, joined by two veth pairs that stand for tunnels, and a forwarder between them.

hub   t1 10.255.0.0/31 ------ 10.255.0.1/31 p1   branch
      t2 10.255.0.2/31 ------ 10.255.0.3/31 p2          lan 10.1.0.1/24 (on lo)
      and fd00:ff::N/127 beside each; lan 2001:db8:1::1; the hub's own 10.0.0.1 and 2001:db8::1 (on lo)
      wan 192.0.2.1/24, the default route
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from made_network import DEADLINE, MadeNetwork, run, wait_for

PREFIX6 = "2001:db8:1::/48"
A, B = "bandung/fiber", "bandung/wireless"
PREFIX = "10.1.0.0/24"


class Network(MadeNetwork):
    def __init__(self) -> None:
        unique = f"{os.getpid()}-{time.monotonic_ns() % 1_000_000}"
        self.hub, self.branch = f"pm-fib-h-{unique}", f"pm-fib-b-{unique}"

    def build(self) -> None:
        for name in (self.hub, self.branch):
            run("ip", "netns", "add", name)
            quick_ipv6 = ("net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
            run("ip", "netns", "exec", name, "sysctl", "-qw", *quick_ipv6, "net.ipv6.conf.all.forwarding=1")
            run("ip", "-n", name, "link", "set", "lo", "up")
        for number in (1, 2):
            self.add_tunnel(number)
        self.in_hub("ip", "link", "add", "wan", "type", "veth", "peer", "name", "isp", "netns", self.branch)
        self.in_hub("ip", "addr", "add", "192.0.2.1/24", "dev", "wan")
        self.in_hub("ip", "link", "set", "wan", "up")
        run("ip", "-n", self.branch, "link", "set", "isp", "up")
        self.in_hub("ip", "route", "add", "default", "via", "192.0.2.2")
        self.in_hub("sysctl", "-qw", "net.ipv4.ip_forward=1")
        for address in ("10.1.0.1/24", "2001:db8:1::1/128"):
            run("ip", "-n", self.branch, "addr", "add", address, "dev", "lo")
        for address in ("10.0.0.1/32", "2001:db8::1/128"):
            self.in_hub("ip", "addr", "add", address, "dev", "lo")
        self.branch_goes_by(1)

    def branch_goes_by(self, number: int) -> None:
        """The branch sends what is for the hub's prefixes through this tunnel, for both IP versions."""
        last = 2 * number - 2
        run("ip", "-n", self.branch, "route", "replace", "10.0.0.0/16", "via", f"10.255.0.{last}")
        run("ip", "-n", self.branch, "-6", "route", "replace", "2001:db8::/48", "via", f"fd00:ff::{last:x}")

    def add_tunnel(self, number: int) -> None:
        hub, branch = f"10.255.0.{2 * number - 2}/31", f"10.255.0.{2 * number - 1}/31"
        self.in_hub(
            "ip", "link", "add", f"t{number}", "type", "veth", "peer", "name", f"p{number}", "netns", self.branch
        )
        self.in_hub("ip", "addr", "add", hub, "dev", f"t{number}")
        run("ip", "-n", self.branch, "addr", "add", branch, "dev", f"p{number}")
        self.in_hub("ip", "addr", "add", f"fd00:ff::{2 * number - 2:x}/127", "dev", f"t{number}")
        run("ip", "-n", self.branch, "addr", "add", f"fd00:ff::{2 * number - 1:x}/127", "dev", f"p{number}")
        run("ip", "-n", self.branch, "link", "set", f"p{number}", "up")
        self.in_hub("ip", "link", "set", f"t{number}", "up")

    def destroy(self) -> None:
        for name in (self.hub, self.branch):
            run("ip", "netns", "del", name, check=False)

    def in_hub(self, *command: str, check: bool = True) -> str:
        return run("ip", "netns", "exec", self.hub, *command, check=check)

    def cut(self, number: int) -> None:
        """The branch hears nothing over this tunnel any more; no link goes down."""
        in_branch = ("ip", "netns", "exec", self.branch)
        table, hook = f"cut{number}", "{ type filter hook input priority 0; }"
        run(*in_branch, "nft", f"add table ip {table}; add chain ip {table} in {hook}")
        run(*in_branch, "nft", f"add rule ip {table} in iifname p{number} drop")

    def heal(self, number: int) -> None:
        run("ip", "netns", "exec", self.branch, "nft", f"delete table ip cut{number}")

    def way_to(self, address: str = "10.1.0.9") -> str:
        """The interface that packets to an address take, or what is said instead."""
        done = subprocess.run(
            ["ip", "-n", self.hub, "-j", "route", "get", address], capture_output=True, text=True, check=False
        )
        if '"type":"unreachable"' in done.stdout:
            return "No route to host"
        return str(json.loads(done.stdout)[0].get("dev")) if done.returncode == 0 else done.stderr.strip()

    def routes(self, *selector: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.in_hub("ip", "-j", "-d", "route", "show", *selector) or "[]")
        return found

    def routes6(self, *selector: str) -> list[str]:
        return [line.strip() for line in self.in_hub("ip", "-6", "route", "show", *selector).splitlines()]


class ForwarderProcess:
    def __init__(self, network: Network, directory: Path) -> None:
        self.network, self.directory = network, directory
        self.socket = directory / "forwarder.sock"
        self.state = directory / "forwarder.json"
        self.process: subprocess.Popen[str] | None = None

    def start(self, *options: str) -> None:
        where = ("--run-dir", str(self.directory), "--state-dir", str(self.directory))
        command = ["ip", "netns", "exec", self.network.hub, sys.executable, "-m", "hub.forwarder", *where, *options]
        with (self.directory / "stderr").open("a") as errors:
            self.process = process = subprocess.Popen(command, stderr=errors, text=True)
        wait_for(lambda: self._answers() or process.poll() is not None, "the forwarder's socket")

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
            return True

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def said(self) -> str:
        return (self.directory / "stderr").read_text()

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.kill()


class Controller:
    """A connection to the forwarder that keeps all it hears."""

    def __init__(self, path: Path, role: str = "controller", version: int = 1) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.settimeout(0.05)
        self.heard: list[dict[str, Any]] = []
        self._rest = b""
        self.say({"pointsman": version, "role": role})

    def say(self, line: dict[str, Any]) -> None:
        self.socket.sendall(json.dumps(line).encode() + b"\n")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> bool:
        """Read what waits; False when the connection is over."""
        try:
            data = self.socket.recv(1 << 20)
        except TimeoutError:
            return True
        except ConnectionError:
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.heard += [json.loads(line) for line in lines]
        return bool(data)

    def wait(self, what: str, condition: Callable[[Any], bool] = lambda _value: True) -> Any:
        """The newest message of a kind that fulfils the condition."""

        def newest() -> Any:
            self.read()
            found = [line[what] for line in self.heard if what in line and condition(line[what])]
            return found[-1:] or None

        return wait_for(newest, f"{what} in {self.heard[-5:]}")[0]

    def forget(self) -> None:
        """Wait only for what comes from now on."""
        self.heard.clear()

    def __enter__(self) -> Controller:
        return self

    def __exit__(self, *_error: object) -> None:
        self.socket.close()


def tunnel(name: str, number: int, interval_ms: int = 50) -> dict[str, Any]:
    timers = {"method": "icmp", "interval_ms": interval_ms, "multiplier": 3}
    return {
        "name": name,
        "branch": "bandung",
        "interface": f"t{number}",
        "local": f"10.255.0.{2 * number - 2}",
        "remote": f"10.255.0.{2 * number - 1}",
        "local6": f"fd00:ff::{2 * number - 2:x}",
        "remote6": f"fd00:ff::{2 * number - 1:x}",
        "isp": f"isp{number}",
        "hub_uplink": f"up{number}",
        "active": timers,
        "idle": timers,
    }


def set_tunnels() -> dict[str, Any]:
    return {"set": "tunnels", "tunnels": [tunnel(A, 1), tunnel(B, 2)]}


def order(epoch: int = 0, active: str | None = A, prefixes: list[str] | None = None) -> dict[str, Any]:
    return {
        "name": "bandung",
        "branch": "bandung",
        "prefixes": prefixes or [PREFIX],
        "order": [A, B],
        "active": active,
        "reason": "wanted",
        "based_on_epoch": epoch,
    }


def set_classes(**changes: Any) -> dict[str, Any]:
    wanted = order(**changes)
    probe = {"prefixes": ["10.0.0.0/16", "2001:db8::/48"], "prefer": None}
    return {"set": "classes", "classes": [wanted], "unreachable": wanted["prefixes"], "probe": probe}
