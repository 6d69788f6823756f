"""What a finished lab is: kept as JSON in its directory, read by every later command."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hub.lab.names import LabError, LabPlace, NotUpError, another_users
from hub.lab.namespaces import existing
from hub.lab.network import Network, from_json, to_json


@dataclass(frozen=True, slots=True)
class Lab:
    """A Lab is a network that has been built: where it is, what it consists of, which configuration its hub runs.

    `userspace_esp`: strongSwan encrypts by itself, because the kernel cannot.
    """

    place: LabPlace
    network: Network
    configuration: Path
    kernel_wireguard: bool
    userspace_esp: bool = True


def write(lab: Lab) -> None:
    """Record that the lab is finished."""
    value = {
        "network": to_json(lab.network),
        "configuration": str(lab.configuration),
        "kernel_wireguard": lab.kernel_wireguard,
        "userspace_esp": lab.userspace_esp,
    }
    replace_text(lab.place.record, json.dumps(value, indent=1))


def load(place: LabPlace) -> Lab:
    """The lab that is up at this place.

    Raises:
        NotUpError: none is, or it was not finished.
    """
    try:
        value = json.loads(place.record.read_text())
        by_kernel, by_charon = value["kernel_wireguard"] is True, value["userspace_esp"] is True
        return Lab(place, from_json(value["network"]), Path(value["configuration"]), by_kernel, by_charon)
    except FileNotFoundError:
        if (whose := another_users(place)) is not None:
            raise NotUpError(whose) from None
        raise NotUpError(
            f'no lab "{place.name}" is up here: build it with "pointsman lab up{_name_option(place)}"'
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotUpError(
            f'{place.record} cannot be read ({error}): take the lab down with "pointsman lab down{_name_option(place)}"'
        ) from error


def check_stands(lab: Lab) -> None:
    """Look whether the lab's namespaces are there: its files outlive them where somebody else has removed those.

    Raises:
        NotUpError: some are gone.
    """
    nodes, there = lab.network.nodes(), existing(lab.place)
    gone = [node for node in nodes if lab.place.namespace(node) not in there]
    if gone:
        raise NotUpError(
            f'of lab "{lab.place.name}" only the files are whole: {len(gone)} of its {len(nodes)} namespaces are gone '
            f"({', '.join(gone[:3])}{', …' if len(gone) > 3 else ''}): "
            f'take it down with "pointsman lab down{_name_option(lab.place)}"'
        )


def _name_option(place: LabPlace) -> str:
    return "" if place.name == "lab" else f" --name {place.name}"


def replace_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new, never half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text)
    part.replace(path)


@contextmanager
def locked(place: LabPlace) -> Iterator[None]:
    """Be the only one who builds, disturbs or removes this lab.

    Raises:
        LabError: somebody else is at it, or the directory of labs is not ours.
    """
    _prepare_home(place.home)
    descriptor = _lock(place)
    try:
        yield
    finally:
        if not place.directory.exists():
            place.lock.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(place: LabPlace) -> int:
    """A descriptor with the lock on it; begun again if the file was removed by its last holder meanwhile."""
    while True:
        descriptor = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except BlockingIOError as error:
            os.close(descriptor)
            raise LabError(
                f'another command is changing the lab "{place.name}" just now: wait for it, or use --name for a second'
            ) from error
        os.close(descriptor)


def _prepare_home(home: Path) -> None:
    home.mkdir(mode=0o755 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    if home.is_symlink() or home.stat().st_uid != os.geteuid():
        raise LabError(f"{home} belongs to somebody else: remove it, or set POINTSMAN_LAB_HOME to a directory of yours")
