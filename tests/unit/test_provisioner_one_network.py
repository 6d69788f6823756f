"""Two networks of Pointsman on one machine: the second one is refused, and says which the first one is."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.control.lock import AlreadyRunningError
from hub.provisioner.changes import Change, Finding, Planned, ProvisionError, Refusal
from hub.provisioner.one_network import hold_machine, other_network
from hub.provisioner.provisioner import Provisioner
from hub.provisioner.wanted import NOTHING, Wanted

KENCANA = replace(NOTHING, network="kencana")
OURS = ("wg51000-bandung", "pointsman kencana bandung/fiber")
THEIRS = ("wg52000-medan", "pointsman melati medan/fiber"), ("wg52001-medan", "pointsman melati medan/lte")


class Anything:
    """A slice that would change something, and find something amiss."""

    name = "anything"
    done = 0

    def plan(self, wanted: Wanted) -> Planned:
        return Planned((Change(self.name, "a", "put a"),))

    def do(self, change: Change) -> None:
        self.done += 1

    def verify(self, wanted: Wanted) -> tuple[Finding, ...]:
        return (Finding(self.name, "a", "put right", repaired=True),)

    def report(self, wanted: Wanted) -> dict[str, dict[str, Any]]:
        return {}


def test_another_network_s_tunnels_are_named_with_the_mend() -> None:
    refusal = other_network("kencana", lambda: (("lo", ""), ("eth0", "uplink of pointsman x"), OURS, *THEIRS))
    assert refusal is not None
    assert refusal.text == (
        "another network of Pointsman, melati, has tunnels here (wg52000-medan and 1 more), and a machine has one"
    )
    assert refusal.mend == (
        "run one of the two in a network namespace of its own; if melati is no more: ip link delete wg52000-medan, "
        "and so on"
    )


def test_a_network_s_own_tunnels_and_whatever_else_there_is_are_no_other_network() -> None:
    assert other_network("kencana", lambda: (("lo", ""), ("eth0", "uplink of pointsman x"), OURS)) is None


def test_where_another_network_is_nothing_is_done_nor_put_right(tmp_path: Path) -> None:
    refusal = Refusal("machine", "all", "melati is here", "go away")
    slice_ = Anything()
    provisioner = Provisioner([slice_], tmp_path / "lock", lambda _: refusal)
    assert provisioner.plan(KENCANA) == Planned(refusals=(refusal,))
    assert provisioner.apply(KENCANA).refused == (refusal,)
    assert provisioner.verify(KENCANA) == (Finding("machine", "all", "melati is here", "go away"),)
    assert slice_.done == 0


def test_a_kernel_that_does_not_say_who_is_here_has_nothing_done(tmp_path: Path) -> None:
    def silent(_: str) -> Refusal | None:
        raise ProvisionError("the kernel does not say", "be root")

    slice_ = Anything()
    outcome = Provisioner([slice_], tmp_path / "lock", silent).apply(KENCANA)
    assert [(each.text, each.mend) for each in outcome.refused] == [("the kernel does not say", "be root")]
    assert slice_.done == 0


def test_a_second_provisioner_of_a_machine_is_told_of_the_first(tmp_path: Path) -> None:
    claim = f"pointsman-test-{os.getpid()}"
    code = (
        "import sys, pathlib; from hub.provisioner.one_network import hold_machine\n"
        f"held = hold_machine(pathlib.Path('/x'), {claim!r}); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, "--state-dir", "/srv/first"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunningError) as refused:
            hold_machine(tmp_path, claim)
        assert str(refused.value) == (
            f"process {first.pid} (state in /srv/first) makes the tunnels of this network namespace already, so this "
            f"one (state in {tmp_path}) does not: stop one, or run one of the two in a network namespace of its own"
        )
        first.communicate("")
    hold_machine(tmp_path, claim).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a process of another user")
def test_who_is_not_root_keeps_no_provisioner_from_its_work_by_taking_the_name(tmp_path: Path) -> None:
    claim = f"pointsman-test-{os.getpid()}"
    code = (
        "import socket, sys; held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        f"held.bind('\\0{claim}'); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        ["setpriv", "--reuid", "65534", "--clear-groups", "/usr/bin/env", "python3", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with hold_machine(tmp_path, claim) as found:
            assert isinstance(found, socket.socket)
        other.communicate("")
