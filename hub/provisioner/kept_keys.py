"""How old the keys of all tunnels are: those of WireGuard, the secrets of IPsec, the hub's certificates.

Only ages leave this module. Of secrets it looks at the file's time alone, and reads nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from hub.control.lines import Message
from hub.control.plain import NotPlainError, from_plain, to_plain
from hub.provisioner.certificate import NoCertificateError, not_after
from hub.provisioner.ipsec.secret_exchange import SecretFiles
from hub.provisioner.keys.store import KeyAge
from hub.provisioner.remembered import Remembered
from hub.provisioner.wanted import Wanted, WantedIpsec
from policies.key_ages import CERTIFICATE, SECRET, WIREGUARD, KeptKey

NOT_MADE = "not made yet: pointsman apply"
OF_NONE = "no tunnel is made with them: pointsman keys forget"
_LARGEST = 65_536
"""Bytes; nobody has a longer certificate."""


class Ages(Protocol):
    """An Ages tells how old WireGuard's keys are."""

    def ages(self) -> Mapping[str, KeyAge]:
        """By tunnel.

        Raises:
            ProvisionError: the directory may not be believed.
        """


Kept = Callable[[Wanted], tuple[KeptKey, ...]]


def may_look(*directories: Path) -> bool:
    """Whether this user may look into all of these; what is not there is no matter."""
    return all(not os.path.lexists(each) or os.access(each, os.R_OK | os.X_OK) for each in directories)


def kept_keys(wanted: Wanted, store: Ages, secrets: Path) -> tuple[KeptKey, ...]:
    """What may be told of the keys of every tunnel that is wanted, and which are of none, in order of name.

    Raises:
        ProvisionError: the directory of WireGuard's keys may not be believed.
    """
    ages = store.ages()
    theirs = {each.tunnel for each in wanted.wireguard}
    found = [KeptKey(tunnel, WIREGUARD, fault=f"{OF_NONE} {tunnel}") for tunnel in ages.keys() - theirs]
    found += [_wireguard(each.tunnel, ages.get(each.tunnel)) for each in wanted.wireguard]
    found += [kept for each in wanted.ipsec for kept in _ipsec(each, secrets)]
    return tuple(sorted(found, key=lambda kept: (kept.tunnel, kept.kind)))


def keys_ask(kept: Kept, remembered: Remembered) -> Callable[[Message], Message]:
    """The answer to `{"ask": "keys"}`: `keys`, those of what the provisioner was told is wanted."""

    def answer(_message: Message) -> Message:
        wanted = remembered.wanted
        return {"keys": [] if wanted is None else kept_report(kept(wanted))}

    return answer


def kept_report(kept: Iterable[KeptKey]) -> list[dict[str, Any]]:
    """The same as plain data."""
    return [to_plain(each) for each in kept]


def kept_of(report: object) -> tuple[KeptKey, ...]:
    """What `kept_report` made plain; nothing, if it is of another version."""
    try:
        return tuple(from_plain(KeptKey, each) for each in report) if isinstance(report, list) else ()
    except NotPlainError:
        return ()


def _wireguard(tunnel: str, age: KeyAge | None) -> KeptKey:
    if age is None:
        return KeptKey(tunnel, WIREGUARD, fault=NOT_MADE)
    return KeptKey(
        tunnel=tunnel,
        kind=WIREGUARD,
        made=age.made,
        preshared=age.preshared,
        branch_made_its_own=age.branch_made_its_own,
        exchanging_since=age.exchanging_since,
        fault=age.fault or "",
    )


def _ipsec(wanted: WantedIpsec, secrets: Path) -> Iterator[KeptKey]:
    if wanted.secret_file is not None:
        yield _secret(wanted.tunnel, wanted.secret_file, secrets)
    if wanted.certificate_file is not None:
        yield _certificate(wanted.tunnel, wanted.certificate_file, secrets)


def _secret(tunnel: str, file: str, secrets: Path) -> KeptKey:
    since = SecretFiles(secrets).since(file)
    try:
        return KeptKey(tunnel, SECRET, made=(secrets / file).stat().st_mtime, file=file, exchanging_since=since)
    except OSError as error:
        return KeptKey(tunnel, SECRET, file=file, fault=_cannot(secrets / file, error))


def _certificate(tunnel: str, file: str, secrets: Path) -> KeptKey:
    path = secrets / file
    try:
        with path.open("rb") as opened:
            text, made = opened.read(_LARGEST), os.fstat(opened.fileno()).st_mtime
        return KeptKey(tunnel, CERTIFICATE, made=made, ends=not_after(text), file=file)
    except OSError as error:
        return KeptKey(tunnel, CERTIFICATE, file=file, fault=_cannot(path, error))
    except NoCertificateError as error:
        return KeptKey(tunnel, CERTIFICATE, file=file, fault=f"{path}: {error}")


def _cannot(path: Path, error: OSError) -> str:
    return f"there is no file {path}" if isinstance(error, FileNotFoundError) else f"{path}: {error.strerror}"
