"""The guest's first file system: busybox, and the modules without which the host's root cannot be mounted."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from kernel_package import Kernel, KernelError

NEEDED = ("virtio_pci", "9pnet_virtio", "9p", "overlay")

INIT = """\
#!/bin/busybox sh
# The host's root, read-only, below an overlay in memory; the job's directory, writable; then the job's own script.
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
for module in $(cat /modules/order); do insmod "/modules/$module" || echo "the module $module was not loaded"; done
share=trans=virtio,version=9p2000.L,msize=512000
stop() { echo "the guest has no root: $1"; poweroff -f; }
mount -t 9p -o $share,cache=loose,ro root /host || stop "the share of the host's"
mount -t tmpfs -o size=60% memory /memory && mkdir /memory/upper /memory/work || stop "memory"
mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work root /root || stop "the overlay"
mount -t tmpfs run /root/run && mkdir /root/run/job || stop "/run"
mount -t 9p -o $share,rw job /root/run/job || stop "the share of the job's"
for directory in proc sys dev; do mount --move /$directory /root/$directory; done
exec switch_root /root /bin/sh /run/job/guest.sh
"""
_DIRECTORIES = ("bin", "dev", "proc", "sys", "host", "memory", "root", "modules")


def initrd(kernel: Kernel, cache: Path) -> Path:
    """The initrd of this kernel, in the cache; made if it is not there.

    Raises:
        KernelError: a module is missing, or busybox is.
    """
    order = load_order(
        NEEDED,
        (kernel.modules / "modules.dep").read_text(),
        built_in=(kernel.modules / "modules.builtin").read_text().split(),
    )
    made_of = "\n".join([INIT, kernel.release, *order])
    path = cache / f"initrd-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}.gz"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=cache) as directory:
            _fill(Path(directory), kernel, order)
            _pack(Path(directory), path)
    return path


def load_order(needed: Iterable[str], dependencies: str, built_in: Iterable[str]) -> list[str]:
    """The files of the modules in the order in which they must be loaded, from the text of `modules.dep`.

    Raises:
        KernelError: a module is neither there nor built in.
    """
    needs: dict[str, list[str]] = {}
    files: dict[str, str] = {}
    for line in dependencies.splitlines():
        file, _, others = line.partition(":")
        files[_name(file)] = file
        needs[_name(file)] = [_name(other) for other in others.split()]
    inside = {_name(file) for file in built_in}
    order: list[str] = []
    for module in needed:
        _add(module, needs, inside, order)
    return [files[module] for module in order]


def _add(module: str, needs: Mapping[str, list[str]], inside: set[str], order: list[str]) -> None:
    if module in inside or module in order:
        return
    if module not in needs:
        raise KernelError(f'the kernel\'s packages have no module "{module}", without which it cannot use this root')
    for other in reversed(needs[module]):
        _add(other, needs, inside, order)
    order.append(module)


def _name(file: str) -> str:
    return Path(file).name.split(".")[0].replace("-", "_")


def _fill(directory: Path, kernel: Kernel, order: Iterable[str]) -> None:
    busybox = shutil.which("busybox")
    if busybox is None:
        raise KernelError("busybox is not here: apt-get install busybox-static")
    for name in _DIRECTORIES:
        (directory / name).mkdir()
    shutil.copy(busybox, directory / "bin" / "busybox")
    for file in order:
        (directory / "modules" / f"{_name(file)}.ko").write_bytes(_plain(kernel.modules / file))
    (directory / "modules" / "order").write_text("".join(f"{_name(file)}.ko\n" for file in order))
    (directory / "init").write_text(INIT)
    (directory / "init").chmod(0o755)


def _plain(module: Path) -> bytes:
    """The module without its compression, of which busybox knows nothing."""
    match module.suffix:
        case ".xz":
            return lzma.decompress(module.read_bytes())
        case ".zst":
            return _output(["zstd", "-dcq", str(module)], module.parent, b"")
    return module.read_bytes()


def _pack(directory: Path, path: Path) -> None:
    names = "\n".join(str(found.relative_to(directory)) for found in sorted(directory.rglob("*")))
    archive = _output(["cpio", "-o", "-H", "newc", "--quiet"], directory, names.encode())
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(gzip.compress(archive, 1))
    unfinished.rename(path)


def _output(command: list[str], directory: Path, text: bytes) -> bytes:
    try:
        return subprocess.run(command, cwd=directory, input=text, stdout=subprocess.PIPE, check=True).stdout
    except FileNotFoundError as error:
        raise KernelError(f"{command[0]} is not here: apt-get install {command[0]}") from error
    except subprocess.CalledProcessError as error:
        raise KernelError(f"{command[0]} failed with {error.returncode} in {directory}") from error
