"""Chaos in the lab: whatever dies, in whatever order, the traffic is the judge. Run by `scripts/chaos`.

Episode after episode is drawn from the seed. After each of them everything is healed, and within a minute kernel,
branches and wanted state must agree. Every gap in the traffic is put down to the faults of its time; one that is longer
than they explain is a violation, and so are a TCP transfer that breaks and a network that does not become well again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "lab")]

from chaos_faults import Fault, episode
from chaos_injector import Injector
from chaos_verdict import RANDOM_LOSS, Interval, Site, explain
from lab_world import EXAMPLE, output, unique_place
from running_hub import HOLD, RunningHub, all_well

from hub.config import read
from hub.control.client import NotRunningError, RefusedError
from hub.lab import build, disturb
from hub.lab.namespaces import inside
from hub.lab.network import HQ_HOST, HUB
from hub.lab.outages import Outage
from hub.lab.plan import plan
from hub.lab.probe import Probe, ProbeReport
from hub.lab.record import Lab
from hub.overrides import Overrides, overridden

TIMERS = (timedelta(milliseconds=100), 3)
INTERVAL = 0.005
WELL_WITHIN = 60.0
STATE_BYTES = "2m"


@dataclass
class Account:
    """An Account is all that happened: gaps with their causes, and violations."""

    seed: int
    episodes: int = 0
    faults: int = 0
    sent: int = 0
    lost: int = 0
    gaps: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def main() -> int:
    """Run for so many minutes; 0 when nothing was violated."""
    options = _options()
    account = Account(options.seed)
    print(f"chaos       seed {options.seed}, {options.minutes:g} minutes")
    with _lab(options.configuration) as (hub, configuration):
        _run(hub, configuration, account, options)
    _tell(account)
    if options.json is not None:
        options.json.write_text(json.dumps(account.__dict__, indent=1) + "\n")
    return 1 if account.violations else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="of the faults")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: %(default)g)")
    parser.add_argument("--episodes", type=int, default=1_000_000, help="end after so many episodes")
    parser.add_argument("--configuration", type=Path, default=None, help="instead of the one that comes with it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the account there too")
    return parser.parse_args()


def _run(hub: RunningHub, configuration: Path, account: Account, options: argparse.Namespace) -> None:
    number = random.Random(options.seed)
    network = hub.lab.network
    tunnels = [tunnel.name for _, tunnel in network.tunnels()]
    isps = [f"isp:{isp.name}" for isp in network.isps]
    end = time.monotonic() + options.minutes * 60
    probe = Probe()
    with _transfers(hub.lab, account):
        probe.start(hub.lab, (), INTERVAL, settle=0.5)
        try:
            while time.monotonic() < end and account.episodes < options.episodes:
                faults = episode(number, tunnels, isps)
                _episode(hub, configuration, probe, faults, account)
        finally:
            probe.stop()
            disturb.heal(hub.lab)


def _episode(hub: RunningHub, configuration: Path, probe: Probe, faults: tuple[Fault, ...], account: Account) -> None:
    begin, finish = f"begin {account.episodes}", f"end {account.episodes}"
    probe.mark(begin)
    injector = Injector(hub, configuration)
    injector.play(faults)
    disagreement = _settle(hub)
    probe.mark(finish)
    account.episodes += 1
    account.faults += len(faults)
    account.notes += injector.notes
    said = "; ".join(f"{fault.kind.value} {fault.target} {fault.begins:g}-{fault.ends:g} s" for fault in faults)
    print(f"{account.episodes:4}  {said}", flush=True)
    if disagreement:
        account.violations.append(f"episode {account.episodes} ({said}): not well in {WELL_WITHIN:g} s: {disagreement}")
        print(f"      VIOLATION  {account.violations[-1]}", flush=True)
    _judge(hub, probe.report(begin, finish), injector.intervals, account)


def _judge(hub: RunningHub, seen: Mapping[str, ProbeReport], intervals: list[Interval], account: Account) -> None:
    for branch in hub.lab.network.branches:
        # FRR has BFD for its sessions, but not for its floor: without ExaBGP it is told by nobody.
        own_bfd = branch.router == "bird" and all(tunnel.bfd for tunnel in branch.tunnels)
        site = Site(branch.name, tuple(tunnel.name for tunnel in branch.tunnels), own_bfd)
        report = seen[branch.name]
        for direction, way in (("to_branch", report.to_branch), ("to_hub", report.to_hub)):
            account.sent += way.sent
            account.lost += way.lost
            for outage in way.outages:
                _gap(site, direction, outage, intervals, account)
            _scattered(site, direction, way.outages, intervals, account)


def _gap(site: Site, direction: str, outage: Outage, intervals: list[Interval], account: Account) -> None:
    verdict = explain(site, direction, outage.start, intervals)
    if verdict.because == RANDOM_LOSS and outage.length_ms <= verdict.allowed * 1000 and outage.ended:
        return
    where = f"{site.name} {direction.replace('_', ' ')}"
    allowed = f"explained up to {verdict.allowed * 1000:.0f} ms by {verdict.because}"
    text = f"{where}: {outage.length_ms:.0f} ms, {outage.lost} lost, {allowed}"
    account.gaps.append(f"episode {account.episodes}: {text}")
    if outage.length_ms > verdict.allowed * 1000 or not outage.ended:
        account.violations.append(account.gaps[-1])
        print(f"      VIOLATION  {text}", flush=True)
    else:
        print(f"      gap  {text}", flush=True)


def _scattered(
    site: Site, direction: str, outages: Sequence[Outage], intervals: list[Interval], account: Account
) -> None:
    """Single packets lost at random are told as one line."""
    mine = [outage for outage in outages if explain(site, direction, outage.start, intervals).because == RANDOM_LOSS]
    if mine:
        lost, longest = sum(outage.lost for outage in mine), max(outage.length_ms for outage in mine)
        text = f"{site.name} {direction.replace('_', ' ')}: {lost} lost at random, at most {longest:.0f} ms in a row"
        account.gaps.append(f"episode {account.episodes}: {text}")
        print(f"      gap  {text}", flush=True)


def _settle(hub: RunningHub) -> str:
    """Wait until everything agrees; what does not, when it takes too long."""
    deadline = time.monotonic() + WELL_WITHIN
    lacking = "the hub does not answer"
    while time.monotonic() < deadline:
        try:
            report = hub.report()
            lacking = _disagreement(hub, report)
            if not lacking:
                return ""
        except (NotRunningError, RefusedError, OSError, ValueError) as error:
            lacking = str(error)
        time.sleep(0.2)
    return lacking


def _disagreement(hub: RunningHub, report: Mapping[str, object]) -> str:
    if not all_well(report):
        return "not all tunnels and sessions are up and as wanted, with every branch on its preferred tunnel"
    routes = json.loads(output(hub.lab, HUB, "ip", "-j", "route", "show", "proto", "112"))
    kernel = {route["dst"]: route.get("dev") for route in routes if route.get("type") != "unreachable"}
    for branch in hub.lab.network.branches:
        preferred = branch.tunnels[0]
        if any(kernel.get(prefix) != preferred.hub_interface for prefix in branch.prefixes):
            return f"the hub's kernel sends {branch.name} by {kernel}, not {preferred.hub_interface}"
        target = hub.lab.network.hub.lan.host_address
        way = json.loads(output(hub.lab, branch.name, "ip", "-j", "route", "get", target) or "[{}]")[0].get("dev")
        if way != preferred.branch_interface:
            return f"{branch.name}'s kernel sends by {way}, not {preferred.branch_interface}"
    return ""


@contextlib.contextmanager
def _transfers(lab: Lab, account: Account) -> Iterator[None]:
    """A long transfer from every branch to headquarters and one back, for as long as the body takes."""
    program = [sys.executable, str(Path(__file__).with_name("chaos_transfer.py"))]
    running = []
    for branch in lab.network.branches:
        ends = ((branch.lan.host, branch.lan.host_address), (HQ_HOST, lab.network.hub.lan.host_address))
        sender, server = (0, 1) if branch is lab.network.branches[0] else (1, 0)
        serving = _start(inside(lab.place, ends[server][0], [*program, "serve", ends[server][1]]))
        sending = _start(inside(lab.place, ends[sender][0], [*program, "send", ends[server][1]]))
        running.append((branch.name, serving, sending))
    try:
        yield
    finally:
        for name, serving, sending in running:
            said = [_finish(sending), _finish(serving)]
            count = [line.split()[-1] for line in said]
            if not (said[0].startswith("sent") and said[1].startswith("complete") and count[0] == count[1]):
                account.violations.append(f"the TCP transfer of {name} did not survive: {said}")
            else:
                account.notes.append(f"the TCP transfer of {name} is whole: {int(count[0]) * 8} bytes")


def _start(command: list[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _finish(process: subprocess.Popen[str]) -> str:
    try:
        said, _ = process.communicate("\n", timeout=180)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
    return said.strip() or "said nothing"


@contextlib.contextmanager
def _lab(configuration: Path | None) -> Iterator[tuple[RunningHub, Path]]:
    """A lab whose hub keeps its state on a small file system, so that it can be filled."""
    place = unique_place("chaos")
    directory = place.home / f"{place.name}-configuration"
    try:
        _copy(configuration or EXAMPLE, directory)
        intent = read(directory).intent
        assert intent is not None
        overrides = Overrides(TIMERS, HOLD)
        lab = build.up(
            plan(overridden(intent, overrides)), place, configuration=directory, overrides=overrides, with_hub=False
        )
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={STATE_BYTES}", "chaos", place.state], check=True)
        hub = RunningHub(lab, overrides)
        hub.start_again()
        hub.wait_until_well()
        yield hub, directory
    finally:
        subprocess.run(["umount", "--lazy", place.state], check=False, capture_output=True)
        build.down(place)
        subprocess.run(["rm", "-r", "-f", directory], check=False)


def _copy(source: Path, target: Path) -> None:
    """A configuration; of the example three branches: one with BFD, one without, and one whose router is FRR."""
    branches = tuple(file.stem for file in (source / "branches").glob("*.yaml"))
    if source == EXAMPLE:
        branches = ("bandung", "tegal", "garut")
    (target / "branches").mkdir(parents=True)
    for name in ("network.yaml", "allocations.yaml", *(f"branches/{branch}.yaml" for branch in branches)):
        (target / name).write_bytes((source / name).read_bytes())
    if source == EXAMPLE:
        with (target / "branches" / "garut.yaml").open("a") as file:
            file.write("router: {kind: frr}\n")


def _tell(account: Account) -> None:
    for note in account.notes:
        print(f"note        {note}")
    print(
        f"{account.episodes} episodes, {account.faults} faults; {len(account.gaps)} gaps, {account.lost} of "
        f"{account.sent} packets lost; {len(account.violations)} violations (seed {account.seed})"
    )
    for violation in account.violations:
        print(f"VIOLATION   {violation}")


if __name__ == "__main__":
    sys.exit(main())
