"""An ordinary user's lab: everything inside one user namespace."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_world import wait_until

from hub.lab import rootless
from hub.lab.names import HOME_VARIABLE, LabPlace

NOBODY = 65534
POINTSMAN = str(Path(sys.executable).with_name("pointsman"))
BECOME = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
OPEN_TUN = (
    'mount -t tmpfs tmpfs "$0" && mknod "$0/tun" c 10 200 && chmod 0666 "$0/tun" '
    '&& mount --bind "$0/tun" /dev/net/tun && umount -l "$0" && exec "$@"'
)
"""In mounts of its own: a /dev/net/tun that everybody may open, as on most systems."""


def _may_try() -> bool:
    trial = [*BECOME, "unshare", "--user", "--map-root-user", "--net", POINTSMAN, "--version"]
    return os.geteuid() == 0 and subprocess.run(trial, capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(not _may_try(), reason="needs root (to become nobody), a readable venv and user namespaces"),
]


@pytest.fixture
def place() -> Iterator[LabPlace]:
    """A lab of the user nobody."""
    home = Path(tempfile.mkdtemp(prefix="pointsman-test-", dir="/tmp"))
    os.chown(home, NOBODY, NOBODY)
    one = LabPlace(f"u{os.getpid()}", home)
    try:
        yield one
    finally:
        rootless.end(one)
        shutil.rmtree(home)


def as_nobody(place: LabPlace, *arguments: str, open_tun: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `pointsman lab …` as the user nobody."""
    command = [*BECOME, POINTSMAN, "lab", arguments[0], "--name", place.name, *arguments[1:]]
    if open_tun:
        mounts = tempfile.mkdtemp(dir=place.home)
        command = ["unshare", "--mount", "sh", "-c", OPEN_TUN, mounts, *command]
    environment = {**os.environ, HOME_VARIABLE: str(place.home), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


def test_a_user_builds_uses_and_removes_a_lab(place: LabPlace) -> None:
    up = as_nobody(place, "up", "--no-hub")
    assert (up.returncode, up.stderr) == (0, "")
    assert as_nobody(place, "cut", "bandung/fiber").stdout == "bandung/fiber: cut\n"
    ping = ["--", "ping", "-q", "-c", "1", "-W", "1"]
    assert as_nobody(place, "shell", "bandung", *ping, "10.255.0.0").returncode == 1
    assert as_nobody(place, "shell", "bandung", *ping, "10.255.0.2").returncode == 0
    assert as_nobody(place, "up", "--no-hub").returncode == 1
    down = as_nobody(place, "down")
    assert (down.returncode, down.stdout) == (0, f'lab "{place.name}" is gone\n')
    assert rootless.find(place) is None
    assert not place.directory.exists()
    assert as_nobody(place, "status").returncode == 3


def test_an_interrupted_probe_reports_what_it_has_seen(place: LabPlace) -> None:
    assert as_nobody(place, "up", "--no-hub").returncode == 0
    command = [*BECOME, POINTSMAN, "lab", "probe", "bandung", "--interval", "5ms", "--name", place.name]
    environment = {**os.environ, HOME_VARIABLE: str(place.home)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, env=environment)
    sent = "probe-*/bandung.to-hub.sent"
    wait_until(lambda: any(path.stat().st_size > 800 for path in place.directory.glob(sent)))
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert re.search(r"^bandung +to hub +[1-9]", said, re.MULTILINE)


def test_a_holder_without_a_finished_lab_is_ended_by_down(place: LabPlace) -> None:
    holder = [*BECOME, "unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "sh", "-ec"]
    marker = f"pointsman-lab-holder:{place.directory}"
    process = subprocess.Popen([*holder, "echo ready; while :; do sleep 60; done", marker], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"ready\n"
    assert as_nobody(place, "down").returncode == 0
    process.wait()
    assert rootless.find(place) is None


def test_a_closed_tun_device_is_said_with_the_mend(place: LabPlace) -> None:
    if Path("/dev/net/tun").stat().st_mode & 0o006 == 0o006:
        pytest.skip("/dev/net/tun is open to everybody here")
    done = as_nobody(place, "up", "--no-hub", open_tun=False)
    assert done.returncode == 1
    assert "chmod 0666 /dev/net/tun" in done.stderr
    assert rootless.find(place) is None
