"""A hub and a branch in two namespaces, joined by one cable; the hub's ends of two tunnels are the provisioner's.

hub   wan 198.51.100.1/24 ------ 198.51.100.2/24 wan   branch
      NAME1 10.255.0.0/31, fd00:ff::/127  ==== 10.255.0.1/31, fd00:ff::1/127
      NAME2 10.255.0.2/31, fd00:ff::2/127 ==== 10.255.0.3/31, fd00:ff::3/127
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from made_network import DEADLINE, MadeNetwork, run, wait_for

from hub.provisioner.keys.folder import TunnelKeys
from hub.provisioner.keys.store import KeyStore

NETWORK = "test-net"
HUB_ADDRESS = "198.51.100.1"
_DRIVER = Path(__file__).with_name("wireguard_apply.py")
_unique = itertools.count(os.getpid() % 5000 * 20)
Wanted = dict[str, Any]


@dataclass
class Ping:
    """A Ping goes on until it is told to stop."""

    process: subprocess.Popen[str]

    def stop(self) -> int:
        """How many were lost between the first and the last answer; the very last ones may still be on their way."""
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=DEADLINE)
        answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ", out)}
        assert len(answered) > 10, out
        assert int(re.findall(r"(\d+) packets transmitted", out)[0]) - max(answered) < 20
        return max(answered) - len(answered)


class Site(MadeNetwork):
    """A Site is both namespaces, and the hub's state directory."""

    def __init__(self, state: Path) -> None:
        self.state = state
        number = next(_unique)
        self.hub, self.branch = f"pm-wg-h-{number}", f"pm-wg-b-{number}"
        self.name = f"w{number}"
        self.said: list[str] = []

    def build(self) -> None:
        for namespace in (self.hub, self.branch):
            self.run("ip", "netns", "add", namespace)
            self.run("ip", "-n", namespace, "link", "set", "lo", "up")
        self.run("ip", "-n", self.hub, "link", "add", "wan", "type", "veth", "peer", "wan", "netns", self.branch)
        for namespace, address in ((self.hub, HUB_ADDRESS), (self.branch, "198.51.100.2")):
            self.run("ip", "-n", namespace, "address", "add", f"{address}/24", "dev", "wan")
            self.run("ip", "-n", namespace, "link", "set", "wan", "up")
        self.run("ip", "-n", self.branch, "address", "add", "10.1.0.1/32", "dev", "lo")

    def destroy(self) -> None:
        for namespace in (self.hub, self.branch):
            for name in self.interfaces(namespace):
                if name.startswith(self.name):
                    self.run("ip", "-n", namespace, "link", "delete", name, check=False)
        names = [f"{self.name}{end}{n}" for end in "hb" for n in (1, 2)]
        wait_for(lambda: not [name for name in names if self.daemons(name)], "the end of wireguard-go")
        for namespace in (self.hub, self.branch):
            self.run("ip", "netns", "delete", namespace, check=False)

    def run(self, *command: str, check: bool = True, text: str | None = None) -> str:
        return run(*command, check=check, given=text)

    def in_hub(self, *command: str, check: bool = True) -> str:
        return self.run("ip", "netns", "exec", self.hub, *command, check=check)

    def in_branch(self, *command: str, check: bool = True, text: str | None = None) -> str:
        return self.run("ip", "netns", "exec", self.branch, *command, check=check, text=text)

    def interfaces(self, namespace: str) -> list[str]:
        return [each["ifname"] for each in self.links(namespace)]

    def links(self, namespace: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run("ip", "-n", namespace, "-d", "-j", "link") or "[]")
        return found

    def daemons(self, interface: str) -> list[int]:
        """The processes of wireguard-go for this interface."""
        found = []
        for process in (path.name for path in Path("/proc").iterdir() if path.name.isdecimal()):
            with suppress(OSError):
                words = Path("/proc", process, "cmdline").read_bytes().split(b"\0")
                if words[:1] == [b"wireguard-go"] and interface.encode() in words:
                    found.append(int(process))
        return found

    def hub_interface(self, number: int) -> str:
        return f"{self.name}h{number}"

    def wanted(self, *numbers: int, **changes: Any) -> Wanted:
        """Both tunnels, or those named; `changes` are of the first one."""
        tunnels = [self._tunnel(number) for number in numbers or (1, 2)]
        if tunnels:
            tunnels[0] |= changes
        return {"network": NETWORK, "wireguard": tunnels}

    def _tunnel(self, number: int) -> dict[str, Any]:
        last = 2 * number - 1
        return {
            "tunnel": f"bandung/t{number}",
            "interface": self.hub_interface(number),
            "addresses": [f"10.255.0.{last - 1}/31", f"fd00:ff::{last - 1:x}/127"],
            "mtu": 1420,
            "uplink": "telkom",
            "mark": 0x7001,
            "port": 51000 + number,
            "allowed": ["10.1.0.0/24", f"10.255.0.{last}/32", f"fd00:ff::{last:x}/128"],
            "endpoint": None,
            "keepalive": 0,
            "preshared": False,
        }

    def ask(self, what: str, given: dict[str, Any], stop: str = "") -> Any:
        """What the slice answers in the hub's namespace; None if it died."""
        words = [sys.executable, str(_DRIVER), str(self.state), what, *([stop] if stop else [])]
        done = subprocess.run(
            ["ip", "netns", "exec", self.hub, *words],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[2],
        )
        self.said += [done.stdout, done.stderr]
        if done.returncode == -9:
            return None
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def apply(self, wanted: Wanted, stop: str = "") -> Any:
        return self.ask("apply", wanted, stop)

    def keys(self, number: int = 1) -> TunnelKeys:
        found = KeyStore(self.state / "keys").of(f"bandung/t{number}")
        assert found is not None
        return found

    def connect(self, number: int, keys: TunnelKeys | None = None, *, preshared: bool = False) -> None:
        """Make the branch's end of a tunnel, or give it these keys."""
        name, last = f"{self.name}b{number}", 2 * number - 1
        keys = keys or self.keys(number)
        assert keys.branch is not None
        both = f"PresharedKey = {keys.preshared.reveal()}" if preshared and keys.preshared else ""
        text = f"""
            [Interface]
            PrivateKey = {keys.branch.reveal()}
            [Peer]
            PublicKey = {keys.hub_public}
            {both}
            Endpoint = {HUB_ADDRESS}:{51000 + number}
            AllowedIPs = 0.0.0.0/0, ::/0
            PersistentKeepalive = 1
        """
        if name not in self.interfaces(self.branch):
            command = ["ip", "netns", "exec", self.branch, "setsid", "--fork", "wireguard-go", "-f", name]
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
            ready = f" 00010000 .*/wireguard/{name}.sock"
            listening = ("ip", "netns", "exec", self.branch, "grep", "-q", ready, "/proc/net/unix")
            wait_for(lambda: subprocess.run(listening, check=False).returncode == 0, name)
            for address in (f"10.255.0.{last}/31", f"fd00:ff::{last:x}/127"):
                self.in_branch("ip", "address", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
            self.in_branch("ip", "link", "set", name, "up")
        self.in_branch("wg", "syncconf", name, "/dev/stdin", text=text)

    def answers(self, number: int) -> bool:
        """Whether a packet comes through this tunnel and back, of both IP versions."""
        last = 2 * number - 1
        return all(
            subprocess.run(
                ["ip", "netns", "exec", self.hub, "ping", "-q", "-c", "1", "-W", "1", address],
                stdout=subprocess.DEVNULL,
                check=False,
            ).returncode
            == 0
            for address in (f"10.255.0.{last}", f"fd00:ff::{last:x}")
        )

    @contextmanager
    def pinging(self, number: int) -> Iterator[Ping]:
        command = ["ip", "netns", "exec", self.hub, "ping", "-n", "-i", "0.01", f"10.255.0.{2 * number - 1}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield Ping(process)
            finally:
                if process.poll() is None:
                    process.kill()
