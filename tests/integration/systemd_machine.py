"""A machine that is booted by a real systemd, in namespaces of its own, over a copy-on-write view of this one's files.

Its /etc/systemd/system, /opt, /run and /var/lib are empty at first; nothing in it reaches this machine. In it an agent
runs the commands that a test sends it over a socket. Pointsman is in /opt/pointsman, for the system's own python3.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pydantic

REPOSITORY = Path(__file__).parents[2]
SYSTEMD, PYTHON = Path("/lib/systemd/systemd"), Path("/usr/bin/python3")
DEADLINE = 180.0
_OUTER = """\
set -e
mount -t cgroup2 cgroup2 "$1/cgroup"
mkdir "$1/cgroup/$2"
echo $$ > "$1/cgroup/$2/cgroup.procs"
umount "$1/cgroup"
exec unshare --mount --pid --fork --net --ipc --uts --cgroup --kill-child sh "$1/boot.sh" "$@"
"""
_BOOT = """\
set -e
mount --make-rprivate /
mount -t tmpfs -o size=3g,mode=755 tmpfs "$1/machine"
cd "$1/machine"
mkdir up work root
mount -t overlay overlay -o lowerdir=/,upperdir=up,workdir=work root
mount -t proc proc root/proc
mount -t sysfs sysfs root/sys
mount -t cgroup2 cgroup2 root/sys/fs/cgroup
for place in run dev opt var/lib; do mount -t tmpfs -o mode=755 tmpfs root/$place; done
for node in null zero full random urandom tty net/tun; do
    mkdir -p root/dev/net; touch root/dev/$node; mount --bind /dev/$node root/dev/$node
done
mkdir root/dev/pts root/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts root/dev/pts
ln -s pts/ptmx root/dev/ptmx
ln -s /proc/self/fd root/dev/fd
mkdir -p root/opt/pointsman/bin root/opt/pointsman/lib/python$5/site-packages root/opt/source root/opt/shared
for part in hub policies speaker config; do cp -a "$3/$part" root/opt/source/; done
cp -a "$4" root/opt/packages
printf '/opt/source\\n/opt/packages\\n' > root/opt/pointsman/lib/python$5/site-packages/pointsman.pth
printf 'home = /usr/bin\\ninclude-system-site-packages = false\\n' > root/opt/pointsman/pyvenv.cfg
ln -s /usr/bin/python3 root/opt/pointsman/bin/python3
chmod -R a+rX root/opt/source root/opt/packages
chroot root python3 -m compileall -q /opt/source || true
mount --bind "$1/shared" root/opt/shared
rm -rf root/etc/systemd/system/* root/etc/pointsman
cp "$1/agent.service" "$1/agent.target" root/etc/systemd/system/
ip link set lo up
umount -R /sys/fs/cgroup || true
exec chroot root /usr/bin/env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=agent.target --log-target=null --show-status=no
"""
_UNIT = """\
[Unit]
DefaultDependencies=no
[Service]
ExecStart=/usr/bin/python3 /opt/shared/agent.py
"""
_AGENT = """\
import json, os, socket, subprocess
listener = socket.socket(socket.AF_UNIX)
listener.bind("/opt/shared/socket.new")
listener.listen()
os.rename("/opt/shared/socket.new", "/opt/shared/socket")
while True:
    connection, _ = listener.accept()
    with connection, connection.makefile("rw") as lines:
        done = subprocess.run(json.loads(lines.readline()), shell=True, capture_output=True, text=True)
        lines.write(json.dumps([done.returncode, done.stdout + done.stderr]) + "\\n")
"""
_TARGET = "[Unit]\nWants=agent.service\nAllowIsolate=yes\n"


def why_not() -> str | None:
    """Why there can be no such machine here."""
    if os.geteuid() != 0:
        return "needs root"
    if not SYSTEMD.exists() or not PYTHON.exists():
        return "systemd and the system's python3 are not installed"
    known = Path("/proc/filesystems").read_text()
    if "overlay" not in known or "cgroup2" not in known:
        return "this kernel has no overlay or no cgroup2"
    version = subprocess.run([PYTHON, "--version"], capture_output=True, text=True).stdout.split()[-1]
    if version.rpartition(".")[0] != _version():
        return f"the system's python3 is {version}, which cannot use the packages of this one"
    return None


def _version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


class Machine:
    """A Machine that runs until it is ended."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._name = f"pointsman-test-{os.getpid()}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Machine:
        for name in ("cgroup", "machine", "shared"):
            (self._directory / name).mkdir()
        for name, text in {
            "outer.sh": _OUTER,
            "boot.sh": _BOOT,
            "agent.service": _UNIT,
            "agent.target": _TARGET,
            "shared/agent.py": _AGENT,
        }.items():
            (self._directory / name).write_text(text)
        packages = str(Path(pydantic.__file__).parents[1])
        arguments = [str(self._directory), self._name, str(REPOSITORY), packages, _version()]
        with (self._directory / "console").open("wb") as console:
            command = ["sh", str(self._directory / "outer.sh"), *arguments]
            # A controlling terminal is none of its business, nor is the group of this process.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
            )
        try:
            self.wait((self._directory / "shared/socket").exists, "the machine boots")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._forget_cgroup()

    def _forget_cgroup(self) -> None:
        place = self._directory / "cgroup"
        if subprocess.run(["mount", "-t", "cgroup2", "cgroup2", str(place)]).returncode != 0:
            return
        try:
            mine = place / self._name
            end = time.monotonic() + DEADLINE
            while mine.exists() and time.monotonic() < end:
                for path, _, _ in os.walk(mine, topdown=False):
                    with contextlib.suppress(OSError):  # its processes may be on their way out
                        os.rmdir(path)  # noqa: PTH106  of a path that os.walk gave
                time.sleep(0.05)
        finally:
            subprocess.run(["umount", str(place)], check=True)

    def wait(self, condition: Callable[[], object], what: str) -> None:
        end = time.monotonic() + DEADLINE
        while not condition():
            assert self._process is not None
            assert self._process.poll() is None, (self._directory / "console").read_text()
            assert time.monotonic() < end, f"waited {DEADLINE:g} s: {what}"
            time.sleep(0.1)

    def run(self, command: str) -> tuple[int, str]:
        """The exit status and the output of a line of shell in the machine."""
        with socket.socket(socket.AF_UNIX) as asking:
            here = os.open(self._directory / "shared", os.O_PATH)
            try:
                asking.connect(f"/proc/self/fd/{here}/socket")  # a path of its own may be too long for a socket
            finally:
                os.close(here)
            with asking.makefile("rw") as lines:
                lines.write(json.dumps(command) + "\n")
                lines.flush()
                status, output = json.loads(lines.readline())
        return status, output

    def says(self, command: str) -> str:
        """The output of a command that must succeed."""
        status, output = self.run(command)
        assert status == 0, f"{command}: {output}"
        return output.strip()

    def pointsman(self, arguments: str) -> str:
        return self.says(f"/opt/pointsman/bin/python3 -P -m hub.cli.main {arguments}")

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Properties of a unit of Pointsman's."""
        listed = self.says(f"systemctl show -p {','.join(properties)} pointsman-{unit}.service")
        return dict(line.split("=", 1) for line in listed.splitlines())

    def until(self, unit: str, **wanted: str) -> None:
        """Wait for properties."""
        self.wait(lambda: self.show(unit, *wanted) == wanted, f"{unit}: {wanted}")
