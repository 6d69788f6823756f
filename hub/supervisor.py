"""All processes of a hub in the foreground, under one supervisor: for trying things, and for the lab.

On a real hub systemd does this, with a unit a process. Like there, none is the parent of another's work: whichever dies
is started again at once, and the others don't notice.

    supervisor -- forwarder    CAP_NET_ADMIN, CAP_NET_RAW
               -- exabgp       CAP_NET_BIND_SERVICE; its only child is the relay
               -- controller   no capability
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
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hub.control.places import Places

STEADY_SECONDS = 2.0
"""A process that lived this long is started again at once; one that dies sooner waits, longer each time."""
FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0
LONGEST_RUN_MICROSECONDS = 5_000_000
"""Processor time without once waiting for anything, after which a process is ended (RLIMIT_RTTIME)."""
STOP_SECONDS = 5.0
"""How long a process may take to stop before it is ended."""


@dataclass(frozen=True, slots=True)
class Program:
    """A Program is one process to keep running, with the only capabilities that it may have.

    `priority` is its real-time priority (SCHED_RR, sched(7)): every process between a death and the branch that is
    told of it would otherwise wait for its turn on a busy machine. `inherit` gives it to its children too.
    """

    name: str
    arguments: tuple[str, ...]
    capabilities: tuple[str, ...] = ()
    priority: int = 1
    inherit: bool = False


@dataclass(slots=True)
class Running:
    """A Running is a program's present process, or the time at which it is to be started again."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    pidfd: int = -1
    started: float = 0.0
    wait: float = 0.0
    due: float = field(default=0.0)


def programs(places: Places, overrides: Sequence[str]) -> tuple[Program, ...]:
    """The processes of a hub, in the order in which they are started; stopped in reverse."""
    directories = ("--run-dir", str(places.run), "--state-dir", str(places.state))
    return (
        Program("forwarder", _module("hub.forwarder", *directories), ("net_admin", "net_raw"), priority=3),
        Program(
            "exabgp",
            _module("speaker.bgp.launcher", str(places.exabgp_config())),
            ("net_bind_service",),
            priority=2,
            inherit=True,
        ),
        Program("controller", _module("hub.controller", "--config", str(places.config), *directories, *overrides)),
    )


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *arguments)


def narrowed(program: Program) -> list[str]:
    """The command that runs a program with its own capabilities only, and ends it when the supervisor is gone."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return list(program.arguments)
    wanted = ",".join(["-all", *(f"+{capability}" for capability in program.capabilities)])
    return [setpriv, "--pdeathsig", "TERM", "--bounding-set", wanted, "--inh-caps", wanted, *program.arguments]


class Supervisor:
    """A Supervisor keeps the programs running until it is told to stop."""

    def __init__(self, programs: Sequence[Program], state: Path) -> None:
        self._running = [Running(program) for program in programs]
        self._state = state
        self._selector = selectors.DefaultSelector()
        self._stopping = False

    def run(self) -> int:
        """Start everything and watch it; returns 0 after SIGTERM or SIGINT."""
        wakeup, told = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(told)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._pass_on)
        self._selector.register(wakeup, selectors.EVENT_READ, None)
        for one in self._running:
            self._start(one)
        while not self._stopping:
            self._step(wakeup)
        self._end_all()
        return 0

    def _step(self, wakeup: int) -> None:
        dues = [one.due for one in self._running if one.process is None]
        timeout = max(0.0, min(dues) - time.monotonic()) if dues else None
        for key, _ in self._selector.select(timeout):
            if key.fd == wakeup:
                os.read(wakeup, 4096)
            elif isinstance(key.data, Running):
                self._died(key.data)
        for one in self._running:
            if one.process is None and one.due <= time.monotonic() and not self._stopping:
                self._start(one)

    def _start(self, one: Running) -> None:
        try:
            one.process = subprocess.Popen(narrowed(one.program), stdin=subprocess.DEVNULL, process_group=0)
        except OSError as error:
            _say(f"{one.program.name} cannot be started: {error}")
            one.wait = min(LONGEST_WAIT, max(FIRST_WAIT, one.wait * 2))
            one.due = time.monotonic() + one.wait
            return
        _hasten(one.process.pid, one.program)
        one.started = time.monotonic()
        one.pidfd = os.pidfd_open(one.process.pid)
        self._selector.register(one.pidfd, selectors.EVENT_READ, one)
        self._note(one.program.name, one.process.pid)

    def _note(self, name: str, pid: int) -> None:
        """Leave the process id where people find it; a directory that is full or gone must not end the hub."""
        try:
            (self._state / f"{name}.pid").write_text(f"{pid}\n")
        except OSError as error:
            _say(f"{self._state}: {error.strerror}: make it writable, or make room there; {name} runs all the same")

    def _died(self, one: Running) -> None:
        if one.process is None:
            return
        self._selector.unregister(one.pidfd)
        os.close(one.pidfd)
        status = one.process.wait()
        one.process = None
        lived = time.monotonic() - one.started
        one.wait = 0.0 if lived >= STEADY_SECONDS else min(LONGEST_WAIT, max(FIRST_WAIT, one.wait * 2))
        one.due = time.monotonic() + one.wait
        again = "starting it again" if one.wait == 0 else f"starting it again in {one.wait:.1f} s"
        if one.wait == 0:
            self._start(one)
        _say(f"{one.program.name} {_ending(status)} after {lived:.1f} s: {again}")

    def _end_all(self) -> None:
        for one in reversed(self._running):
            if one.process is None:
                continue
            one.process.terminate()
            try:
                one.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                _say(f"{one.program.name} did not stop in {STOP_SECONDS:.0f} s: ending it")
                one.process.kill()
                one.process.wait()
        for one in self._running:
            with contextlib.suppress(OSError):
                (self._state / f"{one.program.name}.pid").unlink(missing_ok=True)

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _pass_on(self, number: int, _frame: object) -> None:
        """The controller reads its configuration again on SIGHUP; the others have none."""
        for one in self._running:
            if one.program.name == "controller" and one.process is not None:
                one.process.send_signal(number)


def _hasten(pid: int, program: Program) -> None:
    """Real-time priority, with a limit that ends a process gone mad before it starves the machine."""
    policy = os.SCHED_RR if program.inherit else os.SCHED_RR | os.SCHED_RESET_ON_FORK
    with contextlib.suppress(PermissionError, ProcessLookupError):  # an ordinary user's lab has to do without
        resource.prlimit(pid, resource.RLIMIT_RTTIME, (LONGEST_RUN_MICROSECONDS, LONGEST_RUN_MICROSECONDS))
        os.sched_setscheduler(pid, policy, os.sched_param(program.priority))


def _ending(status: int) -> str:
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"exited with status {status}"


def _say(text: str) -> None:
    sys.stderr.write(f"pointsman: {text}\n")
    sys.stderr.flush()
