"""Faults made so in a lab, and the intervals in which they were there."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from chaos_faults import PROCESSES, Fault, Kind
from chaos_verdict import Interval
from chaos_watch import process_of
from running_hub import RunningHub, is_alive, kill

from hub.control.client import NotRunningError, RefusedError, ask_controller, ask_forwarder
from hub.lab import disturb
from hub.lab.disturbances import Direction

_DIRECTIONS = {Kind.CUT_TO_BRANCH: Direction.TO_BRANCH, Kind.CUT_TO_HUB: Direction.TO_HUB}
SOME_LOSS = 0.2
_BACK_WITHIN = 30.0


class Injector:
    """An Injector carries out the faults of one episode at their times, all in threads of their own."""

    def __init__(self, hub: RunningHub, configuration: Path) -> None:
        self._hub = hub
        self._configuration = configuration
        self._changed = hub.lab.network.branches[0].name
        self._lock = threading.Lock()
        self.intervals: list[Interval] = []
        self.notes: list[str] = []
        self.made: list[Fault] = []
        self.not_made: list[str] = []
        self.began = time.monotonic()

    def play(self, faults: tuple[Fault, ...]) -> None:
        """All faults, from now on; returns when the last one has ended."""
        self.began = time.monotonic()
        threads = [threading.Thread(target=self._one, args=(fault, self.began)) for fault in faults]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _one(self, fault: Fault, start: float) -> None:
        try:
            _sleep_until(start + fault.begins)
            self._carry_out(fault, start + fault.ends)
        except Exception as error:  # noqa: BLE001 - one may fail by another's doing; a run of them is a violation
            self.not_made.append(f"{fault.kind.value} {fault.target}: {type(error).__name__}: {error}")
        else:
            self.made.append(fault)

    def _carry_out(self, fault: Fault, until: float) -> None:
        match fault.kind:
            case Kind.FLAP:
                while time.monotonic() < until:
                    self._cut(fault, min(until, time.monotonic() + 0.6))
                    time.sleep(0.5)
            case Kind.CUT | Kind.CUT_TO_BRANCH | Kind.CUT_TO_HUB | Kind.LOSS:
                self._cut(fault, until)
            case Kind.APPLY:
                with self._during(fault.kind, [self._changed]):
                    self._apply(until)
            case Kind.FULL_DISK:
                self._fill(until)
            case Kind.SLOW_READERS:
                self._read_slowly(until)
            case _:
                targets = list(PROCESSES) if fault.kind is Kind.KILL_ALL else [fault.target]
                with self._during(fault.kind, targets):
                    self._strike(fault, until)

    def _strike(self, fault: Fault, until: float) -> None:
        match fault.kind:
            case Kind.KILL_ALL:
                self._kill_all(until)
            case Kind.STOP:
                self._stop(fault.target, until)
            case _:
                self._kill(fault.target, signal.SIGTERM if fault.kind is Kind.RESTART else signal.SIGKILL)

    # tunnels

    def _cut(self, fault: Fault, until: float) -> None:
        lab = self._hub.lab
        with self._during(fault.kind, self._tunnels(fault.target)):
            with self._lock:
                loss = SOME_LOSS if fault.kind is Kind.LOSS else 1.0
                disturb.disturb(lab, fault.target, _DIRECTIONS.get(fault.kind, Direction.BOTH), loss=loss)
            _sleep_until(until)
            self._heal(fault.target)

    def _heal(self, target: str) -> None:
        with self._lock:
            disturb.heal(self._hub.lab, target)

    def _tunnels(self, target: str) -> list[str]:
        """The tunnels that a cut of this target cuts: one, or all that go over the uplinks of an ISP."""
        if "/" in target:
            return [target]
        isp = target.removeprefix("isp:")
        network = self._hub.lab.network
        hubs = {uplink.address for uplink in network.hub.uplinks if uplink.isp == isp}
        return [
            tunnel.name
            for branch, tunnel in network.tunnels()
            if tunnel.endpoint in hubs or any(u.name == tunnel.uplink and u.isp == isp for u in branch.uplinks)
        ]

    # processes

    def _kill(self, name: str, number: int = signal.SIGKILL) -> None:
        before = process_of(self._hub, name)
        if not before:
            raise ProcessLookupError(f"{name} does not run")
        os.kill(before, number)
        self._wait(lambda: process_of(self._hub, name) not in (0, before) and self._answers(name), f"{name} is back")

    def _stop(self, name: str, until: float) -> None:
        pid = process_of(self._hub, name)
        if not pid:
            raise ProcessLookupError(f"{name} does not run")
        os.kill(pid, signal.SIGSTOP)
        try:
            _sleep_until(until)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._wait(lambda: self._answers(name), f"{name} answers")

    def _kill_all(self, until: float) -> None:
        supervisor = self._hub.supervisor()
        for pid in (supervisor, *(process_of(self._hub, name) for name in PROCESSES)):
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    kill(pid)
        _sleep_until(until)
        self._wait(lambda: not is_alive(supervisor), "the supervisor is gone")
        self._hub.start_again()
        self._wait(lambda: all(map(self._answers, PROCESSES)), "all processes answer")

    def _answers(self, name: str) -> bool:
        run = self._hub.lab.place.run
        try:
            if name == "forwarder":
                return bool(ask_forwarder(run / "forwarder.sock"))
            report = ask_controller(run / "control.sock", {"ask": "status"})
        except (NotRunningError, RefusedError):
            return False
        return name == "controller" or bool(report["speaker"])

    def _wait(self, condition: Callable[[], bool], wanted: str) -> None:
        deadline = time.monotonic() + _BACK_WITHIN
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError, KeyError):
                if condition():
                    return
            time.sleep(0.01)
        self.notes.append(f"not so within {_BACK_WITHIN:g} s: {wanted}")

    # everything else

    def _apply(self, until: float) -> None:
        """Another preference for the first branch, and back."""
        file = self._configuration / "branches" / f"{self._changed}.yaml"
        text = file.read_text()
        try:
            file.write_text(f"{text}prefer: [wireless, fiber]\n")
            self._ask_apply()
            _sleep_until(until)
        finally:
            file.write_text(text)
            self._wait(self._ask_apply, "the configuration of before is applied")

    def _ask_apply(self) -> bool:
        try:
            ask_controller(self._hub.lab.place.run / "control.sock", {"ask": "apply", "force": True}, 60)
        except (NotRunningError, RefusedError) as error:
            self.notes.append(f"apply: {error}")
            time.sleep(0.5)
            return False
        return True

    def _fill(self, until: float) -> None:
        """Nothing can be written to the state directory any more (it is on a small file system of its own)."""
        filler = self._hub.lab.place.state / "filler"
        try:
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(b"\0" * 4096)
            _sleep_until(until)
        finally:
            filler.unlink(missing_ok=True)

    def _read_slowly(self, until: float) -> None:
        """Connections that ask for much and read nothing."""
        readers = []
        for name, line in (
            ("control.sock", b'{"ask":"status"}\n' * 500),
            ("forwarder.sock", b'{"pointsman":1,"role":"reader"}\n'),
            ("exabgp-1.sock", b""),
        ):
            reader = socket.socket(socket.AF_UNIX)
            reader.settimeout(0.5)
            readers.append(reader)
            with contextlib.suppress(OSError):
                reader.connect(str(self._hub.lab.place.run / name))
                reader.sendall(line)
        _sleep_until(until)
        for reader in readers:
            reader.close()

    @contextlib.contextmanager
    def _during(self, kind: Kind, targets: list[str]) -> Iterator[None]:
        begin = time.monotonic()
        try:
            yield
        finally:
            end = time.monotonic()
            self.intervals += [Interval(kind, target, begin, end) for target in targets]


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
