"""The emulated machine: a kernel over the host's own root, which runs one command and is gone."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kernel_package import KernelError

GUEST = Path(__file__).with_name("guest.sh")
QEMU = "qemu-system-x86_64"
_KERNEL_LINE = (
    "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off random.trust_cpu=on nowatchdog audit=0 apparmor=0 "
    "tsc=reliable no_timer_check"
)


class OutOfTimeError(KernelError):
    """The command had not ended when its time was over."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A Machine is what is emulated: `memory` in MB, of which six tenths may be files; processors; the time limit.

    `kvm` is ten times as fast. Not by itself: in a machine that is virtual already it may be there, and hang.
    """

    image: Path
    initrd: Path
    modules: Path
    memory: int = 2048
    processors: int = 2
    limit: float = 900.0
    kvm: bool = False


def run(machine: Machine, command: Sequence[str], *, out: Path | None = None, shell: bool = False) -> int:
    """Run the command in the guest, in this directory, with its output on ours; its exit status.

    What it writes to `$OUT` is copied to `out`. The root is read-only for it, so that nothing else of it remains.

    Raises:
        OutOfTimeError: the time was over.
        KernelError: there is no qemu, or the guest ended before the command did.
    """
    with _job(machine, command, shell=shell) as job:
        try:
            _emulate(qemu(machine, job, shell=shell), machine.limit, shell=shell)
        finally:
            if out is not None:
                shutil.copytree(job / "out", out, dirs_exist_ok=True)
        try:
            return int((job / "status").read_text())
        except (OSError, ValueError) as error:
            raise KernelError("the guest ended before its command did: the lines above are all it said") from error


@contextmanager
def _job(machine: Machine, command: Sequence[str], *, shell: bool) -> Iterator[Path]:
    """The directory that host and guest share for one run."""
    with tempfile.TemporaryDirectory(prefix="kernel-machine-", ignore_cleanup_errors=True) as name:
        job = Path(name)
        (job / "out").mkdir()
        shutil.copy(GUEST, job / "guest.sh")
        settings = {"modules": machine.modules, "shell": "yes" if shell else "no", "TERM": _terminal(shell=shell)}
        (job / "settings").write_text("".join(f"{key}={shlex.quote(str(value))}\n" for key, value in settings.items()))
        size = shutil.get_terminal_size()
        screen = f"stty rows {size.lines} columns {size.columns}\n" if shell else ""
        (job / "command").write_text(f"cd {shlex.quote(str(Path.cwd()))}\n{screen}{shlex.join(command)}\n")
        yield job


def _terminal(*, shell: bool) -> str:
    return os.environ.get("TERM", "linux") if shell else "dumb"


def qemu(machine: Machine, job: Path, *, shell: bool) -> list[str]:
    """The command line of the emulator."""
    console = f"stdio,id=console,signal={'off' if shell else 'on'}"
    # Ends with us, however we end.
    return [
        *("setpriv", "--pdeathsig", "KILL", QEMU),
        *("-M", "q35", "-accel", "kvm" if machine.kvm else "tcg,thread=multi", "-cpu", "max"),
        *("-smp", str(machine.processors), "-m", str(machine.memory)),
        *("-nodefaults", "-display", "none", "-no-reboot", "-device", "virtio-rng-pci"),
        *("-chardev", console, "-serial", "chardev:console"),
        *("-kernel", str(machine.image), "-initrd", str(machine.initrd), "-append", _KERNEL_LINE),
        *("-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"),
        *("-virtfs", f"local,path={_escaped(job)},mount_tag=job,security_model=none"),
    ]


def _escaped(path: Path) -> str:
    """A comma in a value is written twice."""
    return str(path).replace(",", ",,")


def _emulate(command: list[str], limit: float, *, shell: bool) -> None:
    if not shutil.which(QEMU):
        raise KernelError(f"{QEMU} is not here: apt-get install qemu-system-x86")
    sys.stdout.flush()
    with subprocess.Popen(command, stdin=None if shell else subprocess.DEVNULL) as process:
        try:
            process.wait(None if shell else limit)
        except subprocess.TimeoutExpired as error:
            raise OutOfTimeError(f"not finished in {limit:g} s; --limit gives it more") from error
        finally:
            process.kill()
