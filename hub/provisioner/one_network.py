"""One network of Pointsman in a network namespace, which most machines have one of.

Tables and rules of uplinks, filters, the MSS, settings of the kernel and the forwarder's routes are one for all that
runs there: two networks would take each other's away. So a second one is refused, by what the first one has in the
kernel and by its process.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from hub.control.lock import AlreadyRunningError
from hub.provisioner.alias import read_alias
from hub.provisioner.changes import ProvisionError, Refusal

SLICE = "machine"
_CLAIM = "pointsman-provisioner"
"""An abstract name (unix(7)): there is one of it in a network namespace, and it goes with its process."""
_MEND = "run one of the two in a network namespace of its own"

Links = Callable[[], Iterable[tuple[str, str]]]
"""The interfaces that there are, each with its alias."""


def other_network(network: str, links: Links | None = None) -> Refusal | None:
    """What to say where another network has tunnels here; None where none has.

    Raises:
        ProvisionError: the kernel does not say.
    """
    found: dict[str, list[str]] = {}
    for name, text in (links or _links)():
        alias = read_alias(text)
        if alias is not None and alias.network != network:
            found.setdefault(alias.network, []).append(name)
    if not found:
        return None
    other, names = min(found.items())
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    text = f"another network of Pointsman, {other}, has tunnels here ({min(names)}{more}), and a machine has one"
    mend = f"{_MEND}; if {other} is no more: ip link delete {min(names)}, and so on"
    return Refusal(SLICE, "all", text, mend)


def hold_machine(state: Path, claim: str = _CLAIM) -> socket.socket:
    """Be the only one who makes tunnels in this network namespace, for as long as the socket stays open.

    Raises:
        AlreadyRunningError: another one is; the text names it.
    """
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        holder.bind(f"\0{claim}")
    except OSError as error:
        process = _holder(claim)
        if process is not None and _user_of(process) not in (0, os.geteuid()):
            return holder  # one who is not root has taken the name: he makes no tunnels
        holder.close()
        other = "another process" if process is None else f"process {process}{_state_of(process)}"
        text = f"{other} makes the tunnels of this network namespace already"
        raise AlreadyRunningError(f"{text}, so this one (state in {state}) does not: stop one, or {_MEND}") from error
    return holder


def _holder(claim: str) -> int | None:
    """The process that has the name (proc(5)); None where that cannot be seen."""
    lines = (line.split() for line in Path("/proc/net/unix").read_text().splitlines())
    inodes = {fields[6] for fields in lines if len(fields) > 7 and fields[7] == f"@{claim}"}
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdecimal() and any(os.readlink(each) in wanted for each in (process / "fd").iterdir()):  # noqa: PTH115 - no path
                return int(process.name)
    return None


def _user_of(process: int) -> int | None:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}").stat().st_uid
    return None


def _state_of(process: int) -> str:
    """Where a provisioner has its state, in words; "" where that cannot be seen."""
    try:
        arguments = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
        return f" (state in {arguments[arguments.index('--state-dir') + 1]})"
    except (OSError, ValueError, IndexError):
        return ""


def _links() -> Iterable[tuple[str, str]]:
    try:
        with IPRoute() as kernel:
            return [(link.get_attr("IFLA_IFNAME"), link.get_attr("IFLA_IFALIAS") or "") for link in kernel.get_links()]
    except (OSError, NetlinkError) as error:
        raise ProvisionError(f"the kernel does not say which interfaces there are: {error}", "be root") from error
