"""All processes of a hub in the foreground, under one supervisor: for trying things, and for the lab.

On a real hub systemd does this, with a unit a process. Like there, none is the parent of another's work: whichever dies
is started again at once, and the others don't notice.

    supervisor -- provisioner  root: tunnels, uplinks, keys, filters
               -- forwarder    CAP_NET_ADMIN, CAP_NET_RAW
               -- exabgp-1     CAP_NET_BIND_SERVICE; its only child is the relay
               -- exabgp-2     as many as there are configurations exabgp-N.conf in the runtime directory
               -- controller   no capability; it writes those configurations
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hub.control.log import say_at_once
from hub.control.places import Places

STEADY_SECONDS = 2.0
"""A process that lived this long is started again at once; one that dies sooner waits, longer each time."""
FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0
LONGEST_RUN_MICROSECONDS = 5_000_000
"""Processor time without once waiting for anything, after which a process is ended (RLIMIT_RTTIME)."""
ORDINARY_SECONDS = 5.0
"""How often to look whether a process has given up its priority, which it then gets again."""
STOP_SECONDS = 5.0
"""How long a process may take to stop before it is ended."""
LOOK_SECONDS = 0.25
"""How often to look which programs are wanted."""
GONE_SECONDS = 2.0
"""How long a program must be unwanted before it is stopped: a file that somebody removed comes back before that."""
DESCRIPTORS = 65_536
"""Open files that a process may have: ExaBGP needs two a neighbor."""


@dataclass(frozen=True, slots=True)
class Program:
    """A Program is one process to keep running, with the only capabilities that it may have.

    `priority` is its real-time priority (SCHED_RR, sched(7)), 0 for none: every process between a death and the branch
    that is told of it would otherwise wait for its turn on a busy machine. `inherit` gives it to its children too.
    Stages are stopped one after the other, the highest first. `leftovers` are files to remove when it is wanted no
    more. One that is not `narrowed` keeps all capabilities of whoever started it.
    """

    name: str
    arguments: tuple[str, ...]
    capabilities: tuple[str, ...] = ()
    priority: int = 1
    narrowed: bool = True
    inherit: bool = False
    stage: int = 0
    leftovers: tuple[Path, ...] = ()


@dataclass(slots=True)
class Running:
    """A Running is a program's present process, or the time at which it is to be started again."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    pidfd: int = -1
    started: float = 0.0
    hastened: float = 0.0
    wait: float = 0.0
    due: float = field(default=0.0)
    unwanted_since: float | None = None
    stopped_at: float | None = None


def programs(places: Places, overrides: Sequence[str]) -> tuple[Program, ...]:
    """The processes of a hub that are wanted now. The first ExaBGP waits by itself for its configuration.

    Raises:
        OSError: the runtime directory cannot be read.
    """
    directories = ("--run-dir", str(places.run), "--state-dir", str(places.state))
    controller = _module("hub.controller", "--config", str(places.config), *directories, *overrides)
    provisioner = _module("hub.provisioner", *directories)
    return (
        Program("provisioner", provisioner, priority=0, narrowed=False, stage=3),
        Program("forwarder", _module("hub.forwarder", *directories), ("net_admin", "net_raw"), priority=3),
        *(_exabgp(places, process) for process in sorted({1} | places.configured_processes())),
        Program("controller", controller, stage=2),
    )


def _exabgp(places: Places, process: int) -> Program:
    return Program(
        f"exabgp-{process}",
        _module("speaker.bgp.launcher", str(places.exabgp_config(process))),
        ("net_bind_service",),
        priority=2,
        inherit=True,
        stage=1,
        leftovers=(places.relay_socket(process),),
    )


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *arguments)


def narrowed(program: Program) -> list[str]:
    """The command that runs a program with its own capabilities only, and ends it when the supervisor is gone."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return list(program.arguments)
    if not program.narrowed:
        return [setpriv, "--pdeathsig", "TERM", *program.arguments]
    wanted = ",".join(["-all", *(f"+{capability}" for capability in program.capabilities)])
    return [setpriv, "--pdeathsig", "TERM", "--bounding-set", wanted, "--inh-caps", wanted, *program.arguments]


class Supervisor:
    """A Supervisor keeps the programs running that are wanted, until it is told to stop.

    `wanted` is asked again and again. While it raises OSError everything stays as it is.
    """

    def __init__(self, wanted: Callable[[], Sequence[Program]], state: Path) -> None:
        self._wanted = wanted
        self._running: list[Running] = []
        self._state = state
        self._selector = selectors.DefaultSelector()
        self._stopping = False

    def run(self) -> int:
        """Start everything and watch it; returns 0 after SIGTERM or SIGINT. However it ends, no process is left."""
        wakeup, told = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(told)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._pass_on)
        self._selector.register(wakeup, selectors.EVENT_READ, None)
        _raise_descriptor_limit()
        try:
            while not self._stopping:
                self._look()
                self._step(wakeup)
        finally:
            self._end_all()
        return 0

    def _look(self) -> None:
        """Follow what is wanted: add what is new, end what has been unwanted for a while, start what is due."""
        now = time.monotonic()
        with contextlib.suppress(OSError):
            self._follow(tuple(self._wanted()), now)
        for one in list(self._running):
            self._advance(one, now)

    def _follow(self, wanted: tuple[Program, ...], now: float) -> None:
        names = {program.name for program in wanted}
        known = {one.program.name for one in self._running}
        self._running += [Running(program) for program in wanted if program.name not in known]
        for one in self._running:
            if one.program.name not in names:
                one.unwanted_since = now if one.unwanted_since is None else one.unwanted_since
            elif one.stopped_at is None:
                one.unwanted_since = None

    def _advance(self, one: Running, now: float) -> None:
        unwanted = one.unwanted_since is not None and now - one.unwanted_since >= GONE_SECONDS
        if one.process is None:
            if unwanted:
                self._forget(one)
            elif one.due <= now and not self._stopping:
                self._start(one)
        elif unwanted and one.stopped_at is None:
            _say(f"{one.program.name} is wanted no more: stopping it")
            one.stopped_at = now
            one.process.terminate()
        elif one.stopped_at is not None and now - one.stopped_at >= STOP_SECONDS:
            one.process.kill()
        elif now - one.hastened >= ORDINARY_SECONDS:
            # One that was busy for long has given its priority up (speaker.priority).
            one.hastened = now
            _hasten(one.process.pid, one.program)

    def _forget(self, one: Running) -> None:
        self._running.remove(one)
        for file in (self._pid_file(one), *one.program.leftovers):
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)

    def _pid_file(self, one: Running) -> Path:
        return self._state / f"{one.program.name}.pid"

    def _step(self, wakeup: int) -> None:
        dues = [one.due - time.monotonic() for one in self._running if one.process is None]
        for key, _ in self._selector.select(max(0.0, min([LOOK_SECONDS, *dues]))):
            if key.fd == wakeup:
                os.read(wakeup, 4096)
            elif isinstance(key.data, Running):
                self._died(key.data)

    def _start(self, one: Running) -> None:
        try:
            one.process = subprocess.Popen(narrowed(one.program), stdin=subprocess.DEVNULL, process_group=0)
        except OSError as error:
            _say(f"{one.program.name} cannot be started: {error}")
            one.wait = min(LONGEST_WAIT, max(FIRST_WAIT, one.wait * 2))
            one.due = time.monotonic() + one.wait
            return
        _hasten(one.process.pid, one.program)
        one.started = one.hastened = time.monotonic()
        one.pidfd = os.pidfd_open(one.process.pid)
        self._selector.register(one.pidfd, selectors.EVENT_READ, one)
        self._note(one)

    def _note(self, one: Running) -> None:
        """Leave the process id where people find it; a directory that is full or gone must not end the hub."""
        name, pid = one.program.name, one.process.pid if one.process is not None else 0
        half_written = self._pid_file(one).with_suffix(".pid.new")
        try:
            half_written.write_text(f"{pid}\n")
            half_written.replace(self._pid_file(one))
        except OSError as error:
            _say(f"{self._state}: {error.strerror}: make it writable, or make room there; {name} runs all the same")

    def _died(self, one: Running) -> None:
        if one.process is None:
            return
        self._selector.unregister(one.pidfd)
        os.close(one.pidfd)
        status = one.process.wait()
        one.process = None
        if one.stopped_at is not None:
            one.stopped_at = None
            return
        lived = time.monotonic() - one.started
        one.wait = 0.0 if lived >= STEADY_SECONDS else min(LONGEST_WAIT, max(FIRST_WAIT, one.wait * 2))
        one.due = time.monotonic() + one.wait
        again = "starting it again" if one.wait == 0 else f"starting it again in {one.wait:.1f} s"
        if one.wait == 0:
            self._start(one)
        _say(f"{one.program.name} {_ending(status)} after {lived:.1f} s: {again}")

    def _end_all(self) -> None:
        for stage in sorted({one.program.stage for one in self._running}, reverse=True):
            self._end([one for one in self._running if one.program.stage == stage])
        for one in self._running:
            with contextlib.suppress(OSError):
                self._pid_file(one).unlink(missing_ok=True)

    def _end(self, several: Sequence[Running]) -> None:
        """Stop them together, and end what has not stopped in time."""
        deadline = time.monotonic() + STOP_SECONDS
        processes = [(one.program.name, one.process) for one in several if one.process is not None]
        for _, process in processes:
            process.terminate()
        for name, process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _say(f"{name} did not stop in {STOP_SECONDS:.0f} s: ending it")
                process.kill()
                process.wait()

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _pass_on(self, number: int, _frame: object) -> None:
        """The controller reads its configuration again on SIGHUP; the others have none."""
        for one in self._running:
            if one.program.name == "controller" and one.process is not None:
                one.process.send_signal(number)


def _hasten(pid: int, program: Program) -> None:
    """Real-time priority, with a limit that ends a process gone mad before it starves the machine."""
    if program.priority == 0:
        return
    with contextlib.suppress(ProcessLookupError):
        if os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK != os.SCHED_OTHER:
            return
    policy = os.SCHED_RR if program.inherit else os.SCHED_RR | os.SCHED_RESET_ON_FORK
    with contextlib.suppress(PermissionError, ProcessLookupError):  # an ordinary user's lab has to do without
        # The soft limit is the process's own: it has set it, and sets it again when it gives way (speaker.priority).
        soft, hard = resource.prlimit(pid, resource.RLIMIT_RTTIME)
        if hard != LONGEST_RUN_MICROSECONDS:
            soft = LONGEST_RUN_MICROSECONDS
        resource.prlimit(pid, resource.RLIMIT_RTTIME, (soft, LONGEST_RUN_MICROSECONDS))
        os.sched_setscheduler(pid, policy, os.sched_param(program.priority))


def _raise_descriptor_limit() -> None:
    """Let every process have as many open files as its neighbors need, as far as this machine allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = most == resource.RLIM_INFINITY or most >= DESCRIPTORS
    for limits in ((DESCRIPTORS, most if enough else DESCRIPTORS), (most, most)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        except (ValueError, OSError):
            continue
        return


def _ending(status: int) -> str:
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"exited with status {status}"


def _say(text: str) -> None:
    say_at_once(f"pointsman: {text}")
