"""How long the hub's ends of many WireGuard tunnels take: from nothing, when nothing is to be done, and to remove.

Run by `scripts/bench tunnels`. In a network namespace of its own; every apply is a fresh process, as the command is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench_end import to_its_end

from hub.provisioner.changes import ProvisionError
from hub.provisioner.keys.store import KeyStore
from hub.provisioner.provisioner import Provisioner
from hub.provisioner.wanted import Wanted, WantedWireGuard
from hub.provisioner.wireguard.backend import Backend
from hub.provisioner.wireguard.seen import Machine
from hub.provisioner.wireguard.slice import WireGuardSlice

NETWORK = "bench"
INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
"""Each wireguard-go needs one."""
FROM_NOTHING, UNCHANGED = 30.0, 3.0
"""Seconds: what is promised for 200 tunnels."""


def main() -> int:
    """Measure and print; 0 when both promises were kept."""
    options = _options()
    if options.inside is not None:
        print(json.dumps(_apply(options.inside, options.prefix, options.tunnels)))
        return 0
    namespace, before = f"pm-tunnels-{os.getpid()}", INSTANCES.read_text()
    prefix = f"wb{os.getpid() % 10000:04}"
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["ip", "netns", "add", namespace], check=True)
        try:
            INSTANCES.write_text(f"{max(int(before), 2 * options.tunnels + 128)}\n")
            return _measure(namespace, Path(directory), prefix, options.tunnels)
        finally:
            with suppress(subprocess.SubprocessError, ValueError):
                _run(namespace, Path(directory), prefix, 0)
            INSTANCES.write_text(before)
            subprocess.run(["ip", "netns", "delete", namespace], check=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench tunnels", description=__doc__)
    parser.add_argument("--tunnels", type=int, default=200, help="how many (default: %(default)s)")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--prefix", default="wb", help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(namespace: str, directory: Path, prefix: str, tunnels: int) -> int:
    print(f"{tunnels} WireGuard tunnels, load {os.getloadavg()[0]:.1f}", flush=True)
    print(f"  {'':26}{'whole':>8}{'plan':>8}{'changes':>9}{'failed':>8}")
    made = _row("from nothing", namespace, directory, prefix, tunnels)
    daemons, memory = _daemons(prefix)
    again = [_row("unchanged", namespace, directory, prefix, tunnels) for _ in range(3)]
    gone = _row("removed", namespace, directory, prefix, 0)
    print(
        f"  by {', '.join(made['made_by']) or 'nobody'}; {daemons} daemons, {memory / 1024:.0f} MB of them resident",
        flush=True,
    )
    print(f"  the process that applies: {made['memory'] / 1024:.0f} MB at most")
    wrong = made["failed"] or made["changes"] < tunnels or any(each["changes"] for each in again) or gone["failed"]
    slow = made["whole"] > FROM_NOTHING or max(each["whole"] for each in again) > UNCHANGED
    return 1 if wrong or slow else 0


def _row(name: str, namespace: str, directory: Path, prefix: str, tunnels: int) -> dict[str, Any]:
    found = _run(namespace, directory, prefix, tunnels)
    print(
        f"  {name:26}{found['whole']:7.2f}s{found['plan']:7.2f}s{found['changes']:9}{found['failed']:8}",
        flush=True,
    )
    return found


def _run(namespace: str, directory: Path, prefix: str, tunnels: int) -> dict[str, Any]:
    words = [sys.executable, __file__, "--inside", str(directory), "--prefix", prefix, "--tunnels", str(tunnels)]
    begun = time.monotonic()
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, *words], stdout=subprocess.PIPE, text=True, check=True, cwd="/"
    )
    return {**json.loads(done.stdout), "whole": time.monotonic() - begun}


def _daemons(prefix: str) -> tuple[int, int]:
    """How many wireguard-go there are, and the kilobytes that they have resident."""
    number = memory = 0
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdecimal() and f"wireguard-go\0-f\0{prefix}" in (process / "cmdline").read_text():
                number += 1
                memory += int((process / "status").read_text().partition("VmRSS:")[2].split()[0])
    return number, memory


def _apply(directory: Path, prefix: str, tunnels: int) -> dict[str, Any]:
    """In the namespace: plan, then apply."""
    state = directory / "wireguard"
    slice_ = WireGuardSlice(KeyStore(directory / "keys"), Backend(state), Machine(state))
    provisioner = Provisioner([slice_], directory / "lock")
    wanted = _wanted(prefix, tunnels)
    begun = time.monotonic()
    provisioner.plan(wanted)
    planned = time.monotonic() - begun
    outcome = provisioner.apply(wanted)
    for failure in outcome.failed[:3]:
        print(f"{failure.change.target}: {failure.text} ({failure.mend})", file=sys.stderr)
    for refusal in outcome.refused[:3]:
        print(f"{refusal.target}: {refusal.text} ({refusal.mend})", file=sys.stderr)
    kinds: set[str] = set()
    with suppress(ProvisionError):
        kinds = {facts["made_by"] for facts in slice_.report(wanted).values() if "made_by" in facts}
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
    return {
        "plan": planned,
        "changes": len(outcome.done),
        "failed": len(outcome.failed) + len(outcome.refused),
        "made_by": sorted(kinds),
        "memory": peak,
    }


def _wanted(prefix: str, tunnels: int) -> Wanted:
    every = tuple(
        WantedWireGuard(
            tunnel=f"branch-{n}/fiber",
            interface=f"{prefix}-{n}",
            addresses=(f"10.255.{n // 128}.{n % 128 * 2}/31", f"fd00:ff::{2 * n:x}/127"),
            mtu=1420,
            uplink="telkom",
            mark=0x7001,
            port=41000 + n,
            allowed=(
                f"10.{n // 250}.{n % 250}.0/24",
                f"10.255.{n // 128}.{n % 128 * 2 + 1}/32",
                f"fd00:ff::{2 * n + 1:x}/128",
            ),
            endpoint=None,
            keepalive=0,
            preshared=False,
        )
        for n in range(tunnels)
    )
    return Wanted(NETWORK, (), every, (), (), (), ipv6=True)


if __name__ == "__main__":
    to_its_end(main)
