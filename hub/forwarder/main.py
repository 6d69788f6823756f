"""Starts the forwarder: `python -m hub.forwarder --run-dir DIR --state-dir DIR`.

First the liveness engine goes on from the state file, so that no branch misses a packet; then what is in the kernel is
adopted; then the socket opens. Nothing is ever removed from the kernel by stopping.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from hub.control.lines import Message
from hub.control.lock import AlreadyRunningError
from hub.control.log import Log, say_at_once
from hub.control.places import SYSTEM_RUN, SYSTEM_STATE, Places
from hub.forwarder import checks
from hub.forwarder.aside import Aside, failure_text
from hub.forwarder.forwarder import Forwarder
from hub.forwarder.health.counting import Counting
from hub.forwarder.health.handshakes import Handshakes
from hub.forwarder.health.packets import PacketCounters
from hub.forwarder.health.slow_looks import SlowLooks
from hub.forwarder.liveness.engine import Engine
from hub.forwarder.liveness.port import OnLiveness, OnPath, OnProblem
from hub.forwarder.loop import Loop, Timer
from hub.forwarder.netlink import links, nexthops, rules
from hub.forwarder.netlink.notices import COMPAT_MODE, RouteNotices
from hub.forwarder.netlink.sockets import Notifications, Requests
from hub.forwarder.orders import Command
from hub.forwarder.problems import Problem
from hub.forwarder.server import Server
from hub.forwarder.state import SavedState, StateFileError, Writer, after_reboot, read
from hub.forwarder.tracing import TraceOrder, Tracing
from speaker.notify import Systemd
from speaker.priority import give_way_when_busy

SAVE_AFTER_NS = 100_000_000
"""How long changes are gathered before the state file is written."""
SAVE_AGAIN_NS = 5_000_000_000
"""How long after the state file could not be written it is tried again."""
CHECK_EVERY_NS = 10_000_000_000
QUIET_START_NS = 5_000_000_000
"""How long after the start nothing is looked at that can wait: the branches were asked for 5 s of patience."""
GARBAGE_THRESHOLD = 20_000
"""Objects. Values of one look die young without the collector's help; a look at so many is a millisecond, what is left
is looked at again rarely."""
THREADS_TAKE_TURNS_S = 0.0005
"""Seconds that the thread of the state file may go on while the loop wants to."""
STOPPING = frozenset({signal.SIGTERM, signal.SIGINT})
MOST_DESCRIPTORS = 65_536
LONGEST_SOCKET_PATH = 107
"""Bytes (unix(7))."""


class Process:
    """A Process is the forwarder with all its sockets, in one thread; only the log and the state file have their own.

    Raises:
        AlreadyRunningError: another forwarder serves this runtime directory.
        OSError: a directory or a socket is not there or not ours.
    """

    def __init__(self, places: Places) -> None:
        self._loop = Loop()
        self._log = Log("forwarder: ")
        self._server = Server(
            self._loop, places.forwarder_socket, self._snapshot, self._obey, self._log, self._controller_gone
        )
        self._results, self._results_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._save_error: OSError | None = None
        self._places = places
        self._writer = Writer(places.forwarder_state, self._written)
        self._save_timer: Timer | None = None
        self._kernel, self._auditor = Requests(), Requests()
        self._notifications = Notifications()
        self._boot = (checks.read_file("/proc/sys/kernel/random/boot_id") or "").strip()
        self._checks: Iterator[tuple[str, Iterator[dict[str, Problem] | None]]] = iter(())
        self._tracing = Tracing(self._loop, self._server.tell_controller)
        self._stopping = False
        self._systemd = Systemd()
        self.forwarder = Forwarder(
            self._loop,
            self._kernel,
            self._auditor,
            self._make_engine,
            tell=self._server.tell,
            log=self._log,
            changed=self._save_soon,
            stop=self.stop_planned,
            count=self._make_counting(),
            silenced=RouteNotices().silenced,
        )

    def _make_engine(self, on_liveness: OnLiveness, on_path: OnPath, on_problem: OnProblem) -> Engine:
        self._engine = Engine(self._loop, on_liveness, on_path, on_problem, self._sampled)
        return self._engine

    def _begin_slow_looks(self) -> None:
        forwarder = self.forwarder
        looks = SlowLooks(self._loop, forwarder.slow_looks_at, Handshakes().read, self._log, forwarder.problems.report)
        forwarder.beside = looks.of
        self._loop.call_at(self._loop.now() + QUIET_START_NS, looks.begin)

    def _make_counting(self) -> Callable[[Mapping[str, str]], None]:
        aside, counters = Aside(self._loop, "count"), PacketCounters()

        def on_problem(key: str, text: str | None, mend: str | None) -> None:
            self.forwarder.problems.report(key, text, mend)

        def clean() -> Callable[[], None]:
            counters.remove_what_was_left()
            return lambda: None

        def not_cleaned(error: Exception) -> None:
            self._log(failure_text("removing the counters of a forwarder that died", error))

        self._loop.call_at(self._loop.now() + QUIET_START_NS, lambda: aside.do(clean, not_cleaned))
        return Counting(self._loop, aside, counters.read, self._server.tell_controller, on_problem).watch

    def _controller_gone(self) -> None:
        """What only it wanted to know is looked at no more."""
        self.forwarder.count_forwarded(())

    def run(self) -> None:
        """Work until a planned stop."""
        self._watch_signals()
        sys.setswitchinterval(THREADS_TAKE_TURNS_S)
        give_way_when_busy()
        self._loop.watch(self._notifications.fileno(), self._notified)
        self._loop.watch(self._results, self._saved)
        self._look_at_links()
        self.forwarder.restore(self._read_state())
        self._look_at_addresses()
        self.forwarder.adopt(self._ready)
        self._check()
        self._begin_slow_looks()
        self._sign_of_life()
        gc.freeze()
        gc.set_threshold(GARBAGE_THRESHOLD, 500, 50)
        gc.enable()
        self._loop.run()
        self._close()

    def _ready(self) -> None:
        self._server.listen()
        self._log(f"{len(self.forwarder.classes)} classes adopted, listening on {self._places.forwarder_socket}")
        self._systemd.ready(f"{len(self.forwarder.classes)} classes adopted at the start")

    def _sign_of_life(self) -> None:
        if self._systemd.every is not None:
            self._systemd.alive()
            self._loop.call_at(self._loop.now() + round(self._systemd.every * 1e9), self._sign_of_life)

    def stop_planned(self) -> None:
        """Slow the branches' timers down, save, and go; the kernel stays as it is."""
        if not self._stopping:
            self._stopping = True
            self._log("stopping: asking the branches for patience")
            self._systemd.stopping("asks the branches for patience")
            self._engine.slow_down(self._loop.stop)

    def _close(self) -> None:
        self._writer.save(self.forwarder.saved(self._boot))
        self._writer.close(2.0)
        self._server.close()
        self._log("stopped; what is in the kernel stays")
        self._log.close()

    def _watch_signals(self) -> None:
        reader, writer = socket.socketpair()
        reader.settimeout(0)
        writer.settimeout(0)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._signals = (reader, writer)
        for number in STOPPING:
            signal.signal(number, lambda _number, _frame: None)
        self._loop.watch(reader.fileno(), lambda: self._signalled(reader.recv(64)))

    def _signalled(self, numbers: bytes) -> None:
        """Also a signal that only asks to give way (SIGXCPU) is told: it must not end us."""
        if not STOPPING.isdisjoint(numbers):
            self.stop_planned()

    # The socket

    def _sampled(self, samples: list[Message]) -> None:
        self._server.tell_controller({"samples": samples})

    def _snapshot(self) -> Message:
        snapshot = self.forwarder.snapshot()
        lateness = {"loop lateness, microseconds": self._loop.lateness // 1000}
        snapshot["counters"] = {**snapshot["counters"], **self._server.counters, **lateness}
        return snapshot

    # The kernel

    def _notified(self) -> None:
        found, lost = self._notifications.read()
        if lost:
            self._look_at_links()
            self._look_at_addresses()
            return
        addresses = False
        for kind, port, body in found:
            if kind in (links.NEW_LINK, links.DELETE_LINK):
                self._link(kind, body)
            elif kind == nexthops.DELETE and port != self._kernel.port:
                nexthop = nexthops.decode(body)
                if nexthop:
                    self.forwarder.fib.nexthop_gone(nexthop.id)
            elif kind in (rules.NEW, rules.DELETE) and port != self._kernel.port:
                rule = rules.decode(body)
                if rule:
                    self.forwarder.fib.rule_changed(rule[0], gone=kind == rules.DELETE)
            addresses = addresses or kind in (links.NEW_ADDRESS, links.DELETE_ADDRESS)
        if addresses:
            self._look_at_addresses()

    def _link(self, kind: int, body: bytes) -> None:
        link = links.decode_link(body)
        if link is None:
            return
        interfaces = self.forwarder.interfaces
        change = interfaces.gone(link) if kind == links.DELETE_LINK else interfaces.changed(link)
        self.forwarder.links_changed(change)

    def _look_at_links(self) -> None:
        found = [links.decode_link(body) for _kind, body in self._kernel.whole(links.dump_links())]
        self.forwarder.links_changed(self.forwarder.interfaces.replace(link for link in found if link))

    def _look_at_addresses(self) -> None:
        found = [links.decode_address(body) for _kind, body in self._kernel.whole(links.dump_addresses())]
        self.forwarder.addresses_changed(each for each in found if each)

    def _check(self) -> None:
        forwarder = self.forwarder
        six = forwarder.tunnel_interfaces(ipv6=True)
        forwarder.problems.replace("check:forwarding", checks.forwarding(ipv6=bool(six)))
        self._checks = iter(
            [
                ("check:reverse-path", checks.strict_filtering(forwarder.tunnel_interfaces())),
                ("check:disabled-ipv6", checks.disabled_ipv6(six)),
            ]
        )
        self._next_check()

    def _next_check(self) -> None:
        group, steps = next(self._checks, (None, None))
        if group is None or steps is None:
            self._loop.call_at(self._loop.now() + CHECK_EVERY_NS, self._check)
        else:
            self._step_check(group, steps)

    def _step_check(self, group: str, steps: Iterator[dict[str, Problem] | None]) -> None:
        problems = next(steps)
        if problems is None:
            self._loop.call_at(self._loop.now(), lambda: self._step_check(group, steps))
            return
        self.forwarder.problems.replace(group, problems)
        self._next_check()

    # The state file

    def _read_state(self) -> SavedState:
        path = self._places.forwarder_state
        try:
            saved = read(path)
        except StateFileError as error:
            text = f"the state file {path} is not used: {error}"
            mend = "nothing to do: the controller's orders make a new one"
            self.forwarder.problems.report("state:read", text, mend)
            return SavedState()
        return saved if saved.boot == self._boot else after_reboot(saved, self._loop.now())

    def _save_soon(self, after: int = SAVE_AFTER_NS) -> None:
        if self._save_timer is None and not self._stopping:
            self._save_timer = self._loop.call_at(self._loop.now() + after, self._save)

    def _save(self) -> None:
        self._save_timer = None
        if not self._stopping:
            self._writer.save(self.forwarder.saved(self._boot))

    def _written(self, error: OSError | None) -> None:
        self._save_error = error
        try:
            os.write(self._results_end, b"+")
        except BlockingIOError:  # the loop has plenty to read already
            return

    def _saved(self) -> None:
        os.read(self._results, 4096)
        problems = self.forwarder.problems
        if self._save_error is None:
            problems.report("state:write", None)
            return
        text = f"the state file {self._places.forwarder_state} can't be written: {self._save_error.strerror}"
        problems.report("state:write", text, "make the state directory writable, or make room on its disk")
        self._save_soon(SAVE_AGAIN_NS)

    def _obey(self, command: Command) -> None:
        if isinstance(command, TraceOrder):
            self._tracing.trace(command)
            return
        self.forwarder.obey(command)
        self.forwarder.problems.report("state:read", None)


def parse_arguments(arguments: Sequence[str] | None = None) -> Namespace:
    """The command line."""
    parser = ArgumentParser(prog="pointsman-forwarder", description="Watches tunnels, and moves traffic off dead ones.")
    parser.add_argument("--run-dir", type=Path, default=SYSTEM_RUN, help="directory of the sockets (%(default)s)")
    parser.add_argument(
        "--state-dir", type=Path, default=SYSTEM_STATE, help="directory of the state file (%(default)s)"
    )
    parser.add_argument(
        "--nexthop-compat-off",
        action="store_true",
        help="set net.ipv4.nexthop_compat_mode=0: faster with 10,000 routes, but other daemons cannot read ours",
    )
    return parser.parse_args(arguments)


def raise_descriptor_limit() -> None:
    """Allow as many open descriptors as we may have: every BFD session has a socket of its own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a planned stop; the exit status is 0 after one, and 1 when the forwarder could not start."""
    options = parse_arguments(arguments)
    missing = checks.missing_capabilities()
    if missing:
        say_at_once(
            f"forwarder: {' and '.join(missing)} missing: run it as root, or by systemd with AmbientCapabilities="
        )
        return 1
    for directory in (options.run_dir, options.state_dir):
        if not directory.is_dir():
            say_at_once(f"forwarder: there is no directory {directory}: create it (mkdir -p {directory})")
            return 1
    places = Places(run=options.run_dir, state=options.state_dir)
    raise_descriptor_limit()
    if len(os.fsencode(places.forwarder_socket)) > LONGEST_SOCKET_PATH:
        say_at_once(
            f"forwarder: {places.forwarder_socket} is too long for a socket: choose a --run-dir with a shorter path"
        )
        return 1
    try:
        if options.nexthop_compat_off:
            COMPAT_MODE.write_text("0")
        process = Process(places)
    except AlreadyRunningError as error:
        say_at_once(f"forwarder: {error}")
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say_at_once(f"forwarder: can't start: {where}{error.strerror}; look at the owner and mode of {options.run_dir}")
        return 1
    process.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
