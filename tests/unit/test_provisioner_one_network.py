"""Two networks of Pointsman on one machine: the second one is refused, and says which the first one is."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.control.lock import AlreadyRunningError
from hub.provisioner.changes import Change, Finding, Planned, ProvisionError, Refusal
from hub.provisioner.one_network import hold_machine, machine_directory, other_network
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


HOLD = (
    "import sys, pathlib; from hub.provisioner.one_network import hold_machine\n"
    "held = hold_machine(*map(pathlib.Path, sys.argv[1:])); print('held', flush=True); sys.stdin.read()"
)
UNSHARE = ("unshare", "--user", "--map-root-user", "--net", "--mount")


def may_unshare() -> bool:
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(not may_unshare(), reason="needs network namespaces of its own")


def test_a_second_provisioner_of_a_machine_is_told_of_the_first(tmp_path: Path) -> None:
    locks = tmp_path / "locks"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, "/srv/first", locks], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunningError) as refused:
            hold_machine(tmp_path, locks)
        assert str(refused.value) == (
            f"process {first.pid} (state in /srv/first) makes the tunnels of this network namespace already, so this "
            f"one (state in {tmp_path}) does not: stop one, or run one of the two in a network namespace of its own"
        )
        first.communicate("")
    hold_machine(tmp_path, locks).close()


@needs_namespaces
def test_two_hubs_in_network_namespaces_of_their_own_do_not_meet(tmp_path: Path) -> None:
    locks = tmp_path / "locks"
    with hold_machine(tmp_path, locks):
        again = [*UNSHARE, sys.executable, "-c", HOLD, tmp_path, locks]
        assert subprocess.run(again, input="", capture_output=True, text=True, check=False).stdout == "held\n"


@needs_namespaces
def test_in_an_ordinary_user_s_namespaces_with_a_run_of_their_own_one_is_the_only_one() -> None:
    code = (
        "import pathlib; from hub.provisioner.one_network import hold_machine\n"
        "first = hold_machine(pathlib.Path('/srv/first')); print('held', flush=True)\n"
        "hold_machine(pathlib.Path('/srv/second'))"
    )
    command = [*UNSHARE, "sh", "-c", 'mount -t tmpfs tmpfs /run; exec "$0" "$@"', sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "held\n"
    assert "(state in /srv/first) makes the tunnels of this network namespace already, so this one" in done.stderr


def test_where_run_is_another_s_and_there_is_no_runtime_directory_it_is_refused_with_the_mend(tmp_path: Path) -> None:
    ours = machine_directory(tmp_path, {"XDG_RUNTIME_DIR": "/run/user/1000"})
    assert ours == tmp_path / "pointsman-machine"
    theirs = Path("/")
    if os.geteuid() == 0:
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        os.chown(theirs, 65534, 65534)
    assert machine_directory(theirs, {"XDG_RUNTIME_DIR": "/x"}) == Path("/x/pointsman-machine")
    with pytest.raises(ProvisionError, match="is not ours") as refused:
        machine_directory(theirs, {})
    assert refused.value.mend.startswith("be root")


def test_locks_are_in_no_directory_that_others_write(tmp_path: Path) -> None:
    locks = tmp_path / "locks"
    hold_machine(tmp_path, locks).close()
    assert locks.stat().st_mode & 0o7777 == 0o755
    locks.chmod(0o777)
    with pytest.raises(ProvisionError, match="not a directory that only root writes") as refused:
        hold_machine(tmp_path, locks)
    assert refused.value.mend == f"see who made it, then: rm -r {locks}"
    link = tmp_path / "link"
    locks.chmod(0o755)
    link.symlink_to(locks)
    with pytest.raises(ProvisionError, match="not a directory that only root writes"):
        hold_machine(tmp_path, link)


@needs_namespaces
def test_no_local_user_keeps_a_provisioner_from_its_work_by_a_name_that_he_takes(tmp_path: Path) -> None:
    """He takes the name of a socket, and hides its descriptor in another one, where /proc does not show it."""
    code = (
        "import pathlib, socket, sys; from hub.provisioner.one_network import hold_machine\n"
        "held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); held.bind('\\0pointsman-provisioner')\n"
        "near, far = socket.socketpair(); socket.send_fds(near, [b'.'], [held.fileno()]); held.close()\n"
        "hold_machine(pathlib.Path(sys.argv[1])); print('held')"
    )
    command = [*UNSHARE, "sh", "-c", 'mount -t tmpfs tmpfs /run; exec "$0" "$@"', sys.executable, "-c", code, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "held\n", done.stderr
