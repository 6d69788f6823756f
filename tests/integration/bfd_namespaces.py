"""Two namespaces, hub and branch, joined by two links; BIRD in one, the liveness engine's process in the other."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from made_network import MadeNetwork, run

MS = 1_000_000
ENGINE = Path(__file__).with_name("bfd_engine_process.py")
ROOT = Path(__file__).parents[2]
PATIENCE = 20.0
BIRD = """
router id 10.9.0.1;
log "{directory}/bird.log" all;
debug protocols {{ states, events }};
protocol device {{}}
protocol bfd {{
    interface "*" {{ interval {interval} ms; multiplier 3; }};
    neighbor 10.9.0.0 dev "{tag}b0" local 10.9.0.1;
    neighbor 10.9.0.2 dev "{tag}b1" local 10.9.0.3;
}}
"""


class Engine:
    """The engine's process in the hub's namespace, and what it said."""

    def __init__(self, namespace: str) -> None:
        command = ["ip", "netns", "exec", namespace, sys.executable, str(ENGINE)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self.said: list[dict[str, Any]] = []
        self._rest = b""
        self.wait("ready")

    def tell(self, **command: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()

    def read(self, seconds: float) -> list[dict[str, Any]]:
        """The lines of at most so many seconds; empty when nothing came."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], max(seconds, 0))[0]:
            return []
        *lines, self._rest = (self._rest + os.read(self.process.stdout.fileno(), 1 << 16)).split(b"\n")
        fresh = [json.loads(line) for line in lines]
        self.said += fresh
        return fresh

    def wait(self, key: str, matches: Callable[[Any], bool] = lambda _: True) -> Any:
        """The first line of this kind, from now on, that matches."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for line in self.read(deadline - time.monotonic()):
                if key in line and matches(line[key]):
                    return line[key]
        raise AssertionError(f"no {key} in {PATIENCE} s; it said {self.said}")

    def wait_for(self, tunnel: str, state: str) -> dict[str, Any]:
        """The report that the tunnel is in a state now."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            report = self.ask()["reports"][tunnel]
            if report["state"] == state:
                return dict(report)
        raise AssertionError(f"{tunnel} is not {state}; it said {self.said}")

    def ask(self) -> dict[str, Any]:
        """Reports by tunnel, memory and counters."""
        self.tell(ask=True)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for line in self.read(deadline - time.monotonic()):
                if "reports" in line:
                    return {**line, "reports": {report["tunnel"]: report for report in line["reports"]}}
        raise AssertionError("no answer")

    def states(self) -> list[tuple[str, str]]:
        """Every change of liveness that it said."""
        reports = [line["liveness"] for line in self.said if "liveness" in line]
        return [(report["tunnel"], report["state"]) for report in reports]

    def hears_more(self, answers: int = 6, counter: str = "icmp-received") -> None:
        """Wait for so many echo replies, or other packets, from now."""
        before = self.ask()["counters"][counter]
        until("more answers came", lambda: self.ask()["counters"][counter] >= before + answers)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


class Network(MadeNetwork):
    """Two namespaces with two links; the hub's ends are TAG-h0 and TAG-h1."""

    def __init__(self, directory: Path) -> None:
        self.tag = f"pm{os.getpid() % 100000}"
        self.hub, self.branch = f"{self.tag}-hub", f"{self.tag}-branch"
        self.directory = directory
        self.engines: list[Engine] = []
        self.bird: subprocess.Popen[bytes] | None = None

    def build(self) -> None:
        for namespace in (self.hub, self.branch):
            run("ip", "netns", "add", namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")
            self.sysctl(namespace, "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        for link in (0, 1):
            self.connect(link)
        run("ip", "-n", self.hub, "addr", "add", "10.0.0.1/32", "dev", "lo")
        run("ip", "-n", self.branch, "route", "add", "10.0.0.0/16", "via", "10.9.0.0")

    def connect(self, link: int) -> None:
        hub, branch = f"{self.tag}h{link}", f"{self.tag}b{link}"
        run(
            "ip",
            "link",
            "add",
            "name",
            hub,
            "netns",
            self.hub,
            "type",
            "veth",
            "peer",
            "name",
            branch,
            "netns",
            self.branch,
        )
        for namespace, interface, address in ((self.hub, hub, 2 * link), (self.branch, branch, 2 * link + 1)):
            run("ip", "-n", namespace, "addr", "add", f"10.9.0.{address}/31", "dev", interface)
            run("ip", "-n", namespace, "link", "set", interface, "up")

    def cut(self, link: int, *ways: str) -> None:
        """Drop silently what goes `to-branch`, or `to-hub`, over a link; both if none is named."""
        interface = f"{self.tag}b{link}"
        hooks = {"to-branch": ("ingress", "iifname"), "to-hub": ("egress", "oifname")}
        rules = "".join(
            f"chain {way} {{ type filter hook {hook} device {interface} priority 0; "
            f"{match} {interface} ether type ip drop; }}\n".replace("-", "_", 1)
            for way in ways or hooks
            for hook, match in [hooks[way]]
        )
        run("ip", "netns", "exec", self.branch, "nft", f"table netdev cut{link} {{ {rules} }}")

    def filter_echo(self) -> None:
        """The branch answers no echo any more."""
        rule = "chain input { type filter hook input priority 0; icmp type echo-request drop; }\n"
        run("ip", "netns", "exec", self.branch, "nft", f"table ip filtered {{ {rule} }}")

    def heal(self, link: int) -> None:
        """Pass everything again."""
        run("ip", "netns", "exec", self.branch, "nft", "delete", "table", "netdev", f"cut{link}")

    def sysctl(self, namespace: str, *settings: str) -> None:
        run("ip", "netns", "exec", namespace, "sysctl", "-q", "-w", *settings)

    def start_bird(self, interval: int = 50) -> None:
        self.configure_bird(interval)
        files = ["-c", str(self.directory / "bird.conf"), "-s", str(self.directory / "bird.ctl")]
        self.bird = subprocess.Popen(["ip", "netns", "exec", self.branch, "bird", "-f", *files])
        deadline = time.monotonic() + PATIENCE
        while not (self.directory / "bird.ctl").exists():
            assert time.monotonic() < deadline, "BIRD does not start"

    def configure_bird(self, interval: int) -> None:
        text = BIRD.format(directory=self.directory, interval=interval, tag=self.tag)
        (self.directory / "bird.conf").write_text(text)

    def birdc(self, *command: str) -> str:
        return run("birdc", "-s", str(self.directory / "bird.ctl"), *command)

    def bird_states(self) -> list[str]:
        """Every change of a session that BIRD noted."""
        lines = (self.directory / "bird.log").read_text().splitlines()
        return [line for line in lines if "changed state" in line]

    def kill_bird(self) -> None:
        if self.bird is not None:
            self.bird.kill()
            self.bird.wait()
            self.bird = None

    def engine(self) -> Engine:
        self.engines.append(Engine(self.hub))
        return self.engines[-1]

    def specs(self, *links: int, method: str = "bfd", active: int = 50, idle: int = 50) -> list[dict[str, Any]]:
        """The tunnels solo/0 and solo/1 over the links."""

        def timers(interval: int) -> dict[str, Any]:
            return {"method": method, "interval_ns": interval * MS, "multiplier": 3}

        return [
            {
                "name": f"solo/{link}",
                "branch": "solo",
                "interface": f"{self.tag}h{link}",
                "local": f"10.9.0.{2 * link}",
                "remote": f"10.9.0.{2 * link + 1}",
                "isp": f"isp{link}",
                "hub_uplink": "one",
                "active": timers(active),
                "idle": timers(idle),
            }
            for link in links
        ]

    def destroy(self) -> None:
        for engine in self.engines:
            if engine.process.poll() is None:
                engine.kill()
        self.kill_bird()
        for namespace in (self.hub, self.branch):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True)


def bird_is_up(network: Network, interval: str = "0.050") -> bool:
    """Whether BIRD has both sessions up at an interval."""
    lines = [line.split() for line in network.birdc("show", "bfd", "sessions").splitlines() if "10.9.0." in line]
    return len(lines) == 2 and all(line[2] == "Up" and line[4] == interval for line in lines)


def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"never: {what}"
        select.select([], [], [], 0.02)


def pause(seconds: float) -> None:
    """Let time pass, where the passing of time is what is tested."""
    end = time.monotonic() + seconds
    until("the pause is over", lambda: time.monotonic() > end)
