"""The provisioner as a process: `python -m hub.provisioner --run-dir DIR --state-dir DIR`.

What it was told last is made first, as far as it is missing: after a boot tunnels are there before anybody asks. Then
it serves requests. When it ends everything stays as it is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import TextIO

from hub.control.lock import AlreadyRunningError, hold
from hub.control.log import Log, say_at_once
from hub.control.places import SYSTEM_RUN, SYSTEM_STATE, Places
from hub.provisioner.asks import Asks
from hub.provisioner.changes import ProvisionError
from hub.provisioner.kept_keys import keys_ask
from hub.provisioner.one_network import hold_machine
from hub.provisioner.remembered import Remembered
from hub.provisioner.server import Server
from hub.provisioner.slices import parts_of
from speaker.notify import Systemd


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal; 0 when asked to stop, 1 when it cannot begin."""
    parser = ArgumentParser(prog="python -m hub.provisioner", description="The provisioner, alone.")
    parser.add_argument("--run-dir", type=Path, default=SYSTEM_RUN, help="the directory of the sockets")
    parser.add_argument("--state-dir", type=Path, default=SYSTEM_STATE, help="the directory of the state")
    options = parser.parse_args(arguments)
    try:
        _serve(Places(run=options.run_dir, state=options.state_dir))
    except (OSError, AlreadyRunningError, ProvisionError) as error:
        mend = f"; mend: {error.mend}" if isinstance(error, ProvisionError) else ""
        say_at_once(f"pointsman: provisioner: {error}{mend}")
        return 1
    return 0


def _serve(places: Places) -> None:
    os.umask(0o027)
    hold(places.run / "provisioner.run.lock", "a provisioner")
    claim = _claimed(places)
    log, remembered = Log("provisioner: "), Remembered(places.provisioner_state)
    if (problem := remembered.read()) is not None:
        log(problem)
    parts = parts_of(places, lambda: remembered.wanted)
    parts.ipsec.listen()
    systemd = Systemd()

    def say(text: str) -> None:
        log(text)
        systemd.alive()  # each change is said: a long apply is no hanging

    asks = Asks(parts.provisioner, remembered, say, {**parts.asks, "keys": keys_ask(parts.kept, remembered)})
    stopping = _stop_signals()
    asks.make_again(time.monotonic())
    server = Server(places.provisioner_socket, asks, log, systemd.alive)
    systemd.ready()
    server.run(lambda: stopping.asked, stopping.wakeup)
    systemd.stopping()
    server.close()
    parts.ipsec.close()
    claim.close()
    log.close()


def _claimed(places: Places) -> TextIO:
    """The machine, for this process alone; who has it instead is written down for the controller."""
    refusal = places.provisioner_refusal
    refusal.unlink(missing_ok=True)
    try:
        return hold_machine(places.state)
    except (AlreadyRunningError, ProvisionError) as error:
        # The directory is not root's alone: no link that somebody put there is followed.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(OSError), os.fdopen(os.open(refusal, flags, 0o640), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)  # nothing in it is secret, and the controller is another user
            file.write(str(error))
        raise


class _Stopping:
    """A _Stopping becomes true by a signal, and wakes whoever waits."""

    def __init__(self) -> None:
        self.asked = False
        self.wakeup, self.told = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def ask(self, _number: int, _frame: object) -> None:
        self.asked = True


def _stop_signals() -> _Stopping:
    stopping = _Stopping()
    signal.set_wakeup_fd(stopping.told)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopping.ask)
    return stopping
