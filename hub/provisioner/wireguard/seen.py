"""What is on this machine: interfaces, their addresses, their peers, and who has which UDP port. It changes nothing.

Links and addresses are asked for in one dump each. The kernel's WireGuard is asked by one `wg show all dump`, each
wireguard-go by its socket: so one that hangs holds up nobody else, and a tunnel costs no process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from hub.provisioner.changes import ProvisionError
from hub.provisioner.link_kinds import lacking
from hub.provisioner.wireguard.devices import Device, read_answer, read_dump
from hub.provisioner.wireguard.interfaces import DAEMON, KERNEL, Interface, Seen

SOCKETS = Path("/var/run/wireguard")
"""Where wireguard-go listens; the names there are of the whole machine, whatever the network namespace."""
MAKING, CONFIGURATION = ".making", ".conf"
"""End the names of our own files of an interface: a note that it is being made, and its configuration."""
_PATIENCE = 2.0
"""Seconds for an answer of one daemon."""
_DUMP_PATIENCE = 20.0
_LARGEST = 1 << 22
_UP = 1
_LINK_SCOPE = 253


class Machine:
    """A Machine is where we look. `directory` is the provisioner's own, with the notes on what is being made."""

    def __init__(self, directory: Path, sockets: Path = SOCKETS) -> None:
        self._directory = directory
        self._sockets = sockets

    def look(self, names: Collection[str], ports: Collection[int] = ()) -> Seen:
        """Everything there is; `names` and `ports` are those that are wanted, which are looked at more closely.

        Raises:
            ProvisionError: the kernel does not answer.
        """
        interfaces = self._interfaces()
        devices = self._devices(interfaces.values())
        found = {name: replace(each, device=devices.get(name)) for name, each in interfaces.items()}
        listening = [name for name in names if name not in found and self._answers(name)]
        by_interface = {device.port: f"interface {name}" for name, device in devices.items() if device.port}
        taken = used_ports()
        others = {port: by_interface.get(port) or who_has(taken[port]) for port in ports if port in taken}
        possible = all(name in found for name in names) or _can_be_made()
        return Seen(found, self._noted(MAKING), others, frozenset(listening), self._noted(CONFIGURATION), possible)

    def device(self, name: str) -> Device | None:
        """WireGuard's side of one interface of wireguard-go, or of the kernel; None if it has none."""
        if (self._sockets / f"{name}.sock").is_socket():
            return _asked(self._sockets / f"{name}.sock")
        return _dumped([name]).get(name)

    def _interfaces(self) -> dict[str, Interface]:
        try:
            with IPRoute() as kernel:
                links = list(kernel.get_links())
                addresses = list(kernel.get_addr())
        except (OSError, NetlinkError) as error:
            raise ProvisionError(f"the kernel does not say which interfaces there are: {error}", "be root") from error
        by_index: dict[int, set[str]] = {}
        for message in addresses:
            if message["scope"] != _LINK_SCOPE:
                address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
                by_index.setdefault(message["index"], set()).add(f"{address}/{message['prefixlen']}")
        found = (_interface(link, frozenset(by_index.get(link["index"], ()))) for link in links)
        return {each.name: each for each in found}

    def _devices(self, interfaces: Iterable[Interface]) -> dict[str, Device]:
        links = list(interfaces)
        paths = {each.name: self._sockets / f"{each.name}.sock" for each in links if each.kind == DAEMON}
        answers = {name: _asked(path) for name, path in paths.items() if path.is_socket()}
        devices = {name: device for name, device in answers.items() if device is not None}
        return devices | _dumped([each.name for each in links if each.kind == KERNEL])

    def _answers(self, name: str) -> bool:
        path = self._sockets / f"{name}.sock"
        return path.is_socket() and _asked(path) is not None

    def _noted(self, ending: str) -> frozenset[str]:
        return frozenset(path.name.removesuffix(ending) for path in self._directory.glob("*" + ending))


def _can_be_made() -> bool:
    return shutil.which("wireguard-go") is not None or not lacking({KERNEL: "wireguard"})


def _interface(link: Any, addresses: frozenset[str]) -> Interface:
    information = link.get_attr("IFLA_LINKINFO")
    return Interface(
        name=link.get_attr("IFLA_IFNAME"),
        index=link["index"],
        alias=link.get_attr("IFLA_IFALIAS") or "",
        kind=(information.get_attr("IFLA_INFO_KIND") if information else None) or "",
        up=bool(link["flags"] & _UP),
        mtu=link.get_attr("IFLA_MTU") or 0,
        addresses=addresses,
    )


def _dumped(names: Collection[str]) -> dict[str, Device]:
    """What the kernel says of its own interfaces; `wg` is needed for that."""
    if not names:
        return {}
    which = next(iter(names)) if len(names) == 1 else "all"
    try:
        done = subprocess.run(
            ["wg", "show", which, "dump"], capture_output=True, text=True, timeout=_DUMP_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProvisionError(f"wg does not answer: {type(error).__name__}", "install wireguard-tools") from None
    if done.returncode and which == "all":
        raise ProvisionError(f"wg does not say what there is: {done.stderr.strip()[:200]}", "wg show all dump, as root")
    text = done.stdout
    if which != "all":
        text = "".join(f"{which}\t{line}\n" for line in text.splitlines())
    return {name: device for name, device in read_dump(text).items() if name in names}


def _asked(path: Path) -> Device | None:
    answer = b""
    try:
        with socket.socket(socket.AF_UNIX) as daemon:
            daemon.settimeout(_PATIENCE)
            daemon.connect(str(path))
            daemon.sendall(b"get=1\n\n")
            while not answer.endswith(b"\n\n") and len(answer) < _LARGEST:
                piece = daemon.recv(1 << 16)
                if not piece:
                    break
                answer += piece
        return read_answer(answer.decode("ascii", "replace")) if answer else None
    except (OSError, ValueError):  # it died, hangs, or speaks another language: no WireGuard of ours
        return None


def used_ports() -> dict[int, int]:
    """The UDP ports that are in use in this network namespace, each with the inode of its socket (proc(5)); 0: none."""
    found: dict[int, int] = {}
    for name in ("udp", "udp6"):
        with contextlib.suppress(OSError):
            for line in Path("/proc/net", name).read_text().splitlines()[1:]:
                fields = line.split()
                found[int(fields[1].rpartition(":")[2], 16)] = int(fields[9])
    return found


def who_has(inode: int) -> str:
    """The process that has a socket, in words."""
    wanted = f"socket:[{inode}]"
    for process in Path("/proc").iterdir() if inode else ():
        if not process.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            if any(os.readlink(each) == wanted for each in (process / "fd").iterdir()):  # noqa: PTH115 - no path
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return "the kernel" if not inode else "another process"
