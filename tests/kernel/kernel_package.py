"""The distribution's packaged kernel: found, downloaded and unpacked, once, into a cache directory."""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NEWEST = ("linux-image-amd64", "linux-image-generic")
"""The package that needs the newest kernel: Debian's, Ubuntu's. Debian's one for clouds has no 9p."""

_PARTS = ("linux-image-{}", "linux-modules-{}", "linux-modules-extra-{}")
"""What a kernel consists of: one package in Debian, three in Ubuntu."""


class KernelError(Exception):
    """There is no kernel to boot; the text says why and what mends it, in one line."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A Kernel is an unpacked kernel with its modules below `root`, where `depmod` has been."""

    root: Path

    @property
    def release(self) -> str:
        """As `uname -r` says it in the guest."""
        return next((self.root / "lib" / "modules").iterdir()).name

    @property
    def image(self) -> Path:
        """What is booted."""
        return self.root / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules(self) -> Path:
        """The directory of `modules.dep`."""
        return self.root / "lib" / "modules" / self.release


def kernel(cache: Path) -> Kernel:
    """The kernel of this cache; the newest that apt knows is fetched where there is none yet.

    Raises:
        KernelError: apt knows none, or it cannot be fetched or unpacked.
    """
    finished = cache / "kernel"
    with _locked(cache):
        if not finished.exists():
            if platform.machine() != "x86_64":
                raise KernelError(f"the guest runs this machine's own programs, and they are for {platform.machine()}")
            unfinished = cache / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            _unpack(_fetch(_packages(), unfinished), unfinished)
            unfinished.rename(finished)
    return Kernel(finished)


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """Two that begin at the same time fetch it once."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _packages() -> list[str]:
    for name in NEWEST:
        if release := newest_release(_said("apt-cache", "depends", name)):
            wanted = [part.format(release) for part in _PARTS]
            return known(wanted, _said("apt-cache", "--quiet", "show", "--no-all-versions", *wanted))
    raise KernelError(f"apt knows none of {', '.join(NEWEST)}: apt-get update; or this is no Debian or Ubuntu")


def newest_release(depends: str) -> str | None:
    """The release in what `apt-cache depends` says of a package that needs the newest kernel."""
    found = re.search(r"Depends: linux-image-(\d\S*)", depends)
    return found[1] if found else None


def known(wanted: Iterable[str], shown: str) -> list[str]:
    """Those of the packages that `apt-cache show` has shown."""
    there = set(re.findall(r"^Package: (\S+)", shown, re.MULTILINE))
    return [package for package in wanted if package in there]


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError as error:
        raise KernelError(f"{command[0]} is not here: this wants a Debian or Ubuntu machine") from error


def _fetch(packages: list[str], directory: Path) -> list[Path]:
    _do("downloading " + " ".join(packages), ["apt-get", "download", "-q", *packages], directory)
    return sorted(directory.glob("*.deb"))


def _unpack(files: list[Path], root: Path) -> None:
    for file in files:
        _do(f"unpacking {file.name}", ["dpkg-deb", "-x", str(file), str(root)], root)
        file.unlink()
    if not (root / "lib").exists() and (root / "usr" / "lib" / "modules").exists():
        (root / "lib").symlink_to(Path("usr") / "lib")
    _do("looking through the modules", ["depmod", "-b", str(root), Kernel(root).release], root)


def _do(what: str, command: list[str], directory: Path) -> None:
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word of it"])[-1]
        raise KernelError(f"{what}: {last} (is the package mirror reachable? apt-get update, then again)")
