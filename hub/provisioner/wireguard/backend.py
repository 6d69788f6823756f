"""Making, changing and removing interfaces of WireGuard. Each step done twice is done once."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from hub.provisioner.alias import Alias, is_ours
from hub.provisioner.changes import ProvisionError
from hub.provisioner.ipv6 import enable_ipv6
from hub.provisioner.keys.files import make_directory, write_whole
from hub.provisioner.wireguard.files import HubEnd, hub_text, peer_text
from hub.provisioner.wireguard.interfaces import NOT_POSSIBLE, NOT_POSSIBLE_MEND
from hub.provisioner.wireguard.seen import CONFIGURATION, MAKING, SOCKETS

_START_SECONDS = 15.0
_END_SECONDS = 10.0
_WG_SECONDS = 20.0
_STEP = 0.005
_NODAD = 0x02
"""IFA_F_NODAD: there is nobody on a tunnel who could have the address, and until it is tested it can't be used."""
_EXISTS, _NO_DEVICE, _NOT_SUPPORTED, _NO_ADDRESS = 17, 19, 95, 99
_LISTENING = " 00010000 "
"""__SO_ACCEPTCON of the kernel's include/linux/net.h, as /proc/net/unix shows it."""


class Backend:
    """A Backend has a directory of its own, like /var/lib/pointsman/wireguard, for configurations and logs.

    Every method raises ProvisionError where the machine does not do what it should; nothing else was touched then.
    """

    def __init__(self, directory: Path, sockets: Path = SOCKETS) -> None:
        self.directory = directory
        self._sockets = sockets

    def create(self, name: str, alias: Alias) -> None:
        """Make an interface, in the kernel if that can; the alias makes it ours.

        A note says that it is being made until it has its alias: so what was interrupted is known as ours.
        """
        make_directory(self.directory)
        note = self._file(name, MAKING)
        write_whole(note, f"{alias}\n", text_lasts=False, name_lasts=False)
        with _kernel(f"{name} cannot be made") as kernel:
            if _index(kernel, name) is None and not self._in_kernel(kernel, name):
                self._start_daemon(name)
            kernel.link("set", index=_needed(kernel, name), ifalias=str(alias))
        note.unlink(missing_ok=True)

    def configure(self, name: str, end: HubEnd, *, peer_only: bool = False) -> None:
        """Give WireGuard its configuration: only what differs is changed. The file stays, for whoever looks.

        With `peer_only` the port is not named either: wireguard-go opens its socket anew where it is.
        """
        make_directory(self.directory)
        path = self._file(name, CONFIGURATION)
        write_whole(path, hub_text(end), text_lasts=False, name_lasts=False)
        if peer_only:
            _wg(["addconf", name, "/dev/stdin"], name, peer_text(end))
        else:
            _wg(["syncconf", name, str(path)], name)

    def public_key(self, name: str) -> str:
        """The public key of the interface as it is now."""
        return _wg(["show", name, "public-key"], name).strip()

    def set_link(
        self, name: str, mtu: int, addresses: frozenset[str], present: frozenset[str], alias: Alias | None = None
    ) -> None:
        """Give it its addresses (those `present` and not wanted go), its MTU and its alias, and let it be up.

        In few messages: every wireguard-go on the machine hears of each change of any interface.
        """
        if any(":" in address for address in addresses):
            enable_ipv6(name)
        with _kernel(f"{name} cannot be set") as kernel:
            index = _needed(kernel, name)
            for address in sorted(addresses - present):
                _add_address(kernel, index, address)
            named = {} if alias is None else {"ifalias": str(alias)}
            kernel.link("set", index=index, mtu=mtu, state="up", **named)
            for address in sorted(present - addresses):
                bare, _, length = address.partition("/")
                with _unless(_NO_ADDRESS):
                    kernel.addr("del", index=index, address=bare, prefixlen=int(length))

    def remove(self, name: str) -> None:
        """Remove an interface and what we wrote of it."""
        with _kernel(f"{name} cannot be removed") as kernel:
            _delete(kernel, _index(kernel, name))
        self.forget(name)

    def clear(self, name: str, network: str) -> None:
        """Remove an interface of this network, whatever it is made of; one that is not ours stays."""
        with _kernel(f"{name} cannot be removed") as kernel:
            index = _index(kernel, name)
            if index is not None and not is_ours(network, kernel.get_links(index)[0].get_attr("IFLA_IFALIAS")):
                raise ProvisionError(f"there is an interface {name}, and it is not ours", "rename or remove it")
            _delete(kernel, index)

    def forget(self, name: str) -> None:
        """Remove what we wrote of an interface. A wireguard-go whose interface is gone ends by itself.

        The private key that was written for it does not outlive the interface, whatever becomes of wireguard-go.
        """
        for ending in (CONFIGURATION, MAKING):
            self._file(name, ending).unlink(missing_ok=True)
        path = self._sockets / f"{name}.sock"
        _wait(lambda: not self._listens(name), _END_SECONDS, f"wireguard-go of {name} does not end")
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        self._file(name, ".log").unlink(missing_ok=True)

    def _file(self, name: str, ending: str) -> Path:
        return self.directory / f"{name}{ending}"

    def _in_kernel(self, kernel: Any, name: str) -> bool:
        try:
            kernel.link("add", ifname=name, kind="wireguard")
        except NetlinkError as error:
            if error.code == _NOT_SUPPORTED:
                return False
            if error.code != _EXISTS:
                raise
        return True

    def _start_daemon(self, name: str) -> None:
        """wireguard-go, in a session of its own, so that it outlives us.

        One thread of Go's is enough for a tunnel and, on a machine with many tunnels and two cores, a fifth cheaper.
        """
        log = self._file(name, ".log")
        # Foreground is said in the environment too: only then it leaves out a warning that looks like a fault.
        environment = {**os.environ, "LOG_LEVEL": "error", "GOMAXPROCS": "1", "WG_PROCESS_FOREGROUND": "1"}
        command = ["setsid", "--fork", "wireguard-go", "-f", name]
        try:
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                subprocess.run(
                    command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, cwd="/", check=True
                )
        except (OSError, subprocess.SubprocessError) as error:
            raise ProvisionError(f"wireguard-go cannot be started: {error}", "install wireguard-go") from None
        started = _until(lambda: self._listens(name) or _complaint(log) != "", _START_SECONDS)
        if not started or not self._listens(name):
            raise _not_started(name, log)

    def _listens(self, name: str) -> bool:
        """Not only bound: `wg` takes a socket that is bound and does not listen for a dead one's, and deletes it."""
        ending = f"/wireguard/{name}.sock"
        lines = Path("/proc/net/unix").read_text().splitlines()
        return any(line.endswith(ending) and _LISTENING in line for line in lines)


def _not_started(name: str, log: Path) -> ProvisionError:
    said = _complaint(log)
    if "too many open files" in said:
        mend = "sysctl fs.inotify.max_user_instances=1024 (each wireguard-go needs one)"
        return ProvisionError(f"wireguard-go cannot make {name}: no more inotify instances", mend)
    if "failed to execute" in said:
        return ProvisionError(NOT_POSSIBLE, NOT_POSSIBLE_MEND)
    if said:
        return ProvisionError(f"wireguard-go made no {name}: {said[:200]}", f"see {log}")
    return ProvisionError(f"wireguard-go made no {name} in {_START_SECONDS:g} s", f"see {log}")


def _complaint(log: Path) -> str:
    """Why wireguard-go ended, empty while it says nothing: beside errors it says that the kernel's own is better."""
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if "ERROR" in line or "failed to" in line), "")
    return ""


def _wg(arguments: list[str], name: str, text: str | None = None) -> str:
    try:
        done = subprocess.run(
            ["wg", *arguments], input=text, capture_output=True, text=True, timeout=_WG_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        mend = "install wireguard-tools" if isinstance(error, FileNotFoundError) else f"see what {name} does"
        raise ProvisionError(f"{name}: wg does not answer ({type(error).__name__})", mend) from None
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["it says nothing"]
        # What `wg` could not read it quotes, and that may be a key.
        shown = "its configuration is not taken" if "`" in said[0] else said[0][:200]
        raise ProvisionError(f"{name}: wg {arguments[0]} failed: {shown}", f"wg show {name}")
    return done.stdout


def _add_address(kernel: Any, index: int, address: str) -> None:
    bare, _, length = address.partition("/")
    flags = {"flags": _NODAD} if ":" in bare else {}
    with _unless(_EXISTS):
        kernel.addr("add", index=index, address=bare, prefixlen=int(length), **flags)


def _delete(kernel: Any, index: int | None) -> None:
    if index is not None:
        with _unless(_NO_DEVICE):
            kernel.link("del", index=index)


def _index(kernel: Any, name: str) -> int | None:
    return next(iter(kernel.link_lookup(ifname=name)), None)


def _needed(kernel: Any, name: str) -> int:
    index = _index(kernel, name)
    if index is None:
        raise ProvisionError(f"{name} is gone", "apply once more")
    return index


@contextmanager
def _kernel(what: str) -> Iterator[Any]:
    try:
        with IPRoute() as kernel:
            yield kernel
    except NetlinkError as error:
        raise ProvisionError(f"{what}: {os.strerror(error.code)}", "be root; see `ip link` and dmesg") from None
    except OSError as error:
        raise ProvisionError(f"{what}: {error.strerror or error}", "be root") from None


@contextmanager
def _unless(code: int) -> Iterator[None]:
    try:
        yield
    except NetlinkError as error:
        if error.code != code:
            raise


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(_STEP)
    return True


def _wait(condition: Callable[[], bool], seconds: float, what: str) -> None:
    if not _until(condition, seconds):
        raise ProvisionError(f"{what} in {seconds:g} s", "end it by hand")
