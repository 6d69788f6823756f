"""Probing a lab: packets both ways between the host at headquarters and the hosts of the branches."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from hub.lab.names import LabError
from hub.lab.namespaces import inside
from hub.lab.network import HQ_HOST, Branch, Lan
from hub.lab.outages import Direction, measure
from hub.lab.prober import NUMBERS, TIMES, Job, Peer
from hub.lab.record import Lab

IPV6 = " IPv6"
"""Stands behind the name of a branch of both versions, in reports, for its IPv6."""
SETTLE = 0.7
"""Seconds after which a packet that has not arrived is lost; more than any delay that a lab is usually given."""


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """A ProbeReport is what one branch's probe saw, each way, of one IP version."""

    to_branch: Direction
    to_hub: Direction


@dataclass(frozen=True, slots=True)
class _Pair:
    """A _Pair is a branch's host and headquarters', talking in one IP version."""

    name: str
    branch: Branch
    version: int


class Probe:
    """A Probe sends numbered packets both ways until it is stopped, and reports loss and outages of any part of it.

    Its reports are by the name of the branch; where branch and hub have both IP versions that is IPv4's, and IPv6's is
    under the name with `IPV6` behind it.
    """

    def __init__(self) -> None:
        self._pairs: tuple[_Pair, ...] = ()
        self._interval = 0.0
        self._directory = Path()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._marks: dict[str, float] = {}
        self._started = 0.0
        self._settle = SETTLE

    @property
    def started(self) -> float:
        """When sending began, in seconds of the monotonic clock."""
        return self._started

    def start(self, lab: Lab, branches: Iterable[str] = (), interval: float = 0.001, *, settle: float = SETTLE) -> None:
        """Send one packet each way every `interval` seconds to these branches, or to all.

        Raises:
            LabError: a branch is not in this lab, or a process does not start.
        """
        self._pairs = tuple(pair for branch in _chosen(lab, tuple(branches)) for pair in _pairs(lab, branch))
        self._interval, self._settle = interval, settle
        self._directory = Path(tempfile.mkdtemp(prefix="probe-", dir=lab.place.directory))
        try:
            self._processes = [self._spawn(lab, node, job) for node, job in self._jobs(lab).items()]
            for process in self._processes:
                self._await_ready(process)
            self._started = time.monotonic()
            self._order(b"go\n")
        except BaseException:
            self._end()
            raise

    def mark(self, name: str) -> None:
        """Give this moment a name, for `report`."""
        self._marks[name] = time.monotonic()

    def report(self, since: str | None = None, until: str | None = None) -> Mapping[str, ProbeReport]:
        """What happened between two marks; without them, from the beginning and up to what can be judged now.

        Raises:
            LabError: a process has ended.
        """
        if any(process.poll() is not None for process in self._processes):
            raise LabError("a process of the probe has ended: look at free memory, and start the probe again")
        start = self._started if since is None else self._marks[since]
        end = time.monotonic() - self._settle if until is None else self._marks[until]
        time.sleep(max(0.0, end + self._settle - time.monotonic()))
        return self._measure(start, end)

    def stop(self) -> Mapping[str, ProbeReport]:
        """Stop sending, wait for what is on its way, and report all of it."""
        end = time.monotonic()
        try:
            self._order(b"end\n")
            time.sleep(self._settle)
            for process in self._processes:
                _close(process)
            return self._measure(self._started, end)
        finally:
            self._end()

    def _jobs(self, lab: Lab) -> dict[str, Job]:
        peers: dict[str, list[Peer]] = {}
        lans = {HQ_HOST: lab.network.hub.lan}
        for flow, pair in enumerate(self._pairs):
            far, near = pair.branch.lan, lab.network.hub.lan
            lans[far.host] = far
            there, here = far.host_address_of(pair.version), near.host_address_of(pair.version)
            out = Peer(there, flow, self._file("to-branch.sent", pair), self._file("to-hub", pair))
            back = Peer(here, flow, self._file("to-hub.sent", pair), self._file("to-branch", pair))
            peers.setdefault(HQ_HOST, []).append(out)
            peers.setdefault(far.host, []).append(back)
        return {host: Job(_addresses(lans[host]), self._interval, tuple(its)) for host, its in peers.items()}

    def _file(self, kind: str, pair: _Pair) -> str:
        return str(self._directory / f"{pair.name}.{kind}")

    def _spawn(self, lab: Lab, node: str, job: Job) -> subprocess.Popen[bytes]:
        command = inside(lab.place, node, [sys.executable, "-m", "hub.lab.prober"])
        log = (self._directory / f"{node}.log").open("wb")
        with log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                cwd="/",
                start_new_session=True,
            )
        _write(process, json.dumps(asdict(job)).encode() + b"\n")
        return process

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is not None and process.stdout.readline() == b"ready\n":
            return
        process.wait()
        logs = (path.read_text(errors="replace").strip() for path in self._directory.glob("*.log"))
        said = next((log.splitlines()[-1] for log in logs if log), "it said nothing")
        raise LabError(f"a process of the probe did not start: {said}")

    def _order(self, line: bytes) -> None:
        for process in self._processes:
            _write(process, line)

    def _measure(self, since: float, until: float) -> dict[str, ProbeReport]:
        def way(pair: _Pair, name: str) -> Direction:
            sent: array[float] = array(TIMES, _read(self._file(f"{name}.sent", pair)))
            received: array[int] = array(NUMBERS, _read(self._file(name, pair)))
            return measure(sent, received, self._interval, since=since, until=until)

        return {pair.name: ProbeReport(way(pair, "to-branch"), way(pair, "to-hub")) for pair in self._pairs}

    def _end(self) -> None:
        for process in self._processes:
            _close(process)
        self._processes = []
        shutil.rmtree(self._directory, ignore_errors=True)


def _chosen(lab: Lab, names: tuple[str, ...]) -> tuple[Branch, ...]:
    for name in names:
        if lab.network.branch(name) is None:
            there = ", ".join(branch.name for branch in lab.network.branches)
            raise LabError(f'there is no branch "{name}" in this lab: one of {there}')
    return tuple(branch for branch in lab.network.branches if not names or branch.name in names)


def _pairs(lab: Lab, branch: Branch) -> Iterator[_Pair]:
    versions = [version for version in branch.lan.versions if version in lab.network.hub.lan.versions]
    if not versions:
        raise LabError(f"{branch.name} has no prefix of an IP version that the hub has too: there is nothing to probe")
    for version in versions:
        yield _Pair(branch.name + (IPV6 if version != versions[0] else ""), branch, version)


def _addresses(lan: Lan) -> tuple[str, ...]:
    return tuple(lan.host_address_of(version) for version in lan.versions)


def _write(process: subprocess.Popen[bytes], data: bytes) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.write(data)


def _close(process: subprocess.Popen[bytes]) -> None:
    """Its stdin's end ends it; a process that does not end by that is killed."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _read(path: str) -> bytes:
    """The whole numbers of a file that may be just being written to; both kinds are of 8 bytes."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return b""
    return data[: len(data) - len(data) % 8]
