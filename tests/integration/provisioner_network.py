"""A hub with two uplinks, an ISP behind both, and a branch with a WireGuard tunnel that belongs to the first uplink.

hlan 10.0.0.10 -- lan hub ua 198.51.100.2/29 -- 198.51.100.1 isp 192.0.2.1 -- 192.0.2.2 u branch lan -- 10.1.0.10 blan
                      hub ub 203.0.113.2/29 --- 203.0.113.1
hub wgX 10.255.0.0/31 ===================================================== 10.255.0.1/31 branch wgY

The hub's own default route goes by ub, so that what is not pinned leaves by the wrong uplink. WireGuard is the kernel's
where it has it, else wireguard-go.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from made_network import MadeNetwork, run, wait_for

from hub.provisioner.wanted import NOTHING, Wanted, WantedUplink, WantedWireGuard

MARK, PORT = 28673, 51001
TELKOM = WantedUplink("telkom", "telkom", "ua", "198.51.100.1", "198.51.100.2", MARK)
BIZNET = WantedUplink("biznet", "biznet", "ub", "dhcp", None, MARK + 1)


class Network(MadeNetwork):
    def __init__(self) -> None:
        self.unique = f"{os.getpid()}-{time.monotonic_ns() % 1_000_000}"
        self.hub, self.isp, self.branch, self.hlan, self.blan = (
            f"pm-up-{name}-{self.unique}" for name in ("h", "i", "b", "hl", "bl")
        )
        number = time.monotonic_ns() % 100_000
        self.wg, self.branch_wg = f"wgh{os.getpid()}x{number}"[:15], f"wgb{os.getpid()}x{number}"[:15]
        self.processes: list[subprocess.Popen[str]] = []
        self.kernel = False

    @property
    def wanted(self) -> Wanted:
        tunnel = WantedWireGuard(
            "bandung/fiber", self.wg, ("10.255.0.0/31",), 1420, "telkom", MARK, PORT, (), None, 0, preshared=False
        )
        return replace(NOTHING, uplinks=(BIZNET, TELKOM), wireguard=(tunnel,))

    def build(self) -> None:
        for name in (self.hub, self.isp, self.branch, self.hlan, self.blan):
            run("ip", "netns", "add", name)
            settings = ("net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0", "net.ipv4.ip_forward=1")
            self.within(name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", *settings)
            run("ip", "-n", name, "link", "set", "lo", "up")
        self._cable(self.hub, "ua", "198.51.100.2/29", self.isp, "ia", "198.51.100.1/29")
        self._cable(self.hub, "ub", "203.0.113.2/29", self.isp, "ib", "203.0.113.1/29")
        self._cable(self.branch, "u", "192.0.2.2/29", self.isp, "ic", "192.0.2.1/29")
        self._cable(self.hlan, "eth0", "10.0.0.10/24", self.hub, "lan", "10.0.0.1/24")
        self._cable(self.blan, "eth0", "10.1.0.10/24", self.branch, "lan", "10.1.0.1/24")
        run("ip", "-n", self.isp, "address", "add", "203.0.113.3/29", "dev", "ib")
        for name, gateway in ((self.branch, "192.0.2.1"), (self.hlan, "10.0.0.1"), (self.blan, "10.1.0.1")):
            run("ip", "-n", name, "route", "add", "default", "via", gateway)
        self.lease("203.0.113.1")

    def lease(self, gateway: str, interface: str = "ub") -> None:
        """The hub's own default route, as a DHCP client sets it."""
        run("ip", "-n", self.hub, "route", "replace", "default", "via", gateway, "dev", interface, "proto", "dhcp")

    def _cable(self, left: str, name: str, address: str, right: str, other: str, there: str) -> None:
        run("ip", "-n", left, "link", "add", "name", name, "type", "veth", "peer", "name", other, "netns", right)
        for namespace, interface, own in ((left, name, address), (right, other, there)):
            run("ip", "-n", namespace, "address", "add", own, "dev", interface)
            run("ip", "-n", namespace, "link", "set", interface, "up")

    def tunnel(self, to: str = "198.51.100.2", *, mark: bool = True) -> None:
        """The two ends of the tunnel, the branch's connecting to this address of the hub."""
        keys = [run("wg", "genkey").strip() for _ in range(2)]
        hub_key, branch_key = keys
        hub_public, branch_public = (run("wg", "pubkey", given=key).strip() for key in keys)
        self._wireguard(self.hub, self.wg)
        self._wireguard(self.branch, self.branch_wg)
        marked = ("fwmark", str(MARK)) if mark else ()
        allowed = "10.255.0.1/32,10.1.0.0/24"
        self.configure(self.hub, self.wg, hub_key, "listen-port", str(PORT), *marked, "peer", branch_public,
                       "allowed-ips", allowed)  # fmt: skip
        self.configure(self.branch, self.branch_wg, branch_key, "peer", hub_public, "allowed-ips", "0.0.0.0/0",
                       "endpoint", f"{to}:{PORT}", "persistent-keepalive", "1")  # fmt: skip
        for namespace, name, address, lan, near in (
            (self.hub, self.wg, "10.255.0.0/31", "10.1.0.0/24", "10.255.0.1"),
            (self.branch, self.branch_wg, "10.255.0.1/31", "10.0.0.0/24", "10.255.0.0"),
        ):
            run("ip", "-n", namespace, "address", "add", address, "dev", name)
            run("ip", "-n", namespace, "link", "set", name, "mtu", "1420", "up")
            run("ip", "-n", namespace, "route", "add", lan, "via", near, "dev", name)
        wait_for(self.answers, "the tunnel to answer")

    def _wireguard(self, namespace: str, name: str) -> None:
        made = subprocess.run(
            ["ip", "-n", namespace, "link", "add", "name", name, "type", "wireguard"], capture_output=True, check=False
        )
        self.kernel = made.returncode == 0
        if self.kernel:
            return
        command = ["ip", "netns", "exec", namespace, "wireguard-go", "-f", name]
        environment = {**os.environ, "LOG_LEVEL": "error", "GOMAXPROCS": "1"}
        self.processes.append(
            subprocess.Popen(command, text=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        # `wg` takes a socket that is only bound for a dead one's, and deletes it: the flag is __SO_ACCEPTCON.
        listening = re.compile(rf" 00010000 .*/{name}\.sock$", re.MULTILINE)
        wait_for(lambda: listening.search(self.within(namespace, "cat", "/proc/net/unix")), "wireguard-go")

    def configure(self, namespace: str, name: str, key: str, *rest: str) -> None:
        self.within(namespace, "wg", "set", name, "private-key", "/proc/self/fd/0", *rest, given=f"{key}\n")

    def answers(self) -> bool:
        done = subprocess.run(
            ["ip", "netns", "exec", self.hub, "ping", "-qc1", "-W1", "10.255.0.1"], capture_output=True, check=False
        )
        return done.returncode == 0

    def destroy(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
        for name in (self.hub, self.isp, self.branch, self.hlan, self.blan):
            run("ip", "netns", "del", name, check=False)

    def within(self, namespace: str, *command: str, check: bool = True, given: str | None = None) -> str:
        return run("ip", "netns", "exec", namespace, *command, check=check, given=given)

    def rules(self) -> list[str]:
        """Those that are not the kernel's own."""
        shown = run("ip", "-n", self.hub, "rule", "show").splitlines()
        return [" ".join(line.split()) for line in shown if "lookup local" not in line and line[:5] < "32766"]

    def table(self, number: int) -> list[str]:
        shown = run("ip", "-n", self.hub, "route", "show", "table", str(number), check=False)
        return [line.strip() for line in shown.splitlines()]

    def way(self, *asked: str) -> str:
        """The interface that such packets take, or that they take none."""
        done = subprocess.run(
            ["ip", "-n", self.hub, "-j", "route", "get", *asked], capture_output=True, text=True, check=False
        )
        return str(json.loads(done.stdout)[0].get("dev")) if done.returncode == 0 else done.stderr.strip()

    def heard_from(self) -> str:
        """The hub's address from which the branch heard it last."""
        shown = self.within(self.branch, "wg", "show", self.branch_wg, "endpoints").split()[1]
        return shown.rpartition(":")[0]

    @contextmanager
    def slice(self, name: str, state: Path) -> Iterator[Slice]:
        script = Path(__file__).with_name("provisioner_slice_process.py")
        command = ["ip", "netns", "exec", self.hub, sys.executable, str(script), name, str(state)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        try:
            yield Slice(process)
        finally:
            process.kill()
            process.communicate()


class Slice:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, ask: str, wanted: Wanted = NOTHING) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"ask": ask, "wanted": asdict(wanted)}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())
