"""A hub with hundreds of branches: adding more of them, and a controller that restarts in the middle of a failover.

Run by `scripts/bench scale`. The traffic is one packet each way to every branch, several times a second.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench_end import to_its_end
from scale_network import HUB_ADDRESS, ScaleNetwork, inside

from hub.control.client import NotRunningError, RefusedError, ask_controller, ask_forwarder

Report = Mapping[str, Any]


def main() -> int:
    """Measure and print; 0 when nothing was lost, no session dropped, and the new controller was right in time."""
    options = _options()
    network = ScaleNetwork(f"scale{os.getpid()}", options.branches, options.more)
    pointsman = None
    try:
        network.set_up()
        pointsman = _start(network)
        return _measure(network, options)
    finally:
        if pointsman is not None:
            pointsman.terminate()
            pointsman.wait()
        if options.keep_log is not None:
            options.keep_log.write_bytes((network.directory / "hub.log").read_bytes())
        network.take_down()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench scale", description=__doc__)
    parser.add_argument("--branches", type=int, default=200, help="before (default: %(default)s)")
    parser.add_argument("--more", type=int, default=50, help="added while it runs (default: %(default)s)")
    parser.add_argument("--interval", type=float, default=0.2, help="seconds between packets (default: %(default)s)")
    parser.add_argument("--keep-log", type=Path, metavar="FILE", help="copy the hub's log there")
    return parser.parse_args()


def _start(network: ScaleNetwork) -> subprocess.Popen[bytes]:
    places = ("--config", network.configuration, "--run-dir", network.run, "--state-dir", network.state)
    log = (network.directory / "hub.log").open("wb")
    words = [sys.executable, "-m", "hub.cli.main", "run", *map(str, places)]
    return subprocess.Popen(inside(network.hub, *words), stdout=log, stderr=log, cwd=Path(__file__).parents[2])


def _measure(network: ScaleNetwork, options: argparse.Namespace) -> int:
    begun = time.monotonic()
    _until(network, options.branches, lambda report: _well(report, options.branches))
    print(f"up          {options.branches} branches, {2 * options.branches} sessions: {time.monotonic() - begun:.1f} s")
    print(f"processor   {_usage(network)}")
    wrong = _add(network, options) + _restart(network, options)
    return 1 if wrong else 0


def _add(network: ScaleNetwork, options: argparse.Namespace) -> int:
    """More branches while traffic flows to those that are there."""
    total = options.branches + options.more
    downs = _downs(network)
    with _traffic(network, options) as traffic:
        network.add_the_rest()
        begun = time.monotonic()
        planned = _ask(network, {"ask": "plan"}, 60)
        shown = time.monotonic()
        _ask(network, {"ask": "apply", "plan": planned["id"]}, 120)
        applied = time.monotonic()
        _until(network, total, lambda report: _well(report, total))
        well = time.monotonic()
        time.sleep(2.0)
    lost, sent = traffic()
    dropped = _downs(network) - downs
    print(
        f"adding      {options.more} branches to {options.branches}: plan {shown - begun:.1f} s, apply "
        f"{applied - shown:.1f} s, all up after {well - applied:.1f} s more; {dropped} sessions dropped, "
        f"{lost} of {sent} packets lost"
    )
    return dropped + lost


def _restart(network: ScaleNetwork, options: argparse.Namespace) -> int:
    """The fiber of every branch dies; the controller hangs from the first death on and is killed at the last."""
    pid = int((network.run / "controller.pid").read_text())
    total = options.branches + options.more
    begun = time.monotonic()
    network.cut("f")
    _wait_for_first_death(network)
    os.kill(pid, signal.SIGSTOP)
    while _dead(network) < total:
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    while _pid(network) in (0, pid):
        time.sleep(0.005)
    started = _started(_pid(network))
    _until(network, total, _moved)
    moved = 0
    while moved < total and time.monotonic() - started < 30.0:
        moved = sum(device.startswith("w") for device in network.far_routes().values())
    right = time.monotonic()
    print(
        f"restart     {total} branches in the middle of a failover: killed {killed - begun:.1f} s after the cut, right "
        f"{right - started:.2f} s after the new controller's start; {moved} branches use the other tunnel"
    )
    network.heal()
    return int(moved < total or right - started > 2.0)


def _wait_for_first_death(network: ScaleNetwork) -> None:
    log = network.directory / "hub.log"
    before = log.stat().st_size
    while b"down" not in log.read_bytes()[before:]:
        time.sleep(0.01)


def _dead(network: ScaleNetwork) -> int:
    tunnels = ask_forwarder(network.run / "forwarder.sock")["tunnels"]
    return sum(tunnel["state"] == "down" for tunnel in tunnels)


def _well(report: Report, number: int) -> bool:
    branches = report["branches"]
    return len(branches) == number and all(
        b["on"] == b["preferred"]
        and all(t["liveness"] == "up" and t["session"] == "up" and t["med"] == t["med_wanted"] for t in b["tunnels"])
        for b in branches
    )


def _moved(report: Report) -> bool:
    return bool(report["branches"]) and all(
        b["on"] == "wireless"
        and all(t["med"] is not None and t["med"] == t["med_wanted"] for t in b["tunnels"] if t["tunnel"] == "wireless")
        for b in report["branches"]
    )


def _until(network: ScaleNetwork, number: int, condition: Callable[[Report], bool]) -> None:
    deadline = time.monotonic() + 180
    report: Report = {"branches": []}
    while time.monotonic() < deadline:
        try:
            report = _ask(network, {"ask": "status"}, 10)
            if condition(report):
                return
        except (NotRunningError, RefusedError):
            pass
        time.sleep(0.1)  # each report is work for the controller
    lacking = [
        f"{b['branch']} on {b['on']}: {t['tunnel']} {t['liveness']}, session {t['session']}, told {t['med']}"
        for b in report["branches"]
        for t in b["tunnels"]
    ]
    raise SystemExit(f"{number} branches are not as they should be: {len(report['branches'])} there; {lacking[:6]}")


def _ask(network: ScaleNetwork, question: dict[str, Any], timeout: float) -> Report:
    return ask_controller(network.run / "control.sock", question, timeout)


def _downs(network: ScaleNetwork) -> int:
    """How often a session of the first branches was lost."""
    lines = re.findall(r" b(\d+)/\w+: BGP session down", (network.directory / "hub.log").read_text())
    return sum(int(number) <= network.first for number in lines)


def _pid(network: ScaleNetwork) -> int:
    try:
        return int((network.run / "controller.pid").read_text())
    except (OSError, ValueError):
        return 0


def _started(pid: int) -> float:
    """When a process was started, in seconds of the monotonic clock (proc(5), field 22)."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic() - (uptime - ticks / os.sysconf("SC_CLK_TCK"))


def _usage(network: ScaleNetwork) -> str:
    """What each of the hub's processes uses of one core, over five seconds."""
    pids = {path.stem: int(path.read_text()) for path in sorted(network.run.glob("*.pid"))}
    before = {name: _processor_time(pid) for name, pid in pids.items()}
    time.sleep(5.0)
    used = {name: (_processor_time(pid) - before[name]) / 5.0 for name, pid in pids.items()}
    return ", ".join(f"{name} {share:.0%}" for name, share in used.items()) + " of a core"


def _processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _traffic(network: ScaleNetwork, options: argparse.Namespace) -> Iterator[Callable[[], tuple[int, int]]]:
    """Packets to the first branches and back; after the block, how many of how many were lost."""
    addresses = [f"10.{number}.0.1" for number in range(1, options.branches + 1)]
    program = (sys.executable, str(Path(__file__).with_name("scale_traffic.py")))
    there = _started_program(inside(network.far, *program, "echo", *addresses))
    here = _started_program(inside(network.hub, *program, "send", HUB_ADDRESS, str(options.interval), *addresses))
    result: list[int] = []
    try:
        yield lambda: (result[0], result[1])
    finally:
        said, _ = here.communicate("", timeout=30)
        there.communicate("", timeout=30)
        result += map(int, said.split())


def _started_program(words: list[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


if __name__ == "__main__":
    to_its_end(main)
