"""Chaos in the lab: whatever dies, in whatever order, the traffic is the judge. Run by `scripts/chaos`.

Episode after episode is drawn from the seed. After each of them everything is healed, and within a minute kernel,
branches and wanted state must agree. Every gap in the traffic is put down to the faults of its time; one that is longer
than they explain is a violation, and so are a TCP transfer that breaks, a network that does not become well again, a
process of the hub that dies without a fault that ends it, and a traceback in the hub's log.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "lab")]

from chaos_account import Account
from chaos_branches import sites_of, write_configuration
from chaos_faults import Fault, episode
from chaos_injector import Injector
from chaos_stalls import watched
from chaos_watch import Watch
from lab_world import output, unique_place
from running_hub import HOLD, RunningHub, all_well

from hub.branch_router.end import of_version
from hub.config import read
from hub.control.client import NotRunningError, RefusedError
from hub.lab import build, disturb
from hub.lab.namespaces import inside, processes
from hub.lab.network import HUB, Branch
from hub.lab.plan import plan
from hub.lab.probe import Probe, ProbeReport
from hub.lab.processors import put_ahead
from hub.lab.readiness import missing
from hub.lab.record import Lab
from hub.lab_overrides import LabOverrides, overridden

TIMERS = (timedelta(milliseconds=100), 3)
INTERVAL = 0.01
WELL_WITHIN = 60.0
STATE_BYTES = "2m"


def main() -> int:
    """Run for so many minutes; 0 when nothing was violated."""
    options = _options()
    account = Account(options.seed)
    print(f"chaos       seed {options.seed}, {options.minutes:g} minutes")
    with _lab(options) as (hub, configuration):
        _run(hub, configuration, account, options)
    account.finish()
    account.tell()
    if options.json is not None:
        options.json.write_text(json.dumps(account.__dict__, indent=1) + "\n")
    return 1 if account.violations else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="of the faults")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: %(default)g)")
    parser.add_argument("--episodes", type=int, default=1_000_000, help="end after so many episodes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the account there too")
    parser.add_argument("--log", type=Path, metavar="FILE", help="keep the hub's log there")
    return parser.parse_args()


def _run(hub: RunningHub, configuration: Path, account: Account, options: argparse.Namespace) -> None:
    number = random.Random(options.seed)
    network = hub.lab.network
    tunnels = [tunnel.name for _, tunnel in network.tunnels()]
    isps = [f"isp:{isp.name}" for isp in network.isps]
    end = time.monotonic() + options.minutes * 60
    probe, watch = Probe(), Watch(hub)
    with _transfers(hub.lab, account), watched() as stalls:
        probe.start(hub.lab, (), INTERVAL, settle=0.5)
        try:
            while time.monotonic() < end and account.episodes < options.episodes:
                faults = episode(number, tunnels, isps)
                before, began = len(account.violations), time.monotonic()
                _episode(hub, configuration, probe, watch, faults, account)
                if len(account.violations) > before:
                    account.note(f"episode {account.episodes}: {stalls.since(began)}")
        finally:
            probe.stop()
            disturb.heal(hub.lab)


def _episode(
    hub: RunningHub, configuration: Path, probe: Probe, watch: Watch, faults: tuple[Fault, ...], account: Account
) -> None:
    # From the end of the one before on: traffic is judged between episodes too.
    begin, finish = f"end {account.episodes}" if account.episodes else None, f"end {account.episodes + 1}"
    injector = Injector(hub, configuration)
    injector.play(faults)
    disagreement = _settle(hub)
    probe.mark(finish)
    account.episodes += 1
    account.count(len(injector.made), injector.not_made)
    account.notes += injector.notes
    print(f"{account.episodes:4}  {'; '.join(map(str, faults))}", flush=True)
    if disagreement:
        account.violation(f"not well in {WELL_WITHIN:g} s: {disagreement}")
    for death in watch.unexplained(faults):
        account.violation(death)
    _judge(hub, probe.report(begin, finish), injector, account)


def _judge(hub: RunningHub, seen: Mapping[str, ProbeReport], injector: Injector, account: Account) -> None:
    for branch in hub.lab.network.branches:
        for name, site in sites_of(branch).items():
            for direction, way in (("to_branch", seen[name].to_branch), ("to_hub", seen[name].to_hub)):
                account.judge(site, direction, way, injector.began, injector.intervals)


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
        lacking = missing(report) or ["not everything is announced as wanted"]
        return f"{len(lacking)} things are lacking, the first is: {lacking[0]}"
    return next((lack for branch in hub.lab.network.branches for lack in _wrong_ways(hub, branch)), "")


def _wrong_ways(hub: RunningHub, branch: Branch) -> Iterator[str]:
    """Kernels that do not send over the preferred tunnel, in any IP version."""
    preferred = branch.tunnels[0]
    for version in branch.versions:
        routes = _ip(hub, HUB, f"-{version}", "route", "show", "proto", "112")
        kernel = {route["dst"]: route.get("dev") for route in routes if route.get("type") != "unreachable"}
        if any(kernel.get(prefix) != preferred.hub_interface for prefix in of_version(version, branch.prefixes)):
            yield f"the hub's kernel sends {branch.name} by {kernel}, not {preferred.hub_interface}"
        target = hub.lab.network.hub.lan.host_address_of(version)
        way = [route.get("dev") for route in _ip(hub, branch.name, "route", "get", target)]
        if way != [preferred.branch_interface]:
            yield f"{branch.name}'s kernel sends IPv{version} by {way}, not {preferred.branch_interface}"


def _ip(hub: RunningHub, node: str, *arguments: str) -> list[dict[str, str]]:
    said: list[dict[str, str]] = json.loads(output(hub.lab, node, "ip", "-j", *arguments) or "[]")
    return said


@contextlib.contextmanager
def _transfers(lab: Lab, account: Account) -> Iterator[None]:
    """A long transfer with every branch, for as long as the body takes: both ways and versions are there."""
    program = [sys.executable, str(Path(__file__).with_name("chaos_transfer.py"))]
    running = []
    for number, branch in enumerate(lab.network.branches):
        version = branch.versions[number % 2 - 1]
        ends = tuple((lan.host, lan.host_address_of(version)) for lan in (branch.lan, lab.network.hub.lan))
        sender, server = (0, 1) if number < 2 else (1, 0)
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
def _lab(options: argparse.Namespace) -> Iterator[tuple[RunningHub, Path]]:
    """A lab whose hub keeps its state on a small file system, so that it can be filled."""
    place = unique_place("chaos")
    directory = place.home / f"{place.name}-configuration"
    try:
        write_configuration(directory, options.seed)
        intent = read(directory).intent
        assert intent is not None
        overrides = LabOverrides(TIMERS, HOLD)
        lab = build.up(
            plan(overridden(intent, overrides)), place, configuration=directory, overrides=overrides, with_hub=False
        )
        put_ahead(processes([place.namespace(node) for node in lab.network.nodes()]))
        _make_small(place.state)
        hub = RunningHub(lab, overrides)
        hub.start_again()
        hub.wait_until_well()
        yield hub, directory
    finally:
        with contextlib.suppress(OSError):
            if options.log is not None:
                shutil.copy(place.logs / "hub.log", options.log)
        subprocess.run(["umount", "--lazy", place.state], check=False, capture_output=True)
        build.down(place)
        subprocess.run(["rm", "-r", "-f", directory], check=False)


def _make_small(directory: Path) -> None:
    """A small file system of its own in place of a directory, with all that was in it."""
    with tempfile.TemporaryDirectory(dir=directory.parent) as kept:
        shutil.copytree(directory, kept, dirs_exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={STATE_BYTES}", "chaos", directory], check=True)
        shutil.copytree(kept, directory, dirs_exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
