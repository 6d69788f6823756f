"""What BFD costs: the forwarder's processor time with many sessions, beside BIRD's as hub with the same sessions.

Run by `scripts/bench sessions`. The same far end for both: one BIRD, a static neighbor a tunnel, plain veth pairs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench_end import to_its_end
from bench_links import Links, Orders, until
from route_flood import Watcher

FORWARDER, BIRD = "pointsman", "bird"
_TICKS = os.sysconf("SC_CLK_TCK")
_SETTLE = 4.0


@dataclass
class Cost:
    """A Cost is one hub with so many sessions over some seconds: per cent of one core, and what the far end saw."""

    hub: str
    sessions: int
    interval_ms: int
    processor: float
    kernel: float
    sent: float
    received: float
    longest_ms: float
    late_packets: int
    lateness_ms: float | None
    downs: int

    @property
    def microseconds(self) -> float:
        """Of the processor, for a packet that is sent or received."""
        return self.processor * 10_000 / max(self.sent + self.received, 1)


def processor_seconds(process: int) -> tuple[float, float]:
    """(all, the kernel's part) of what a process has used of the processor, its threads included (proc_pid_stat(5))."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS, int(fields[12]) / _TICKS


def measure(
    hub: str, sessions: int, interval_ms: int, seconds: float, profile: Path | None = None, probe_ms: int = 0
) -> Cost:
    """One hub, so many sessions; ours with health probes at `probe_ms`, 0 for none."""
    with Links(f"pm-sess-{os.getpid()}", sessions, interval_ms) as links:
        links.start_far_bird()
        orders = None
        if hub == BIRD:
            process = links.start_hub_bird()
        else:
            process = _profiled(links, profile) if profile else links.start_forwarder()
            orders = Orders(links.socket)
            tunnels = [links.tunnel(number, f"branch{number // 2}") for number in range(sessions)]
            rate = {"probe": {"active_ms": probe_ms, "idle_ms": probe_ms}} if probe_ms else {}
            orders.say({"set": "tunnels", "tunnels": [tunnel | rate for tunnel in tunnels]})
        until(lambda: links.sessions_up() == sessions, f"all {sessions} sessions at their rate", 120)
        time.sleep(_SETTLE)
        begun, before = time.monotonic(), processor_seconds(process.pid)
        time.sleep(seconds)
        used, took = processor_seconds(process.pid), time.monotonic() - begun
        watcher = Watcher(links, interval_ms)  # not before: each packet that it sees costs whoever sends it
        time.sleep(0.3)
        since, begun = time.time_ns(), time.monotonic()
        worst: list[float] = []
        while time.monotonic() < begun + seconds / 2:
            time.sleep(1.5)
            worst += [] if orders is None else [orders.status()["counters"]["loop lateness, microseconds"] / 1000]
        watched, end = time.monotonic() - begun, time.time_ns()
        gaps = watcher.gaps(since, end)
        watcher.close()
        up = links.sessions_up()
        if profile and hub == FORWARDER:
            process.terminate()
            process.wait(20)
        return Cost(
            hub=hub, sessions=sessions, interval_ms=interval_ms, processor=100 * (used[0] - before[0]) / took,
            kernel=100 * (used[1] - before[1]) / took,
            sent=len(gaps) / watched, received=watcher.outgoing(since, end) / watched,
            longest_ms=max(gaps, default=0.0),
            late_packets=sum(gap > interval_ms + 5 for gap in gaps),
            lateness_ms=max(worst, default=None), downs=sessions - up,
        )  # fmt: skip


def _profiled(links: Links, profile: Path) -> subprocess.Popen[bytes]:
    where = ("--run-dir", str(links.directory), "--state-dir", str(links.directory))
    words = (sys.executable, "-m", "cProfile", "-o", str(profile), "-m", "hub.forwarder", *where)
    process = links.start(links.hub, *words)
    until(lambda: links.socket.exists() or process.poll() is not None, "the forwarder's socket")
    return process


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench sessions", description=__doc__)
    parser.add_argument("--sessions", default="16,200", help="(default: %(default)s)")
    parser.add_argument("--interval", type=int, default=50, help="milliseconds (default: %(default)s)")
    parser.add_argument("--probe", type=int, default=0, help="milliseconds between health probes (default: none)")
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of all of them (default: %(default)s)")
    parser.add_argument("--hubs", default=f"{FORWARDER},{BIRD}", help="(default: %(default)s)")
    parser.add_argument("--profile", type=Path, help="run the forwarder under cProfile, which makes it far slower")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    return parser.parse_args()


def show(costs: list[Cost]) -> None:
    """One line for each hub and number of sessions; the median of the rounds, the worst gap."""
    print(f"{os.uname().release}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for hub, sessions in dict.fromkeys((each.hub, each.sessions) for each in costs):
        mine = [each for each in costs if (each.hub, each.sessions) == (hub, sessions)]
        shares = [each.processor for each in mine]
        late = [each.lateness_ms for each in mine if each.lateness_ms is not None]
        print(
            f"{hub:10}{sessions:>5} sessions: {statistics.median(shares):5.1f} % of a core "
            f"({min(shares):.1f}-{max(shares):.1f}, n={len(mine)}), "
            f"{statistics.median(each.kernel for each in mine):.1f} of them the kernel's, "
            f"{statistics.median(each.sent for each in mine):.0f} packets/s sent, "
            f"{statistics.median(each.received for each in mine):.0f} received, "
            f"{statistics.median(each.microseconds for each in mine):.0f} us a packet; "
            f"longest gap {max(each.longest_ms for each in mine):.1f} ms, "
            f"{sum(each.late_packets for each in mine)} later than 5 ms"
            + (f", loop late by at most {max(late):.1f} ms" if late else "")
            + (f", {sum(each.downs for each in mine)} down" if any(each.downs for each in mine) else "")
        )


def main() -> int:
    """Measure and print; 0 when every session stayed up."""
    options = parse()
    costs = [
        measure(hub, int(sessions), options.interval, options.seconds, options.profile, options.probe)
        for _ in range(options.rounds)
        for sessions in options.sessions.split(",")
        for hub in options.hubs.split(",")
    ]
    show(costs)
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in costs], indent=1) + "\n")
    return 0 if not any(each.downs for each in costs) else 1


if __name__ == "__main__":
    to_its_end(main)
