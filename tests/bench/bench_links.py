"""Two namespaces joined by veth pairs that stand for tunnels, with one BIRD as the far end of all of them.

    hub namespace                         far namespace
    what is measured    t0 == veth == p0  BIRD: a static BFD neighbor a tunnel, no BGP
                        t1 == veth == p1  every address of 10.0.0.0/9 is its own

Plain veth pairs: this measures the hub, not the ciphers. Neighbor entries are permanent, because the kernel's table of
them is one for all namespaces and is full at 1,024.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 60.0
"""Seconds for whatever must happen; other work may share the machine."""
_CLONE_NEWNET = 0x40000000
_BIRD = """\
router id 10.255.255.255;
log "{directory}/far.log" all;
protocol device {{}}
protocol bfd {{
    interface "*" {{ interval {interval} ms; multiplier {multiplier}; }};
{neighbors}
}}
"""


def command(*words: str, text: str | None = None) -> str:
    """Run a command that must succeed; what it printed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, input=text)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """What the condition returns as soon as it is true."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise SystemExit(f"waited {patience:g} s for {what}")


@contextmanager
def in_namespace(name: str) -> Iterator[None]:
    """Sockets that this thread opens within the block belong to the namespace, also after it."""
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(there, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter namespace {name}")
        yield
    finally:
        libc.setns(here, _CLONE_NEWNET)
        os.close(here)
        os.close(there)


def hub_address(number: int) -> str:
    """The hub's end of a tunnel."""
    return f"10.255.{2 * number >> 8}.{2 * number & 255}"


def far_address(number: int) -> str:
    """The far end of a tunnel."""
    return f"10.255.{2 * number >> 8}.{(2 * number & 255) + 1}"


class Links:
    """A Links is the two namespaces and what runs in them; to be used in a with statement, which removes it all."""

    def __init__(self, name: str, count: int, interval_ms: int = 50, multiplier: int = 3) -> None:
        self.hub, self.far = f"{name}-hub", f"{name}-far"
        self.count, self.interval_ms, self.multiplier = count, interval_ms, multiplier
        self.directory = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Links:
        try:
            self._build()
        except BaseException:
            self.take_down()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.take_down()

    def take_down(self) -> None:
        """End what was started and remove the namespaces."""
        for process in self._processes:
            self.end(process)
        for name in (self.hub, self.far):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        subprocess.run(["rm", "-rf", str(self.directory)], check=False)

    def start(self, namespace: str, *words: str, quiet: bool = False) -> subprocess.Popen[bytes]:
        """Start a process in a namespace; it is ended with the network.

        It has real-time priority, as under `pointsman run`: all daemons, ours and BIRD, so that other work on the
        machine takes nothing from either.
        """
        words = ("chrt", "--rr", "1", *words) if not quiet else words
        with (self.directory / "log").open("ab") as log:
            out = subprocess.DEVNULL if quiet else log
            process = subprocess.Popen(["ip", "netns", "exec", namespace, *words], stdout=out, stderr=log)
        self._processes.append(process)
        return process

    @staticmethod
    def end(process: subprocess.Popen[bytes]) -> None:
        """End a process at once."""
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def start_far_bird(self) -> None:
        """BIRD at the far end of every tunnel."""
        self._bird(self.far, "p", "far", lambda n: (hub_address(n), far_address(n)))

    def start_hub_bird(self) -> subprocess.Popen[bytes]:
        """BIRD in place of the forwarder."""
        return self._bird(self.hub, "t", "hub", lambda n: (far_address(n), hub_address(n)))

    def start_forwarder(self, *options: str) -> subprocess.Popen[bytes]:
        """The forwarder, once its socket is there."""
        where = ("--run-dir", str(self.directory), "--state-dir", str(self.directory))
        process = self.start(self.hub, sys.executable, "-m", "hub.forwarder", *where, *options)
        until(lambda: self.socket.exists() or process.poll() is not None, "the forwarder's socket")
        return process

    @property
    def socket(self) -> Path:
        """The forwarder's socket."""
        return self.directory / "forwarder.sock"

    def sessions_up(self, at: str = "far") -> int:
        """How many BFD sessions a BIRD holds up at the wanted interval."""
        answer = subprocess.run(
            ["birdc", "-s", str(self.directory / f"{at}.ctl"), "show", "bfd", "sessions"],
            capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip
        wanted = f"{self.interval_ms / 1000:.3f}"
        rows = [line.split() for line in answer.splitlines()]
        return sum(len(row) > 4 and row[2] == "Up" and row[4] == wanted for row in rows)

    def cut(self, number: int) -> None:
        """Drop every packet of a tunnel, both ways and silently: no link goes down."""
        rules = (
            f"add table inet cut{number}\n"
            f"add chain inet cut{number} in {{ type filter hook prerouting priority -300; }}\n"
            f"add chain inet cut{number} out {{ type filter hook postrouting priority 300; }}\n"
            f"add rule inet cut{number} in iifname p{number} drop\n"
            f"add rule inet cut{number} out oifname p{number} drop\n"
        )
        command("ip", "netns", "exec", self.far, "nft", "-f", "-", text=rules)

    def heal(self, number: int) -> None:
        """Undo `cut`."""
        command("ip", "netns", "exec", self.far, "nft", f"delete table inet cut{number}")

    def tunnel(self, number: int, branch: str, method: str = "bfd") -> dict[str, Any]:
        """The tunnel as the forwarder is told of it."""
        timers = {"method": method, "interval_ms": self.interval_ms, "multiplier": self.multiplier}
        return {
            "name": f"{branch}/{number}", "branch": branch, "interface": f"t{number}",
            "local": hub_address(number), "remote": far_address(number),
            "isp": f"isp{number}", "hub_uplink": f"up{number}", "active": timers, "idle": timers,
        }  # fmt: skip

    def _build(self) -> None:
        for name in (self.hub, self.far):
            command("ip", "netns", "add", name)
            no_filter = ("net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
            six_off = ("net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
            command("ip", "netns", "exec", name, "sysctl", "-qw", *no_filter, *six_off, "net.ipv4.ip_forward=1")
        hub, far = ["link set lo up"], ["link set lo up", "route add local 10.0.0.0/9 dev lo"]
        for n in range(self.count):
            macs = f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}", f"02:00:00:01:{n >> 8:02x}:{n & 255:02x}"
            hub.append(f"link add t{n} address {macs[0]} type veth peer name p{n} address {macs[1]} netns {self.far}")
            hub += _end_of(f"t{n}", hub_address(n), far_address(n), macs[1])
            far += _end_of(f"p{n}", far_address(n), hub_address(n), macs[0])
        command("ip", "-n", self.hub, "-batch", "-", text="\n".join(hub) + "\n")
        command("ip", "-n", self.far, "-batch", "-", text="\n".join(far) + "\n")

    def _bird(
        self, namespace: str, prefix: str, name: str, ends: Callable[[int], tuple[str, str]]
    ) -> subprocess.Popen[bytes]:
        pairs = [(n, *ends(n)) for n in range(self.count)]
        neighbors = "\n".join(f'    neighbor {to} dev "{prefix}{n}" local {own};' for n, to, own in pairs)
        configuration = self.directory / f"{name}.conf"
        configuration.write_text(
            _BIRD.format(
                directory=self.directory, interval=self.interval_ms, multiplier=self.multiplier, neighbors=neighbors
            )
        )
        control = self.directory / f"{name}.ctl"
        process = self.start(namespace, "bird", "-f", "-c", str(configuration), "-s", str(control))
        until(control.exists, "BIRD's control socket")
        return process


def _end_of(interface: str, own: str, other: str, mac: str) -> list[str]:
    return [
        f"addr add {own}/31 dev {interface}",
        f"link set {interface} up",
        f"neigh replace {other} lladdr {mac} dev {interface} nud permanent",
    ]


class Orders:
    """An Orders is the controller's connection to the forwarder; it keeps what the forwarder said, with its arrival."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.heard: list[tuple[float, dict[str, Any]]] = []
        self._rest = b""
        self.say({"pointsman": 1, "role": "controller"})
        self.wait("snapshot")

    def say(self, line: dict[str, Any]) -> None:
        """Send one line."""
        self.socket.settimeout(PATIENCE)
        self.socket.sendall(json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def read(self, seconds: float) -> None:
        """Read what comes within this time, once."""
        self.socket.settimeout(max(seconds, 0.0001))
        try:
            data = self.socket.recv(1 << 20)
        except TimeoutError:
            return
        if not data:
            raise SystemExit(f"the forwarder closed the connection; it said {str(self.heard[-1:])[-300:]}")
        at = time.monotonic()
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.heard += [(at, json.loads(line)) for line in lines]

    def find(self, kind: str, matches: Callable[[Any], bool] = lambda _value: True) -> tuple[float, Any] | None:
        """The first line of this kind that matches, and when it arrived."""
        return next(((at, line[kind]) for at, line in self.heard if kind in line and matches(line[kind])), None)

    def wait(self, kind: str, matches: Callable[[Any], bool] = lambda _value: True) -> tuple[float, Any]:
        """The same, waited for."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = self.find(kind, matches)
            if found:
                return found
            self.read(0.02)
        raise SystemExit(f"waited {PATIENCE:g} s for {kind}; the forwarder said {str(self.heard)[-2000:]}")

    def forget(self) -> None:
        """Wait only for what comes from now on."""
        self.heard.clear()

    def status(self) -> dict[str, Any]:
        """The forwarder's snapshot of now."""
        self.forget()
        self.say({"get": "status"})
        answer: dict[str, Any] = self.wait("status")[1]
        return answer

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def prefixes(count: int, first: int = 0) -> list[str]:
    """So many /26 of 10.0.0.0/9, from the `first` one on."""
    numbers = range(first, first + count)
    return [f"10.{n >> 10}.{n >> 2 & 255}.{(n & 3) << 6}/26" for n in numbers]


def forwarding_class(
    branch: str, order: Sequence[str], held: Sequence[str], active: str | None = None, epoch: int = 0
) -> dict[str, Any]:
    """A class as the forwarder is told of it."""
    return {
        "name": branch, "branch": branch, "prefixes": list(held), "order": list(order),
        "active": active, "reason": "bench", "based_on_epoch": epoch,
    }  # fmt: skip


def set_classes(classes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The line that sets them, with unreachable routes below, as the controller sends it."""
    below = [prefix for each in classes for prefix in each["prefixes"]]
    return {"set": "classes", "classes": list(classes), "unreachable": below, "probe": {"prefixes": [], "prefer": None}}
