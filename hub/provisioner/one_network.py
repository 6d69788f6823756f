"""One network of Pointsman in a network namespace, which most machines have one of.

Tables and rules of uplinks, filters, the MSS, settings of the kernel and the forwarder's routes are one for all that
runs there: two networks would take each other's away. So a second one is refused, by what the first one has in the
kernel and by a lock that its process holds.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TextIO

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from hub.control.lock import AlreadyRunningError, hold
from hub.provisioner.alias import read_alias
from hub.provisioner.changes import ProvisionError, Refusal

SLICE = "machine"
_DIRECTORY = "pointsman-machine"
_OURSELVES = Path("/proc/self/ns/net")
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


def hold_machine(state: Path, directory: Path | None = None) -> TextIO:
    """Be the only one who makes tunnels in this network namespace, for as long as the file stays open.

    `directory` is where the locks are (`machine_directory`); they are named by the inode of the network namespace.

    Raises:
        AlreadyRunningError: another one is; the text names it.
        ProvisionError: the directory cannot be used.
    """
    try:
        path = _trusted(directory or machine_directory()) / f"net-{_OURSELVES.stat().st_ino}.lock"
        file = os.fdopen(hold(path, "a provisioner"), "r+", encoding="utf-8")
    except AlreadyRunningError as error:
        text = f"{_holder(path)} makes the tunnels of this network namespace already"
        raise AlreadyRunningError(f"{text}, so this one (state in {state}) does not: stop one, or {_MEND}") from error
    except OSError as error:
        text = f"{error.filename}: {error.strerror}: nobody can be kept from making tunnels beside this process"
        raise ProvisionError(text, "be root; with the units of before: pointsman install") from error
    file.truncate()
    json.dump({"process": os.getpid(), "state": str(state)}, file)
    file.flush()
    return file


def machine_directory(run: Path = Path("/run"), environment: Mapping[str, str] = os.environ) -> Path:
    """Where the locks of network namespaces are: nobody may write there who may not make tunnels in them.

    In `/run`, where that is ours: root's, or that of an ordinary user's lab, which has one of its own. Root of a user
    namespace without one has `$XDG_RUNTIME_DIR`: who else is in a network namespace of that user is he, too.

    Raises:
        OSError: there is no `/run`.
        ProvisionError: there is no such place.
    """
    if run.stat().st_uid == os.geteuid():
        return run / _DIRECTORY
    if own := environment.get("XDG_RUNTIME_DIR"):
        return Path(own) / _DIRECTORY
    raise ProvisionError(f"{run} is not ours, and there is no XDG_RUNTIME_DIR", f"be root, or have a tmpfs at {run}")


def _trusted(directory: Path) -> Path:
    """The directory, made if it is not there.

    Raises:
        OSError: it cannot be made.
        ProvisionError: somebody else may write there.
    """
    with contextlib.suppress(FileExistsError):
        directory.mkdir(0o755)
        directory.chmod(0o755)  # whatever the umask
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
        text = f"{directory} is not a directory that only root writes: others could keep this one from its work"
        raise ProvisionError(text, f"see who made it, then: rm -r {directory}")
    return directory


def _holder(path: Path) -> str:
    """Who has the lock, in words, as far as he says."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return f"process {int(said['process'])} (state in {said['state']})"
    except (OSError, ValueError, TypeError, KeyError):
        return "another process"


def _links() -> Iterable[tuple[str, str]]:
    try:
        with IPRoute() as kernel:
            return [(link.get_attr("IFLA_IFNAME"), link.get_attr("IFLA_IFALIAS") or "") for link in kernel.get_links()]
    except (OSError, NetlinkError) as error:
        raise ProvisionError(f"the kernel does not say which interfaces there are: {error}", "be root") from error
