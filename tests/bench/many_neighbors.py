"""ExaBGP with many neighbors over several processes: cold start, a failover of a third of them at once, processor time.

Run by `scripts/bench many-neighbors`. One BIRD has all branches; two namespaces and a veth between them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "integration"), str(Path(__file__).parents[1])]

from bench_end import to_its_end
from bgp_bench import Bench
from bgp_network import in_processes, network

from hub.bgp.speakers import Speakers
from policies.model.announcement import Announcement
from policies.model.events import AnnouncementsSent, Event, SessionChanged, SetSent
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.view import SessionState

HUB = IPv4Network("10.0.0.0/16")
TICKS = os.sysconf("SC_CLK_TCK")


class Seen:
    """A Seen is when each tunnel's session came up, was sent its whole set, and was sent something last."""

    def __init__(self) -> None:
        self.up: set[TunnelId] = set()
        self.down = 0
        self.complete: set[TunnelId] = set()
        self.sent: dict[TunnelId, float] = {}

    def take(self, event: Event) -> None:
        """Note an event."""
        match event:
            case SessionChanged(tunnel, SessionState.UP):
                self.up.add(tunnel)
            case SessionChanged(tunnel, _):
                self.down += tunnel in self.up
            case SetSent(tunnel):
                self.complete.add(tunnel)
            case AnnouncementsSent(tunnel):
                self.sent[tunnel] = time.monotonic()
            case _:
                pass


def main() -> int:
    """Measure and print; 0 when no session was lost."""
    parser = argparse.ArgumentParser(prog="scripts/bench many-neighbors", description=__doc__)
    parser.add_argument("--branches", type=int, default=225, help="of two tunnels each (default: %(default)d)")
    parser.add_argument("--processes", type=int, default=3, help="of ExaBGP (default: %(default)d)")
    parser.add_argument("--failovers", type=int, default=10, help="(default: %(default)d)")
    options = parser.parse_args()
    plain = network(options.branches)
    intent = in_processes(plain, {f"b{n}": 1 + n % options.processes for n in range(1, options.branches + 1)})
    made = Bench(intent)
    try:
        made.set_up()
        made.start_bird()
        return asyncio.run(measure(made, intent, options.failovers))
    finally:
        made.tear_down()


async def measure(made: Bench, intent: Intent, failovers: int) -> int:
    """All measurements, one after the other."""
    seen, tunnels = Seen(), list(intent.tunnels())
    speakers = Speakers(intent, made.places.relay_socket, seen.take, time.monotonic)
    client = asyncio.create_task(speakers.run())
    load = os.getloadavg()[0]
    print(f"{os.uname().release}, {os.cpu_count()} cores, load {load:.1f}: ", end="")
    print(f"{len(tunnels)} neighbors in {len(intent.processes())} processes")
    hasten(0, 1)
    begun = time.monotonic()
    wanted = {tunnel: {HUB: Announcement(1000)} for tunnel in tunnels}
    speakers.want(wanted, frozenset())
    for process in intent.processes():
        made.start_exabgp(process)
        hasten(made.exabgps[process].pid, 2)
    await until(lambda: len(seen.up) == len(tunnels))
    print(f"cold start, all sessions up            {time.monotonic() - begun:8.2f} s")
    await until(lambda: len(seen.complete) == len(tunnels))
    print(f"cold start, all sets sent              {time.monotonic() - begun:8.2f} s")
    await idle(made)
    moving = [tunnel for tunnel in tunnels if tunnel.name == "wireless"][: len(tunnels) // 3]
    late: list[float] = []
    last: list[float] = []
    for turn in range(failovers):
        took = await fail_over(speakers, seen, wanted, moving, 990 - turn)
        late += took
        last.append(max(took))
        await asyncio.sleep(1)
    say(f"failover of {len(moving)} at once, each sent after", late)
    say("  the last of them", last)
    one = [max(await fail_over(speakers, seen, wanted, moving[:1], 900 - turn)) for turn in range(failovers)]
    say("failover of one, sent after", one)
    print(f"{'sessions lost meanwhile':<40}{seen.down:6}; {dict(speakers.counters)}")
    client.cancel()
    await asyncio.gather(client, return_exceptions=True)
    return 1 if seen.down else 0


def say(what: str, seconds: list[float]) -> None:
    """Print a row of figures."""
    print(f"{what:<40}{statistics.median(seconds) * 1000:6.0f} ms median, {max(seconds) * 1000:.0f} ms at most")


def hasten(pid: int, priority: int) -> None:
    """The real-time priority that the supervisor gives it."""
    os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(priority))


async def fail_over(
    speakers: Speakers,
    seen: Seen,
    wanted: dict[TunnelId, dict[IPv4Network, Announcement]],
    moving: list[TunnelId],
    med: int,
) -> list[float]:
    """One urgent change on each of these; the seconds until each was handed to TCP."""
    seen.sent.clear()
    wanted |= {tunnel: {HUB: Announcement(med)} for tunnel in moving}
    begun = time.monotonic()
    speakers.want(wanted, frozenset(moving))
    await until(lambda: seen.sent.keys() >= set(moving))
    return [seen.sent[tunnel] - begun for tunnel in moving]


async def idle(made: Bench, seconds: float = 10.0) -> None:
    """Print what the processes use while nothing happens."""
    pids = {f"ExaBGP {process}": exabgp.pid for process, exabgp in made.exabgps.items()}
    pids |= {f"its relay {process}": made.relay_pid(process) for process in made.exabgps}
    pids["client"] = os.getpid()
    before = {name: processor_seconds(pid) for name, pid in pids.items()}
    await asyncio.sleep(seconds)
    for name, pid in pids.items():
        used = (processor_seconds(pid) - before[name]) / seconds
        print(f"idle, {name:<33}{100 * used:7.1f} % of a processor")


def processor_seconds(pid: int) -> float:
    """The processor time that a process has used (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds, at most two minutes."""
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110  what is waited for has no event of its own
            await asyncio.sleep(0.002)


if __name__ == "__main__":
    to_its_end(main)
