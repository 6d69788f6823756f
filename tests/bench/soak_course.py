"""One soak from end to end: the network up, loss on, what shall happen in it, and what was seen."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "lab"))

from running_hub import all_well
from soak_count import Death, Span, deaths, differences
from soak_network import ENDS_WITH_US, Loss, SoakNetwork, Wanted, sweep
from soak_record import Recorder, Watchers

from hub.control.client import NotRunningError, RefusedError, ask_controller, ask_forwarder

SETTLES = 3.0
"""Seconds from when all is well to the beginning: BIRD announces its new rate before it uses it."""
PATIENCE = 120.0

Act = Callable[[SoakNetwork, Watchers], None]


@dataclass(frozen=True, slots=True)
class Course:
    """A Course is what a soak suffers: seconds, the share of packets lost each way, busy loops, stops of the forwarder.

    The seed decides when the stops are; which packets are lost is the kernel's.
    """

    seconds: float
    loss: float = 0.0
    busy: int = 0
    stops: int = 0
    stop_seconds: float = 0.1
    seed: int = 1

    def stops_at(self) -> list[float]:
        """Seconds from the beginning of each stop: one in each of as many equal parts of the time."""
        number, part = random.Random(self.seed), self.seconds / max(1, self.stops)
        return [part * (position + number.uniform(0.1, 0.9)) for position in range(self.stops)]


@dataclass(frozen=True, slots=True)
class Machine:
    """A Machine is what there was of it during the soak: shares of its processors' time, the hub's share of one."""

    load: float
    stolen: float
    idle: float
    hub_process: float
    watcher_first: bool


@dataclass(frozen=True, slots=True)
class Result:
    """A Result is all that a soak has seen; `lost` is when the forwarder was not there to be asked."""

    wanted: Wanted
    course: Course
    tunnels: int
    within: Span
    deaths: list[Death]
    freezes: list[Span]
    stops: list[Span]
    to_hub: Loss
    to_branches: Loss
    counters: dict[str, int]
    lost: list[float]
    machine: Machine

    @property
    def tunnel_hours(self) -> float:
        """How long how many tunnels were watched."""
        return self.tunnels * (self.within.ends - self.within.begins) / 3600


def run(
    wanted: Wanted, course: Course, acts: Sequence[tuple[float, Act]] = (), say: Callable[[str], None] = print
) -> Result:
    """Build the network, measure, and take everything down again; `acts` happen so many seconds from the beginning."""
    sweep()
    network = SoakNetwork(f"soak{os.getpid()}", wanted)
    watchers = Watchers(network.directory)
    try:
        network.set_up()
        watchers.start()
        with closing(Recorder(network)) as recorder:
            _wait_until_well(network, recorder)
            say(f"up          {len(network.tunnels)} tunnels; now {course.seconds:.0f} s")
            with _busy(course.busy), _above_the_others():
                return _measure(network, watchers, recorder, course, acts)
    finally:
        watchers.stop()
        network.take_down()


def _measure(
    network: SoakNetwork, watchers: Watchers, recorder: Recorder, course: Course, acts: Sequence[tuple[float, Act]]
) -> Result:
    recorder.poll(time.monotonic() + SETTLES)
    stops: list[Span] = []

    def stop(network: SoakNetwork, _watchers: Watchers) -> None:
        stops.append(_stop(network.hub_process(), course.stop_seconds))

    counters, used = _counters(network), _Used(network.hub_process())
    begins = time.monotonic()
    network.lose(course.loss)
    for at, act in sorted([*acts, *((at, stop) for at in course.stops_at())], key=lambda one: one[0]):
        recorder.poll(begins + at)
        act(network, watchers)
    recorder.poll(begins + course.seconds)
    within = Span(begins, time.monotonic())
    machine = used.until_now(watchers.goes_first())
    grown = differences(counters, _counters(network))
    recorder.poll(time.monotonic() + 1.0)  # what is not yet written or told
    freezes, (to_hub, to_branches) = watchers.freezes(), network.losses()
    found = deaths(recorder.changes, freezes, stops, network.wanted.interval_ms / 1000, within)
    return Result(
        wanted=network.wanted,
        course=course,
        tunnels=len(network.tunnels),
        within=within,
        deaths=found,
        freezes=[freeze for freeze in freezes if freeze.overlaps(within.begins, within.ends)],
        stops=stops,
        to_hub=to_hub,
        to_branches=to_branches,
        counters=grown,
        lost=recorder.lost,
        machine=machine,
    )


def _wait_until_well(network: SoakNetwork, recorder: Recorder) -> None:
    """Until every tunnel is up in both eyes, and with Pointsman every session too."""
    deadline = time.monotonic() + PATIENCE
    ends = len(network.tunnels) * (2 if network.wanted.bfd else 1)
    while not (recorder.up() == ends and _hub_is_well(network)):
        if time.monotonic() > deadline:
            raise SystemExit(f"not up in {PATIENCE:.0f} s: {recorder.up()} of the {ends} ends that are watched are")
        recorder.poll(time.monotonic() + 0.2)
    recorder.lost.clear()


def _hub_is_well(network: SoakNetwork) -> bool:
    if network.wanted.plain_bird:
        return True
    with suppress(NotRunningError, RefusedError):
        return all_well(ask_controller(network.run / "control.sock", {"ask": "status"}))
    return False


def _counters(network: SoakNetwork) -> dict[str, int]:
    if network.wanted.plain_bird:
        return {}
    with suppress(NotRunningError, RefusedError):
        counters: dict[str, int] = ask_forwarder(network.run / "forwarder.sock")["counters"]
        return counters
    return {}


def _stop(process: int, seconds: float) -> Span:
    """Stop a process for so long; how long it really was."""
    os.kill(process, signal.SIGSTOP)
    begins = time.monotonic()
    try:
        time.sleep(seconds)
    finally:
        os.kill(process, signal.SIGCONT)
    return Span(begins, time.monotonic())


@contextmanager
def _busy(loops: int) -> Iterator[None]:
    """So many programs that do nothing, as fast as they can."""
    command = [*ENDS_WITH_US, sys.executable, "-c", "while True: pass"]
    programs = [subprocess.Popen(command) for _ in range(loops)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


@contextmanager
def _above_the_others() -> Iterator[None]:
    """A stop of the forwarder must end in time, whatever else is busy; what we start has no part in it."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class _Used:
    """What of the processors' time is used from now on (proc_stat(5), proc_pid_stat(5))."""

    def __init__(self, process: int) -> None:
        self._process = process
        self._began = time.monotonic()
        self._machine, self._own = _times(), _processor_seconds(process)

    def until_now(self, watcher_first: bool) -> Machine:
        spent = [after - before for before, after in zip(self._machine, _times(), strict=True)]
        own = _processor_seconds(self._process) - self._own
        everything = max(1, sum(spent))
        return Machine(
            load=os.getloadavg()[0],
            stolen=spent[7] / everything,
            idle=spent[3] / everything,
            hub_process=own / (time.monotonic() - self._began),
            watcher_first=watcher_first,
        )


def _times() -> list[int]:
    return [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]


def _processor_seconds(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
